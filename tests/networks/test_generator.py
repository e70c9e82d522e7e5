"""Bending images, and what the generators share."""

import numpy as np
import pytest
import torch
from scipy.ndimage import correlate1d, gaussian_filter, map_coordinates

from bundle.networks import DeformingGenerator
from bundle.networks.generator import bend


def shift_voxels(image: torch.Tensor, shift: torch.Tensor) -> torch.Tensor:
    """Return the voxels that a shift reads, those beyond the border being on it, shape (B, spatial_dims, H, W[, D])."""
    sizes = image.shape[2:]
    voxels = torch.stack(torch.meshgrid(*(torch.arange(size) for size in sizes), indexing="ij")) + shift
    return torch.minimum(voxels.clamp(min=0), (torch.tensor(sizes) - 1.0).view(-1, *[1] * len(sizes)))


def smooth(image: torch.Tensor) -> torch.Tensor:
    """Return noise without its fine detail."""
    return torch.from_numpy(np.stack([gaussian_filter(each, 1.5, mode="nearest") for each in image[:, 0].numpy()]))[:, None]


def read(image: torch.Tensor, voxels: torch.Tensor, order: int) -> torch.Tensor:
    """Interpolate images by SciPy's splines of some order."""
    pairs = zip(image[:, 0].numpy(), voxels.numpy(), strict=True)
    read_images = [map_coordinates(scan, place, order=order, mode="nearest") for scan, place in pairs]
    return torch.from_numpy(np.stack(read_images))[:, None]


def test_bending_is_linear_interpolation_less_its_blur(image: torch.Tensor) -> None:
    shift = torch.randn(len(image), image.ndim - 2, *image.shape[2:]) * 2
    voxels = shift_voxels(image, shift)
    fraction = voxels - voxels.floor()
    linear = read(image, voxels, 1)
    expected = linear.clone()
    for axis in range(image.ndim - 2):
        curvature = torch.from_numpy(correlate1d(linear.numpy(), [1.0, -2, 1], axis=axis + 2, mode="nearest"))
        expected -= (0.5 * fraction * (1 - fraction))[:, axis, None] * curvature
    expected = torch.stack([one.clamp(scan.min(), scan.max()) for one, scan in zip(expected, image, strict=True)])
    torch.testing.assert_close(bend(image, shift), expected, atol=2e-4, rtol=1e-4)


def test_an_even_shift_of_a_polynomial_of_degree_two_is_exact(image: torch.Tensor) -> None:
    middle = (torch.tensor(image.shape[2:]) - 1.0).view(-1, *[1] * (image.ndim - 2)) / 2
    shift = torch.randn(len(image), image.ndim - 2, *[1] * (image.ndim - 2)).expand(-1, -1, *image.shape[2:])

    def bowl(voxels: torch.Tensor) -> torch.Tensor:
        return ((voxels - middle.floor()) / 100).square().sum(1, keepdim=True)  # least on a voxel: the range is the scan's

    voxels = shift_voxels(image, shift)
    far = ((voxels - middle).abs() < middle - 3).all(1, keepdim=True)  # from the border
    bent = bend(bowl(shift_voxels(image, torch.zeros_like(shift))), shift)
    torch.testing.assert_close(bent[far], bowl(voxels)[far], atol=1e-5, rtol=1e-4)


def test_bending_blurs_less_than_a_quarter_of_linear_interpolation(image: torch.Tensor) -> None:
    image = smooth(image)
    shift = 0.5 + 2 * torch.cat([smooth(torch.rand_like(image) - 0.5) for _ in range(image.ndim - 2)], dim=1)
    voxels = shift_voxels(image, shift)
    spline = read(image, voxels, 3)
    assert (bend(image, shift) - spline).square().mean() < (read(image, voxels, 1) - spline).square().mean() / 16


def test_bending_keeps_its_precision_where_networks_compute_in_half_of_it(image: torch.Tensor) -> None:
    shift = (torch.randn(len(image), image.ndim - 2, *image.shape[2:])).bfloat16()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        bent = bend(image, shift)
    torch.testing.assert_close(bent, bend(image, shift.float()))


