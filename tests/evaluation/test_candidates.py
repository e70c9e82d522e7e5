import pytest
import torch

from bundle.evaluation.candidates import (
    KINDS,
    NETWORK_METHODS,
    ORACLES,
    OWN_METHODS,
    TRIVIAL_METHODS,
    network_maps,
    oracle_maps,
    trivial_maps,
)

PARCEL_MAP = torch.tensor([[[0.0, 1, 2], [1, 2, 0]]])
EFFECT = torch.tensor([[[0.0, 10, 20], [30, 40, 0]]])
CONTROL = {"label": 0, "effect": EFFECT, "parcel_map": PARCEL_MAP}
DISEASED = CONTROL | {"label": 1, "mask": (PARCEL_MAP == 1).float()}


@pytest.mark.parametrize("spatial_dims", [2, 3])
def test_maps_against_input_and_reconstruction_differ_by_the_reconstruction_error(spatial_dims, make_cohort, make_network):
    network = make_network(spatial_dims).eval()
    cohort = make_cohort(spatial_dims)
    image = torch.stack([cohort.test[i]["image"] for i in (0, 2)])
    with torch.inference_mode():
        content, attribute, _ = network.encode(image)
        error = network.decode(content, attribute) - image
    maps = network_maps(network, image, attribute.flip(0), torch.ones(2).long(), 4, 0.5, 0, 2)
    assert tuple(maps) == NETWORK_METHODS
    for way in ("exemplar", "sampled"):
        torch.testing.assert_close(maps[f"{way}_input"] - maps[f"{way}_reconstruction"], error, atol=1e-5, rtol=0)


def test_trivial_maps_are_differences_and_reproducible_noise():
    image, mean, random, reference = (torch.full((1, 2, 2), value) for value in (0.5, 0.25, 0.0, -0.5))
    maps = trivial_maps(image, mean, random, reference, seed=[0, 3])
    assert tuple(maps) == TRIVIAL_METHODS
    means = {method: maps[method].mean().item() for method in TRIVIAL_METHODS[:4]}
    assert means == {"image": 1.5, "image_minus_mean": 0.25, "image_minus_random": 0.5, "image_minus_reference": 1.0}
    assert torch.equal(maps["noise"], trivial_maps(image, mean, random, reference, seed=[0, 3])["noise"])
    assert not torch.equal(maps["noise"], trivial_maps(image, mean, random, reference, seed=[0, 4])["noise"])


def test_oracles_are_the_exact_changes():
    removed = oracle_maps(DISEASED, CONTROL, {})
    added = oracle_maps(CONTROL, DISEASED, {1: 1.0, 2: 0.5})
    assert removed["oracle"].tolist() == removed["oracle_expected"].tolist() == [[[0, 10, 0], [30, 0, 0]]]
    assert added["oracle"].tolist() == [[[0, 10, 0], [30, 0, 0]]]
    assert added["oracle_expected"].tolist() == [[[0, 10, 10], [30, 20, 0]]]


def test_there_is_no_oracle_where_the_change_is_unknown():
    assert oracle_maps({"label": 1}, CONTROL, {}) == {}
    assert oracle_maps(CONTROL, {"label": 1}, {}) == {}


def test_every_method_has_a_kind():
    assert set(KINDS) == {*NETWORK_METHODS, *OWN_METHODS, *TRIVIAL_METHODS, *ORACLES}
