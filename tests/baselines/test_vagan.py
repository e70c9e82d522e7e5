"""VA-GAN: what its maps are, and what is asked of them."""

import pytest
import torch
from monai.networks.nets import BasicUNet
from torch import nn

from bundle.baselines import VAGAN, VAGANValidator


class Zero(nn.Module):
    """A network that changes nothing."""

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return torch.zeros_like(image)


@pytest.fixture
def network(spatial_dims: int) -> VAGAN:
    """A tiny generator of maps; BasicUNet halves the grid four times."""
    return VAGAN(BasicUNet(spatial_dims, 1, 1, features=(2, 2, 4, 4, 4, 2)))


@pytest.fixture
def image(spatial_dims: int) -> torch.Tensor:
    """Four scans whose lowest grid has more than one voxel, as instance normalisation needs."""
    return torch.rand(4, 1, *[32] * spatial_dims) * 2 - 1


def test_with_a_zero_map_the_scan_is_returned(image: torch.Tensor) -> None:
    assert torch.equal(VAGAN(Zero()).translate(image), image)


def test_the_map_is_what_translation_adds_and_does_not_depend_on_the_batch(network: VAGAN, image: torch.Tensor) -> None:
    ones = torch.ones(1, dtype=torch.long)
    maps = network.attribute(image, ones.expand(4))
    assert maps.shape == image.shape and network.training
    torch.testing.assert_close(network.eval().translate(image) - image, maps, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(torch.cat([network.attribute(one, ones) for one in image.split(1)]), maps, atol=1e-5, rtol=1e-4)


def test_every_weight_has_a_gradient(network: VAGAN, image: torch.Tensor) -> None:
    network(image).square().mean().backward()
    idle = [name for name, weight in network.named_parameters() if weight.grad is None or not weight.grad.any()]
    assert not [name for name in idle if not name.endswith("bias")], idle  # biases before a normalisation are cancelled


def test_a_class_that_it_does_not_explain_is_refused(image: torch.Tensor) -> None:
    with pytest.raises(ValueError, match=r"VA-GAN explains class 1 alone, got \[0, 1\]"):
        VAGAN(Zero()).attribute(image, torch.tensor([0, 0, 1, 1]))


def test_validation_compares_maps_of_diseased_scans_with_their_lesions(network: VAGAN, image: torch.Tensor) -> None:
    labels, mask = torch.tensor([0, 0, 1, 1]), torch.zeros_like(image)
    mask[2, :, 1], mask[3, :, 2:5] = 1, 1
    validator = VAGANValidator("cpu", [{"image": image, "label": labels, "mask": mask}], network)
    validator.run()
    assert validator.state.output["label"].tolist() == [1, 1]
    assert torch.equal(validator.state.output["truth"], mask[2:])
    torch.testing.assert_close(validator.state.output["pred"], network.attribute(image[2:], labels[2:]))
