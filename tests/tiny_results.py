"""A folder as inference leaves it, with maps that are known."""

import csv
import json
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import torch
from monai.data import MetaTensor

from bundle.files import write_nifti
from bundle.inference.explained_scans import write_series

AFFINES = {  # voxel to world, of scans of shape (24, 28, 20) and centre 0
    "RAS": [[2, 0, 0, -23], [0, 2, 0, -27], [0, 0, 2, -19]],
    "LPS": [[-2, 0, 0, 23], [0, -2, 0, 27], [0, 0, 2, -19]],
    "oblique": [[1.97, -0.35, 0, -18.2], [0.35, 1.97, 0, -30.6], [0, 0, 2, -19]],
    "ASR": [[0, 0, 2, -23], [2, 0, 0, -27], [0, 2, 0, -19]],  # of shape (28, 20, 24)
}
COLUMNS = ["scan", "name", "status", "reason", "warning", "predicted_class", "probability_0", "probability_1", "target_class",
           "size_and_time", "typicality", "truth", "ncc"]  # fmt: skip
VOLUME, SLICE = (24, 28, 20), (24, 28, 1)


def make_affine(axes: str) -> np.ndarray:
    """Return one of the affines, shape (4, 4)."""
    return np.array([*AFFINES[axes], [0, 0, 0, 1]], dtype=float)


def turn(shape: tuple[int, ...], axes: str) -> tuple[int, ...]:
    """Return the shape of a scan whose voxels run along other axes."""
    return (shape[1], shape[2], shape[0]) if axes == "ASR" else shape


def make_row(name: str, scan: str | Path, **changes: Any) -> dict[str, Any]:
    """Return a row of `predictions.csv`."""
    row = {"scan": str(scan), "name": name, "status": "done", "reason": "", "warning": "", "predicted_class": 1}
    return {**row, "probability_0": 0.25, "probability_1": 0.75, "target_class": 0, "typicality": 0.4, **changes}


def make_map(shape: tuple[int, ...], affine: np.ndarray, size: float = 0.3) -> np.ndarray:
    """Return a map that is positive in the right, negative in the left hemisphere, and 0 outside two balls."""
    places = np.stack(np.indices(shape), axis=-1) @ affine[:3, :3].T + affine[:3, 3]
    places[..., 2] *= 1 not in shape
    balls = [np.exp(-(((places - centre) / 5) ** 2).sum(axis=-1)) for centre in ([10, 4, 0], [-10, 4, 0])]
    values = size * (balls[0] - balls[1])
    return np.where(np.abs(values) > 0.1 * size, values, 0).astype(np.float32)


def write_scan(
    folder: Path, name: str, shape: tuple[int, ...] = VOLUME, axes: str = "RAS", size: float = 0.3, **changes: Any
) -> dict[str, Any]:
    """Write a scan and its maps; return its row."""
    affine, shape = make_affine(axes), turn(shape, axes)
    random = np.random.default_rng(len(name))
    inside = (((np.stack(np.indices(shape), axis=-1) + 0.5) / shape - 0.5) ** 2).sum(axis=-1) < 0.2
    scan = np.where(inside, random.uniform(300, 900, shape), 0).astype(np.float32)
    path = folder / "scans" / f"{name}.nii.gz"
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(scan, affine), path)
    values = make_map(shape, affine, size)
    images = {"fa_mean": values, "fa_variance": (0.1 * values) ** 2, "translated": scan + 100 * values}
    for key, image in images.items():
        write_nifti(folder / "output" / f"{name}_{key}.nii.gz", image.astype(np.float32), affine)
    return make_row(name, path, **changes)


def write_draws_and_walk(folder: Path, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Write draws of the map of a scan, and a walk to its translation; return both, of shape (N, H, W, D)."""
    read = lambda key: nibabel.load(folder / "output" / f"{name}_{key}.nii.gz")  # noqa: E731
    mean, scan = read("fa_mean"), nibabel.load(folder / "scans" / f"{name}.nii.gz")
    shape = (*scan.shape, 1)[:3]
    draws = np.stack([size * mean.get_fdata().reshape(shape) for size in (0.5, 1.0, 1.5)])
    walk = np.stack([scan.get_fdata().reshape(shape) + 100 * share * draws[1] for share in np.linspace(0, 1, 5)])
    for key, images in (("fa_draws", draws), ("translated_steps", walk)):
        image = MetaTensor(torch.from_numpy(images), affine=torch.from_numpy(mean.affine))
        write_series(folder / "output" / f"{name}_{key}.nii.gz", image)
    return draws, walk


def write_results(folder: Path, rows: list[dict[str, Any]]) -> Path:
    """Write table and settings of an inference; return its folder."""
    output = folder / "output"
    output.mkdir(parents=True, exist_ok=True)
    (output / "settings.json").write_text(json.dumps({"weights": "0123"}))
    with (output / "predictions.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return output
