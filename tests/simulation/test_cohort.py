"""Cohorts that are found or simulated, on the lesion cohort on disk."""

import json
import signal
import time
from pathlib import Path

import nibabel
import numpy as np
import pandas as pd
import pytest
from processes import PythonProcess

from bundle.simulation import storage
from bundle.simulation.anatomies import PARCELS
from bundle.simulation.cohort import find_cohort, simulate_cohort
from bundle.simulation.lesions import LesionStudy
from bundle.simulation.paired_states import select_parcels
from bundle.simulation.squares import simulate_squares_cohort
from bundle.simulation.storage import compute_checksum

SMALL = {
    "study": LesionStudy(), "spatial_size": (48, 56),
    "voxel_size": 4.0, "num_train": 6, "num_validation": 2, "num_test": 2, "num_unseen": 2,
    "anatomies": ["mni152-09a-sym"],
}  # fmt: skip


def read_image(path: Path) -> np.ndarray:
    """Read the voxels of an image."""
    return np.asarray(nibabel.nifti1.load(path).dataobj)


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Simulate a small cohort."""
    return simulate_cohort(tmp_path_factory.mktemp("cohorts") / "lesions", **SMALL)


@pytest.fixture(scope="module")
def table(cohort: Path) -> pd.DataFrame:
    """Read its table."""
    return pd.read_csv(cohort / "participants.tsv", sep="\t", na_values="n/a", keep_default_na=False)


def test_same_seed_gives_the_same_bytes_and_another_seed_others(cohort: Path, tmp_path: Path) -> None:
    again = simulate_cohort(tmp_path / "again", **SMALL)
    other = simulate_cohort(tmp_path / "other", **SMALL, seed=1)
    assert compute_checksum(again) == compute_checksum(cohort) != compute_checksum(other)


def test_subject_does_not_depend_on_the_number_of_others(cohort: Path, tmp_path: Path) -> None:
    fewer = simulate_cohort(tmp_path / "fewer", **{**SMALL, "num_train": 2, "num_unseen": 0})
    for path in (fewer / "sub-0002").rglob("*.nii.gz"):
        assert path.read_bytes() == (cohort / path.relative_to(fewer)).read_bytes()


def test_disease_is_exactly_control_plus_effect_in_the_parcels(cohort: Path, table: pd.DataFrame) -> None:
    for row in table.to_dict("records"):
        images = {name: read_image(cohort / row[name]) for name in
                  ("control_image", "disease_image", "effect", "parcel_map")}  # fmt: skip
        lesion = select_parcels(images["parcel_map"], row["parcels"], list(PARCELS))
        expected = images["control_image"] + images["effect"] * lesion
        np.testing.assert_array_equal(images["disease_image"], expected)
        assert images["effect"][lesion].min() > 0


def test_image_and_mask_show_the_state_of_the_label(cohort: Path, table: pd.DataFrame) -> None:
    for row in table.to_dict("records"):
        assert row["image"] == row["disease_image" if row["label"] == 1 else "control_image"]
        assert pd.isna(row["mask"]) == (row["label"] == 0)
        if row["label"] == 1:
            changed = read_image(cohort / row["disease_image"]) != read_image(cohort / row["control_image"])
            np.testing.assert_array_equal(read_image(cohort / row["mask"]) > 0, changed)


def test_the_unseen_anatomy_can_be_trained_on(tmp_path: Path) -> None:
    settings = SMALL | {"anatomies": ["colin27"], "num_train": 2, "num_validation": 0, "num_test": 0, "num_unseen": 0}
    folder = simulate_cohort(tmp_path / "colin", **settings)
    assert set(pd.read_csv(folder / "participants.tsv", sep="\t")["anatomy"]) == {"colin27"}


def test_unseen_anatomy_is_only_in_the_test_split(table: pd.DataFrame) -> None:
    assert table["split"].value_counts().to_dict() == {"train": 6, "validation": 2, "test": 4}
    unseen = table["anatomy"].str.startswith("colin27")
    assert set(table[unseen]["split"]) == {"test"} and unseen.sum() == 2


def test_missing_values_are_written_as_in_bids(cohort: Path) -> None:
    assert "\tn/a\t" in (cohort / "participants.tsv").read_text()


def test_written_cohort_is_found_again(cohort: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bundle.simulation.cohort.write_cohort", lambda *_: pytest.fail("written again"))
    assert simulate_cohort(cohort, **SMALL) == cohort


def test_cohort_is_found_again_where_other_anatomies_are_installed(cohort: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bundle.simulation.cohort.write_cohort", lambda *_: pytest.fail("written again"))
    assert simulate_cohort(cohort, **{**SMALL, "anatomies": None}) == cohort
    with pytest.raises(ValueError, match=r"other settings \(simulated_cohort#anatomies\)"):
        simulate_cohort(cohort, **{**SMALL, "anatomies": ["mni152-09a-sym-mirrored"]})


def test_cohort_with_other_settings_is_an_error_that_names_them(cohort: Path) -> None:
    with pytest.raises(ValueError, match=r"other settings \(simulated_cohort#seed\): give the keys that it was made with"):
        simulate_cohort(cohort, **SMALL, seed=5)
    with pytest.raises(ValueError, match=r"other settings \(simulated_cohort#num_train was 6\)"):
        simulate_cohort(cohort, **{**SMALL, "num_train": 8})


def test_folder_with_other_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(ValueError, match="no dataset_description.json"):
        simulate_cohort(tmp_path, **SMALL)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"anatomies": ["nobody"]}, "anatomies must be of .*got nobody"),
        ({"anatomies": ["colin27"]}, "num_unseen must be 0"),
        ({"anatomies": []}, "got none"),
        ({"num_train": -1}, "0 or more"),
        ({"spatial_size": (48,)}, "2 or 3 entries"),
    ],
)
def test_impossible_settings_are_an_error(tmp_path: Path, changes: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        simulate_cohort(tmp_path / "cohort", **{**SMALL, **changes})
    assert list(tmp_path.iterdir()) == []


def test_full_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(storage, "write_nifti", fail)
    with pytest.raises(OSError, match="No space left"):
        simulate_cohort(tmp_path / "cohort", **SMALL)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_killed_simulation_leaves_nothing_under_the_final_name(tmp_path: Path) -> None:
    call = f"simulate_squares_cohort({str(tmp_path / 'cohort')!r}, (96, 112), 10000, 100, 100)"
    code = f"from bundle.simulation.squares import simulate_squares_cohort; {call}"
    process = PythonProcess(["-c", code])
    partial = tmp_path / "cohort.partial"
    limit = time.monotonic() + 120
    while not (partial / "sub-0002").exists() and time.monotonic() < limit:
        time.sleep(0.1)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert partial.exists() and not (tmp_path / "cohort").exists()
    simulate_squares_cohort(tmp_path / "cohort", (16, 16), 4, 2, 2)
    assert not partial.exists() and json.loads((tmp_path / "cohort" / storage.DESCRIPTION).read_text())


def refuse(dataset_dir: Path) -> Path:
    """Fail when a cohort is simulated."""
    pytest.fail(f"simulated in {dataset_dir}")


@pytest.mark.parametrize("table", ["manifest.tsv", "participants.tsv"])
def test_cohort_with_either_table_is_taken_as_it_is(tmp_path: Path, table: str) -> None:
    (tmp_path / table).write_text("participant_id\n")
    assert find_cohort(tmp_path, refuse) == tmp_path


def test_folder_without_a_table_is_refused_and_a_new_one_filled(tmp_path: Path) -> None:
    (tmp_path / "thesis.pdf").write_text("mine")
    with pytest.raises(FileNotFoundError, match="holds files but no participants.tsv"):
        find_cohort(tmp_path, refuse)
    assert find_cohort(tmp_path / "new", lambda dataset_dir: dataset_dir) == tmp_path / "new"
    with pytest.raises(ValueError, match=r"is no folder and no table \(\.tsv, \.csv, \.txt, \.tab\): give a cohort"):
        find_cohort(tmp_path / "thesis.pdf", refuse)
    (tmp_path / "people.csv").write_text("participant_id\n")
    assert find_cohort(tmp_path / "people.csv", refuse) == tmp_path / "people.csv"


def test_simulated_cohort_is_checked_by_its_simulation(tmp_path: Path) -> None:
    (tmp_path / "manifest.tsv").write_text("participant_id\n")
    (tmp_path / "dataset_description.json").write_text('{"Simulation": {}}')
    with pytest.raises(ValueError, match="other settings"):
        find_cohort(tmp_path, lambda dataset_dir: (_ for _ in ()).throw(ValueError("other settings")))


def test_a_mistyped_folder_is_named_instead_of_simulated(tmp_path: Path) -> None:
    (tmp_path / "my_cohort").mkdir()
    (tmp_path / "my_cohort" / "participants.tsv").write_text("participant_id\n")

    def made(dataset_dir: Path) -> Path:
        return dataset_dir

    with pytest.raises(FileNotFoundError, match=r"my_cohrt does not exist; did you mean .*/my_cohort\?"):
        find_cohort(tmp_path / "my_cohrt", made)
    with pytest.raises(FileNotFoundError, match="a/b/c does not exist, nor does the folder .*/a/b"):
        find_cohort(tmp_path / "a" / "b" / "c", made)
    (tmp_path / "my_cohrt").mkdir()
    for folder in ("my_cohrt", "data/lesions", "my_cohort2"):  # numbers tell cohorts apart
        assert find_cohort(tmp_path / folder, made) == tmp_path / folder
