"""
Explain one scan
================

To which class does a scan belong, and which change would turn it into a scan of the other class?
"""

# %%
# A few subjects of the simulated lesions, whose true change is known. They lie in a folder of the system's temporary
# files, which the other examples use too.

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
table = pd.read_csv(cohort / "participants.tsv", sep="\t")
subject = table.query("split == 'test' and label == 1").iloc[0]
scan = cohort / subject["image"]
print(subject[["participant_id", "label", "anatomy", "parcels"]])

# %%
# Load a shipped network, and explain the scan. A path, a nibabel image, or an array with its affine will do.

network = bundle.load("lesions")
explanation = network.explain(scan, num_samples=20)
print(explanation)
print("probabilities:", explanation.probabilities)

# %%
# Scan, translated scan, mean and variance of the FA map. Blue: darker after translation. The lesions, as bright as
# fluid, are gone in the translated scan.

figure = explanation.plot()

# %%
# All images are nibabel images on the scan's own grid, so they can be compared with whatever else lies there, such as
# the lesion mask. The unit of the map is network intensity, where the range of a scan is 2.

mean = explanation.fa_mean.get_fdata().squeeze()
mask = nibabel.load(cohort / subject["mask"]).get_fdata().squeeze()
print("shape and affine are the scan's:", np.allclose(explanation.fa_mean.affine, explanation.scan.affine))
print(f"mean map in lesions {mean[mask > 0].mean():.2f}, elsewhere {mean[mask == 0].mean():.3f}")

figure, axes = plt.subplots(1, 2, figsize=(6, 3.6), layout="constrained")
limit = np.abs(mean).max()
for axis, image, title, style in (
    (axes[0], mask, "true lesions", {"cmap": "gray"}),
    (axes[1], mean, "FA map, mean", {"cmap": "RdBu_r", "vmin": -limit, "vmax": limit}),
):
    drawn = axis.imshow(image.T, origin="lower", **style)
    axis.set(title=title, xticks=[], yticks=[])
    for place, side in ((0.03, "L"), (0.97, "R")):
        axis.text(place, 0.5, side, transform=axis.transAxes, color="grey", ha="center")
figure.colorbar(drawn, ax=axes[1], location="bottom", label="intensity (scan: -1 to 1)")

# %%
# The files of an explanation, with the names that inference gives them:

with tempfile.TemporaryDirectory() as folder:
    for path in explanation.save(folder):
        print(path.name)
