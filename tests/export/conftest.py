"""Exported files that the tests share."""

import os

import pytest
from filelock import FileLock
from tiny_export import Exported, export_tiny


@pytest.fixture(scope="session", params=[pytest.param(dims, marks=pytest.mark.slow, id=f"{dims}d") for dims in (2, 3)])
def exported(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Exported:
    """A tiny network of slices, and one of volumes, in all formats; made once for all processes that test."""
    root = tmp_path_factory.getbasetemp()
    folder = (root.parent if "PYTEST_XDIST_WORKER" in os.environ else root) / f"export-{request.param}d"
    folder.mkdir(exist_ok=True)
    with FileLock(folder / "lock"):
        return export_tiny(folder, request.param)
