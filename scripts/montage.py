"""Pictures for the documentation: a simulated cohort, its pairs and disease maps, maps of an inference, scans of a report."""

import argparse
import base64
import html
import io
import re
import textwrap
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import nibabel
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from PIL import Image

from bundle.colours import SIGNED, SPREAD
from bundle.files import MANIFEST
from bundle.inference.overview import COLOUR_LIMIT
from bundle.report.images import SPREAD_LIMIT

ROWS = {"control_image": "control", "disease_image": "disease", "effect": "effect of all parcels"}
CROSSING = (-24.0, -24.0, 14.0)  # world coordinates in mm where the planes of a volume cross: ventricle, hippocampus below it
PLANES = ("sagittal", "coronal", "axial")
LARGEST_CHANGE = 0.3  # of the brightest tissue, the end of the colour scale of disease maps


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
    figure, axes = plt.subplots(len(ROWS), len(shown), figsize=(1.6 * len(shown), 5.4), squeeze=False, layout="constrained")
    for column, (_, row) in enumerate(shown.iterrows()):
        images = {name: _read_slice(dataset_dir / row[name]) for name in ROWS}
        brightest = float(np.percentile(images["control_image"], 99.5))
        for axis, (name, title) in zip(axes[:, column], ROWS.items(), strict=True):
            drawn = axis.imshow(images[name].T / brightest, cmap="gray", origin="lower", vmin=0, vmax=1)
            axis.set_ylabel(title if column == 0 else "", fontsize=8)
            _mark_sides(axis)
        axes[0, column].set_title(f"{row['anatomy']}\n{row['parcels']}", fontsize=6)
    bar = figure.colorbar(drawn, ax=axes, shrink=0.5, fraction=0.02)
    bar.set_label("intensity (99.5th percentile of the scan: 1)", fontsize=7)
    bar.ax.tick_params(labelsize=7)
    return figure


def _mark_sides(axis: Axes, sides: str = "LR") -> None:
    """Mark the subject's left and right, or another pair of sides, and leave out ticks."""
    axis.set(xticks=[], yticks=[])
    for place, side in zip((0.04, 0.96), sides, strict=True):
        axis.text(place, 0.5, side, transform=axis.transAxes, ha="center", va="center", color="grey", fontsize=6)


