"""Brains made ready for sampling."""

import numpy as np
import torch

from bundle.simulation.anatomies import MIRRORED
from bundle.simulation.atrophy import compute_pullback
from bundle.simulation.brains import BRAIN, STRUCTURE, Brain, prepare_brain
from bundle.simulation.regions import REGIONS


def test_channels_are_parts_of_a_voxel(coarse_brain: Brain) -> None:
    assert coarse_brain.channels.min() >= 0 and coarse_brain.channels.max() <= 1 + 1e-5
    assert (coarse_brain.channels[:, STRUCTURE].sum(dim=1) <= coarse_brain.channels[:, BRAIN][:, 0] + 0.5).all()


def test_brain_lies_well_inside_the_volume(coarse_brain: Brain) -> None:
    mask = coarse_brain.channels[0, 2] > 0.5
    for axis in range(3):
        assert not mask.movedim(axis, 0)[[0, -1]].any()


def test_mirrored_brain_changes_like_the_reflection(coarse_brain: Brain) -> None:
    mirrored = prepare_brain(coarse_brain.name + MIRRORED, 5.0)
    torch.testing.assert_close(mirrored.channels, coarse_brain.channels.flip(2))
    change = np.random.default_rng(0).uniform(-0.1, 0.1, len(REGIONS))
    exchanged = change.reshape(-1, 2)[:, ::-1].ravel()
    expected = compute_pullback(coarse_brain.atrophy, exchanged).flip(2) * torch.tensor([-1.0, 1, 1]).reshape(1, 3, 1, 1, 1)
    torch.testing.assert_close(compute_pullback(mirrored.atrophy, change), expected, atol=1e-4, rtol=0)
