import pytest
import torch
from torch import nn

from bundle.baselines.layers import RULED, GuidedLeakyReLU, assign_rules, find_layer, guide


def test_a_guided_copy_has_the_same_output_and_leaves_the_network_alone(encoder, image):
    guided = guide(encoder)
    torch.testing.assert_close(guided(image), encoder(image))
    kinds = {type(module) for module in guided.modules()}
    assert GuidedLeakyReLU in kinds and nn.LeakyReLU not in kinds
    assert nn.LeakyReLU in {type(module) for module in encoder.modules()}


def test_a_layer_is_found_by_its_name(encoder, resnet):
    assert find_layer(encoder, "encoder.trunk") is encoder.encoder.trunk
    assert find_layer(resnet, "layer4.0") is resnet.layer4[0]
    with pytest.raises(ValueError, match="layer must be one of conv1, .*got ''"):
        find_layer(resnet, "")


def test_every_weighted_layer_has_the_rule(resnet):
    assign_rules(resnet, 0.5)
    ruled = [layer for layer in resnet.modules() if isinstance(layer, RULED)]
    assert len(ruled) > 10
    assert all(layer.rule.STABILITY_FACTOR == 0.5 for layer in ruled)
