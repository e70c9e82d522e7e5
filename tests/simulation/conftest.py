"""Anatomies are loaded once for all simulations of the tests."""

from collections.abc import Iterator
from functools import cache

import pytest

from bundle.simulation import cohort
from bundle.simulation.anatomies import Anatomy


@pytest.fixture(scope="session", autouse=True)
def _keep_anatomies() -> Iterator[None]:
    """Keep every anatomy in memory."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cohort, "load_anatomy", cache(cohort.load_anatomy))
        yield


@pytest.fixture(scope="session")
def unseen_brain() -> Anatomy:
    """Load the unseen brain around the slices."""
    return cohort.load_anatomy("colin27", cohort.SLICE_SLAB)
