"""The ageing cohort on disk."""

from pathlib import Path

import nibabel
import numpy as np
import pandas as pd
import pytest

from bundle.data import read_manifest
from bundle.simulation.ageing import (
    AGE_RANGE,
    ALL_AGES,
    CLASSES,
    EFFECT,
    AgeingStudy,
    compute_age_effect,
    draw_unexplained,
    label_age,
)
from bundle.simulation.brains import Brain
from bundle.simulation.cohort import GROUPS, plan_subjects, simulate_cohort
from bundle.simulation.regions import REGIONS

SMALL = {
    "study": AgeingStudy(), "spatial_size": (32, 40, 32),
    "voxel_size": 5.0, "num_train": 6, "num_validation": 3, "num_test": 4, "num_unseen": 0,
    "anatomies": ["mni152-09a-sym"],
}  # fmt: skip
NUMBERS = dict(zip(GROUPS, (600, 40, 60, 40), strict=True))


def read_image(path: str | Path) -> np.ndarray:
    """Read the voxels of an image."""
    return np.asarray(nibabel.nifti1.load(path).dataobj)


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory, coarse_brain: Brain) -> Path:
    """Simulate a small cohort on the brain that is at hand."""
    assert [coarse_brain.name] == SMALL["anatomies"]
    return simulate_cohort(tmp_path_factory.mktemp("cohorts") / "ageing", **SMALL, seed=3)


@pytest.fixture(scope="module")
def table(cohort: Path) -> pd.DataFrame:
    """Read the table of all ages."""
    return pd.read_csv(cohort / ALL_AGES, sep="\t")


@pytest.fixture(scope="module")
def plan() -> pd.DataFrame:
    """Plan a larger cohort."""
    return plan_subjects(AgeingStudy().plan_subject, NUMBERS, 0, ["a", "b"], ["u"])


def test_manifest_holds_the_two_classes_and_the_other_table_all_ages(cohort: Path, table: pd.DataFrame) -> None:
    manifest = read_manifest(cohort, num_classes=2)
    assert len(table) == 13
    assert set(manifest["participant_id"]) == set(table.dropna(subset="label")["participant_id"])
    assert manifest["label"].tolist() == [label_age(age) for age in manifest["age"]]


def test_scan_of_every_age_is_on_disk(cohort: Path, table: pd.DataFrame) -> None:
    for row in table.to_dict("records"):
        assert read_image(cohort / row["image"]).shape == SMALL["spatial_size"]
        assert (cohort / row["participant_id"] / f"{row['participant_id']}_sessions.tsv").is_file()


def test_map_goes_from_the_younger_to_the_older(cohort: Path, table: pd.DataFrame) -> None:
    known = table.dropna(subset="disease_map")
    assert len(known) and not (known["split"] == "train").any()
    np.testing.assert_array_equal(table["disease_map"].notna(), table["target_age"].notna())
    for row in known.to_dict("records"):
        change = read_image(cohort / row["disease_map"])
        ventricles = np.isin(read_image(cohort / row["regions"]), (1, 2))
        around = ventricles | np.roll(ventricles, 1, axis=2) | np.roll(ventricles, -1, axis=2)
        assert change[around].mean() < -10  # ventricles grow, whether the scan is the younger or the older
        assert np.abs(change[read_image(cohort / row["brain_mask"]) == 0]).max() == 0


def test_same_seed_gives_the_same_bytes(cohort: Path, tmp_path: Path) -> None:
    again = simulate_cohort(tmp_path / "again", **{**SMALL, "num_train": 2, "num_validation": 0, "num_test": 0}, seed=3)
    for path in (again / "sub-0001").rglob("*.nii.gz"):
        assert path.read_bytes() == (cohort / path.relative_to(again)).read_bytes()


def test_written_cohort_is_found_again_and_other_settings_are_refused(cohort: Path, tmp_path: Path) -> None:
    assert simulate_cohort(cohort, **SMALL, seed=3) == cohort
    with pytest.raises(ValueError, match=r"other settings \(simulated_cohort#seed\)"):
        simulate_cohort(cohort, **SMALL, seed=4)
    with pytest.raises(ValueError, match="spatial_size must have 3 entries"):
        simulate_cohort(tmp_path / "slices", **{**SMALL, "spatial_size": (64, 80)})


def test_ages_are_uniform_and_targets_lie_in_the_other_class(plan: pd.DataFrame) -> None:
    low, high = AGE_RANGE
    counts, _ = np.histogram(plan["age"], bins=7, range=AGE_RANGE)
    assert plan["age"].between(low, high).all()
    expected = len(plan) / 7
    assert ((counts - expected) ** 2 / expected).sum() < 6 + 4 * np.sqrt(12)
    targeted = plan.dropna(subset="target_age")
    assert set(targeted["split"]) == {"validation", "test"}
    for row in targeted.to_dict("records"):
        assert label_age(row["age"]) == row["label"] and label_age(row["target_age"]) == 1 - row["label"]


def test_ages_between_the_classes_have_no_label() -> None:
    assert [label_age(age) for age in (45.0, 60.0, 60.1, 69.9, 70.0, 80.0)] == [0, 0, None, None, 1, 1]
    assert CLASSES[0][0] == AGE_RANGE[0] and CLASSES[1][1] == AGE_RANGE[1]


def test_effect_of_the_whole_range_is_the_stated_ratio() -> None:
    ratios = np.exp(compute_age_effect(AGE_RANGE[1]) - compute_age_effect(AGE_RANGE[0]))
    expected = [EFFECT[region.split("-", 1)[1]] for region in REGIONS]
    np.testing.assert_allclose(ratios, expected)


def test_what_age_does_not_explain_is_common_to_both_sides_by_half() -> None:
    draws = np.stack([draw_unexplained(np.random.default_rng(seed)) for seed in range(2000)])
    correlations = np.corrcoef(draws.T)
    np.testing.assert_allclose([correlations[2 * i, 2 * i + 1] for i in range(7)], 0.5, atol=0.08)
    assert abs(correlations[0, 2]) < 0.08 and np.abs(draws.mean(axis=0)).max() < 0.01
