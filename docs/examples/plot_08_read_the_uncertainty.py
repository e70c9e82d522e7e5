"""
Read the uncertainty
====================

A map comes with a variance over drawn attributes. When does it say where the map is wrong, and what does a conformal
interval add?
"""

# %%
# A diseased test scan of the simulated lesions. Its true change is known: the lesion's effect with the other sign.

import subprocess
import sys
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import nibabel
import numpy as np
import pandas as pd

import bundle
from bundle.simulation import LesionStudy, simulate_cohort

cohort = simulate_cohort(
    Path(tempfile.gettempdir()) / "icam-examples" / "lesions", LesionStudy(),
    spatial_size=(96, 112), voxel_size=2.0, num_train=8, num_validation=8, num_test=8, num_unseen=4, seed=0,
)  # fmt: skip
subject = pd.read_csv(cohort / "participants.tsv", sep="\t").query("split == 'test' and label == 1").iloc[1]
control, disease, brain = (
    nibabel.load(cohort / subject[key]).get_fdata().squeeze() for key in ("control_image", "disease_image", "brain_mask")
)
scale = 2 / np.percentile(disease[disease > 0], 99.5)  # from scanner units to network intensity
truth = np.clip(control * scale - 1, -1, 1) - np.clip(disease * scale - 1, -1, 1)

# %%
# In one view all draws agree where disease is removed, and the variance says little. With test-time augmentation
# (``mirror_axis=0, shift=2``: the scan and its mirror image, each also shifted by two voxels) the views disagree
# where the network errs.

network = bundle.load("lesions")
explanations = {
    "one view": network.explain(cohort / subject["image"], num_samples=20),
    "ten views": network.explain(cohort / subject["image"], num_samples=20, mirror_axis=0, shift=2),
}
inside = brain > 0
for name, explanation in explanations.items():
    error = np.abs(explanation.fa_mean.get_fdata().squeeze() - truth)[inside]
    deviation = np.sqrt(explanation.fa_variance.get_fdata().squeeze())[inside]
    print(f"{name}: correlation of the standard deviation with the error {np.corrcoef(error, deviation)[0, 1]:.2f}")

# %%
# Error and standard deviation beside each other.

figure, axes = plt.subplots(2, 2, figsize=(6, 7), layout="constrained")
for line, (name, explanation) in zip(axes, explanations.items(), strict=True):
    error = np.abs(explanation.fa_mean.get_fdata().squeeze() - truth)
    deviation = np.sqrt(explanation.fa_variance.get_fdata().squeeze())
    for axis, image, title in ((line[0], error, "absolute error of the mean map"), (line[1], deviation, "standard deviation")):
        drawn = axis.imshow(image.T, cmap="magma", origin="lower", vmin=0)
        axis.set(title=f"{name}: {title}", xticks=[], yticks=[])
        axis.title.set_fontsize(9)
        figure.colorbar(drawn, ax=axis, location="bottom", label="intensity (scan: -1 to 1)")
        for place, side in ((0.03, "L"), (0.97, "R")):
            axis.text(place, 0.5, side, transform=axis.transAxes, color="grey", ha="center")

# %%
# Conformal intervals are calibrated on the validation split, where the true change is known. An evaluation keeps them
# in ``calibration.pt``. (Eight scans are too few to rely on; the default cohort has a hundred.)

output = Path(tempfile.mkdtemp())
configs = str([str(bundle.CONFIGS / name) for name in ("train.yaml", "evaluate.yaml")])
command = [sys.executable, "-m", "monai.bundle", "run", "evaluation", "--config_file", configs]
keys = {
    "checkpoint": bundle.MODELS / "model.pt", "dataset_dir": cohort, "output_dir": output, "num_samples": 20,
    "num_resamples": 100, "uncertainty#attribute_sources": "['prior']", "simulated_cohort#num_train": 8, "simulated_cohort#num_validation": 8,
    "simulated_cohort#num_test": 8, "simulated_cohort#num_unseen": 4,
}  # fmt: skip
for key, value in keys.items():
    command += [f"--{key}", str(value)]
subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
uncertainty = pd.read_csv(output / "eval" / "uncertainty.csv")
shown = ["error_correlation", "normal_changed_90", "calibrated_changed_90", "normal_false_90", "calibrated_false_90"]
print(uncertainty.groupby("direction")[shown].mean().round(3).T.to_string())

# %%
# ``changed``: share of the voxels that change whose true change lies in the interval. ``false``: share of the voxels
# that do not change whose interval excludes 0. Inference with that file gives the two ends of the interval, and its
# picture shows where it excludes 0.

explanation = network.explain(cohort / subject["image"], num_samples=20, calibration=str(output / "eval" / "calibration.pt"))
low, high = (image.get_fdata().squeeze() for image in (explanation.fa_low, explanation.fa_high))
print(f"{np.mean((low > 0) | (high < 0)):.3f} of the voxels have an interval without 0")
figure = explanation.plot()
