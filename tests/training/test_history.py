"""The table of a training."""

from pathlib import Path
from types import SimpleNamespace

import pandas as pd

from bundle.training import History, Phase
from bundle.training.trainer import LOSSES

PHASES = [Phase(1, 2, {}, {}, "classifier"), Phase(None, 2, {}, {}, "whole")]


def test_a_row_names_the_phase_of_its_epoch_and_one_row_is_the_chosen(tmp_path: Path) -> None:
    best = SimpleNamespace(epoch=None)
    history = History(tmp_path / "train.csv", best_model=best)
    for epoch, chosen in ((1, None), (2, 2), (3, 3), (4, 3)):
        output = [{LOSSES: {"kl": float(epoch)}}]
        trainer = SimpleNamespace(state=SimpleNamespace(epoch=epoch, iteration=epoch, output=output), phases=PHASES)
        trainer.find_phase = lambda epoch=epoch: PHASES[epoch > 1]
        best.epoch = chosen
        history.start(trainer)
        history.add(trainer)
        history.write(trainer)
    table = pd.read_csv(tmp_path / "train.csv")
    assert table["phase"].tolist() == ["classifier", "whole", "whole", "whole"]
    assert table["chosen"].tolist() == [0, 0, 1, 0]
    assert table["kl"].tolist() == [1, 2, 3, 4]
