"""Trainings that several tests look at."""

from pathlib import Path

import pytest
from training_run import Run


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the runs of a test session lie."""
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="session")
def uninterrupted(folder: Path) -> Run:
    """A training that nobody disturbed."""
    run = Run(folder, "uninterrupted")
    run.finish()
    assert run.status == 0, run.output
    return run
