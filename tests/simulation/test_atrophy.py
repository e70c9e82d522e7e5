"""Flows that change regions, against closed forms and volumes counted after them."""

import numpy as np
import pytest
import torch

from bundle.simulation.anatomies import Anatomy
from bundle.simulation.atrophy import (
    FIELD_ORIGIN,
    FIELD_SHAPE,
    FIELD_SPACING,
    compute_pullback,
    follow_pullback,
    measure_indicators,
    solve_velocity,
)
from bundle.simulation.brains import Brain
from bundle.simulation.deformations import compute_jacobian_determinant, make_grid, sample_at
from bundle.simulation.regions import REGIONS

CONVERSION = np.log([1.5, 1.35, 0.82, 0.9, 0.85, 0.92, 0.99, 0.91, 0.95, 0.99, 0.93, 0.9, 0.99, 0.94])


def displace(brain: Brain, log_ratios: np.ndarray) -> torch.Tensor:
    """Compute the displacement that makes a change, in voxels of the field grid."""
    return compute_pullback(brain.atrophy, log_ratios) / FIELD_SPACING


def test_velocity_of_a_wave_is_its_closed_form() -> None:
    size = (16, 20, 12)
    phase = 2 * torch.pi * 2 * torch.arange(size[1]) / size[1]
    rate = torch.cos(phase).reshape(1, -1, 1).expand(size).double()
    velocity = solve_velocity(rate)
    expected = torch.sin(phase).reshape(1, -1, 1).expand(size) * size[1] / (2 * torch.pi * 2)
    torch.testing.assert_close(velocity[1], expected.float(), atol=1e-5, rtol=1e-5)
    assert velocity[[0, 2]].abs().max() < 1e-5


def test_velocity_has_the_rate_as_its_divergence() -> None:
    generator = torch.Generator().manual_seed(0)
    axes = [torch.fft.fftfreq(size) for size in (16, 18, 20)]
    low = torch.stack(torch.meshgrid(*axes, indexing="ij")).norm(dim=0) < 0.2
    rate = torch.fft.ifftn(torch.fft.fftn(torch.randn(16, 18, 20, generator=generator).double()) * low).real
    spectrum = torch.fft.fftn(solve_velocity(rate).double(), dim=(1, 2, 3))
    waves = torch.stack(torch.meshgrid(*[2 * torch.pi * axis for axis in axes], indexing="ij"))
    divergence = torch.fft.ifftn((1j * waves * spectrum).sum(dim=0)).real
    torch.testing.assert_close(divergence, rate - rate.mean(), atol=1e-5, rtol=1e-4)


def test_no_change_moves_nothing(coarse_brain: Brain) -> None:
    displacement = compute_pullback(coarse_brain.atrophy, np.zeros(len(REGIONS)))
    positions = torch.rand(1, 3, 4, 4, 4) * 60
    assert displacement.abs().max() < 1e-4
    torch.testing.assert_close(follow_pullback(displacement, positions), positions, atol=1e-4, rtol=0)


def test_volumes_change_as_asked(coarse_brain: Brain, whole_brain: Anatomy, labels: np.ndarray) -> None:
    indicators = measure_indicators(whole_brain, labels)
    changed = sample_at(indicators[None], make_grid(FIELD_SHAPE) + displace(coarse_brain, CONVERSION))[0]
    ratios = changed.double().sum(dim=(1, 2, 3)) / indicators.double().sum(dim=(1, 2, 3))
    np.testing.assert_allclose(ratios.numpy(), np.exp(CONVERSION), rtol=0.03)


@pytest.mark.parametrize("index", [0, 3, 10])
def test_one_region_changes_and_the_others_stay(
    coarse_brain: Brain, whole_brain: Anatomy, labels: np.ndarray, index: int
) -> None:
    change = np.zeros(len(REGIONS))
    change[index] = CONVERSION[index]
    indicators = measure_indicators(whole_brain, labels)
    changed = sample_at(indicators[None], make_grid(FIELD_SHAPE) + displace(coarse_brain, change))[0]
    ratios = (changed.double().sum(dim=(1, 2, 3)) / indicators.double().sum(dim=(1, 2, 3))).numpy()
    np.testing.assert_allclose(ratios, np.exp(change), atol=0.02)


def test_nothing_folds_and_the_outline_of_the_brain_stays(coarse_brain: Brain, whole_brain: Anatomy) -> None:
    displacement = displace(coarse_brain, CONVERSION)
    assert compute_jacobian_determinant(displacement).min() > 0.2
    world = FIELD_SPACING * make_grid(FIELD_SHAPE) + torch.tensor(FIELD_ORIGIN).reshape(1, 3, 1, 1, 1)
    voxels = world - torch.tensor(whole_brain.origin).reshape(1, 3, 1, 1, 1)
    mask = torch.from_numpy(whole_brain.brain_mask.astype(np.float32))[None, None]
    before, after = (sample_at(mask, place) for place in (voxels, voxels + FIELD_SPACING * displacement))
    overlap = 2 * torch.minimum(before, after).sum() / (before.sum() + after.sum())
    assert overlap > 0.995
