"""Which phases a training has, and how a short one cuts them."""

import logging

import pytest

from bundle.training import Phase, fit_phases
from bundle.training.phases import count_first_epochs


def make_phases(*epochs: int | None) -> list[Phase]:
    return [Phase(count, 2, {}, {}, f"phase{index}") for index, count in enumerate(epochs)]


@pytest.mark.parametrize(
    ("epochs", "max_epochs", "fitted"),
    [
        ((5, 1, None), 14, [5, 1, None]),
        ((5, 1, None), 7, [5, 1, None]),
        ((5, 1, None), 6, [5, 0, None]),
        ((5, 1, None), 2, [1, 0, None]),
        ((0, 1, None), 1, [0, 0, None]),
        ((None,), 1, [None]),
    ],
)
def test_a_short_training_has_an_epoch_of_the_whole_objective(epochs, max_epochs, fitted, caplog) -> None:
    phases = make_phases(*epochs)
    with caplog.at_level(logging.WARNING):
        found = fit_phases(phases, max_epochs)
    assert [phase.epochs for phase in found] == fitted
    assert [phase.epochs for phase in phases] == list(epochs)  # the given ones stay
    assert count_first_epochs(found) < max_epochs
    cut = [index for index, (before, after) in enumerate(zip(epochs, fitted, strict=True)) if before != after]
    assert [record.args[0] for record in caplog.records] == [f"phase{index}" for index in cut]


def test_no_epoch_at_all_is_refused() -> None:
    with pytest.raises(ValueError, match="max_epochs must be at least 1"):
        fit_phases(make_phases(1, None), 0)
