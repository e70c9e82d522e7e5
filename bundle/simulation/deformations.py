"""Random deformations on the voxel grid, affine and smooth, in 2D and 3D.

By hand, since cohorts must keep their bytes: MONAI's `Warp` and `DVF2DDF` differ in the last digits.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch.nn import functional

SQUARING_STEPS = 6
MAX_DRAWS = 20


def sample_smooth_noise(
    spatial_size: Sequence[int], num_channels: int, sigma: float, generator: torch.Generator | None = None
) -> torch.Tensor:
    """Draw Gaussian noise smoothed by a Gaussian of `sigma` voxels, scaled to a root mean square of 1 per channel.

    It has shape (1, C, H, W[, D]) and is periodic at the border.
    """
    noise = torch.randn((1, num_channels, *spatial_size), generator=generator)
    dims = tuple(range(2, noise.ndim))
    spectrum = torch.fft.fftn(noise, dim=dims)
    for dim, size in zip(dims, spatial_size, strict=True):
        response = torch.exp(-2 * (torch.pi * sigma * torch.fft.fftfreq(size)) ** 2)
        spectrum = spectrum * response.reshape([-1 if d == dim else 1 for d in range(noise.ndim)])
    smooth = torch.fft.ifftn(spectrum, dim=dims).real
    return smooth / smooth.square().mean(dim=dims, keepdim=True).sqrt()


def make_grid(spatial_size: Sequence[int]) -> torch.Tensor:
    """Make the voxel coordinates of a grid, shape (1, spatial_dims, H, W[, D])."""
    axes = [torch.arange(size, dtype=torch.float32) for size in spatial_size]
    return torch.stack(torch.meshgrid(*axes, indexing="ij"))[None]


def make_affine(spatial_size: Sequence[int], voxel_size: float, centre: Sequence[float]) -> np.ndarray:
    """Make the voxel to world matrix in mm of a grid of three sizes around a centre, shape (4, 4)."""
    affine = np.diag([voxel_size, voxel_size, voxel_size, 1.0])
    affine[:3, 3] = np.array(centre) - (np.array(spatial_size) - 1) / 2 * voxel_size
    return affine


def sample_at(image: torch.Tensor, positions: torch.Tensor, padding_mode: str = "zeros") -> torch.Tensor:
    """Read an image, (B, C, H, W[, D]), at voxel coordinates, (B, spatial_dims, H', W'[, D']), by multilinear interpolation.

    Outside the image are zeros, or with the padding mode `border` the values at its border.
    """
    sizes = torch.tensor(image.shape[2:], dtype=torch.float32)
    scale = (2 / (sizes - 1)).reshape(1, -1, *[1] * (positions.ndim - 2))
    normalised = (positions * scale - 1).flip(1)  # grid_sample counts axes from the last to the first
    grid = normalised.movedim(1, -1)  # (B, H', W'[, D'], spatial_dims)
    return functional.grid_sample(image, grid, mode="bilinear", padding_mode=padding_mode, align_corners=True)


def read_nearest(volume: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
    """Read a volume, shape (X, Y, Z), in the voxels nearest to positions in voxel coordinates, shape (3, ...)."""
    limits = torch.tensor(volume.shape).reshape(3, *[1] * (positions.ndim - 1)) - 1
    return volume[tuple(positions.round().long().clamp(torch.zeros_like(limits), limits))]


def integrate_velocity(velocity: torch.Tensor, num_steps: int = SQUARING_STEPS) -> torch.Tensor:
    """Integrate a stationary velocity field over unit time by scaling and squaring.

    Velocity and displacement are in voxels, shape (B, spatial_dims, H, W[, D]).

    Source: Arsigny et al., MICCAI 2006 (https://doi.org/10.1007/11866565_113).
    """
    displacement, grid = velocity / 2**num_steps, make_grid(velocity.shape[2:])
    for _ in range(num_steps):
        displacement = displacement + sample_at(displacement, grid + displacement, padding_mode="border")
    return displacement


def compute_jacobian_determinant(displacement: torch.Tensor) -> torch.Tensor:
    """Compute the local change of volume of x + u(x), (B, H, W[, D]); values at or below 0 are folds.

    The displacement u is in voxels, shape (B, spatial_dims, H, W[, D]).
    """
    spatial_dims = displacement.shape[1]
    rows = [torch.stack(torch.gradient(displacement[:, i], dim=list(range(1, spatial_dims + 1))), dim=-1)
            for i in range(spatial_dims)]  # fmt: skip
    jacobian = torch.stack(rows, dim=-2) + torch.eye(spatial_dims)  # (B, H, W[, D], spatial_dims, spatial_dims)
    return torch.linalg.det(jacobian)


def draw_deformation(
    spatial_size: Sequence[int],
    scales: Sequence[tuple[float, float]],
    affine_deviation: float = 0.025,
    affine_shift: float = 1.0,
    smallest_jacobian: float = 0.2,
    generator: torch.Generator | None = None,
) -> torch.Tensor:
    """Draw a random smooth deformation: a diffeomorphism followed by an affine map about the centre.

    Args:
        spatial_size: Size of the grid, H, W[, D].
        scales: One velocity field per pair of smoothing sigma and root mean square length, both in voxels.
        affine_deviation: Standard deviation of the entries of the affine matrix.
        affine_shift: Standard deviation of the translation in voxels.
        smallest_jacobian: A draw with a smaller Jacobian determinant anywhere is drawn again.
        generator: Source of randomness.

    Returns:
        Displacement in voxels, shape (1, spatial_dims, H, W[, D]).
    """
    spatial_dims = len(spatial_size)
    grid = make_grid(spatial_size)
    centre = (torch.tensor(spatial_size) - 1).reshape(1, -1, *[1] * spatial_dims) / 2
    for _ in range(MAX_DRAWS):
        velocity = torch.zeros(())
        for sigma, length in scales:
            noise = sample_smooth_noise(spatial_size, spatial_dims, sigma, generator)
            velocity = velocity + length / spatial_dims**0.5 * noise
        matrix = torch.eye(spatial_dims) + affine_deviation * torch.randn((spatial_dims, spatial_dims), generator=generator)
        shift = affine_shift * torch.randn(spatial_dims, generator=generator)
        positions = grid + integrate_velocity(velocity) - centre
        moved = torch.einsum("ij,bj...->bi...", matrix, positions) + centre + shift.reshape(centre.shape)
        displacement = moved - grid
        if compute_jacobian_determinant(displacement).min() > smallest_jacobian:
            return displacement
    raise RuntimeError(f"no deformation with a Jacobian above {smallest_jacobian} in {MAX_DRAWS} draws: lower scales")
