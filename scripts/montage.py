"""Draw a montage of a simulated cohort: rows control, disease, effect; columns subjects."""

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import nibabel
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

ROWS = {"control_image": "control", "disease_image": "disease", "effect": "effect of all parcels"}


def draw_montage(dataset_dir: str | Path, num_subjects: int = 8) -> Figure:
    """Draw the states of some subjects of a cohort, one subject per anatomy in turn.

    Args:
        dataset_dir: Folder of a simulated cohort.
        num_subjects: Number of columns.

    Returns:
        The figure.
    """
    dataset_dir = Path(dataset_dir)
    table = pd.read_csv(dataset_dir / "participants.tsv", sep="\t")
    turn = table.groupby("anatomy").cumcount()
    shown = table.assign(turn=turn).sort_values(["turn", "anatomy"]).head(num_subjects)
    figure, axes = plt.subplots(len(ROWS), len(shown), figsize=(1.6 * len(shown), 6), squeeze=False)
    for column, (_, row) in enumerate(shown.iterrows()):
        images = {name: _read_slice(dataset_dir / row[name]) for name in ROWS}
        brightest = float(np.percentile(images["control_image"], 99.5))
        for axis, (name, title) in zip(axes[:, column], ROWS.items(), strict=True):
            axis.imshow(images[name].T, cmap="gray", origin="lower", vmin=0, vmax=brightest)
            axis.set(xticks=[], yticks=[])
            axis.set_ylabel(title if column == 0 else "", fontsize=8)
        axes[0, column].set_title(f"{row['anatomy']}\n{row['parcels']}", fontsize=6)
    figure.tight_layout(pad=0.3)
    return figure


def _read_slice(path: Path) -> np.ndarray:
    """Read an image and take its middle axial slice, shape (H, W)."""
    voxels = nibabel.nifti1.load(path).get_fdata()
    return voxels[..., voxels.shape[-1] // 2]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("dataset_dir")
    parser.add_argument("figure", help="file to write, for example docs/images/cohort.png")
    parser.add_argument("--num-subjects", type=int, default=8)
    arguments = parser.parse_args()
    draw_montage(arguments.dataset_dir, arguments.num_subjects).savefig(arguments.figure, dpi=110)
