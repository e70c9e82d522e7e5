"""Rendering of tissues."""

import numpy as np
import pytest
import torch
from scipy import ndimage

from bundle.simulation.appearance import draw_appearance, mix_tissues, render, sharpen

SIZES = {2: (20, 24), 3: (20, 24, 16)}
both_dimensions = pytest.mark.parametrize("spatial_dims", [2, 3])


@both_dimensions
def test_pure_tissues_have_their_levels(spatial_dims: int) -> None:
    tissues = torch.zeros(1, 3, *SIZES[spatial_dims])
    tissues[:, 1] = 1
    appearance = draw_appearance(SIZES[spatial_dims], 2.0, torch.Generator().manual_seed(0))
    mixed = mix_tissues(tissues, appearance._replace(levels=torch.tensor([1000.0, 550.0, 300.0])), 2.0)
    assert mixed.shape == (1, 1, *SIZES[spatial_dims])
    torch.testing.assert_close(mixed, torch.full_like(mixed, 550.0), rtol=1e-5, atol=0)


@both_dimensions
def test_sharpness_minus_one_is_the_gaussian_blur(spatial_dims: int) -> None:
    image = torch.rand(1, 1, *SIZES[spatial_dims])
    expected = ndimage.gaussian_filter(image[0, 0].numpy(), 1.5, mode="nearest")
    np.testing.assert_allclose(sharpen(image, -1, 1.5)[0, 0].numpy(), expected, atol=0.01)
    torch.testing.assert_close(sharpen(image, 0, 1.5), image)


@both_dimensions
def test_rendering_keeps_equal_voxels_equal(spatial_dims: int) -> None:
    appearance = draw_appearance(SIZES[spatial_dims], 2.0, torch.Generator().manual_seed(0))
    image = 1000 * torch.rand(1, 1, *SIZES[spatial_dims])
    changed = image.clone()
    changed[..., :5] = 900.0
    difference = render(changed, appearance) - render(image, appearance)
    assert torch.all(difference[..., 5:] == 0) and difference[..., :5].abs().max() > 0


def test_appearance_follows_its_seed() -> None:
    first, second, third = (draw_appearance((8, 8), 2.0, torch.Generator().manual_seed(seed)) for seed in (0, 0, 1))
    assert torch.equal(first.noise, second.noise) and first.gamma == second.gamma
    assert not torch.equal(first.levels, third.levels)
