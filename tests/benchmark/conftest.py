"""Runs of a benchmark as they are when done, with scores that are known."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bundle.benchmark.plan import Plan, Run, Step

MEASURES = {"maps": {"entry": "evaluation", "base": ["configs/train.yaml", "configs/evaluate.yaml"]}}
METHODS = {
    "ours": {"measures": ["maps"], "rows": {"Ours": "maps/exemplar_reconstruction"}},
    "theirs": {"measures": ["maps"], "rows": {"{}, theirs": "maps/*"}, "options": {"max_epochs": 3}},
}
SCORES = {"ours": {"exemplar_reconstruction": 0.8}, "theirs": {"grad_cam": 0.5, "occlusion": 0.3}}
SPREAD = 0.1  # of the scores over scans
STEP = 0.02  # of the scores from seed to seed


def make_scans(name: str, score: float, num_scans: int = 6) -> pd.DataFrame:
    """Return scores of scans in both directions, with a known mean and the standard deviation `SPREAD`."""
    offsets = np.linspace(-1, 1, num_scans)
    values = score + offsets / offsets.std(ddof=1) * SPREAD
    return pd.DataFrame([
        {"scan": scan, "split": "seen", "protocol": "paper", "direction": direction, "method": name, "ncc_image": value}
        for direction in "-+" for scan, value in enumerate(values)
    ])  # fmt: skip


def record_step(step: Step) -> None:
    """Write what says that a step ended well."""
    if step.name == "training":
        (step.folder / "train").mkdir(parents=True, exist_ok=True)
        (step.folder / step.results).touch()
    step.write_record(seconds=60.0, commit="abc")


def finish(run: Run, scores: dict[str, float]) -> None:
    """Write what a run leaves behind."""
    for step in run.steps:
        record_step(step)
    folder = run.steps[0].folder / "maps" / "eval"
    folder.mkdir(parents=True)
    named = {**scores, "image": 0.4, "oracle": 0.9}
    shift = {name: run.seed * STEP if name in scores else 0.0 for name in named}
    pd.concat([make_scans(name, score + shift[name]) for name, score in named.items()]).to_csv(folder / "scans.csv", index=False)
    accuracy = {"split": "seen", "protocol": "", "method": "classifier", "direction": "", "metric": "accuracy", "mean": 0.9}
    pd.DataFrame([accuracy | {"ci_low": 0.8, "ci_high": 1.0, "n": 6}]).to_csv(folder / "metrics.csv", index=False)
    rng = np.random.default_rng(run.seed)
    images = {f"seen/0>1/{name}": rng.normal(size=(1, 16, 16)).astype(np.float16) for name in ("scan", "truth", *scores)}
    np.savez_compressed(folder / "maps.npz", **images)


@pytest.fixture
def runs(tmp_path: Path) -> list[Run]:
    """Two methods with three seeds each, none of them run."""
    return Plan(METHODS, MEASURES, [0, 1, 2], tmp_path).runs


@pytest.fixture
def finished(runs: list[Run]) -> list[Run]:
    """The same, all of them done."""
    for run in runs:
        finish(run, SCORES[run.method])
    assert all(step.record.is_file() for run in runs for step in run.steps)
    return runs
