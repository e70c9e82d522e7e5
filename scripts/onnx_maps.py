"""Classes and feature attribution (FA) maps from exported ONNX files alone: with NumPy and onnxruntime, without PyTorch.

Usage: python scripts/onnx_maps.py FOLDER IMAGES MAPS [--mirror_axis 0]

FOLDER is what `python -m monai.bundle run export` wrote. IMAGES is a .npy file of scans as the network takes them, such as
FOLDER/image.npy. MAPS is the .npz file to write, with the arrays that `explain` returns.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
from onnxruntime import InferenceSession


def explain(folder: str | Path, image: np.ndarray, mirror_axis: int | None = None) -> dict[str, np.ndarray]:
    """Classify scans and explain them by the most likely class that is not the predicted one.

    Args:
        folder: exported files.
        image: scans, intensities in [-1, 1], float32, shape (B, 1, H, W[, D]).
        mirror_axis: spatial axis along which scans are mirrored, 0 for left to right: `fa_mean` and `fa_variance` are over both
            views, as those of inference with the same value. None for one view.

    Returns:
        `probabilities` of the classes (B, K), `target` (B,), and images of the shape of `image`: `pred`, the map in one pass, and
        `fa_mean` and `fa_variance` over the attributes in `attributes.npy`, those of inference.

    Raises:
        ValueError: When the scans are not what the network takes, or have no such axis.
    """
    parts = {name: InferenceSession(Path(folder) / f"{name}.onnx") for name in ("encoder", "classifier", "generator", "map")}
    size = parts["encoder"].get_inputs()[0].shape[1:]
    if image.dtype != np.float32 or list(image.shape[1:]) != size:
        raise ValueError(f"images must be float32, B of shape {size}, got {image.dtype} of shape {list(image.shape)}")
    if mirror_axis not in (None, *range(image.ndim - 2)):
        raise ValueError(f"mirror_axis must be one of 0 to {image.ndim - 3}, or left out for one view, got {mirror_axis}")
    views: list[tuple[int, ...]] = [()] if mirror_axis is None else [(), (2 + mirror_axis,)]
    encoded = [run(parts["encoder"], np.flip(image, mirrored)) for mirrored in views]
    (logits,) = run(parts["classifier"], encoded[0][1])
    target = np.argsort(logits, axis=1)[:, -2]
    drawn = np.load(Path(folder) / "attributes.npy")[target]  # (B, N, 1, H/16, W/16[, D/16])
    maps = []
    for mirrored, (content, mean, _) in zip(views, encoded, strict=True):
        (own,) = run(parts["generator"], content, mean)
        translated = (run(parts["generator"], content, attribute)[0] for attribute in drawn.swapaxes(0, 1))
        maps += [np.flip(scans - own, mirrored) for scans in translated]
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    return {
        "probabilities": odds / odds.sum(axis=1, keepdims=True),
        "target": target,
        "pred": run(parts["map"], image)[0],
        "fa_mean": np.mean(maps, axis=0),
        "fa_variance": np.var(maps, axis=0, ddof=1),
    }


def run(part: InferenceSession, *inputs: np.ndarray) -> list[np.ndarray]:
    """Return the outputs of a part of the network, given its inputs in their order."""
    names = [entry.name for entry in part.get_inputs()]
    return part.run(None, dict(zip(names, inputs, strict=True)))


def main(folder: str, images: str, maps: str, mirror_axis: int | None = None) -> None:
    """Read the scans, explain them and write the arrays, completely or not at all."""
    arrays = explain(folder, np.load(images), mirror_axis)
    partial = Path(f"{maps}.partial.npz")
    np.savez(partial, allow_pickle=False, **arrays)
    partial.replace(maps)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Classes and maps from exported ONNX files alone.")
    parser.add_argument("folder", help="what the export wrote")
    parser.add_argument("images", help=".npy file of scans as the network takes them, float32, (B, 1, H, W[, D])")
    parser.add_argument("maps", help=".npz file to write")
    parser.add_argument("--mirror_axis", type=int, choices=(0, 1, 2), help="average the maps over both views: 0, left to right")
    try:
        main(**vars(parser.parse_args()))
    except (ValueError, OSError) as error:
        sys.exit(f"Error: {error}")
