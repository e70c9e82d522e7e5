"""Exported files that the tests share."""

import pytest
from tiny_export import Exported, export_tiny


@pytest.fixture(scope="session", params=[pytest.param(dims, marks=pytest.mark.slow, id=f"{dims}d") for dims in (2, 3)])
def exported(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Exported:
    """A tiny network of slices, and one of volumes, in all formats."""
    return export_tiny(tmp_path_factory.mktemp("export"), request.param)
