"""A training by the committed config on a tiny cohort, as users start one."""

import contextlib
import io
import sys
from pathlib import Path

import fire
import pandas as pd
import pytest
from monai.bundle import run as run_bundle
from monai.utils import set_determinism
from processes import ROOT, PythonProcess

TINY = {
    "image_size": "[32, 32]",
    "simulated_cohort#num_train": "16",
    "simulated_cohort#num_validation": "8",
    "simulated_cohort#num_test": "8",
    "epoch_length": "3",
    "max_epochs": "4",
    "warmup_epochs": "1",
    "warmup_iterations": "2",
    "loss_weights#mean_change": "100.0",
    "train#mean_change#num_confounds": "3",
    "device": "cpu",
}


class Run:
    """A training in a process of its own, as a user starts it."""

    def __init__(self, folder: Path, name: str, **keys: str) -> None:
        self.train_dir = folder / name / "train"
        keys = {"dataset_dir": str(folder / "squares"), "output_dir": str(folder / name)} | TINY | keys
        self.command = [
            "-m", "monai.bundle", "run", "training",
            "--config_file", "['configs/train.yaml', 'configs/squares.yaml']",
            *(word for key, value in keys.items() for word in (f"--{key}", value)),
        ]  # fmt: skip

    def start(self) -> PythonProcess:
        """Start it and do not wait."""
        return PythonProcess(self.command)

    def finish(self) -> str:
        """Run it to its end and return what it prints."""
        process = self.start()
        self.output = process.communicate()[0]
        self.status = process.returncode
        return self.output

    def refuse(self) -> str:
        """Start it in this process and return the error that it ends with."""
        argv, hook, errors = sys.argv, sys.excepthook, io.StringIO()
        sys.argv = ["monai.bundle", *self.command[2:], "--logging_file", "False"]
        try:
            with contextlib.chdir(ROOT), contextlib.redirect_stderr(errors):
                try:
                    fire.Fire({"run": run_bundle}, sys.argv[1:])
                except Exception:
                    sys.excepthook(*sys.exc_info())  # type: ignore[arg-type]  # there is an error
                else:
                    pytest.fail("it was not refused")
        finally:
            sys.argv, sys.excepthook = argv, hook
            set_determinism(None)
        return errors.getvalue()

    @property
    def table(self) -> pd.DataFrame:
        """Its history without the times."""
        path = self.train_dir / "train.csv"
        return pd.read_csv(path).drop(columns="seconds") if path.is_file() else pd.DataFrame()
