"""The learning rate over a training."""

import math

import pytest
import torch

from bundle.training import cosine_schedule
from bundle.training.schedules import _cut as fit_cut


def rates(num_iterations: int, num_warmup: int, steps: int) -> list[float]:
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.5)
    schedule = cosine_schedule(optimizer, num_iterations, num_warmup)
    found = []
    for _ in range(steps):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return found


def test_the_rate_rises_to_its_peak_and_falls_to_zero_along_a_cosine() -> None:
    found = rates(num_iterations=10, num_warmup=4, steps=11)
    expected = [0.5 * (i + 1) / 4 for i in range(4)] + [0.25 * (1 + math.cos(math.pi * i / 6)) for i in range(7)]
    assert found == pytest.approx(expected)


def test_the_rate_stays_zero_after_the_end() -> None:
    assert rates(num_iterations=3, num_warmup=0, steps=6)[-1] == 0


@pytest.mark.parametrize(("num_warmup", "rising"), [(50, 2), (20, 2), (19, 19)])
def test_a_warm_up_as_long_as_the_training_is_cut_to_a_tenth_with_a_sentence(num_warmup: int, rising: int, caplog) -> None:
    fit_cut.cache_clear()
    for _ in range(2):  # two optimisers, one sentence
        found = rates(num_iterations=20, num_warmup=num_warmup, steps=20)
    assert found.index(max(found)) == rising - 1
    assert caplog.text.count(f"cut from warmup_iterations {num_warmup} to 2") == (rising == 2)


def test_a_negative_warm_up_is_refused() -> None:
    with pytest.raises(ValueError, match="warmup_iterations must be at least 0, got -1"):
        rates(num_iterations=5, num_warmup=-1, steps=1)
