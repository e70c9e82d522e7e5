"""
Whole heads
===========

A scan as the scanner gave it, skull included: ``prepare=True`` extracts the brain, corrects the bias field, and
registers to MNI152. Maps lie on the raw scan's own grid.
"""

# %%
# A whole head at 2 mm, an average that comes with the package nimare, as it lies there.

import importlib.util
from pathlib import Path

import matplotlib.pyplot as plt
import nibabel
import numpy as np

import bundle

if (found := importlib.util.find_spec("nimare")) is None:
    raise SystemExit("this example needs the template of nimare: pip install --no-deps nimare")
package = Path(found.origin).parent
head = nibabel.load(package / "resources" / "templates" / "tpl-MNI152NLin6Asym_res-02_T1w.nii.gz")
print(head.shape, "voxels of", head.header.get_zooms()[:3], "mm")

# %%
# Explain it with the network of simulated conversion. It has seen simulated brains only, so its class says nothing of
# use here.

network = bundle.load("conversion", device="cpu")
explanation = network.explain(head, num_samples=3, prepare=True)
print(explanation)
print("the map has the head's shape:", explanation.fa_mean.shape == head.shape)

# %%
# The map over the head. Outside the brain it is 0.

image, mean = head.get_fdata(), explanation.fa_mean.get_fdata()
point = [size // 2 for size in image.shape]
limit = np.percentile(np.abs(mean), 99.8)
figure, axes = plt.subplots(1, 3, figsize=(10, 4), layout="constrained")
for axis, plane, title in zip(axes, range(3), ("sagittal (front right)", "coronal", "axial"), strict=True):
    axis.imshow(np.take(image, point[plane], plane).T, cmap="gray", origin="lower")
    values = np.take(mean, point[plane], plane).T
    drawn = axis.imshow(
        np.ma.masked_inside(values, -0.1 * limit, 0.1 * limit), cmap="RdBu_r", vmin=-limit, vmax=limit, origin="lower"
    )
    axis.set(title=title, xticks=[], yticks=[])
    if plane:
        for place, side in ((0.03, "L"), (0.97, "R")):
            axis.text(place, 0.5, side, transform=axis.transAxes, color="white", ha="center")
figure.colorbar(drawn, ax=axes, shrink=0.7, label="FA map (network intensity)")
