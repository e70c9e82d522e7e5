"""What the page of a scan holds: its volumes and pictures, and what the script needs to know of them."""

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from bundle.inference.overview import find_strongest
from bundle.inference.results import Row
from bundle.viewer.colours import list_colours
from bundle.viewer.layers import NETWORK_UNIT, SCAN_UNIT, SPREAD, Layer
from bundle.viewer.planes import draw_thumbnail, find_axes, find_plane
from bundle.viewer.regions import Labels
from bundle.viewer.shown_scan import DRAWS, ShownScan
from bundle.viewer.volumes import DRAW_STEPS, PackedVolume, find_stride, pack_labels, pack_map, pack_scan, pack_steps, thin

THRESHOLD = 0.1  # share of the colour scale below which a map is not drawn at first
BRIGHT = 99.5  # percentile of the foreground that is white
DRAW_HEIGHT = 150  # pixels of the picture of a draw
SHARE = 0.999  # of the voxels of a map, within the magnitude that the page names


class Limits(NamedTuple):
    """Magnitudes at which the colours end, the same for all scans; network intensity.

    Attributes:
        signed: of maps.
        spread: of standard deviations.
    """

    signed: float
    spread: float


class Contents(NamedTuple):
    """What the page of a scan holds.

    Attributes:
        volumes: compressed volumes in base64, by key.
        data: what the script needs.
        thumbnail: small picture of the mean map, a data URI.
        draws: key, title and picture of each draw.
        strongest: magnitude that 99.9 % of the voxels of the mean map, zeros left out, do not exceed; network intensity.
    """

    volumes: dict[str, str]
    data: dict[str, Any]
    thumbnail: str
    draws: list[tuple[str, str, str]]
    strongest: float


def make_contents(row: Row, shown: ShownScan, limits: Limits, labels: Labels | None = None) -> Contents:
    """Return what the page of a scan holds.

    Args:
        row: row of the scan.
        shown: the scan with its images.
        limits: where the colours end.
        labels: regions of the scan; None where they are not known.
    """
    mean, draws = shown.layers[0].values, _name_draws(shown)
    ends = {"limit": limits.signed, "threshold": THRESHOLD * limits.signed}
    picture: dict[str, Any] = {"scan": shown.scan, "affine": shown.affine, **ends}
    volumes = {"scan": pack_scan(shown.scan, shown.affine)}
    volumes |= {layer.key: _pack(layer, shown.affine, limits) for layer in shown.layers} | _pack_series(shown, limits)
    pictures = [
        (key, title, draw_thumbnail(values=shown.draws[..., place], guide=mean, height=DRAW_HEIGHT, **picture))
        for place, (key, title) in enumerate(draws.items())
    ]
    return Contents(
        {key: volume.text for key, volume in volumes.items()}
        | ({"labels": pack_labels(labels.values, shown.affine)} if labels else {}),
        _describe_scan(row, shown, volumes, limits) | {"regions": labels.names if labels else []},
        draw_thumbnail(values=mean, **picture),
        pictures,
        float(np.quantile(np.abs(mean[mean != 0]), SHARE)) if mean.any() else 0.0,
    )


def name_rating(row: Mapping[str, str]) -> str:
    """Return under which name the browser keeps the rating of a scan of a run."""
    return json.dumps([row["scan"], row["name"]], ensure_ascii=False)


def _name_draws(shown: ShownScan) -> dict[str, str]:
    """Return key and title of each draw."""
    return {f"{DRAWS}_{place}": f"Draw {place + 1}" for place in range(shown.draws.shape[3])}


def _pack_series(shown: ShownScan, limits: Limits) -> dict[str, PackedVolume]:
    """Pack draws and walks, of large scans in coarser voxels."""
    stride = find_stride(shown.scan.shape)
    draws, affine = thin(shown.draws, shown.affine, stride)
    packed = {key: pack_map(draws[..., place], affine, limits.signed, DRAW_STEPS) for place, key in enumerate(_name_draws(shown))}
    for walk in shown.walks:
        steps = pack_steps(*thin(walk.images, shown.affine, stride))
        packed |= {f"{walk.key}_{place}": volume for place, volume in enumerate(steps)}
    return packed


def _describe_scan(row: Row, shown: ShownScan, volumes: Mapping[str, PackedVolume], limits: Limits) -> dict[str, Any]:
    """Return what the script needs."""
    stride, text = find_stride(shown.scan.shape), shown.layers[0].text
    layers = [
        {
            "key": layer.key,
            "title": layer.title,
            "kind": layer.kind,
            "unit": layer.unit,
            "text": layer.text,
            "step": volumes[layer.key].step,
            "limit": _end(layer, limits),
            "threshold": THRESHOLD if layer.kind == "signed" else 0,
        }
        for layer in shown.layers
    ]
    every = {"limit": limits.signed, "stride": stride}
    draws = {"kind": "signed", "unit": NETWORK_UNIT, "text": text, "threshold": THRESHOLD, **every}
    walks = {"kind": "grey", "unit": SCAN_UNIT, "threshold": 0, **every}
    return {
        "key": name_rating(row),
        "shape": shown.scan.shape,
        "affine": shown.affine[:3].tolist(),
        "axes": find_axes(shown.affine),
        "start": find_strongest(shown.layers[0].values),
        "plane": find_plane(shown.scan.shape, shown.affine),
        "window": _find_window(shown.scan),
        "scanStep": volumes["scan"].step,
        "layers": layers,
        "draws": [{"key": key, "title": name, "step": volumes[key].step, **draws} for key, name in _name_draws(shown).items()],
        "walks": [
            {"key": walk.key, "title": walk.title, "texts": walk.texts, "step": volumes[f"{walk.key}_0"].step, **walks}
            for walk in shown.walks
        ],
        "colours": list_colours(),
    }


def _pack(layer: Layer, affine: np.ndarray, limits: Limits) -> PackedVolume:
    return pack_scan(layer.values, affine) if layer.kind == "grey" else pack_map(layer.values, affine, _end(layer, limits))


def _end(layer: Layer, limits: Limits) -> float:
    """Return where the colours of a layer end."""
    return layer.limit or (limits.spread if layer.key == SPREAD else limits.signed)


def _find_window(scan: np.ndarray) -> list[float]:
    """Return the intensities that are black and white."""
    low = min(float(scan.min()), 0.0)
    return [low, float(np.percentile(scan[scan > low], BRIGHT)) if (scan > low).any() else low + 1.0]
