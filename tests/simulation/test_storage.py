"""Simulations that were interrupted and go on."""

from pathlib import Path

import pytest
from filelock import FileLock

from bundle.simulation import squares
from bundle.simulation.cohort import GROUPS, plan_subjects
from bundle.simulation.paired_states import PairedStates
from bundle.simulation.squares import plan_square, simulate_squares_cohort
from bundle.simulation.storage import RECORDS, compute_checksum

SMALL = {"spatial_size": (16, 16), "num_train": 8, "num_validation": 2, "num_test": 2}
SEEDS = plan_subjects(plan_square, dict(zip(GROUPS, (8, 2, 2, 0), strict=True)), 0)["seed"].tolist()


def simulate_until(monkeypatch: pytest.MonkeyPatch, folder: Path, seed: int | None, error: BaseException) -> list[int]:
    """Simulate with an error at the subject of a seed, and return the seeds of those that were simulated."""
    done: list[int] = []
    original = squares.simulate_squares

    def simulate(spatial_size: tuple[int, ...], own: int) -> PairedStates:
        if own == seed:
            raise error
        done.append(own)
        return original(spatial_size, own)

    with monkeypatch.context() as patch:
        patch.setattr(squares, "simulate_squares", simulate)
        if seed is None:
            simulate_squares_cohort(folder, **SMALL)
        else:
            with pytest.raises(type(error)):
                simulate_squares_cohort(folder, **SMALL)
    return done


@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError(28, "No space left on device")])
def test_interrupted_simulation_goes_on_to_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    whole = simulate_squares_cohort(tmp_path / "whole", **SMALL)
    cohort, partial = tmp_path / "cohort", tmp_path / "cohort.partial"
    first = simulate_until(monkeypatch, cohort, SEEDS[6], error)
    assert not cohort.exists() and {f"sub-{number:04d}" for number in range(1, 7)} <= {path.name for path in partial.iterdir()}
    (partial / "sub-0012" / "anat").mkdir(parents=True, exist_ok=True)  # what a killed run has left of a subject
    (partial / "sub-0012" / "anat" / "half.nii.gz").write_text("half")
    (partial / RECORDS / "sub-0012.json").unlink(missing_ok=True)
    second = simulate_until(monkeypatch, cohort, None, error)
    assert set(second).isdisjoint(SEEDS[:6]) and set(first) | set(second) == set(SEEDS)
    assert compute_checksum(cohort) == compute_checksum(whole)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cohort", "whole"]


def test_what_was_written_with_other_settings_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    simulate_until(monkeypatch, tmp_path / "cohort", SEEDS[6], KeyboardInterrupt())
    other = simulate_squares_cohort(tmp_path / "cohort", **SMALL, seed=1)
    assert compute_checksum(other) == compute_checksum(simulate_squares_cohort(tmp_path / "whole", **SMALL, seed=1))


def test_interruption_before_the_first_subject_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert simulate_until(monkeypatch, tmp_path / "cohort", SEEDS[0], KeyboardInterrupt()) == []
    assert list(tmp_path.iterdir()) == []


def test_two_processes_do_not_write_the_same_cohort(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    simulate_until(monkeypatch, tmp_path / "cohort", SEEDS[6], KeyboardInterrupt())
    written = {path: path.stat().st_mtime_ns for path in (tmp_path / "cohort.partial").rglob("*")}
    refused = pytest.raises(ValueError, match=r"cohort\.partial is being written by another process")
    with FileLock(tmp_path / "cohort.partial.lock"), refused:
        simulate_squares_cohort(tmp_path / "cohort", **SMALL)
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "cohort.partial").rglob("*")} == written


def test_lock_of_a_process_that_has_ended_is_free(tmp_path: Path) -> None:
    with FileLock(tmp_path / "cohort.partial.lock"):
        pass
    assert simulate_squares_cohort(tmp_path / "cohort", **SMALL).is_dir()
    assert [path.name for path in tmp_path.iterdir()] == ["cohort"]
