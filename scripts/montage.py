"""Pictures for the documentation: a montage of a simulated cohort, or maps of an inference."""

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import nibabel
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from PIL import Image

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


def stack_overviews(maps_dir: str | Path, num_scans: int) -> Image.Image:
    """Put the pictures that inference drew of the first scans of a folder under each other.

    Args:
        maps_dir: output folder of an inference.
        num_scans: number of pictures.

    Returns:
        The picture.
    """
    pictures = [Image.open(path).convert("RGB") for path in sorted(Path(maps_dir).glob("*_overview.png"))[:num_scans]]
    stack = Image.new("RGB", (max(each.width for each in pictures), sum(each.height for each in pictures)), "white")
    for index, picture in enumerate(pictures):
        stack.paste(picture, (0, sum(each.height for each in pictures[:index])))
    return stack


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", help="a simulated cohort, or with --maps the output of an inference")
    parser.add_argument("figure", help="file to write, for example docs/images/cohort.png")
    parser.add_argument("--number", type=int, default=8, help="how many subjects or scans")
    parser.add_argument("--maps", action="store_true", help="show maps of an inference")
    arguments = parser.parse_args()
    if arguments.maps:
        stack_overviews(arguments.folder, arguments.number).save(arguments.figure, optimize=True)
    else:
        draw_montage(arguments.folder, arguments.number).savefig(arguments.figure, dpi=110)
