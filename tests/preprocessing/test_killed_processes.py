"""Processes of a preparation that are killed cost their own scan only, and end with their parent."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from deadly_jobs import DeadlySlices
from tiny_scans import ROOT

from bundle.preprocessing import CohortPreprocessing, Settings
from bundle.workers import Workers

Save = Callable[..., Path]

PARENT = """
from bundle.preprocessing import Limits, Settings
from deadly_jobs import prepare_slowly
if __name__ == "__main__":
    limits = Limits((0, 1e9), -1, 2, (0, 1e9))
    prepare_slowly({raw!r}, {output!r}, Settings(False, False, False, voxel_size=6.0, limits=limits))
"""


def is_alive(process: int) -> bool:
    """Tell whether a process runs; one that has ended and is not yet waited for does not."""
    try:
        return "zombie" not in Path(f"/proc/{process}/status").read_text()
    except OSError:
        return False


def wait_until(condition: Callable[[], bool], seconds: float) -> bool:
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.05)
    return condition()


@pytest.mark.slow
def test_a_scan_that_kills_its_process_fails_alone_and_those_behind_it_are_done(
    save_blob: Save, plain: Settings, tmp_path: Path
) -> None:
    for name in ("a", "c", "d"):
        save_blob(tmp_path / "raw" / f"{name}.nii.gz", spacing=(8.0, 8.0, 8.0))
    edge = 160 / (DeadlySlices.DEADLY + 0.5)
    save_blob(tmp_path / "raw" / "b.nii.gz", spacing=(edge, edge, edge))
    settings = replace(plain, limits=plain.limits._replace(num_slices=DeadlySlices(2)))
    run = CohortPreprocessing(tmp_path / "raw", tmp_path / "out", settings, Workers(1))
    run.run()
    table = pd.read_csv(tmp_path / "out" / "prepared.tsv", sep="\t").set_index("participant_id")
    assert table["status"].to_dict() == {"a": "done", "b": "failed", "c": "done", "d": "done"}
    assert "b.nii.gz: its process was killed twice" in table.loc["b", "message"]
    with pytest.raises(SystemExit, match="1 of 4 scans failed, the others are done"):
        run.finish()


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_workers_end_with_a_parent_that_is_killed(save_blob: Save, tmp_path: Path) -> None:
    save_blob(tmp_path / "raw" / "a.nii.gz", spacing=(8.0, 8.0, 8.0))
    script, log = tmp_path / "parent.py", tmp_path / "worker"
    script.write_text(PARENT.format(raw=str(tmp_path / "raw"), output=str(tmp_path / "out")))
    paths = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    parent = subprocess.Popen([sys.executable, script], env=os.environ | {"PYTHONPATH": paths, "LOG": str(log)})
    try:
        assert wait_until(lambda: log.is_file() and bool(log.read_text()), 300)
        worker = int(log.read_text())
        assert worker != parent.pid and is_alive(worker)
        parent.send_signal(signal.SIGKILL)
        parent.wait()
        assert wait_until(lambda: not is_alive(worker), 5)
    finally:
        parent.kill()
