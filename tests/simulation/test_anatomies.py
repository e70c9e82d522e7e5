"""Anatomies on the common grid."""

import numpy as np
import pytest

from bundle.simulation import anatomies
from bundle.simulation.anatomies import list_anatomies, load_anatomy

SLAB = (8, 22)


@pytest.fixture(scope="module", params=["mni152-09a-sym", "colin27", "colin27-mirrored"])
def anatomy(request: pytest.FixtureRequest) -> anatomies.Anatomy:
    """Load an anatomy that is always installed."""
    return load_anatomy(request.param, SLAB)


def test_shipped_anatomies_are_listed_with_their_mirror_images() -> None:
    assert {"mni152-09a-sym", "mni152-09a-sym-mirrored", "colin27", "colin27-mirrored"} <= set(list_anatomies())


def test_anatomy_of_an_absent_package_is_not_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    source = anatomies.AnatomySource("package_that_nobody_has", "t1.nii.gz", "none", False)
    monkeypatch.setitem(anatomies.SOURCES, "absent", source)
    assert "absent" not in list_anatomies()
    with pytest.raises(FileNotFoundError, match="package_that_nobody_has"):
        load_anatomy("absent", SLAB)


def test_tissues_are_fractions_and_all_occur_in_the_brain(anatomy: anatomies.Anatomy) -> None:
    assert anatomy.tissues.shape == (3, 193, 229, 15)
    np.testing.assert_allclose(anatomy.tissues.sum(axis=0), 1, atol=1e-5)
    fractions = anatomy.tissues[:, anatomy.brain_mask].mean(axis=1)
    assert np.all(fractions > 0.1)


def test_all_four_parcels_lie_in_the_brain(anatomy: anatomies.Anatomy) -> None:
    parcels = anatomy.parcels
    assert np.all(np.bincount(parcels.ravel(), minlength=5)[1:] > 300)
    assert np.mean(anatomy.brain_mask[parcels > 0]) > 0.98


def test_parcels_lie_in_both_hemispheres(anatomy: anatomies.Anatomy) -> None:
    for label in range(1, 5):
        half = anatomy.parcels.shape[0] // 2
        assert np.any(anatomy.parcels[:half] == label) and np.any(anatomy.parcels[half:] == label)


def test_mirrored_anatomy_is_the_reflection() -> None:
    original, mirrored = (load_anatomy(name, SLAB) for name in ("colin27", "colin27-mirrored"))
    np.testing.assert_array_equal(mirrored.tissues, original.tissues[:, ::-1])
    np.testing.assert_array_equal(mirrored.parcels, original.parcels[::-1])
    assert not np.array_equal(mirrored.parcels, original.parcels)


def test_unknown_anatomy_is_an_error_that_names_the_known() -> None:
    with pytest.raises(ValueError, match="colin27.*got colin28"):
        load_anatomy("colin28", SLAB)
