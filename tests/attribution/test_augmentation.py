"""Test-time augmentation: views are undone, and maps over several have the mean and the scatter of single ones."""

import pytest
import torch

from bundle.attribution import EncodedScans, TestTimeAugmentation, exemplar_maps, sampled_maps, single_maps, value_maps
from bundle.networks import ICAM
from bundle.structures import Attributes

NEAR = {"atol": 1e-5, "rtol": 1e-4}
MIRRORED = TestTimeAugmentation(mirror_axis=0)


@pytest.mark.parametrize("spatial_dims", [2, 3])
def test_number_of_views(spatial_dims: int) -> None:
    settings = [TestTimeAugmentation(axis, shift) for axis in (None, 0) for shift in (0, 2)]
    counts = [len(list(augmentation.list_views(spatial_dims))) for augmentation in settings]
    assert counts == [1, 1 + 2 * spatial_dims, 2, 2 * (1 + 2 * spatial_dims)]


@pytest.mark.parametrize("augmentation", [TestTimeAugmentation(1), TestTimeAugmentation(None, 2), TestTimeAugmentation(0, 3)])
def test_views_are_undone(augmentation: TestTimeAugmentation, image: torch.Tensor) -> None:
    views = list(augmentation.list_views(image.ndim - 2))
    seen = [view.apply(image) for view in views]
    assert all(torch.equal(view.undo(other), image) for view, other in zip(views, seen, strict=True))
    assert len({tuple(other.flatten().tolist()) for other in seen}) == len(views)


@pytest.mark.parametrize("axis", [0, 1])
def test_two_views_are_the_mean_of_the_map_and_the_mirrored_map_of_the_mirrored_scan(
    network: ICAM, image: torch.Tensor, labels: torch.Tensor, axis: int
) -> None:
    flipped = [2 + axis]
    attribute, other = torch.randn(2, *network.eval().encode(image).mean.shape)
    both = exemplar_maps(EncodedScans(network, image, TestTimeAugmentation(axis)), Attributes(attribute, other), 1 - labels)
    plain = exemplar_maps(EncodedScans(network, image), Attributes(attribute), 1 - labels).mean
    mirrored = exemplar_maps(EncodedScans(network, image.flip(flipped)), Attributes(other), 1 - labels).mean.flip(flipped)
    torch.testing.assert_close(both.mean, (plain + mirrored) / 2, **NEAR)
    torch.testing.assert_close(both.variance, (plain - mirrored).square() / 2, **NEAR)


def test_maps_to_a_value_move_the_attribute_by_the_same_step_in_both_views(make_network, image: torch.Tensor) -> None:
    network, wanted = make_network(regression=True), torch.tensor([-2.0, 0.0, 1.0, 3.0])
    scans, mirrored = EncodedScans(network, image), EncodedScans(network, image.flip([2]))
    plain, other = value_maps(scans, wanted), value_maps(mirrored, mirrored.values + wanted - scans.values)
    both = value_maps(EncodedScans(network, image, MIRRORED), wanted)
    torch.testing.assert_close(both.mean, (plain.mean + other.mean.flip([2])) / 2, **NEAR)
    torch.testing.assert_close(both.translated, (plain.translated + other.translated.flip([2])) / 2, **NEAR)
    assert (plain.mean - both.mean).abs().max() > 1e-3 and not plain.variance.any() and both.variance.any()


def test_map_of_a_mirrored_scan_is_the_mirrored_map(network: ICAM, image: torch.Tensor, labels: torch.Tensor) -> None:
    attribute, other = torch.randn(2, *network.eval().encode(image).mean.shape)
    maps = exemplar_maps(EncodedScans(network, image, MIRRORED), Attributes(attribute, other), labels).mean
    mirrored = exemplar_maps(EncodedScans(network, image.flip([2]), MIRRORED), Attributes(other, attribute), labels).mean
    torch.testing.assert_close(mirrored, maps.flip([2]), **NEAR)


@pytest.mark.parametrize("reference", ["reconstruction", "input"])
def test_sampled_maps_have_mean_and_variance_over_draws_and_views(
    network: ICAM, image: torch.Tensor, labels: torch.Tensor, reference: str
) -> None:
    shape = network.attribute_encoder.latent_shape
    drawn = {label: Attributes(*torch.randn(2, 3, *shape)) for label in (0, 1)}
    scans = EncodedScans(network, image, TestTimeAugmentation(0, 1))
    single = single_maps(scans, labels, drawn, 2, reference)
    assert len(single) == 3 * 2 * (1 + 2 * (image.ndim - 2))
    maps = sampled_maps(scans, labels, drawn, 2, reference, shown_draws=3)
    torch.testing.assert_close(maps.mean, single.mean(0), **NEAR)
    torch.testing.assert_close(maps.variance, single.var(0), **NEAR)
    views = len(single) // 3
    draws = torch.cat([chunk.unflatten(0, (views, -1)).mean(0) for chunk in single.split(2 * views)])  # two draws, view by view
    assert maps.draws is not None
    torch.testing.assert_close(maps.draws, draws, **NEAR)
    torch.testing.assert_close(maps.draws.mean(0), maps.mean, **NEAR)
    if reference == "input":
        torch.testing.assert_close(maps.translated - image, maps.mean, **NEAR)


def test_mirrored_views_are_given_the_same_attributes_where_there_are_no_others(
    network: ICAM, image: torch.Tensor, labels: torch.Tensor
) -> None:
    given: list[torch.Tensor] = []
    decode, network.decode = network.decode, lambda content, *told: given.append(told[0]) or decode(content, *told)
    drawn = {label: Attributes(torch.randn(3, *network.attribute_encoder.latent_shape)) for label in (0, 1)}
    sampled_maps(EncodedScans(network, image, MIRRORED), labels, drawn, reference="input")
    assert len(given) == 2 and torch.equal(*given)
    assert torch.equal(given[0].unflatten(0, (3, 4))[:, 2], drawn[1].values)


def test_axis_that_scans_do_not_have_and_negative_shift_are_refused(network: ICAM, image: torch.Tensor) -> None:
    for axis in (image.ndim - 2, -1, True, 0.0, "0"):
        with pytest.raises(ValueError, match=f"mirror_axis must be none or one of 0 to {image.ndim - 3}, got {axis}"):
            EncodedScans(network, image, TestTimeAugmentation(axis))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="shift must be a number of voxels, 0 to 7, got -1"):
        EncodedScans(network, image, TestTimeAugmentation(None, -1))
