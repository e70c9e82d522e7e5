"""Whole brains made ready for simulating states: what is sampled, and how their regions change."""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from scipy import ndimage

from bundle.simulation.anatomies import GRID_ORIGIN, MIRRORED, load_anatomy
from bundle.simulation.atrophy import Atrophy, prepare_atrophy
from bundle.simulation.regions import REGIONS, STRUCTURES, label_regions, mirror_labels

CROP = ((-84, 84), (-120, 86), (-78, 96))  # mm, holds every brain with room for its deformations; symmetric in x
ANTIALIASING = 0.35  # sigma of the smoothing before sampling, in voxels of the image
CHANNELS = ("grey", "white", "brain", *STRUCTURES[:3])
TISSUE, BRAIN, STRUCTURE = slice(0, 2), slice(2, 3), slice(3, 6)


class Brain(NamedTuple):
    """An anatomy ready to be sampled.

    Attributes:
        name: Name of the anatomy.
        channels: Part of each voxel that is each of `CHANNELS`, shape (1, C, X, Y, Z).
        lobes: Label map of the cortical lobes with the labels of `REGIONS`, shape (X, Y, Z), uint8.
        origin: World coordinates of voxel (0, 0, 0) in mm.
        atrophy: How its regions change.
    """

    name: str
    channels: torch.Tensor
    lobes: torch.Tensor
    origin: tuple[int, int, int]
    atrophy: Atrophy


@lru_cache(maxsize=2)  # an original is at hand for its mirror image, and memory stays small
def prepare_brain(name: str, voxel_size: float) -> Brain:
    """Prepare an anatomy, named as in `load_anatomy`, for images of a voxel size in mm, by which it is smoothed.

    A mirrored brain is the exact reflection of its original.
    """
    if name.endswith(MIRRORED):
        return _mirror(prepare_brain(name.removesuffix(MIRRORED), voxel_size), name)
    anatomy = load_anatomy(name)
    labels = label_regions(anatomy)
    structures = [np.isin(labels, (2 * index + 1, 2 * index + 2)) for index in range(3)]
    window = tuple(slice(low - start, high - start + 1) for (low, high), start in zip(CROP, GRID_ORIGIN, strict=True))
    volumes = [*anatomy.tissues[1:], anatomy.brain_mask, *structures]
    smoothing = {"sigma": ANTIALIASING * voxel_size, "truncate": 3}
    channels = np.stack([ndimage.gaussian_filter(volume[window].astype(np.float32), **smoothing) for volume in volumes])
    lobes = np.where(labels > 6, labels, 0).astype(np.uint8)[window]
    origin = (CROP[0][0], CROP[1][0], CROP[2][0])
    return Brain(name, torch.from_numpy(channels)[None], torch.from_numpy(lobes), origin, prepare_atrophy(anatomy, labels))


def _mirror(brain: Brain, name: str) -> Brain:
    """Reflect a brain left to right; what was left is named right."""
    lobes = torch.from_numpy(mirror_labels(brain.lobes.numpy()).copy())
    swap = [index ^ 1 for index in range(len(REGIONS))]
    fields = brain.atrophy.fields[swap].flip(2)
    fields[:, 0] *= -1
    order = np.ix_(swap, swap)
    atrophy = Atrophy(fields, brain.atrophy.response[order], brain.atrophy.curvature[order], brain.atrophy.volumes[swap])
    return Brain(name, brain.channels.flip(2), lobes, brain.origin, atrophy)
