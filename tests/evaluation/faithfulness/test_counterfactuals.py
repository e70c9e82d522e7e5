from typing import Any

import numpy as np
import pytest
import torch

from bundle.evaluation import Bootstrap
from bundle.evaluation.explainers import Counterfactuals
from bundle.evaluation.faithfulness import CounterfactualAxioms
from bundle.evaluation.faithfulness.cases import list_cases
from tests.evaluation.known_classifier import KnownExplainer, make_classifier


def score_removal_of_disease(explainer: KnownExplainer) -> tuple[list[dict[str, Any]], torch.Tensor]:
    case = next(list_cases(explainer.split, explainer.explains))
    return CounterfactualAxioms(make_classifier()).score_case(explainer, case)


@pytest.mark.parametrize("spatial_dims", [2, 3])
def test_a_translation_that_paints_over_the_lesions_alone_fulfils_the_axioms(spatial_dims, make_cohort):
    rows, features = score_removal_of_disease(KnownExplainer(make_cohort(spatial_dims), batch_size=3))
    assert len(rows) == len(features) == 4
    for row in rows:
        assert row["method"] == "right" and row["effectiveness"] == 1 and row["change_outside"] == 0
        assert row["composition_error"] == pytest.approx(0.01, abs=1e-6)
        assert row["reversibility_error"] == pytest.approx(0.02, abs=1e-6)
        assert row["ssim"] < 0.99


class Idle(KnownExplainer):
    """A translation that adds the same everywhere, and has no attribute."""

    def translate(self, indices, target: int) -> Counterfactuals:
        return Counterfactuals(self._read(indices) + 0.001)


def test_a_change_everywhere_lies_outside_but_for_the_lesions_share_and_what_cannot_be_made_is_not_scored(make_cohort):
    cohort = make_cohort(2)
    rows, _ = score_removal_of_disease(Idle(cohort))
    for row in rows:
        mask = cohort.images[row["participant_id"]]["mask"]
        assert row["change_outside"] == pytest.approx(1 - mask.mean().item(), abs=1e-3)
        assert row["effectiveness"] == 0 and row["ssim"] > 0.99
        assert not {"composition_error", "reversibility_error"} & set(row)


def test_without_a_truth_the_place_of_the_change_is_not_scored(make_cohort):
    rows, _ = score_removal_of_disease(KnownExplainer(make_cohort(2).drop("effect", "parcel_map", "mask")))
    assert all(np.isnan(row["change_outside"]) for row in rows)


def test_healthy_translations_are_nearer_to_controls_than_the_scans_were(make_cohort):
    explainer, classifier = KnownExplainer(make_cohort(2, num_test=24)), make_classifier()
    real = classifier.predict_split(explainer.split)[1]
    _, (table,) = CounterfactualAxioms(classifier).score(explainer, real, Bootstrap(num_resamples=50))
    assert (table["n"] == 6).all() and (table["metric"] == "kid").all() and torch.isfinite(real).all()
    for _, rows in table.groupby("split"):
        figures = rows.set_index("method")["mean"]
        assert abs(figures["right"]) < 0.1 * figures["untranslated"]