def _read_slice(path: Path) -> np.ndarray:
    """Read an image and take its middle axial slice, shape (H, W)."""
    voxels = nibabel.nifti1.load(path).get_fdata()
    return voxels[..., voxels.shape[-1] // 2]


def draw_pairs(dataset_dir: str | Path, num_participants: int = 4) -> Figure:
    """Draw scans of a cohort in three planes, the later scan of the same participant if there is one, and the disease map.

    Args:
        dataset_dir: Folder of a cohort with `manifest.tsv` whose validation or test scans have disease maps.
        num_participants: Number of rows, one participant per anatomy in turn; mirrored anatomies are left out.

    Returns:
        The figure.
    """
    dataset_dir = Path(dataset_dir)
    table = pd.read_csv(dataset_dir / MANIFEST, sep="\t").dropna(subset="disease_map")
    first = table[~table["anatomy"].str.endswith("-mirrored")].drop_duplicates("participant_id")
    turn = first.groupby("anatomy").cumcount()
    shown = first.assign(turn=turn).sort_values(["turn", "anatomy"]).head(num_participants)
    paired = table["pair"].notna().any()
    titles = ["first", "later", "change"] if paired else ["scan", "change"]
    size = (1.35 * 3 * len(titles), 0.5 + 1.5 * len(shown))
    figure, axes = plt.subplots(len(shown), 3 * len(titles), figsize=size, squeeze=False, layout="constrained")
    for line, (_, row) in zip(axes, shown.iterrows(), strict=True):
        scans = table[table["participant_id"] == row["participant_id"]]
        drawn = _draw_participant(line, dataset_dir, scans, titles)
        line[0].set_ylabel(_describe(scans), fontsize=6)
    bar = figure.colorbar(drawn, ax=axes, location="bottom", shrink=0.3, aspect=40)
    bar.set_label("change (99.5th percentile of the scan: 1)", fontsize=7)
    bar.ax.tick_params(labelsize=7)
    return figure


def _draw_participant(axes: np.ndarray, dataset_dir: Path, scans: pd.DataFrame, titles: list[str]) -> Any:
    """Draw the scans of one participant and their change, in three planes each; return the last picture."""
    images = [_read_planes(dataset_dir / path) for path in scans["image"]]
    change = _read_planes(dataset_dir / scans["disease_map"].iloc[0])
    brightest = float(np.percentile(np.concatenate([plane.ravel() for plane in images[0]]), 99.5))
    for plane, name in enumerate(PLANES):
        for index, title in enumerate(titles):
            axis: Axes = axes[index * 3 + plane]
            if index < len(images):
                axis.imshow(images[index][plane].T, cmap="gray", origin="lower", vmin=0, vmax=brightest)
            else:
                style = {"cmap": SIGNED, "vmin": -LARGEST_CHANGE, "vmax": LARGEST_CHANGE}
                drawn = axis.imshow(change[plane].T / brightest, origin="lower", **style)
            _mark_sides(axis, "PA" if name == "sagittal" else "LR")
            axis.set_title(f"{title}, {name}", fontsize=6)
    return drawn


def _describe(scans: pd.DataFrame) -> str:
    """Name anatomy, and diagnoses or ages."""
    first, last = scans.iloc[0], scans.iloc[-1]
    if "target_age" in scans:
        low, high = sorted([first["age"], first["target_age"]])
        return f"{first['anatomy']}\nscan at {first['age']:g}, {low:g} to {high:g} years"
    return f"{first['anatomy']}\n{first['diagnosis']} to {last['diagnosis']}"


def _read_planes(path: Path) -> list[np.ndarray]:
    """Read the three planes of a volume through `CROSSING`."""
    image = nibabel.nifti1.load(path)
    voxels = image.get_fdata()
    centre = np.linalg.solve(image.affine, [*CROSSING, 1])[:3].round().astype(int)
    return [voxels.take(index, axis=axis) for axis, index in enumerate(centre)]


def stack_overviews(maps_dir: str | Path, num_scans: int) -> Image.Image:
    """Put the pictures that inference drew of the first scans of a folder under each other.

    Args:
        maps_dir: output folder of an inference.
        num_scans: number of pictures.

    Returns:
        The picture.
    """
    return _stack([Image.open(path).convert("RGB") for path in sorted(Path(maps_dir).glob("*_overview.png"))[:num_scans]])


def draw_panels(page: str | Path, num_scans: int) -> Figure:
    """Draw the first rows of pictures of a report under each other, with their titles, captions and colours.

    Args:
        page: `index.html` of a report.
        num_scans: number of rows.

    Returns:
        The figure.
    """
    rows = [_read_row(row) for row in Path(page).read_text().split('<figure class="row">')[1 : num_scans + 1]]
    columns = max(len(tiles) for _, tiles in rows)
    heights = [tiles[0][0].height / tiles[0][0].width * 1.5 + 0.9 for _, tiles in rows]  # inches
    figure = plt.figure(figsize=(1.5 * columns, sum(heights) + 0.6), layout="constrained")
    parts = figure.subfigures(len(rows) + 1, 1, height_ratios=[*heights, 0.6])
    for part, (title, tiles) in zip(parts, rows, strict=False):
        part.suptitle(textwrap.fill(title, 21 * columns), fontsize=7)
        for axis, tile in zip(np.atleast_1d(part.subplots(1, columns)), tiles + [None] * (columns - len(tiles)), strict=True):
            axis.set_axis_off()
            if tile:
                axis.imshow(tile[0])
                axis.set_title(textwrap.fill(tile[1], 22), fontsize=6)
    styles = (SIGNED, -COLOUR_LIMIT, COLOUR_LIMIT, "maps and true changes"), (SPREAD, 0, SPREAD_LIMIT, "standard deviations")
    for axis, (colours, low, high, name) in zip(parts[-1].subplots(1, 2), styles, strict=True):
        scale = ScalarMappable(Normalize(low, high), colours)
        bar = figure.colorbar(scale, cax=axis, orientation="horizontal")
        bar.set_label(f"{name}, network intensity", fontsize=7)
        axis.tick_params(labelsize=6)
    return figure


def _read_row(row: str) -> tuple[str, list[tuple[Image.Image, str]]]:
    """Return the title of a row of a page, and its pictures with their captions."""
    title = row.partition("<figcaption>")[2].partition("</figcaption>")[0]
    found = re.findall(r"data:image/png;base64,([^\"]+)\"[^>]*><figcaption>([^<]*)", row)
    pictures = [Image.open(io.BytesIO(base64.b64decode(encoded))).convert("RGB") for encoded, _ in found]
    return html.unescape(title), list(zip(pictures, [html.unescape(caption) for _, caption in found], strict=True))


def draw_comparison(page: str | Path, num_scans: int, columns: int = 8) -> Figure:
    """Draw the maps of all methods for the first scans of a benchmark, with their names.

    Args:
        page: `index.html` of a benchmark.
        num_scans: number of scans.
        columns: pictures beside each other.

    Returns:
        The figure.
    """
    found = [_read_row(row)[1] for row in Path(page).read_text().split('<figure class="row">')[1 : num_scans + 1]]
    tiles = [tile for scan in found for tile in scan + [None] * (-len(scan) % columns)]
    figure, axes = plt.subplots(-(-len(tiles) // columns), columns, figsize=(1.35 * columns, 1.9 * len(tiles) / columns))
    for axis, tile in zip(axes.flat, tiles, strict=True):
        axis.set_axis_off()
        if tile:
            axis.imshow(tile[0])
            axis.set_title(textwrap.fill(tile[1], 24), fontsize=6)
    figure.tight_layout(pad=0.3)
    return figure


def _stack(pictures: list[Image.Image]) -> Image.Image:
    """Put pictures under each other, left-aligned on white."""
    stack = Image.new("RGB", (max(each.width for each in pictures), sum(each.height for each in pictures)), "white")
    for index, picture in enumerate(pictures):
        stack.paste(picture, (0, sum(each.height for each in pictures[:index])))
    return stack


def save(figure: Figure, path: str | Path, dpi: int = 100) -> None:
    """Save a figure as PNG with 256 colours, which a montage of grey scans needs no more than.

    Args:
        figure: What to save.
        path: File to write.
        dpi: Pixels per inch.
    """
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=dpi)
    Image.open(buffer).convert("RGB").quantize(256).save(path, optimize=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", help="a simulated cohort, with --maps the output of an inference, or index.html of a report")
    parser.add_argument("figure", help="file to write, for example docs/images/cohort.png")
    parser.add_argument("--number", type=int, default=8, help="how many subjects or scans")
    parser.add_argument("--comparison", action="store_true", help="index.html is that of a benchmark")
    parser.add_argument("--maps", action="store_true", help="show maps of an inference")
    arguments = parser.parse_args()
    if arguments.comparison:
        save(draw_comparison(arguments.folder, arguments.number), arguments.figure)
    elif arguments.maps:  # with all colours: a palette breaks the bars
        stack_overviews(arguments.folder, arguments.number).save(arguments.figure, optimize=True)
    elif arguments.folder.endswith(".html"):
        draw_panels(arguments.folder, arguments.number).savefig(arguments.figure, dpi=100, pil_kwargs={"optimize": True})
    else:
        draw = draw_pairs if (Path(arguments.folder) / MANIFEST).is_file() else draw_montage
        save(draw(arguments.folder, arguments.number), arguments.figure)
