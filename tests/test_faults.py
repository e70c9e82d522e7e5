"""A short part of the campaign of faults: scripts/faults."""

import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_nothing_is_lost_and_nothing_let_in(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "faults", "--share", "0.03", "--seed", "1", "--only", "damage", "hostile", "inference"]
    environment = os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'scripts'}", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [*command, "--output", str(tmp_path / "rows.csv")], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
    rows = pd.read_csv(tmp_path / "rows.csv")
    assert (rows["good"] == rows["tried"]).all()
    assert {"kill -9 at a random time", "header with drawn values", "checkpoint with code"} <= set(rows["fault"])
