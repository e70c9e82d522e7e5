"""The files of an evaluation are those of one evaluation."""

from pathlib import Path

import pandas as pd
import pytest

from bundle.evaluation.reporting import results as module
from bundle.evaluation.reporting.results import Results
from bundle.files import write_atomically

NUM_FILES = 4


def write(folder: Path, number: int) -> None:
    table = pd.DataFrame({"value": [number]})
    Results(folder).write_tables({"metrics": table, "scans": table, "predictions": table}, {"number": number})


@pytest.mark.parametrize("written", range(NUM_FILES + 1))
def test_where_metrics_are_all_tables_are_of_one_evaluation(
    written: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, 1)
    left = iter(range(written))

    def write_or_die(path: Path) -> object:
        if next(left, None) is None:
            raise KeyboardInterrupt
        return write_atomically(path)

    monkeypatch.setattr(module, "write_atomically", write_or_die)
    if written < NUM_FILES:
        with pytest.raises(KeyboardInterrupt):
            write(tmp_path, 2)
        assert Results(tmp_path).read_table("metrics").empty
    else:
        write(tmp_path, 2)
        assert {int(pd.read_csv(path)["value"][0]) for path in tmp_path.glob("*.csv")} == {2}
        assert Results(tmp_path).read_settings() == {"number": 2}
