"""The conversion cohort on disk."""

import json
from itertools import count
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pandas as pd
import pytest

from bundle.data import datalist, read_manifest
from bundle.simulation.brains import Brain
from bundle.simulation.cohort import GROUPS, plan_subjects, simulate_cohort
from bundle.simulation.conversion import STEP_RANGE, ConversionStudy, draw_course
from bundle.simulation.regions import REGIONS, STRUCTURES
from bundle.simulation.storage import DESCRIPTION, RECORDS, SubjectFiles, compute_checksum

SMALL = {
    "study": ConversionStudy(repeat_share=0.5), "spatial_size": (32, 40, 32),
    "voxel_size": 5.0, "num_train": 2, "num_validation": 2, "num_test": 2, "num_unseen": 0,
    "anatomies": ["mni152-09a-sym"],
}  # fmt: skip
NUMBERS = dict(zip(GROUPS, (200, 40, 60, 40), strict=True))


def read_image(path: str | Path) -> np.ndarray:
    """Read the voxels of an image."""
    return np.asarray(nibabel.nifti1.load(path).dataobj)


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory, coarse_brain: Brain) -> Path:
    """Simulate a small cohort on the brain that is at hand."""
    assert [coarse_brain.name] == SMALL["anatomies"]
    return simulate_cohort(tmp_path_factory.mktemp("cohorts") / "conversion", **SMALL)


@pytest.fixture(scope="module")
def manifest(cohort: Path) -> pd.DataFrame:
    """Read its table of scans."""
    return read_manifest(cohort, num_classes=2)


@pytest.fixture(scope="module")
def people(cohort: Path) -> pd.DataFrame:
    """Read its table of participants."""
    return pd.read_csv(cohort / "participants.tsv", sep="\t", index_col="participant_id")


def test_training_participants_have_one_session_and_the_others_two(manifest: pd.DataFrame) -> None:
    sessions = manifest.groupby(["split", "participant_id"]).size()
    assert (sessions["train"] == 1).all() and (sessions["test"] == 2).all() and (sessions["validation"] == 2).all()
    assert set(manifest[manifest["split"] == "train"]["label"]) == {0, 1}


def test_both_rows_of_a_pair_name_each_other(manifest: pd.DataFrame) -> None:
    pairs = manifest.dropna(subset="pair").groupby("participant_id")
    assert len(pairs) == 4
    for _, rows in pairs:
        assert rows["pair"].tolist() == rows["session_id"].tolist()[::-1]
        assert rows["age"].is_monotonic_increasing


def test_converter_changes_its_class_and_a_repeat_does_not(manifest: pd.DataFrame, people: pd.DataFrame) -> None:
    assert people["kind"].value_counts().to_dict() == {"single": 2, "converter": 2, "repeat": 2}
    for name, rows in manifest.dropna(subset="pair").groupby("participant_id"):
        if people["kind"][name] == "converter":
            assert rows["label"].tolist() == [0, 1] and rows["diagnosis"].tolist() == ["MCI", "AD"]
        else:
            assert rows["label"].nunique() == 1


def test_map_of_a_repeat_is_exactly_zero(manifest: pd.DataFrame, people: pd.DataFrame) -> None:
    for name, rows in manifest.dropna(subset="pair").groupby("participant_id"):
        maps = [read_image(path) for path in rows["disease_map"]]
        np.testing.assert_array_equal(maps[0], maps[1])
        assert (np.abs(maps[0]).max() == 0) == (people["kind"][name] == "repeat")


def test_scans_differ_by_the_map_and_what_the_scanner_adds(manifest: pd.DataFrame) -> None:
    for _, rows in manifest.dropna(subset="pair").groupby("participant_id"):
        first, later = (read_image(path).astype(float) for path in rows["image"])
        mask = read_image(rows["brain_mask"].iloc[0]) > 0
        rest = later - first - read_image(rows["disease_map"].iloc[0])
        assert rest[mask].std() < 60 and abs(rest[mask].mean()) < 10
        assert np.abs(rest[~mask]).max() == 0


def test_ratios_of_converters_are_plausible(people: pd.DataFrame) -> None:
    converters = people[people["kind"] == "converter"]
    for region, structure in ((region, region.split("-", 1)[1]) for region in REGIONS):
        low, high = STEP_RANGE[structure]
        ratio = converters[f"ratio_{region}"]
        assert ratio.min() > 0.94 * low and ratio.max() < 1.06 * max(high, 0.99)
    assert (people[people["kind"] == "repeat"].filter(like="ratio_") == 1).all().all()
    assert people[people["kind"] == "single"].filter(like="ratio_").isna().all().all()


def test_sessions_have_the_volumes_that_the_ratios_compare(cohort: Path, people: pd.DataFrame) -> None:
    for name in people.index[people["kind"] == "converter"]:
        sessions = pd.read_csv(cohort / name / f"{name}_sessions.tsv", sep="\t").filter(like="volume_")
        ratios = people.loc[name].filter(like="ratio_").to_numpy(float)
        np.testing.assert_allclose(sessions.iloc[1].to_numpy() / sessions.iloc[0].to_numpy(), ratios, rtol=1e-3)


