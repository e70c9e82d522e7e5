"""
Volumes, and a scan at another age
==================================

The network of simulated ageing takes whole volumes, and regresses the age as well as the class (45-60 or 70-80
years). With ``target_value`` a scan is translated to a wanted age.
"""

# %%
# The brain that comes with the package, a volume. The network has seen simulated ageing only: what it says of a real
# brain is no finding.

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import bundle

scan = Path(bundle.__file__).parent / "simulation" / "colin27" / "ch2bet.nii.gz"
network = bundle.load("ageing")

# %%
# Two translations of the same scan, to two ages. The scan is translated until the network regresses the wanted age
# from its attribute; what the network then reads from the translated scan, ``translated_age``, falls short of it.

explanations = {age: network.explain(scan, num_samples=3, target_value=age) for age in (50.0, 80.0)}
for age, explanation in explanations.items():
    predicted, reached = explanation.predicted_age, explanation.translated_age
    print(f"predicted age {predicted:.1f}, translated to {age:.0f}, read back {reached:.1f} years")

# %%
# The maps towards the two ages. Red: brighter after translation. Around the ventricles, fluid (dark) and tissue
# (bright) change places.

image = explanations[50.0].scan.get_fdata()
slices = {age: explanation.fa_value.get_fdata()[..., image.shape[2] // 2] for age, explanation in explanations.items()}
limit = np.percentile(np.abs(np.stack(list(slices.values()))), 99.5)
figure, axes = plt.subplots(1, 3, figsize=(9, 4), layout="constrained")
axes[0].imshow(image[..., image.shape[2] // 2].T, cmap="gray", origin="lower")
axes[0].set_title("scan")
for axis, (age, plane) in zip(axes[1:], slices.items(), strict=True):
    drawn = axis.imshow(plane.T, cmap="RdBu_r", vmin=-limit, vmax=limit, origin="lower")
    axis.set_title(f"FA map towards {age:.0f} years")
for axis in axes:
    axis.set(xticks=[], yticks=[])
    for place, side in ((0.03, "L"), (0.97, "R")):
        axis.text(place, 0.5, side, transform=axis.transAxes, color="grey", ha="center")
figure.colorbar(drawn, ax=axes[1:], shrink=0.7, label="intensity (scan: -1 to 1)")

# %%
# Class maps work as for slices.

figure = explanations[80.0].plot()

# %%
# To train such a network: ``configs/volumes.yaml`` and ``configs/ageing.yaml`` after ``configs/train.yaml``, or the
# overlay of a cohort with a column ``age`` and ``--regression True``.
