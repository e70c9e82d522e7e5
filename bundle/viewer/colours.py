"""Colours of maps, and where they end: at one magnitude for all scans of a run."""

from collections.abc import Iterable, Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.colors import LinearSegmentedColormap

SHARE = 0.999  # of the voxels of all maps that the colours tell apart
EDGES = np.linspace(-7.0, 4.0, 2201)  # decimal logarithms of magnitudes: bins of 1.2 %
SIGNED = {  # names of the colours above and below zero, and their stops from zero outwards; told apart without red or green cones
    "red and blue": (("red", ["#5a1408", "#d0401f", "#ffc98a"]), ("blue", ["#0a2a5c", "#1f6fd0", "#a8dcff"])),
    "orange and purple": (("orange", ["#5a3000", "#e08214", "#fee0b6"]), ("purple", ["#2d004b", "#8073ac", "#d8daeb"])),
}
SPREAD = ("cividis", "viridis", "magma")
STOPS = 9


def count_magnitudes(values: np.ndarray) -> np.ndarray:
    """Return how many voxels of an image have a magnitude in each bin of `EDGES`; zeros are left out."""
    logarithms = np.log10(np.abs(values[values != 0])).clip(EDGES[0], EDGES[-1])
    return np.histogram(logarithms, len(EDGES) - 1, (EDGES[0], EDGES[-1]))[0]  # faster than with edges


def find_limit(counts: Iterable[np.ndarray]) -> float:
    """Return the magnitude that 99.9 % of the voxels of all images do not exceed, rounded up to two digits.

    Args:
        counts: answers of `count_magnitudes`, one an image.

    Returns:
        The magnitude; 1 where all images are 0.
    """
    total = np.sum([*counts, np.zeros(len(EDGES) - 1)], axis=0).cumsum()
    if not total[-1]:
        return 1.0
    quantile = 10.0 ** EDGES[1 + int(np.searchsorted(total, SHARE * total[-1]))]
    power = 10.0 ** (np.floor(np.log10(quantile)) - 1)
    return float(f"{np.ceil(quantile / power - 1e-9) * power:.2g}")


def list_colours() -> dict[str, dict[str, dict[str, Any]]]:
    """Return the colour scales by kind of map and name, each a list of stops, [red, green, blue] from 0 to 255."""
    signed: dict[str, dict[str, Any]] = {
        name: {"high": high, "low": low, "positive": _read(positive), "negative": _read(negative)}
        for name, ((high, positive), (low, negative)) in SIGNED.items()
    }
    spread: dict[str, dict[str, Any]] = {
        name: {"positive": (np.array(matplotlib.colormaps[name](np.linspace(0, 1, STOPS)))[:, :3] * 255).round().tolist()}
        for name in SPREAD
    }
    return {"signed": signed, "spread": spread, "grey": {"grey": {"positive": [[0, 0, 0], [255, 255, 255]]}}}


def colour_signed(values: np.ndarray, limit: float) -> np.ndarray:
    """Return the colours of a signed map in the first scale, shape (..., 3) from 0 to 255."""
    (_, positive), (_, negative) = next(iter(SIGNED.values()))
    share = np.abs(values) / limit
    above, below = (LinearSegmentedColormap.from_list("half", stops)(share)[..., :3] for stops in (positive, negative))
    return 255 * np.where(values[..., None] >= 0, above, below)


def _read(stops: Sequence[str]) -> list[list[int]]:
    return [[int(stop[place : place + 2], 16) for place in (1, 3, 5)] for stop in stops]
