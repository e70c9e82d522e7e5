"""The table of a training."""

from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
import torch
from ignite.engine import Engine, Events

from bundle.training import History, Phase, Readings
from bundle.training.trainer import LOSSES

PHASES = [Phase(1, 2, {}, {}, "classifier"), Phase(None, 2, {}, {}, "whole")]


def test_a_row_names_the_phase_of_its_epoch_and_one_row_is_the_chosen(tmp_path: Path) -> None:
    best = SimpleNamespace(epoch=None)
    readings = Readings()
    history = History(tmp_path / "train.csv", readings, best_model=best)
    for epoch, chosen in ((1, None), (2, 2), (3, 3), (4, 3)):
        output = [{LOSSES: {"kl": torch.tensor(float(epoch))}}]
        trainer = SimpleNamespace(state=SimpleNamespace(epoch=epoch, iteration=epoch, output=output), phases=PHASES)
        trainer.find_phase = lambda epoch=epoch: PHASES[epoch > 1]
        best.epoch = chosen
        readings.start(trainer)
        readings.add(trainer)
        readings.read(trainer)
        history.write(trainer)
    table = pd.read_csv(tmp_path / "train.csv")
    assert table["phase"].tolist() == ["classifier", "whole", "whole", "whole"]
    assert table["chosen"].tolist() == [0, 0, 1, 0]
    assert table["kl"].tolist() == [1, 2, 3, 4]


def test_losses_are_read_every_few_iterations_and_at_the_end_of_an_epoch() -> None:
    readings, read = Readings(interval=3), []
    engine = Engine(lambda engine, batch: [{LOSSES: {"kl": torch.tensor(float(batch))}}])
    readings.attach(engine)
    for event in (Events.ITERATION_COMPLETED, Events.EPOCH_COMPLETED):
        engine.add_event_handler(event, lambda engine: read.append(len(readings.values["kl"])))
    engine.run([0.0, 1.0, 2.0, 3.0], max_epochs=2)
    assert read == [0, 0, 3, 4, 4, 0, 2, 2, 4, 4]
    assert readings.values == {"kl": [0, 1, 2, 3]}
    assert readings.latest == {"kl": 3}


@pytest.mark.parametrize("interval", [2, 10])
def test_a_loss_that_is_not_finite_stops_the_training_at_the_next_reading(interval: int) -> None:
    seen = []

    def step(engine: Engine, batch: float) -> list:
        seen.append(batch)
        return [{LOSSES: {"kl": torch.tensor(1.0), "map": torch.tensor(batch)}}]

    engine = Engine(step)
    Readings(interval).attach(engine)
    with pytest.raises(ValueError, match="the loss term map is nan: lower the learning rate"):
        engine.run([1.0, 1.0, float("nan"), 1.0, 1.0])
    assert len(seen) == (4 if interval == 2 else 5)


def test_an_interval_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="read_interval must be at least 1 iteration, got 0"):
        Readings(0)
