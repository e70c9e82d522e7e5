"""Pictures for quality control of prepared scans."""

from pathlib import Path

import numpy as np
import pandas as pd
from jinja2 import Environment, FileSystemLoader
from matplotlib.figure import Figure

from bundle.files import write_atomically
from bundle.preprocessing.pipeline import PreparedScan
from bundle.preprocessing.template import resample_template

POINT = (-10.0, -20.0, 15.0)  # mm, MNI space: the three planes go through it
OVERVIEW = "overview.html"


def save_picture(prepared: PreparedScan, path: Path) -> None:
    """Draw three slices with the border of the brain mask (red) and of the template's brain (blue), as PNG."""
    template = resample_template(prepared.image.shape, float(prepared.affine[0, 0]), tuple(prepared.affine[:3, 3].tolist()))
    voxel = np.round((np.array(POINT) - prepared.affine[:3, 3]) / np.diag(prepared.affine)[:3]).astype(int)
    highest = np.percentile(prepared.image[prepared.brain_mask > 0], 99.5) if prepared.brain_mask.any() else 1.0
    figure = Figure(figsize=(7.2, 2.6), layout="constrained", facecolor="black")
    for axis, axes in enumerate(figure.subplots(1, 3)):
        volumes = (prepared.image, prepared.brain_mask, (template > 0).astype(np.uint8))
        image, mask, outline = (np.take(volume, voxel[axis], axis).T for volume in volumes)
        axes.imshow(image, origin="lower", cmap="gray", vmin=min(0.0, float(image.min())), vmax=highest)
        for border, colour in ((mask, "tab:red"), (outline, "tab:blue")):
            if border.min() < 0.5 < border.max():
                axes.contour(border, [0.5], colors=colour, linewidths=0.6)
        axes.set_axis_off()
    with write_atomically(path) as temporary:
        figure.savefig(temporary, dpi=80)


def write_overview(table: pd.DataFrame, path: Path) -> None:
    """Write a page with the picture and the numbers of every row of `prepared.tsv`, beside it, failed ones first."""
    environment = Environment(loader=FileSystemLoader(Path(__file__).parent), autoescape=True)
    rows = table.sort_values("status", key=lambda status: status != "failed", kind="stable").to_dict("records")
    rows = [{key: None if pd.isna(value) else value for key, value in row.items()} for row in rows]
    page = environment.get_template(OVERVIEW).render(rows=rows, failed=int((table["status"] == "failed").sum()))
    with write_atomically(path) as temporary:
        temporary.write_text(page, encoding="utf-8")
