"""Views: one is the network itself, several have the mean and the scatter of single ones."""

import pytest
import torch

from bundle.attribution import exemplar_maps, sampled_maps, single_maps
from bundle.attribution.augmentation import Viewing, Views
from bundle.networks import ICAM

NEAR = {"atol": 1e-5, "rtol": 1e-4}
BOTH = Viewing(mirror_axis=0)


def test_one_view_is_what_the_network_decodes(network: ICAM, image: torch.Tensor) -> None:
    latents = network.eval().encode(image)
    other = torch.randn_like(latents.mean)
    views = Views(network, image)
    assert torch.equal(views.decode(other)[0], network.decode(latents.content, other))
    assert torch.equal(views.reconstruct()[0], network.decode(latents.content, latents.mean))


@pytest.mark.parametrize("spatial_dims", [2, 3])
def test_number_of_views(spatial_dims: int) -> None:
    counts = [len(list(Viewing(axis, shift).list_poses(spatial_dims))) for axis in (None, 0) for shift in (0, 2)]
    assert counts == [1, 1 + 2 * spatial_dims, 2, 2 * (1 + 2 * spatial_dims)]


@pytest.mark.parametrize("viewing", [Viewing(1), Viewing(None, 2), Viewing(0, 3)])
def test_poses_are_undone(viewing: Viewing, image: torch.Tensor) -> None:
    poses = list(viewing.list_poses(image.ndim - 2))
    seen = [pose.apply(image) for pose in poses]
    assert all(torch.equal(pose.undo(view), image) for pose, view in zip(poses, seen, strict=True))
    assert len({tuple(view.flatten().tolist()) for view in seen}) == len(poses)


@pytest.mark.parametrize("axis", [0, 1])
def test_two_views_are_the_mean_of_the_map_and_the_mirrored_map_of_the_mirrored_scan(
    network: ICAM, image: torch.Tensor, labels: torch.Tensor, axis: int
) -> None:
    flipped = [2 + axis]
    attribute, other = torch.randn(2, *network.eval().encode(image).mean.shape)
    both = exemplar_maps(network, image, attribute, 1 - labels, viewing=Viewing(axis), mirrored=other)
    plain = exemplar_maps(network, image, attribute, 1 - labels).mean
    mirrored = exemplar_maps(network, image.flip(flipped), other, 1 - labels).mean.flip(flipped)
    torch.testing.assert_close(both.mean, (plain + mirrored) / 2, **NEAR)
    torch.testing.assert_close(both.variance, (plain - mirrored).square() / 2, **NEAR)


def test_map_of_a_mirrored_scan_is_the_mirrored_map(network: ICAM, image: torch.Tensor, labels: torch.Tensor) -> None:
    attribute, other = torch.randn(2, *network.eval().encode(image).mean.shape)
    maps = exemplar_maps(network, image, attribute, labels, viewing=BOTH, mirrored=other).mean
    mirrored = exemplar_maps(network, image.flip([2]), other, labels, viewing=BOTH, mirrored=attribute).mean
    torch.testing.assert_close(mirrored, maps.flip([2]), **NEAR)


@pytest.mark.parametrize("reference", ["reconstruction", "input"])
def test_sampled_maps_have_mean_and_variance_over_draws_and_views(
    network: ICAM, image: torch.Tensor, labels: torch.Tensor, reference: str
) -> None:
    viewing = Viewing(0, 1)
    drawn, mirrored = ({label: torch.randn(3, *network.eval().encode(image).mean.shape[1:]) for label in (0, 1)} for _ in "ab")
    sides = {"reference": reference, "viewing": viewing, "mirrored": mirrored}
    single = single_maps(network, image, labels, drawn, **sides)
    assert len(single) == 3 * 2 * (1 + 2 * (image.ndim - 2))
    for chunk_size in (1, 3):
        maps = sampled_maps(network, image, labels, 3, chunk_size=chunk_size, attributes=drawn, **sides)
        torch.testing.assert_close(maps.mean, single.mean(0), **NEAR)
        torch.testing.assert_close(maps.variance, single.var(0), **NEAR)
    if reference == "input":
        torch.testing.assert_close(maps.translated - image, maps.mean, **NEAR)


def test_draws_are_of_their_class_in_mirrored_views_too(network: ICAM, image: torch.Tensor, labels: torch.Tensor) -> None:
    given: list[torch.Tensor] = []
    decode, network.decode = network.decode, lambda content, told: given.append(told) or decode(content, told)
    sampled_maps(network, image, labels, 3, threshold=0.6, reference="input", viewing=BOTH)
    told = torch.cat(given)
    probabilities = network.classify(told).softmax(1).view(-1, len(labels), 2)
    assert (probabilities[:, range(len(labels)), labels] > 0.6).all()


def test_axis_that_scans_do_not_have_and_negative_shift_are_refused(network: ICAM, image: torch.Tensor) -> None:
    with pytest.raises(ValueError, match="mirror_axis must be null or one of 0 to"):
        Views(network, image, Viewing(image.ndim - 2))
    with pytest.raises(ValueError, match="shift must be a number of voxels, 0 to 7, got -1"):
        Views(network, image, Viewing(None, -1))
