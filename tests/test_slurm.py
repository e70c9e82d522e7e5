"""The scripts for SLURM, with `scontrol` and `srun` that note how they are called."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from processes import ROOT

STUBS = {
    "scontrol": '#!/usr/bin/env bash\necho "scontrol $*" >> "$NOTES"\n[ "$1" = show ] && echo node7 || true\n',
    "srun": '#!/usr/bin/env bash\necho "srun $* cpus=$SRUN_CPUS_PER_TASK" >> "$NOTES"\nexec sleep "$SECONDS_OF_WORK"\n',
}


def submit(folder: Path, name: str, seconds: float = 0, **variables: str) -> subprocess.Popen:
    """Start a script as a job of two machines."""
    for program, content in STUBS.items():
        (folder / program).write_text(content)
        (folder / program).chmod(0o755)
    job = {"SLURM_JOB_ID": "45678901", "SLURM_JOB_NODELIST": "node[7-8]", "SLURM_JOB_NUM_NODES": "2", "SLURM_CPUS_PER_TASK": "16"}
    path = {"PATH": f"{folder}{os.pathsep}{os.environ['PATH']}", "NOTES": str(folder / "notes"), "SECONDS_OF_WORK": str(seconds)}
    return subprocess.Popen(
        ["bash", f"scripts/slurm/{name}.sh", "cohort", "out", "--seed", "1"], cwd=ROOT, env=os.environ | job | path | variables
    )


@pytest.mark.parametrize(
    ("name", "run"),
    [
        ("train", "training --config_file ['configs/train.yaml','mine.yaml','configs/multi_gpu_train.yaml']"),
        ("infer", "evaluating --config_file ['configs/inference.yaml','mine.yaml','configs/multi_gpu_inference.yaml']"),
        (
            "evaluate",
            "evaluation --config_file "
            "['configs/train.yaml','configs/evaluate.yaml','mine.yaml','configs/multi_gpu_evaluate.yaml']",
        ),
    ],
)
def test_jobs_have_their_cores_and_the_overlay_for_several_processes_last(name: str, run: str, tmp_path: Path) -> None:
    assert submit(tmp_path, name, FILES="'mine.yaml'").wait() == 0
    called = (tmp_path / "notes").read_text().splitlines()[-1]
    assert called.endswith(f"-m monai.bundle run {run} --dataset_dir cohort --output_dir out --seed 1 cpus=16")
    port = int(called.partition("--rdzv_endpoint node7:")[2].split()[0])
    assert 1024 < port < 32768  # from there systems give out ports themselves


def test_a_job_goes_back_into_the_queue_at_its_time_limit(tmp_path: Path) -> None:
    process = submit(tmp_path, "train", seconds=5)
    while "srun" not in ((tmp_path / "notes").read_text() if (tmp_path / "notes").exists() else ""):
        time.sleep(0.02)
    process.send_signal(signal.SIGUSR1)
    process.wait()
    assert "scontrol requeue 45678901" in (tmp_path / "notes").read_text()
