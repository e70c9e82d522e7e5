"""The critic of VA-GAN: its penalty, its schedule, and a training that it is part of."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from ignite.engine import Events
from monai.bundle import ConfigParser
from torch import nn
from training_run import ROOT

from bundle.baselines import GradientPenalty, find_turns
from bundle.simulation.squares import simulate_squares_cohort


class Linear(nn.Module):
    """A critic whose slope is the same everywhere."""

    def __init__(self, weight: torch.Tensor) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return (image * self.weight).flatten(1).sum(1)


def test_penalty_of_a_linear_critic_is_that_of_its_slope(image: torch.Tensor) -> None:
    critic = Linear(torch.randn_like(image[:1]))
    penalty = GradientPenalty()(critic, image, -image)
    torch.testing.assert_close(penalty, (critic.weight.norm() - 1).square())
    penalty.backward()
    norm = critic.weight.detach().norm()
    torch.testing.assert_close(critic.weight.grad, 2 * (norm - 1) * critic.weight.detach() / norm)


def test_penalty_is_zero_for_a_slope_of_one_and_a_batch_is_the_mean_of_single_calls(image: torch.Tensor) -> None:
    weight = torch.randn_like(image[:1])
    assert GradientPenalty()(Linear(weight / weight.norm()), image, -image) < 1e-10
    alone = [GradientPenalty()(Linear(weight), *(each[None] for each in pair)) for pair in zip(image, -image, strict=True)]
    torch.testing.assert_close(GradientPenalty()(Linear(weight), image, -image), torch.stack(alone).mean())


def test_the_penalty_is_taken_between_the_images(image: torch.Tensor) -> None:
    seen: list[torch.Tensor] = []

    def critic(between: torch.Tensor) -> torch.Tensor:
        seen.append(between.detach())
        return between.square().flatten(1).sum(1)

    GradientPenalty()(critic, torch.ones_like(image), torch.zeros_like(image))
    flat = seen[0].flatten(1)
    assert (flat.amax(1) == flat.amin(1)).all() and 0 <= flat.min() <= flat.max() <= 1  # one share for all voxels of a pair
    assert len(flat[:, 0].unique()) == len(image)


def test_images_of_other_shapes_are_refused(image: torch.Tensor) -> None:
    with pytest.raises(ValueError, match="shapes must be equal"):
        GradientPenalty()(nn.Identity(), image, image[:2])


def test_the_critic_is_ahead_and_further_where_it_is_tuned() -> None:
    turns = sorted(find_turns(100, critic_steps=3, tuning_steps=10, tuning_first=2, tuning_period=5))
    steps = [later - earlier for earlier, later in zip([0, *turns], turns, strict=False)]
    assert steps[:11] == [10, 10, 3, 3, 3, 10, 3, 3, 3, 3, 10]
    assert max(turns) <= 100


def test_the_papers_critic_takes_25_times_a_hundred_steps_first() -> None:
    assert [turn for turn in sorted(find_turns(2510)) if turn > 2300] == [2400, 2500, 2505, 2510]


@pytest.mark.parametrize("numbers", [{"critic_steps": 0}, {"tuning_first": -1}, {"tuning_period": 0}])
def test_impossible_schedules_are_refused(numbers: dict) -> None:
    with pytest.raises(ValueError, match="must be at least"):
        find_turns(1000, **numbers)


def test_a_training_in_which_the_generator_never_steps_is_refused() -> None:
    with pytest.raises(ValueError, match="takes no step in 99 iterations"):
        find_turns(99)


@pytest.fixture(scope="module")
def squares(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return simulate_squares_cohort(tmp_path_factory.mktemp("data") / "squares", (32, 32), 8, 4, 4)


def train(folder: Path, squares: Path, die: bool = False) -> pd.DataFrame:
    """Train by the committed configs, to the end or until the last of three epochs; return the history without the times."""
    names = ("train", "squares", "baselines/vagan_network", "baselines/vagan")
    parser = ConfigParser(ConfigParser.load_config_files([ROOT / "configs" / f"{name}.yaml" for name in names]))
    keys: dict[str, Any] = {
        "cohort": str(squares), "output_dir": str(folder), "image_size": [32, 32], "device": "cpu", "epoch_length": 2,
        "max_epochs": 3, "batch_size": 4, "warmup_iterations": 2, "train#trainer#turns#tuning_steps": 1,
        "train#trainer#turns#critic_steps": 2,
    }  # fmt: skip
    parser.update(keys)
    parser.get_parsed_content("initialize#2")  # the seed
    parser.get_parsed_content("initialize#4")  # settings are checked
    trainer = parser.get_parsed_content("train#trainer")
    if die:
        trainer.add_event_handler(Events.ITERATION_STARTED(once=6), stop)
        with pytest.raises(KeyboardInterrupt):
            trainer.run()
    else:
        trainer.run()
    return pd.read_csv(folder / "baselines" / "vagan" / "train" / "train.csv").drop(columns="seconds")


def stop() -> None:
    raise KeyboardInterrupt


@pytest.mark.slow
def test_a_run_that_died_resumes_to_the_same_numbers(tmp_path: Path, squares: Path) -> None:
    expected = train(tmp_path / "whole", squares)
    assert expected[["critic", "distance", "gradient_penalty", "loss", "map", "val_ncc"]].notna().all(axis=None)
    assert len(train(tmp_path / "died", squares, die=True)) == 2
    pd.testing.assert_frame_equal(train(tmp_path / "died", squares), expected)
    first, second = (
        torch.load(tmp_path / name / "baselines" / "vagan" / "train" / "model.pt", weights_only=True)["model"]
        for name in ("whole", "died")
    )
    assert all(torch.equal(first[name], second[name]) for name in first)