def test_each_image_is_bent_by_all_its_shifts(image: torch.Tensor) -> None:
    shift = torch.randn(3 * len(image), image.ndim - 2, *image.shape[2:])
    torch.testing.assert_close(bend(image, shift), torch.cat([bend(image, each) for each in shift.chunk(3)]))


def test_no_shift_leaves_an_image_as_it_is(image: torch.Tensor) -> None:
    for scan in (image, 2 * image):  # noise takes training scans out of [-1, 1]
        torch.testing.assert_close(bend(scan, torch.zeros(len(image), image.ndim - 2, *image.shape[2:])), scan)


@pytest.mark.parametrize("axis", [0, 1])
def test_a_shift_of_one_voxel_moves_the_image_by_one(image: torch.Tensor, axis: int) -> None:
    shift = torch.zeros(len(image), image.ndim - 2, *image.shape[2:])
    shift[:, axis] = 1
    moved = image.roll(-1, axis + 2)
    inside = image.shape[axis + 2] - 1
    torch.testing.assert_close(bend(image, shift).narrow(axis + 2, 0, inside), moved.narrow(axis + 2, 0, inside))


def test_the_own_attribute_gives_the_scan_itself(make_network, image: torch.Tensor) -> None:
    network = make_network(generator=DeformingGenerator).eval()
    content, mean, _ = network.encode(image)
    torch.testing.assert_close(network.decode(content, mean), image)


def test_two_contents_that_trade_attributes_are_moved_to_and_fro_alike(make_network, image: torch.Tensor) -> None:
    network = make_network(generator=DeformingGenerator).eval()
    first, second = (mean[:1] for mean in (network.encode(image).mean, network.encode(image.flip(0)).mean))
    there = network.generator.draw_shift(network.content_encoder(image[:1], first), second)
    back = network.generator.draw_shift(network.content_encoder(image[:1], second), first)
    assert there.abs().max() > 1e-4
    torch.testing.assert_close(there, -back)


def test_a_content_without_the_image_is_refused(spatial_dims: int, image_size: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="hold no image: build ContentEncoder with keep_image=True"):
        DeformingGenerator(spatial_dims, image_size, content_channels=16)


def test_the_whole_attribute_reaches_every_place(make_network, image: torch.Tensor) -> None:
    network = make_network(generator=DeformingGenerator).eval()
    content, mean, _ = network.encode(image)
    corner = mean.clone()
    corner.flatten(1)[:, 0] += 10
    moved = (network.decode(content, corner) - network.decode(content, mean)).abs()
    far = moved[(..., *[slice(-8, None)] * (image.ndim - 2))]
    assert far.flatten(1).amax(1).min() > 1e-4


def test_no_tissue_moves_further_than_allowed(make_network, image: torch.Tensor) -> None:
    generator = make_network(generator=DeformingGenerator).generator
    generator.refine.register_forward_hook(lambda module, inputs, output: 1000 * output)  # far beyond the limit
    content = torch.randn(4, generator.feature_channels + 1 + generator.image_channels, *(size // 4 for size in image.shape[2:]))
    shift = generator.draw_shift(content, torch.randn(4, 1, *(size // 16 for size in image.shape[2:])))
    assert 1.4 < shift.abs().max() <= generator.max_shift


def test_the_shift_is_drawn_on_half_the_grid_and_sees_the_image_there(make_network, image: torch.Tensor) -> None:
    network = make_network(generator=DeformingGenerator).eval()
    content, mean, _ = network.encode(image)
    generator = network.generator
    shift = generator.draw_shift(content, mean.flip(0))
    assert shift.shape == (len(image), image.ndim - 2, *(size // 2 for size in image.shape[2:]))
    blind = content.clone()
    blind[:, generator.feature_channels + 1 :] = 0  # features and attribute as before
    assert (generator.draw_shift(blind, mean.flip(0)) - shift).abs().max() > 1e-6
