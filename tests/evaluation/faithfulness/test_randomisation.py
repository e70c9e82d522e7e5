from copy import deepcopy

import pytest
import torch
from torch import nn

from bundle.evaluation.faithfulness import Randomisation
from bundle.evaluation.faithfulness.randomisation import shuffled_weights
from tests.evaluation.known_classifier import KnownExplainer


def make_network() -> nn.Module:
    return nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.Conv2d(4, 1, 3, padding=1)).eval()


def test_weights_are_shuffled_within_each_tensor_and_given_back_exactly():
    network = make_network()
    before = deepcopy(network.state_dict())
    with shuffled_weights([network], seed=1):
        inside = network.state_dict()
        assert not torch.equal(inside["0.weight"], before["0.weight"])
        for name, weight in inside.items():
            assert torch.equal(weight.flatten().sort().values, before[name].flatten().sort().values)
    assert all(torch.equal(weight, before[name]) for name, weight in network.state_dict().items())


def test_weights_are_given_back_after_an_error():
    network = make_network()
    before = network[0].weight.detach().clone()
    with pytest.raises(RuntimeError, match="stop"), shuffled_weights([network]):
        raise RuntimeError("stop")
    assert torch.equal(network[0].weight, before)


def test_copies_are_shuffled_alike_and_shared_weights_once():
    network = make_network()
    copy = deepcopy(network)
    with shuffled_weights([network], seed=2):
        once = network[0].weight.detach().clone()
    with shuffled_weights([network, network, copy], seed=2):
        assert torch.equal(network[0].weight, once) and torch.equal(copy[0].weight, once)


def test_maps_that_do_not_depend_on_the_weights_agree_and_learned_ones_less(make_cohort):
    network = make_network()
    rows = list(Randomisation(num_shuffles=3).score(KnownExplainer(make_cohort(2), network, batch_size=3)))
    agreements = {m: [r["randomisation_ncc"] for r in rows if r["method"] == m] for m in ("right", "learned")}
    assert agreements["right"] == pytest.approx([1.0] * 4)
    assert max(agreements["learned"]) < 0.999
    again = list(Randomisation(num_shuffles=3).score(KnownExplainer(make_cohort(2), network, batch_size=1)))
    values = {(row["scan"], row["method"]): row["randomisation_ncc"] for row in rows}
    assert {(row["scan"], row["method"]): row["randomisation_ncc"] for row in again} == pytest.approx(values, abs=1e-5)
