"""Reliability of regions: the figures of the evaluation, by network, atlas and views."""

import pandas as pd
import pytest
from tiny_scans import ROOT

import bundle
from bundle.atlases import find_reliability
from bundle.checkpoints import hash_weights


@pytest.fixture(scope="module")
def weights() -> str:
    return hash_weights(bundle.load("conversion", device="cpu").network)


@pytest.mark.parametrize("mirror_axis", [0, None])
def test_it_is_the_lower_correlation_of_seen_and_unseen_anatomies(weights: str, mirror_axis: int | None) -> None:
    table = pd.read_csv(ROOT / "docs" / "tables" / "conversion_views.csv")
    rows = table[table["direction"].isna() & (table["mirror_axis"].isna() if mirror_axis is None else table["mirror_axis"] == 0)]
    expected = rows.groupby(rows["metric"].str.removeprefix("correlation_"))["mean"].min()
    known = find_reliability(weights, "regions", mirror_axis, shift=0)
    assert {f"{side}-{region}" for region, side in known} == set(expected.index)
    for (region, side), value in known.items():
        assert value == pytest.approx(expected[f"{side}-{region}"], abs=0.0051)


def test_other_networks_atlases_and_views_have_none(weights: str) -> None:
    assert find_reliability(weights, "regions", 0, 0)
    for known in (("0123456789abcdef", "regions", 0, 0), (None, "regions", 0, 0), (weights, "aal3", 0, 0)):
        assert find_reliability(*known) == {}
    for mirror_axis, shift in ((1, 0), (2, 0), (0, 2), (None, 2)):
        assert find_reliability(weights, "regions", mirror_axis, shift) == {}
