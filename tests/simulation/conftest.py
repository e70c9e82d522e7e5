"""Anatomies are loaded once for all simulations of the tests."""

from collections.abc import Iterator
from functools import cache

import numpy as np
import pytest

from bundle.simulation import brains, lesions, regions
from bundle.simulation.anatomies import Anatomy
from bundle.simulation.brains import Brain

WHOLE = {"whole_brain", "coarse_brain"}  # fixtures that take ten seconds


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests on whole brains as slow."""
    for item in items:
        if isinstance(item, pytest.Function) and WHOLE & set(item.fixturenames):
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session", autouse=True)
def _keep_anatomies() -> Iterator[None]:
    """Keep every anatomy in memory."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lesions, "load_anatomy", cache(lesions.load_anatomy))
        patch.setattr(brains, "load_anatomy", lesions.load_anatomy)
        yield


@pytest.fixture(scope="session")
def unseen_brain() -> Anatomy:
    """Load the unseen brain around the slices."""
    return lesions.load_anatomy("colin27", lesions.SLICE_SLAB)


@pytest.fixture(scope="session")
def whole_brain() -> Anatomy:
    """Load a whole brain."""
    return lesions.load_anatomy("mni152-09a-sym")


@pytest.fixture(scope="session")
def labels(whole_brain: Anatomy) -> np.ndarray:
    """Label its regions."""
    return regions.label_regions(whole_brain)


@pytest.fixture(scope="session")
def coarse_brain() -> Brain:
    """Prepare the whole brain for voxels of 5 mm."""
    return brains.prepare_brain("mni152-09a-sym", 5.0)
