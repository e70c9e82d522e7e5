"""The whole way of a newcomer, with a small cohort of lesions and a training cut to seconds."""

import os
import subprocess
from pathlib import Path

import nibabel
import pandas as pd
import pytest

from bundle.simulation import LesionStudy, simulate_cohort
from bundle.simulation.storage import DESCRIPTION

ROOT = Path(__file__).parents[1]
BUDGET = ["--max_epochs", "3", "--epoch_length", "10", "--warmup_epochs", "1", "--warmup_iterations", "5"]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_quickstart_ends_with_tables_maps_and_a_report(tmp_path: Path) -> None:
    cohort = simulate_cohort(tmp_path / "lesions", LesionStudy(), (96, 112), 2.0, 16, 4, 2, 2, anatomies=["mni152-09a-sym"])
    (cohort / DESCRIPTION).unlink()  # it is taken as it is
    command = ["bash", "scripts/quickstart.sh", *BUDGET]
    environment = os.environ | {"OUTPUT": str(tmp_path), "DATA": str(cohort)}
    run = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout[-3000:] + run.stderr[-3000:]
    history = pd.read_csv(tmp_path / "train" / "train.csv")
    assert history["reconstruction_l1"].iloc[-1] < history["reconstruction_l1"].iloc[0]
    metrics = pd.read_csv(tmp_path / "eval" / "metrics.csv")
    assert " ".join(metrics) == "cohort split protocol method direction metric mean std ci_low ci_high n"
    assert set(metrics["split"]) == {"seen", "unseen"}
    oracle = metrics.query("protocol == 'paired' and method == 'oracle' and metric == 'ncc_image'")
    assert oracle["mean"].between(0.85, 1.0).all()
    predictions = pd.read_csv(tmp_path / "maps" / "predictions.csv")
    scans = sorted((tmp_path / "scans").glob("*.nii.gz"))
    assert len(predictions) == len(scans) == 4
    for scan in map(nibabel.load, scans):
        name = Path(scan.get_filename()).name.removesuffix(".nii.gz")
        for kind in ("fa_mean", "fa_variance", "translated"):
            written = nibabel.load(tmp_path / "maps" / f"{name}_{kind}.nii.gz")
            assert written.shape == scan.shape
            assert (written.affine == scan.affine).all()
    assert (tmp_path / "report" / "index.html").stat().st_size > 100_000
    assert "report" in run.stdout.splitlines()[-1]
