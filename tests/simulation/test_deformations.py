"""Deformations in 2D and 3D against closed forms and SciPy."""

import numpy as np
import pytest
import torch
from scipy import ndimage

from bundle.simulation.deformations import (
    compute_jacobian_determinant,
    draw_deformation,
    integrate_velocity,
    make_grid,
    sample_at,
    sample_smooth_noise,
)

SIZES = {2: (24, 28), 3: (24, 20, 22)}
both_dimensions = pytest.mark.parametrize("spatial_dims", [2, 3])


def warp(image: torch.Tensor, displacement: torch.Tensor) -> torch.Tensor:
    """Pull an image back along a displacement."""
    return sample_at(image, make_grid(image.shape[2:]) + displacement, padding_mode="border")


def draw_velocity(spatial_dims: int, seed: int = 0) -> torch.Tensor:
    """Draw a smooth velocity of 1 voxel that is zero at the border."""
    generator = torch.Generator().manual_seed(seed)
    velocity = sample_smooth_noise(SIZES[spatial_dims], spatial_dims, 4.0, generator)
    for dim, size in enumerate(SIZES[spatial_dims], start=2):
        window = torch.hann_window(size, periodic=False)
        velocity = velocity * window.reshape([-1 if d == dim else 1 for d in range(spatial_dims + 2)])
    return velocity


@both_dimensions
def test_zero_velocity_is_the_identity(spatial_dims: int) -> None:
    displacement = integrate_velocity(torch.zeros(1, spatial_dims, *SIZES[spatial_dims]))
    image = torch.rand(1, 2, *SIZES[spatial_dims])
    assert torch.equal(displacement, torch.zeros_like(displacement))
    torch.testing.assert_close(warp(image, displacement), image)
    torch.testing.assert_close(compute_jacobian_determinant(displacement), torch.ones(1, *SIZES[spatial_dims]))


@both_dimensions
def test_constant_velocity_is_a_translation(spatial_dims: int) -> None:
    velocity = torch.full((1, spatial_dims, *SIZES[spatial_dims]), 1.5)
    torch.testing.assert_close(integrate_velocity(velocity), velocity)


@both_dimensions
def test_negative_velocity_is_the_inverse(spatial_dims: int) -> None:
    velocity = draw_velocity(spatial_dims)
    forward, backward = integrate_velocity(velocity), integrate_velocity(-velocity)
    there_and_back = forward + warp(backward, forward)
    assert forward.abs().max() > 0.5
    assert there_and_back.abs().max() < 0.05 * forward.abs().max()


@both_dimensions
def test_warp_agrees_with_scipy(spatial_dims: int) -> None:
    image = torch.rand(1, 1, *SIZES[spatial_dims])
    displacement = 2 * draw_velocity(spatial_dims)
    positions = (make_grid(SIZES[spatial_dims]) + displacement)[0].numpy()
    expected = ndimage.map_coordinates(image[0, 0].numpy(), positions, order=1, mode="nearest")
    np.testing.assert_allclose(warp(image, displacement)[0, 0].numpy(), expected, atol=1e-4)


@both_dimensions
def test_sampling_outside_gives_zero(spatial_dims: int) -> None:
    image = torch.ones(1, 1, *SIZES[spatial_dims])
    outside = make_grid(SIZES[spatial_dims]) + 100
    assert sample_at(image, outside).abs().max() == 0


@both_dimensions
def test_jacobian_of_a_scaling_is_its_determinant(spatial_dims: int) -> None:
    displacement = 0.1 * make_grid(SIZES[spatial_dims])
    expected = torch.full((1, *SIZES[spatial_dims]), 1.1**spatial_dims)
    torch.testing.assert_close(compute_jacobian_determinant(displacement), expected)


@both_dimensions
def test_deformation_does_not_fold_and_follows_its_seed(spatial_dims: int) -> None:
    arguments = (SIZES[spatial_dims], [(6.0, 1.5), (3.0, 0.6)])
    draws = [draw_deformation(*arguments, generator=torch.Generator().manual_seed(seed)) for seed in (0, 0, 1)]
    assert torch.equal(draws[0], draws[1]) and not torch.equal(draws[0], draws[2])
    assert compute_jacobian_determinant(draws[0]).min() > 0.2


@both_dimensions
def test_deformation_without_velocity_and_affine_is_the_identity(spatial_dims: int) -> None:
    displacement = draw_deformation(SIZES[spatial_dims], [(4.0, 0.0)], 0.0, 0.0)
    assert displacement.abs().max() < 1e-5


def test_deformation_that_always_folds_is_an_error() -> None:
    with pytest.raises(RuntimeError, match="lower scales"):
        draw_deformation((24, 28), [(1.0, 20.0)], generator=torch.Generator().manual_seed(0))


@both_dimensions
def test_smooth_noise_has_unit_root_mean_square_per_channel(spatial_dims: int) -> None:
    noise = sample_smooth_noise(SIZES[spatial_dims], 2, 3.0)
    torch.testing.assert_close(noise.square().flatten(2).mean(-1), torch.ones(1, 2))


def test_smooth_noise_agrees_with_scipy() -> None:
    noise = torch.randn((1, 1, 32, 40), generator=torch.Generator().manual_seed(3))[0, 0].double().numpy()
    expected = ndimage.gaussian_filter(noise, 3.0, mode="wrap", truncate=8)
    expected /= np.sqrt(np.mean(expected**2))
    smooth = sample_smooth_noise((32, 40), 1, 3.0, torch.Generator().manual_seed(3))
    np.testing.assert_allclose(smooth[0, 0].numpy(), expected, atol=0.02)


@both_dimensions
def test_affine_has_its_spread(spatial_dims: int) -> None:
    generator, size = torch.Generator().manual_seed(0), (5, 5, 5)[:spatial_dims]
    draws = [draw_deformation(size, [(1.0, 0.0)], 0.1, 2.0, -torch.inf, generator)[0] for _ in range(400)]
    shifts = torch.stack([draw[(..., *[2] * spatial_dims)] for draw in draws])  # in the centre
    ends = [torch.stack([draw.select(dim + 1, 4) - draw.select(dim + 1, 0) for draw in draws]) for dim in range(spatial_dims)]
    assert abs(torch.stack(ends).std() / 4 - 0.1) < 0.01
    assert abs(shifts.std() - 2.0) < 0.2
