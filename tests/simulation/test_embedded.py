"""Finding a cohort, or simulating the embedded one."""

from pathlib import Path

import pytest

from bundle.simulation.embedded import find_cohort


def refuse(dataset_dir: Path) -> Path:
    """Fail when a cohort is simulated."""
    pytest.fail(f"simulated in {dataset_dir}")


@pytest.mark.parametrize("table", ["manifest.tsv", "participants.tsv"])
def test_cohort_with_either_table_is_taken_as_it_is(tmp_path: Path, table: str) -> None:
    (tmp_path / table).write_text("participant_id\n")
    assert find_cohort(tmp_path, refuse) == tmp_path


def test_folder_without_a_table_is_refused_and_a_new_one_filled(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(FileNotFoundError, match="holds files but no participants.tsv"):
        find_cohort(tmp_path, refuse)
    assert find_cohort(tmp_path / "new", lambda dataset_dir: dataset_dir) == tmp_path / "new"


def test_simulated_cohort_is_checked_by_its_simulation(tmp_path: Path) -> None:
    (tmp_path / "manifest.tsv").write_text("participant_id\n")
    (tmp_path / "dataset_description.json").write_text('{"Simulation": {}}')
    with pytest.raises(ValueError, match="other settings"):
        find_cohort(tmp_path, lambda dataset_dir: (_ for _ in ()).throw(ValueError("other settings")))
