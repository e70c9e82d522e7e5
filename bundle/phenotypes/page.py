"""The page of phenotypes."""

import base64
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from scipy.ndimage import uniform_filter

from bundle.colours import OVER_SCAN
from bundle.data.geometry import VERTICAL
from bundle.files import write_atomically
from bundle.templates import make_environment

FOLDER = Path(__file__).parent
SHARE = 0.999  # quantile of the magnitudes of all maps at which the colours end
FAINT = 0.1  # share of the colour scale below which the scan is shown instead of the map


class Panel(NamedTuple):
    """Pictures of a mode or a cluster.

    Attributes:
        kind: "mode" or "cluster".
        number: from 1.
        share: of the variance, or of the class.
        maps: title and map of each picture, network intensity, shape (H, W[, D]).
    """

    kind: str
    number: int
    share: float
    maps: list[tuple[str, np.ndarray]]


def write_page(
    path: Path, panels: Sequence[Panel], scan: np.ndarray, affine: np.ndarray, table: pd.DataFrame, about: Mapping[str, Any]
) -> None:
    """Write the page, which holds its pictures.

    All pictures share one colour scale. Of volumes the axial slice is shown in which the maps of a panel differ, or are, most.

    Args:
        path: name ending in `.html`.
        panels: the pictures.
        scan: scan on whose content maps are drawn, on the same grid, intensities in [-1, 1].
        affine: voxel to world matrix of the grid in mm (RAS), shape (4, 4).
        table: places of scans.
        about: `name` of the class, name of the `content` scan, number of `draws`, `spread` of the modes, and `cautions`.
    """
    limit = float(np.quantile(np.abs([image for panel in panels for _, image in panel.maps]), SHARE)) or 1.0
    drawn = [(panel, *_draw(panel, scan, affine, limit)) for panel in panels]
    modes = [name for name in table if name.startswith("mode_")]
    template = make_environment(FOLDER).get_template("page.html")
    predicted = "predicted_name" if "predicted_name" in table else "predicted_class"
    content = template.render(predicted=predicted, drawn=drawn, limit=limit, share=SHARE, table=table, modes=modes, **about)
    with write_atomically(path) as temporary:
        temporary.write_text(content, encoding="utf-8")


def _draw(panel: Panel, scan: np.ndarray, affine: np.ndarray, limit: float) -> tuple[str, str]:
    """Return the picture of a panel as a data URI, and its text alternative."""
    images = [image for _, image in panel.maps]
    difference = images[-1] - images[0] if len(images) > 1 else images[0]
    place = int(np.abs(uniform_filter(difference, 3)).max(axis=(0, 1)).argmax()) if scan.ndim == 3 else 0
    height = float(affine[VERTICAL, 2] * place + affine[VERTICAL, 3])
    figure = Figure(figsize=(2.0 * len(images) + 0.9, 2.5), layout="constrained")
    panes = np.atleast_1d(figure.subplots(1, len(images)))
    for axes, (title, image) in zip(panes, panel.maps, strict=True):
        grey, shown = (each[..., place] if each.ndim == 3 else each for each in (scan, image))
        axes.imshow(grey.T, origin="lower", cmap="gray", vmin=-1, vmax=1, interpolation="nearest")
        faint = np.ma.masked_where(np.abs(shown) < FAINT * limit, shown)
        drawn = axes.imshow(faint.T, origin="lower", cmap=OVER_SCAN, vmin=-limit, vmax=limit, interpolation="nearest")
        axes.set_title(title, fontsize=9)
        axes.set_axis_off()
    figure.colorbar(drawn, ax=panes, shrink=0.7, label="change, network intensity")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=135)
    sizes = ", ".join(f"{title}: {image.min():+.2f} to {image.max():+.2f}" for title, image in panel.maps)
    text = f"Axial slice at z = {height:.0f} mm, left on the left. Range of the map in the whole scan, {sizes}."
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode(), text
