"""Regional growth and shrinkage of a brain as one smooth flow.

Each region and side has a velocity field in the anatomy's space whose divergence is the rate of volume change: one sign in
the region, the other in fluid and white matter around it, which make room. It is the gradient of a potential that solves
Poisson's equation. Fields add up, so that any change of all regions together is one weighted sum, integrated by scaling and
squaring.
"""

from typing import NamedTuple

import numpy as np
import torch
from scipy import ndimage

from bundle.simulation.anatomies import GRID_ORIGIN, Anatomy
from bundle.simulation.deformations import integrate_velocity, make_grid, sample_at
from bundle.simulation.regions import LOBES, REGIONS, STRUCTURES

FIELD_SPACING = 2.5  # mm, edge of a voxel of the velocity fields
FIELD_SHAPE = (64, 80, 72)  # 160 x 200 x 180 mm, more than a brain, so that the periodic solution is near zero at the border
FIELD_ORIGIN = (-78.75, -115.75, -82.75)  # world coordinates of voxel (0, 0, 0) in mm
RATE_SMOOTHNESS = 2.0  # mm, sigma of the smoothing of rates
RATE_GAIN = {"lateral-ventricle": 1.6}  # before the rate is clipped to 1, so that a thin structure grows up to its border
ROOM_REACH = {"lateral-ventricle": 15.0, "hippocampus": 10.0, "amygdala": 10.0} | dict.fromkeys(LOBES, 5.0)  # mm, sigma
ROOM_OF_WHITE_MATTER = 0.3  # how readily white matter makes room, against 1 for fluid
CALIBRATION_STEP = {"lateral-ventricle": 0.5, "hippocampus": -0.35, "amygdala": -0.3} | dict.fromkeys(LOBES, -0.2)  # weights
SQUARING_STEPS = 4
NEWTON_STEPS = 6


class Atrophy(NamedTuple):
    """How the regions of an anatomy respond to the velocity fields.

    Attributes:
        fields: Velocity per unit weight and region in voxels of the field grid, shape (R, 3, *FIELD_SHAPE).
        response: Linear part of the regions' log volume ratios by weight, shape (R, R).
        curvature: Quadratic part, shape (R, R).
        volumes: Volume of each region in mm3, shape (R,).
    """

    fields: torch.Tensor
    response: np.ndarray
    curvature: np.ndarray
    volumes: np.ndarray


def prepare_atrophy(anatomy: Anatomy, labels: np.ndarray) -> Atrophy:
    """Compute the velocity fields of an anatomy on the whole 1 mm grid, with regions from `label_regions`, and calibrate them."""
    indicators = measure_indicators(anatomy, labels)
    room = _measure_room(anatomy, labels)
    rates = [_compute_rate(indicator.numpy(), room, region) for indicator, region in zip(indicators, REGIONS, strict=True)]
    fields = torch.stack([solve_velocity(torch.from_numpy(rate)) for rate in rates])
    volumes = indicators.double().sum(dim=(1, 2, 3)).numpy() * FIELD_SPACING**3
    return Atrophy(fields, *_calibrate(fields, indicators), volumes)


def measure_indicators(anatomy: Anatomy, labels: np.ndarray) -> torch.Tensor:
    """Return the part of each voxel of the field grid that each region fills, shape (R, *FIELD_SHAPE)."""
    tissue = 1 - anatomy.tissues[0]
    indicators = []
    for label, region in enumerate(REGIONS, start=1):
        inside = (labels == label).astype(np.float32)
        if region.endswith(LOBES):
            inside *= tissue
        indicators.append(_to_field_grid(inside))
    return torch.from_numpy(np.stack(indicators))


def solve_velocity(rate: torch.Tensor) -> torch.Tensor:
    """Find the curl-free velocity that has a given divergence, in a periodic box.

    The rate, shape (H, W, D), loses its mean over the box; the velocity is in voxels, shape (3, H, W, D).
    """
    waves = torch.meshgrid(*[2 * torch.pi * torch.fft.fftfreq(size) for size in rate.shape], indexing="ij")
    square = torch.stack(waves).square().sum(dim=0)
    square[0, 0, 0] = 1
    potential = -torch.fft.fftn(rate - rate.mean()) / square
    return torch.stack([torch.fft.ifftn(1j * wave * potential).real for wave in waves]).float()


def _find_weights(atrophy: Atrophy, log_ratios: np.ndarray) -> np.ndarray:
    """Find the weights of the fields that change the regions as wanted, each shape (R,)."""
    weights = np.linalg.solve(atrophy.response, log_ratios)
    for _ in range(NEWTON_STEPS):
        missing = log_ratios - atrophy.response @ weights - atrophy.curvature @ weights**2
        weights = weights + np.linalg.solve(atrophy.response + 2 * atrophy.curvature * weights, missing)
    return weights


