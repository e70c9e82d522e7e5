"""p-values of scans, against their definition."""

import pytest
import torch

from bundle.networks import PARTS, Typicality


def make(count: int = 200) -> tuple[Typicality, torch.Tensor]:
    typicality, scores = Typicality(4), torch.randn(count, len(PARTS))
    typicality.set_scores(scores)
    return typicality, scores


def test_scans_like_those_of_the_cohort_have_p_values_spread_evenly() -> None:
    typicality, _ = make(1000)
    p, _ = typicality.find_p_values(torch.randn(4000, len(PARTS)))
    for level in (0.05, 0.2, 0.5):
        assert abs((p <= level).float().mean() - level) < 0.03


@pytest.mark.parametrize("count", [20, 60])
def test_few_kept_scans_flag_the_level(count: int) -> None:
    flagged = [(make(count)[0].find_p_values(torch.randn(100, len(PARTS)))[0] <= 0.05).float().mean() for _ in range(100)]
    assert 0.03 < torch.stack(flagged).mean() < 0.07


@pytest.mark.parametrize("part", range(len(PARTS)))
def test_a_scan_that_is_unusual_in_one_part_alone_is_found_and_the_part_is_named(part: int) -> None:
    typicality, _ = make()
    scores = torch.zeros(1, len(PARTS))
    scores[0, part] = 9.0
    p, found = typicality.find_p_values(scores)
    assert p < 0.05 and found.item() == part


def test_only_the_reconstruction_is_unusual_when_its_score_is_low() -> None:
    typicality, _ = make()
    p, _ = typicality.find_p_values(torch.diag(torch.full((len(PARTS),), -9.0)))
    assert (p < 0.05).tolist() == [name == "reconstruction" for name in PARTS]


def test_before_it_is_fitted_there_is_no_p_value() -> None:
    assert Typicality(4).find_p_values(torch.zeros(2, len(PARTS)))[0].isnan().all()


def test_scores_that_are_all_the_same_make_nothing_unusual() -> None:
    typicality = Typicality(4)
    typicality.set_scores(torch.ones(50, len(PARTS)))
    assert typicality.find_p_values(torch.ones(1, len(PARTS)))[0].item() == 1
