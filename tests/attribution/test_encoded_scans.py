"""Encoded scans are what the network encodes and decodes."""

import torch

from bundle.attribution import EncodedScans, TestTimeAugmentation
from bundle.networks import ICAM
from bundle.structures import Attributes


def test_one_view_is_what_the_network_decodes(network: ICAM, image: torch.Tensor, labels: torch.Tensor) -> None:
    latents = network.eval().encode(image)
    other = torch.randn_like(latents.mean)
    scans = EncodedScans(network, image)
    with torch.inference_mode():
        assert torch.equal(next(scans.decode(Attributes(other), labels)), network.decode(latents.content, other))
    assert torch.equal(scans.reconstruction[0], network.decode(latents.content, latents.mean))
    assert torch.equal(scans.attribute, latents.mean)
    torch.testing.assert_close(scans.probabilities.clone(), network.classify(latents.mean).softmax(1))


def test_every_view_is_brought_back_to_the_grid_of_the_scans(network: ICAM, image: torch.Tensor) -> None:
    scans = EncodedScans(network, image, TestTimeAugmentation(0, 1))
    for view, own in zip(scans.views, scans.reconstruction, strict=True):
        alone = EncodedScans(network, view.apply(image)).reconstruction[0]
        torch.testing.assert_close(view.apply(own), alone)
