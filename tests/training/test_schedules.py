"""The learning rate over a training."""

import math

import pytest
import torch

from bundle.training import cosine_schedule


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


@pytest.mark.parametrize("num_warmup", [-1, 5, 9])
def test_a_warm_up_as_long_as_the_training_is_refused(num_warmup: int) -> None:
    with pytest.raises(ValueError, match="warmup_iterations must be at least 0 and below the 5 iterations"):
        rates(num_iterations=5, num_warmup=num_warmup, steps=1)
