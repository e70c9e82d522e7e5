"""How a scanner renders tissues: contrast, sharpness, bias field, gamma and noise."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from monai.networks.layers import GaussianFilter
from torch.nn import functional

from bundle.simulation.deformations import sample_smooth_noise

T2_LEVELS = (1000.0, 460.0, 280.0)  # CSF, grey, white matter; arbitrary scanner units
T1_LEVELS = (230.0, 640.0, 960.0)
LEVEL_DEVIATION = 0.06  # relative, per subject and tissue
SHARPNESS_SIGMA = 3.0  # mm
SHARPNESS_RANGE = (-0.5, 0.9)  # below 0 blurs, above 0 sharpens
BIAS_SIGMA = 40.0  # mm
BIAS_DEVIATION = 0.05
GAMMA_DEVIATION = 0.08  # of log gamma
NOISE_RANGE = (8.0, 25.0)  # scanner units


class Appearance(NamedTuple):
    """One subject's random appearance, the same for both of its states.

    Attributes:
        levels: Intensities of CSF, grey and white matter, shape (3,).
        sharpness: Amount of unsharp masking; negative values blur.
        gamma: Exponent of the intensity relative to the brightest tissue's.
        bias: Factor per voxel, shape (1, 1, H, W[, D]).
        noise: Added per voxel, scanner units, shape (1, 1, H, W[, D]).
    """

    levels: torch.Tensor
    sharpness: float
    gamma: float
    bias: torch.Tensor
    noise: torch.Tensor


def draw_appearance(
    spatial_size: tuple[int, ...], voxel_size: float, generator: torch.Generator, levels: Sequence[float] = T2_LEVELS
) -> Appearance:
    """Draw the appearance of a subject, from the same distribution for every anatomy.

    `levels` are the mean intensities of CSF, grey and white matter, `T2_LEVELS` or `T1_LEVELS`; `voxel_size` is in mm.
    """
    drawn = torch.tensor(levels) * (1 + LEVEL_DEVIATION * torch.randn(3, generator=generator))
    uniform = torch.rand(2, generator=generator)
    low, high = SHARPNESS_RANGE
    quiet, noisy = NOISE_RANGE
    gamma = torch.exp(GAMMA_DEVIATION * torch.randn((), generator=generator))
    bias = torch.exp(BIAS_DEVIATION * sample_smooth_noise(spatial_size, 1, BIAS_SIGMA / voxel_size, generator))
    noise = torch.randn((1, 1, *spatial_size), generator=generator) * (quiet + (noisy - quiet) * uniform[1])
    return Appearance(drawn, float(low + (high - low) * uniform[0]), float(gamma), bias, noise)


def mix_tissues(tissues: torch.Tensor, appearance: Appearance, voxel_size: float) -> torch.Tensor:
    """Mix an image in scanner units, (B, 1, H, W[, D]), as sharp as the appearance has it; voxels in mm.

    The tissues are fractions of CSF, grey and white matter, shape (B, 3, H, W[, D]).
    """
    mixed = torch.einsum("bc...,c->b...", tissues, appearance.levels)[:, None]
    return sharpen(mixed, appearance.sharpness, SHARPNESS_SIGMA / voxel_size)


def sharpen(image: torch.Tensor, sharpness: float, sigma: float) -> torch.Tensor:
    """Add the difference of an image, (B, C, H, W[, D]), from its blurred version (unsharp mask); never below 0.

    Sharpness 0 leaves the image unchanged, -1 gives the blurred image; `sigma` is in voxels.
    """
    margin = int(4 * sigma) + 1
    padded = functional.pad(image, [margin] * 2 * (image.ndim - 2), mode="replicate")
    blurred = GaussianFilter(image.ndim - 2, sigma)(padded)
    inside = (..., *[slice(margin, -margin)] * (image.ndim - 2))
    return (image + sharpness * (image - blurred[inside])).clamp(min=0)


def render(image: torch.Tensor, appearance: Appearance) -> torch.Tensor:
    """Apply gamma and bias, without the noise, to mixed tissues in scanner units, shape (1, 1, H, W[, D]).

    The change is made voxel by voxel, so that what differs between two images before differs in the same voxels after.
    """
    brightest = appearance.levels.max()
    return brightest * (image / brightest) ** appearance.gamma * appearance.bias
