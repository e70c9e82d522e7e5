"""What the file of a network gives reason to doubt."""

from pathlib import Path
from typing import Any

import pytest
import torch
from scipy.stats import beta

from bundle.cautions import list_cautions
from bundle.checkpoints import VALIDATION, save_network


def write(folder: Path, **about: Any) -> Path:
    save_network(folder / "model.pt", torch.nn.Linear(2, 2), about)
    return folder / "model.pt"


def count(right: int, scans: int, largest: int) -> dict[str, Any]:
    return {VALIDATION: {"right": right, "scans": scans, "largest": largest}}


def test_a_network_that_is_better_than_chance_on_real_scans_has_none(tmp_path: Path) -> None:
    assert list_cautions(write(tmp_path, cohort="ADNI", **count(80, 100, 50))) == []


def test_simulated_scans_are_named(tmp_path: Path) -> None:
    (sentence,) = list_cautions(write(tmp_path, cohort="simulated ageing", **count(80, 100, 50)))
    assert sentence.startswith("The network was trained on simulated scans alone (simulated ageing)")


@pytest.mark.parametrize(("right", "largest"), [(55, 50), (50, 50), (80, 75)])
def test_a_classifier_at_chance_is_named_with_number_and_exact_interval(right: int, largest: int, tmp_path: Path) -> None:
    (sentence,) = list_cautions(write(tmp_path, cohort="ADNI", **count(right, 100, largest)))
    low, high = beta.ppf(0.025, right, 101 - right), beta.ppf(0.975, right + 1, 100 - right)
    assert low <= largest / 100
    assert f"not shown to be better than chance on its 100 validation scans: {right} are right ({right}%, 95%" in sentence
    assert f"{low:.0%} to {high:.0%}), and {largest}% would be" in sentence


@pytest.mark.parametrize("counts", [{}, count(0, 0, 0)])
def test_a_file_without_figures_is_named(counts: dict[str, Any], tmp_path: Path) -> None:
    (sentence,) = list_cautions(write(tmp_path, cohort="ADNI", **counts))
    assert sentence == "The network's file does not say how well it classifies scans that it has not learnt from"
