"""Each optional column that the page on data names gives the figures that it promises there, and no other column does."""

import pandas as pd
import pytest
import torch
from tiny_evaluation import build_evaluation

TRUTHS = ("mask", "brain_mask", "anatomy", "parcel_map", "effect")


def evaluate(make_cohort, make_network, folder, spatial_dims: int, kept: tuple[str, ...]) -> pd.DataFrame:
    cohort = make_cohort(spatial_dims).drop(*(name for name in TRUTHS if name not in kept))
    return build_evaluation(make_network(spatial_dims), cohort, folder).run()


def figures(table: pd.DataFrame, protocol: str, direction: str) -> set[str]:
    rows = table[(table["protocol"] == protocol) & (table["direction"] == direction) & (table["n"] > 0)]
    return {method for method in rows["method"] if method.startswith(("exemplar", "sampled", "oracle"))}


OWN, DRAWN = {"exemplar_reconstruction", "exemplar_input"}, {"sampled_reconstruction", "sampled_input"}
EXACT = {"oracle", "oracle_expected"}


@pytest.mark.parametrize("spatial_dims", [2, 3])
@pytest.mark.parametrize(
    ("kept", "paper", "paired_minus", "paired_plus"),
    [
        ((), set(), set(), set()),
        (("parcel_map",), set(), set(), set()),
        (("mask",), OWN | DRAWN, OWN, set()),
        (("mask", "parcel_map"), OWN | DRAWN, OWN, OWN),
        (("mask", "parcel_map", "effect"), OWN | DRAWN | EXACT, OWN | DRAWN | EXACT, OWN | DRAWN | EXACT),
    ],
    ids=lambda value: "+".join(value) if isinstance(value, tuple) else "",
)
def test_masks_parcels_and_effects_give_what_the_page_says(
    spatial_dims, kept, paper, paired_minus, paired_plus, make_cohort, make_network, tmp_path
) -> None:
    table = evaluate(make_cohort, make_network, tmp_path, spatial_dims, kept)
    assert figures(table, "paper", "-") == paper and figures(table, "paper", "+") == paper
    assert figures(table, "paired", "-") == paired_minus
    assert figures(table, "paired", "+") == paired_plus


def test_paired_ncc_of_adding_disease_is_that_with_the_reference_scans_parcels(make_cohort, make_network, tmp_path) -> None:
    """A map that shows the parcels themselves has an NCC of one, with an effect and without."""
    cohort = make_cohort(2).drop("effect")
    evaluation = build_evaluation(make_network(2), cohort, tmp_path)
    split = evaluation.split
    control = next(index for index, label in enumerate(split.labels) if label == 0)
    reference = split.load(split.references[control][1])
    perfect = split.load(control).select_parcels(reference.find_parcels())
    rows = evaluation.maps.score_scan(
        control, 1, {"exemplar_input": perfect.float(), "exemplar_reconstruction": torch.randn(perfect.shape)}
    )
    scores = {(row["protocol"], row["method"]): row["ncc_image"] for row in rows}
    assert scores["paired", "exemplar_input"] == pytest.approx(1, abs=1e-5)
    assert abs(scores["paired", "exemplar_reconstruction"]) < 0.3


@pytest.mark.slow
@pytest.mark.parametrize("spatial_dims", [2, 3])
def test_brain_masks_give_ncc_in_the_brain_and_anatomies_the_unseen_scans(
    spatial_dims, make_cohort, make_network, tmp_path
) -> None:
    with_both = evaluate(make_cohort, make_network, tmp_path / "a", spatial_dims, ("mask", "brain_mask", "anatomy"))
    without = evaluate(make_cohort, make_network, tmp_path / "b", spatial_dims, ("mask",))
    assert "ncc_brain" in set(with_both["metric"]) and "ncc_brain" not in set(without["metric"])
    assert set(with_both["split"]) == {"seen", "unseen"} and set(without["split"]) == {"test"}
