"""Colours of maps."""

from collections.abc import Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.colors import LinearSegmentedColormap

from bundle import colours

SIGNED = {  # names of the colours above and below zero, and their stops from zero outwards; told apart without red or green cones
    "red and blue": ((colours.HIGH, colours.POSITIVE), (colours.LOW, colours.NEGATIVE)),
    "orange and purple": (("orange", ["#5a3000", "#c86a00", "#ffc04d"]), ("purple", ["#2d004b", "#7a4fc0", "#c9a6ff"])),
}
SPREAD = (colours.SPREAD, "cividis", "viridis")
MASKS = {"green": "#3fc495", "yellow": "#ffd84d"}
STOPS = 9


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
    masks: dict[str, dict[str, Any]] = {name: {"high": name, "positive": _read([colour] * 2)} for name, colour in MASKS.items()}
    grey: dict[str, dict[str, Any]] = {"grey": {"positive": [[0, 0, 0], [255, 255, 255]]}}
    return {"signed": signed, "spread": spread, "mask": masks, "grey": grey}


def colour_signed(values: np.ndarray, limit: float) -> np.ndarray:
    """Return the colours of a signed map in the first scale, shape (..., 3) from 0 to 255."""
    (_, positive), (_, negative) = next(iter(SIGNED.values()))
    share = np.abs(values) / limit
    above, below = (LinearSegmentedColormap.from_list("half", stops)(share)[..., :3] for stops in (positive, negative))
    return 255 * np.where(values[..., None] >= 0, above, below)


def _read(stops: Sequence[str]) -> list[list[int]]:
    return [[int(stop[place : place + 2], 16) for place in (1, 3, 5)] for stop in stops]
