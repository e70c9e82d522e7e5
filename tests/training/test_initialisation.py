"""Weights that a training starts from."""

import logging

import pytest
import torch

from bundle.checkpoints import save_network
from bundle.training import initialise


def test_weights_that_fit_are_taken_over_and_a_head_of_other_classes_starts_anew(make_network, tmp_path, caplog) -> None:
    trained, network = make_network(), make_network(num_classes=3, regression=True, num_components=2)
    head = network.attribute_encoder.classifier.weight.clone()
    save_network(tmp_path / "model.pt", trained)
    with caplog.at_level(logging.INFO):
        assert initialise(network, tmp_path / "model.pt") is network
    ours, theirs = dict(network.named_parameters()), dict(trained.named_parameters())
    same = {name for name in ours if name in theirs and torch.equal(ours[name], theirs[name])}
    anew = {f"attribute_encoder.{layer}.{kind}" for layer in ("classifier", "regressor") for kind in ("weight", "bias")}
    assert ours.keys() - same == anew and torch.equal(network.attribute_encoder.classifier.weight, head)
    assert "what starts anew: attribute_encoder.classifier, attribute_encoder.regressor" in caplog.text


def test_without_a_file_nothing_changes_and_a_file_that_does_not_fit_is_refused(make_network, tmp_path) -> None:
    network = make_network()
    before = {name: weight.clone() for name, weight in network.named_parameters()}
    initialise(network, None)
    assert all(torch.equal(before[name], weight) for name, weight in network.named_parameters())
    save_network(tmp_path / "model.pt", torch.nn.Linear(2, 2))
    with pytest.raises(ValueError, match="no weight that fits"):
        initialise(network, tmp_path / "model.pt")
