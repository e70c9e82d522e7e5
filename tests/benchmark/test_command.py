"""The benchmark as users run it, on a tiny cohort: trainings, maps, tables, page; a second call has nothing left to do."""

import pandas as pd
import pytest
import yaml
from processes import ROOT, run_python

TINY = {
    "image_size": [32, 32],
    "device": "cpu",
    "simulated_cohort#num_train": 16,
    "simulated_cohort#num_validation": 8,
    "simulated_cohort#num_test": 8,
}
BUDGET = {"max_epochs": 2, "epoch_length": 2, "warmup_iterations": 1}


@pytest.mark.slow
def test_a_method_is_trained_compared_and_not_run_again(tmp_path):
    known = yaml.safe_load((ROOT / "configs" / "benchmark.yaml").read_text())
    title, method = "ICAM, ours, in half the time", known["methods"]["icam_half"]
    overlay = {"methods": {"icam_half": method}, "measures": known["measures"], "reference_method": title}
    overlay |= {"budget": BUDGET, "seeds": [0], "num_jobs": 1}
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(TINY))
    (tmp_path / "benchmark.yaml").write_text(
        yaml.safe_dump(overlay | {"cohort_files": ["configs/squares.yaml", str(tmp_path / "tiny.yaml")]}, sort_keys=False)
    )
    command = [
        "-m", "monai.bundle", "run", "benchmark",
        "--config_file", f"['configs/benchmark.yaml','{tmp_path / 'benchmark.yaml'}']",
        "--dataset_dir", str(tmp_path / "squares"), "--output_dir", str(tmp_path / "out"),
    ]  # fmt: skip
    for _ in range(2):
        done = run_python(command)
        assert done.returncode == 0, done.stdout
        written = {path: path.stat().st_mtime for path in (tmp_path / "out").rglob("model.pt")}
        assert len(written) == 1
    assert "training" not in done.stdout.rpartition("benchmark:")[2]  # the second call starts with everything done
    table = pd.read_csv(tmp_path / "out" / "comparison.csv")
    assert {title, "image itself (floor)"} <= set(table["row"])
    assert (tmp_path / "out" / "index.html").is_file()
