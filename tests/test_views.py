"""Views: one is the network itself, two are their mean, and a mirrored scan has the mirrored map."""

import pytest
import torch

from bundle.attribution import exemplar_maps, sampled_maps
from bundle.networks import ICAM
from bundle.views import Views


def test_one_view_is_what_the_network_decodes(network: ICAM, image: torch.Tensor) -> None:
    latents = network.eval().encode(image)
    other = torch.randn_like(latents.mean)
    views = Views(network, image)
    assert torch.equal(views.decode(other), network.decode(latents.content, other))
    assert torch.equal(views.reconstruct(), network.decode(latents.content, latents.mean))


@pytest.mark.parametrize("axis", [0, 1])
def test_two_views_are_the_mean_of_the_map_and_the_mirrored_map_of_the_mirrored_scan(
    network: ICAM, image: torch.Tensor, labels: torch.Tensor, axis: int
) -> None:
    flipped = [2 + axis]
    attribute = torch.randn_like(network.eval().encode(image).mean)
    both = exemplar_maps(network, image, attribute, 1 - labels, mirror_axis=axis).mean
    plain = exemplar_maps(network, image, attribute, 1 - labels).mean
    mirrored = exemplar_maps(network, image.flip(flipped), attribute.flip(flipped), 1 - labels).mean.flip(flipped)
    torch.testing.assert_close(both, (plain + mirrored) / 2, atol=1e-5, rtol=1e-4)


def test_map_of_a_mirrored_scan_is_the_mirrored_map(network: ICAM, image: torch.Tensor, labels: torch.Tensor) -> None:
    attribute = torch.randn_like(network.eval().encode(image).mean)
    maps = exemplar_maps(network, image, attribute, labels, mirror_axis=0).mean
    mirrored = exemplar_maps(network, image.flip([2]), attribute.flip([2]), labels, mirror_axis=0).mean
    torch.testing.assert_close(mirrored, maps.flip([2]), atol=1e-5, rtol=1e-4)


def test_variance_is_that_of_the_averaged_draws(network: ICAM, image: torch.Tensor, labels: torch.Tensor) -> None:
    one, many = (sampled_maps(network, image, labels, 6, chunk_size=size, mirror_axis=0) for size in (1, 6))
    torch.testing.assert_close(one.mean, many.mean, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(one.variance, many.variance, atol=1e-6, rtol=1e-3)


def test_axis_that_scans_do_not_have_is_refused(network: ICAM, image: torch.Tensor) -> None:
    with pytest.raises(ValueError, match="mirror_axis must be null or one of 0 to"):
        Views(network, image, image.ndim - 2)