def compute_pullback(atrophy: Atrophy, log_ratios: np.ndarray) -> torch.Tensor:
    """Compute where each point of a brain comes from whose regions changed by log volume ratios of shape (R,).

    Returns:
        Displacement in mm on the field grid, shape (1, 3, *FIELD_SHAPE).
    """
    weights = torch.from_numpy(_find_weights(atrophy, log_ratios)).float()
    velocity = torch.einsum("r,rchwd->chwd", weights, atrophy.fields)[None]
    return FIELD_SPACING * integrate_velocity(-velocity, SQUARING_STEPS)


def follow_pullback(displacement: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
    """Take world positions in the changed brain, mm, back to the anatomy, both of shape (1, 3, H, W, D).

    The displacement is that of `compute_pullback`.
    """
    voxels = (positions - torch.tensor(FIELD_ORIGIN).reshape(1, 3, 1, 1, 1)) / FIELD_SPACING
    return positions + sample_at(displacement, voxels, padding_mode="border")


def _to_field_grid(volume: np.ndarray) -> np.ndarray:
    """Average a volume on the common 1 mm grid to the field grid, float32."""
    smooth, box = np.zeros_like(volume), ndimage.find_objects((volume > 0).astype(np.uint8))[0]
    window = tuple(slice(max(side.start - 4, 0), side.stop + 4) for side in box)
    smooth[window] = ndimage.gaussian_filter(volume[window], 0.35 * FIELD_SPACING, truncate=3)
    axes = [origin + FIELD_SPACING * np.arange(size) - start
            for origin, size, start in zip(FIELD_ORIGIN, FIELD_SHAPE, GRID_ORIGIN, strict=True)]  # fmt: skip
    positions = torch.stack(torch.meshgrid(*[torch.from_numpy(axis).float() for axis in axes], indexing="ij"))[None]
    return sample_at(torch.from_numpy(smooth)[None, None], positions)[0, 0].numpy()


def _measure_room(anatomy: Anatomy, labels: np.ndarray) -> np.ndarray:
    """Return how readily each voxel of the field grid gives or takes volume, shape FIELD_SHAPE."""
    near = ndimage.binary_dilation(anatomy.brain_mask, iterations=2)
    room = (anatomy.tissues[0] + ROOM_OF_WHITE_MATTER * anatomy.tissues[2]) * near
    room[labels > 0] = 0
    return _to_field_grid(room.astype(np.float32))


def _compute_rate(indicator: np.ndarray, room: np.ndarray, region: str) -> np.ndarray:
    """Compute the rate of volume change of a region and of what makes room for it; it sums to zero."""
    structure = region.split("-", 1)[1]
    smooth = ndimage.gaussian_filter(indicator.astype(np.float64), RATE_SMOOTHNESS / FIELD_SPACING)
    inside = np.minimum(RATE_GAIN.get(structure, 1.0) * smooth, 1)
    around = room * ndimage.gaussian_filter(indicator.astype(np.float64), ROOM_REACH[structure] / FIELD_SPACING)
    around = ndimage.gaussian_filter(around, RATE_SMOOTHNESS / FIELD_SPACING)
    return inside - around * (inside.sum() / around.sum())


def _calibrate(fields: torch.Tensor, indicators: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Measure the linear and quadratic response, each (R, R): row the region that changes, column the field.

    Both sides of a structure change at once; what one side does to the other is too little to count.
    """
    linear, quadratic = np.zeros((2, len(REGIONS), len(REGIONS)))
    for index, structure in enumerate(STRUCTURES):
        step = CALIBRATION_STEP[structure]
        both = fields[2 * index] + fields[2 * index + 1]
        once, twice = (_measure(factor * step * both, indicators) for factor in (1, 2))
        for side in range(2):
            linear[side::2, 2 * index + side] = ((2 * once - twice / 2) / step)[side::2]
            quadratic[side::2, 2 * index + side] = ((twice / 2 - once) / step**2)[side::2]
    return linear, quadratic


def _measure(velocity: torch.Tensor, indicators: torch.Tensor) -> np.ndarray:
    """Measure the log volume ratios that a velocity makes, shape (R,)."""
    positions = make_grid(FIELD_SHAPE) + integrate_velocity(-velocity[None], SQUARING_STEPS)
    volumes = sample_at(indicators[None], positions)[0].double().sum(dim=(1, 2, 3))
    return torch.log(volumes / indicators.double().sum(dim=(1, 2, 3))).numpy()
