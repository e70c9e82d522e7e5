"""The squares data."""

from pathlib import Path

import nibabel
import numpy as np
import pandas as pd
import pytest

from bundle.simulation.squares import SQUARE_CHANGE, SUBTYPES, simulate_squares, simulate_squares_cohort
from bundle.simulation.storage import compute_checksum

SIZES = {2: (32, 40), 3: (16, 20, 18)}
both_dimensions = pytest.mark.parametrize("spatial_dims", [2, 3])


@both_dimensions
def test_square_is_all_that_changes(spatial_dims: int) -> None:
    subject = simulate_squares(SIZES[spatial_dims], seed=0)
    assert subject.control.shape == (*SIZES[spatial_dims], 1)[:3]
    assert set(np.unique(subject.parcel_map)) == {0, 1, 2}
    np.testing.assert_array_equal(subject.effect, SQUARE_CHANGE * (subject.parcel_map > 0))


@both_dimensions
def test_two_squares_have_the_same_size_and_lie_in_opposite_corners(spatial_dims: int) -> None:
    for seed in range(20):
        subject = simulate_squares(SIZES[spatial_dims], seed)
        low, high = (np.argwhere(subject.parcel_map == label) for label in (1, 2))
        assert len(low) == len(high) == np.prod(np.round(np.multiply(SIZES[spatial_dims], 0.2)))
        assert np.all(low.max(axis=0)[:spatial_dims] < high.max(axis=0)[:spatial_dims])


@both_dimensions
def test_cohort_is_complete_balanced_and_reproducible(tmp_path: Path, spatial_dims: int) -> None:
    first, second = (
        simulate_squares_cohort(tmp_path / name, SIZES[spatial_dims], 8, 4, 4, seed=3) for name in ("first", "second")
    )
    assert compute_checksum(first) == compute_checksum(second)
    table = pd.read_csv(first / "participants.tsv", sep="\t")
    assert table.groupby("split")["label"].mean().to_dict() == {"train": 0.5, "validation": 0.5, "test": 0.5}
    assert set(table["parcels"]) <= set(SUBTYPES)
    for row in table.to_dict("records"):
        control, disease, effect, labels = (
            np.asarray(nibabel.nifti1.load(first / row[name]).dataobj)
            for name in ("control_image", "disease_image", "effect", "parcel_map")
        )
        square = labels == 1 + list(SUBTYPES).index(row["parcels"])
        np.testing.assert_array_equal(disease, control + effect * square)


def test_too_small_size_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at least 8"):
        simulate_squares_cohort(tmp_path / "squares", (4, 4))