def test_files_are_named_as_in_bids_and_share_their_grid(cohort: Path, manifest: pd.DataFrame) -> None:
    for row in manifest.to_dict("records"):
        prefix = f"{row['participant_id']}_{row['session_id']}"
        folder = cohort / row["participant_id"] / row["session_id"] / "anat"
        assert Path(row["image"]) == folder.resolve() / f"{prefix}_T1w.nii.gz"
        paths = [row[key] for key in ("image", "brain_mask", "regions", "disease_map") if not pd.isna(row[key])]
        affines = [nibabel.nifti1.load(path).affine for path in paths]
        assert all(np.array_equal(affine, affines[0]) for affine in affines)
        assert read_image(row["image"]).shape == SMALL["spatial_size"]


def test_manifest_gives_what_a_comparison_needs(manifest: pd.DataFrame) -> None:
    item = datalist(manifest, "test")[0]
    assert {"image", "label", "disease_map", "regions", "pair", "session_id", "age", "diagnosis"} <= set(item)
    assert "pair" not in datalist(manifest, "train")[0]


def test_same_seed_gives_the_same_bytes_and_another_seed_others(cohort: Path, tmp_path: Path) -> None:
    fewer = {**SMALL, "num_validation": 0, "num_test": 0}
    again, other = (simulate_cohort(tmp_path / str(seed), **fewer, seed=seed) for seed in (0, 1))
    for path in (again / "sub-0002").rglob("*.nii.gz"):  # a participant does not depend on the number of others
        assert path.read_bytes() == (cohort / path.relative_to(again)).read_bytes()
    assert compute_checksum(again) != compute_checksum(other)


def test_interrupted_simulation_goes_on_to_the_same_bytes(cohort: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    calls = count()

    original = ConversionStudy.simulate

    def simulate(study: ConversionStudy, row: dict, **sizes: Any) -> SubjectFiles:
        done.append(row["participant_id"])
        if next(calls) == 3:
            raise KeyboardInterrupt
        return original(study, row, **sizes)

    monkeypatch.setattr(ConversionStudy, "simulate", simulate)
    with pytest.raises(KeyboardInterrupt):
        simulate_cohort(tmp_path / "again", **SMALL)
    kept = {note.stem for note in (tmp_path / "again.partial" / RECORDS).glob("sub-*.json")}
    before = len(done)
    simulate_cohort(tmp_path / "again", **SMALL)
    assert len(kept) >= 3 and kept.isdisjoint(done[before:])
    assert compute_checksum(tmp_path / "again") == compute_checksum(cohort)


def test_written_cohort_is_found_again_and_other_settings_are_refused(cohort: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bundle.simulation.cohort.write_cohort", lambda *_: pytest.fail("written again"))
    assert simulate_cohort(cohort, **SMALL) == cohort
    with pytest.raises(ValueError, match=r"other settings \(simulated_cohort#study#num_classes\)"):
        simulate_cohort(cohort, **{**SMALL, "study": ConversionStudy(0.5, num_classes=3)})
    assert json.loads((cohort / DESCRIPTION).read_text())["Regions"] == list(REGIONS)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"spatial_size": (64, 80)}, "spatial_size must have 3 entries"),
        ({"spatial_size": (32, 32, 32), "voxel_size": 5}, "the field of view, 160 x 160 x 160 mm, does not hold a brain"),
        ({"anatomies": ["nobody"]}, "got nobody"),
    ],
)
def test_impossible_settings_are_refused(tmp_path: Path, arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        simulate_cohort(tmp_path / "cohort", **{**SMALL, "anatomies": None, **arguments})
    assert not (tmp_path / "cohort").exists()


def test_impossible_studies_are_refused() -> None:
    with pytest.raises(ValueError, match=r"num_classes must be 2 \(MCI, AD\) or 3 \(CN, MCI, AD\), got 4"):
        ConversionStudy(num_classes=4)
    with pytest.raises(ValueError, match="repeat_share must be from 0 to 1, got 1.5"):
        ConversionStudy(repeat_share=1.5)


@pytest.mark.parametrize("num_classes", [2, 3])
def test_classes_and_repeats_are_planned_in_their_shares(num_classes: int) -> None:
    plan = plan_subjects(ConversionStudy(0.25, num_classes).plan_subject, NUMBERS, 0, ["a", "b"], ["u"])
    single = plan[plan["split"] == "train"]["classes"].astype(int)
    assert single.value_counts().max() - single.value_counts().min() <= 1 and single.nunique() == num_classes
    pairs = plan[plan["split"] != "train"]
    assert (pairs["kind"] == "repeat").mean() == 0.25
    classes = pairs["classes"].str.split("+", expand=True).astype(int)
    equal = classes[0] == classes[1]
    np.testing.assert_array_equal(equal, pairs["kind"] == "repeat")
    assert (classes[0] <= classes[1]).all()
    repeated = classes[0][equal].value_counts()
    assert repeated.max() - repeated.min() <= 3 and len(repeated) == num_classes
    assert plan["seed"].is_unique and set(plan[plan["anatomy"] == "u"]["split"]) == {"test"}


def test_course_goes_from_class_to_class_in_one_direction() -> None:
    for seed in range(20):
        course = draw_course(3, np.random.default_rng(seed))
        steps = np.diff(course, axis=0)
        assert (steps[:, :2] > 0).all() and (steps[:, 2:] < 0).all()
        for index, structure in enumerate(STRUCTURES[:3]):
            low, high = np.log(STEP_RANGE[structure])
            sides = steps[:, 2 * index : 2 * index + 2]
            assert sides.min() >= low - 1e-9 and sides.max() <= high + 1e-9 and (sides[:, 0] != sides[:, 1]).all()
