"""The parts that a network is split into."""

import torch

from bundle.export import split_network
from bundle.networks import ICAM


def test_parts_put_together_are_the_network(network: ICAM, image: torch.Tensor) -> None:
    parts = split_network(network)
    content, mean, log_variance = parts["encoder"].compute(image)
    (logits,) = parts["classifier"].compute(mean)
    attribute = network.class_attributes[logits.argsort(1)[:, -2]]
    translated, own = (parts["generator"].compute(content, given)[0] for given in (attribute, mean))
    torch.testing.assert_close(translated - own, network(image), atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(parts["map"].compute(image)[0], network(image))
    torch.testing.assert_close(log_variance, network.attribute_encoder(image)[1])


def test_a_network_with_regression_has_a_regressor(make_network, image: torch.Tensor) -> None:
    network = make_network(regression=True)
    parts = split_network(network)
    _, mean, _ = parts["encoder"].compute(image)
    torch.testing.assert_close(parts["regressor"].compute(mean)[0], network.attribute_encoder.regress(mean))
    assert "regressor" not in split_network(make_network())


def test_parts_are_in_evaluation_mode_and_repeatable(make_network, image: torch.Tensor) -> None:
    network = make_network()
    network.train()
    encoder = split_network(network)["encoder"]
    assert torch.equal(encoder.compute(image)[0], encoder.compute(image)[0])
