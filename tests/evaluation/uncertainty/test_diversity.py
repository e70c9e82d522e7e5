import numpy as np
import pandas as pd
import pytest
import torch

from bundle.evaluation import Bootstrap
from bundle.evaluation.ground_truth.changes import count_parcels, count_shares
from bundle.evaluation.uncertainty.diversity import (
    compare_phenotypes,
    detect_phenotypes,
    expect_variation,
    summarise_diversity,
)

KNOWN = {(1,): 0.5, (1, 2): 0.5}


@pytest.mark.parametrize("spatial_dims", [2, 3])
def test_a_parcel_is_shown_where_its_mean_exceeds_the_threshold(spatial_dims):
    parcel_map = torch.zeros(1, *[4] * spatial_dims)
    parcel_map[:, 0], parcel_map[:, 2] = 1, 2
    change = torch.where(parcel_map > 0, 0.4, 0.0)
    maps = torch.stack([change, 0.55 * change, 0.45 * change, change * (parcel_map == 2), -change])
    assert detect_phenotypes(maps, change, parcel_map, 0.5) == [(1, 2), (1, 2), (), (2,), ()]


def test_a_sampler_that_draws_as_the_cohort_has_no_distance_and_covers_all():
    table = summarise_diversity([[(1,), (1, 2)]] * 3, KNOWN, 0.01, Bootstrap(num_resamples=20))
    figures = table.set_index("metric")["mean"]
    assert figures["phenotype_distance"] == 0 and figures["phenotypes_covered"] == 1
    assert figures["perfect_distance"] == pytest.approx(0.25, abs=0.02)  # two draws: 0 or 0.5, as often


def test_a_sampler_of_one_phenotype_has_the_distance_by_hand():
    table = summarise_diversity([[(1,), (2,)], [(1,), (1,)]], KNOWN, 0.01, Bootstrap(num_resamples=20))
    figures = table.set_index("metric")["mean"]
    assert figures["phenotype_distance"] == pytest.approx((0.25 + 0.5 + 0.25) / 2)
    assert figures["phenotypes_covered"] == 0.5


@pytest.mark.parametrize(("shown", "distance"), [([(1,), (1, 2)], 0), ([(3,), (3,)], 1), ([(1,), (1,)], 0.5)])
def test_distance_is_half_the_l1_distance(shown, distance):
    figures = summarise_diversity([shown], KNOWN, 0.01, Bootstrap(num_resamples=20)).set_index("metric")["mean"]
    assert figures["phenotype_distance"] == distance


def test_expected_distance_of_draws_from_a_coin_is_the_mean_deviation_of_a_binomial():
    counts = np.random.default_rng(1).binomial(50, 0.5, 100_000)
    assert expect_variation([0.5, 0.5], 50) == pytest.approx(np.abs(counts / 50 - 0.5).mean(), rel=0.05)


def test_shares_are_relative_frequencies():
    assert count_shares([(1,), (1, 2), (1,), (1, 2)]) == KNOWN
    assert count_parcels(KNOWN) == {1: 1.0, 2: 0.5}


def test_rows_have_each_parcel_and_each_phenotype():
    table = pd.DataFrame(compare_phenotypes({(): 0.5, (1,): 0.5}, KNOWN))
    assert table["kind"].tolist() == ["parcel"] * 2 + ["phenotype"] * 3
    assert table["parcels"].tolist() == ["1", "2", "none", "1", "1+2"]
    assert table["drawn"].tolist() == [0.5, 0, 0.5, 0.5, 0] and table["training"].tolist() == [1, 0.5, 0, 0.5, 0.5]
