import torch

from bundle.evaluation.map_metrics.reference_maps import oracle_maps, trivial_maps
from bundle.evaluation.names import KINDS, NETWORK_METHODS, ORACLES, OWN_METHODS, TRIVIAL_METHODS, find_kind
from tests.tiny_evaluation import make_scan

PARCEL_MAP = torch.tensor([[[0.0, 1, 2], [1, 2, 0]]])
EFFECT = torch.tensor([[[0.0, 10, 20], [30, 40, 0]]])
CONTROL = make_scan(0, effect=EFFECT, parcel_map=PARCEL_MAP)
DISEASED = CONTROL._replace(label=1, mask=(PARCEL_MAP == 1).float())


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
    assert oracle_maps(make_scan(1), CONTROL, {}) == {}
    assert oracle_maps(CONTROL, make_scan(1), {}) == {}


def test_every_method_has_a_kind():
    assert set(KINDS) == {*NETWORK_METHODS, *OWN_METHODS, *ORACLES}
    assert {find_kind(method) for method in TRIVIAL_METHODS} == {"both"}
