"""
Compare methods
===============

How near to the true change do maps of several methods come? Here: ICAM's translation, three post-hoc methods on its
own classifier, and a map without learning, on the diseased test scans of a small simulated cohort. The command
``benchmark`` does this for all methods, with trainings and several seeds.
"""

# %%
# The scans, as the network takes them, and their lesion masks.

import tempfile
from pathlib import Path

import captum.attr
import matplotlib.pyplot as plt
import nibabel
import numpy as np
import pandas as pd
import torch

import bundle
from bundle.baselines import AttributeClassifier, GuidedBackprop, Occlusion, PostHoc
from bundle.metrics import compute_ncc
from bundle.simulation import LesionStudy, simulate_cohort

cohort = simulate_cohort(
    Path(tempfile.gettempdir()) / "icam-examples" / "lesions", LesionStudy(),
    spatial_size=(96, 112), voxel_size=2.0, num_train=8, num_validation=8, num_test=8, num_unseen=4, seed=0,
)  # fmt: skip
diseased = pd.read_csv(cohort / "participants.tsv", sep="\t").query("split == 'test' and label == 1")
trained = bundle.load("lesions", device="cpu")
explanations = [trained.explain(cohort / path, num_samples=20) for path in diseased["image"]]
images = torch.stack([torch.as_tensor(np.asarray(explanation.item["image"])) for explanation in explanations])
masks = np.stack([nibabel.load(cohort / path).get_fdata().squeeze() for path in diseased["mask"]])
truth = torch.as_tensor(masks, dtype=torch.float32).unsqueeze(1)
print(tuple(images.shape), tuple(truth.shape))

# %%
# Post-hoc methods explain the classifier on ICAM's attribute: what speaks for the disease?

classifier = AttributeClassifier(trained.network)
target = torch.ones(len(images), dtype=torch.long)
maps = {
    "ICAM, sampled": torch.stack([torch.as_tensor(e.fa_mean.get_fdata(dtype=np.float32).squeeze()[None]) for e in explanations])
}
integrated = PostHoc(captum.attr.IntegratedGradients, classifier, baselines=-1.0, n_steps=20)
maps["guided backprop"] = PostHoc(GuidedBackprop, classifier).attribute(images, target)
maps["integrated gradients"] = integrated.attribute(images, target)
maps["occlusion"] = PostHoc(Occlusion, classifier, window=8, stride=4).attribute(images, target)
maps["image (floor)"] = images + 1

# %%
# NCC is the correlation of \|map\| and \|truth\| over the voxels of each scan.

scores = pd.DataFrame({name: compute_ncc(each, truth).numpy() for name, each in maps.items()})
print(scores.agg(["mean", "std"]).T.round(3).to_string())

figure, axis = plt.subplots(figsize=(6, 3), layout="constrained")
axis.boxplot(scores.to_numpy(), orientation="horizontal", tick_labels=list(scores))
axis.set(title=f"{len(scores)} diseased test scans", xlabel="NCC(-) with the lesion mask (dimensionless)", xlim=(-0.1, 1))
axis.invert_yaxis()
axis.grid(axis="x", alpha=0.3)

# %%
# The maps of one scan, each on a scale of its own, as methods have different units.

figure, axes = plt.subplots(1, len(maps) + 1, figsize=(2 * len(maps) + 2, 3), layout="constrained")
axes[0].imshow(images[0, 0].T, cmap="gray", origin="lower")
axes[0].contour(masks[0].T, levels=[0.5], colors="orange", linewidths=1)
axes[0].set_title("scan, true lesions", fontsize=9)
for axis, (name, each) in zip(axes[1:], maps.items(), strict=True):
    limit = float(each[0].abs().max())
    axis.imshow(each[0, 0].T, cmap="RdBu_r", vmin=-limit, vmax=limit, origin="lower")
    axis.set_title(name, fontsize=9)
for axis in axes:
    axis.set(xticks=[], yticks=[])
    for place, side in ((0.05, "L"), (0.95, "R")):
        axis.text(place, 0.5, side, transform=axis.transAxes, color="grey", ha="center", fontsize=8)

# %%
# All methods of the paper, with trainings, seeds and intervals:
#
# .. code-block:: bash
#
#    python -m monai.bundle run benchmark --config_file configs/benchmark.yaml
