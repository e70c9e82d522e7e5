"""An evaluation that was stopped goes on, to the files of one that was not."""

from pathlib import Path

import numpy as np
import pytest
from monai.data import Dataset

from bundle.evaluation import Evaluation
from bundle.evaluation.progress import FOLDER, Progress
from tests.tiny_evaluation import build_evaluation

UNCERTAINTY = {"attribute_sources": ["prior"], "levels": [0.5, 0.9], "num_bins": [3, 2], "num_calibration": 4}


class StoppedError(Exception):
    """What stops an evaluation."""


def count_maps(evaluation: Evaluation, stop_after: int = 1000) -> list[int]:
    """Return a list that has the number of scans of each batch of maps, after so many of which the evaluation is stopped."""
    counts: list[int] = []
    make = evaluation.explainer.make_maps_and_variance

    def make_maps(indices, *rest):
        if len(counts) == stop_after:
            raise StoppedError
        counts.append(len(indices))
        return make(indices, *rest)

    evaluation.explainer.make_maps_and_variance = make_maps
    return counts


def read(folder: Path) -> dict[str, bytes]:
    """Return the files of an evaluation."""
    assert not (folder / "eval" / FOLDER).exists()
    return {path.name: path.read_bytes() for path in (folder / "eval").iterdir() if path.suffix in (".csv", ".json", ".npz")}


@pytest.mark.parametrize("spatial_dims", [2, 3])
def test_a_stopped_evaluation_goes_on_to_the_files_of_one_that_was_not(spatial_dims, make_cohort, make_network, tmp_path) -> None:
    def build(folder: Path, num_samples: int = 3) -> Evaluation:
        cohort = make_cohort(spatial_dims, num_test=16)
        held_out = Dataset(cohort.test.data[:4], cohort.load)
        settings = {"num_resamples": 20, "batch_size": 1, "validation": held_out, "uncertainty": UNCERTAINTY}
        return build_evaluation(make_network(spatial_dims), cohort, folder, num_samples=num_samples, **settings)

    whole = build(tmp_path / "whole")
    counts = count_maps(whole)
    whole.run()
    first = build(tmp_path / "stopped")
    count_maps(first, stop_after=len(counts) - 2)
    with pytest.raises(StoppedError):
        first.run()
    assert (tmp_path / "stopped" / "eval" / FOLDER).is_dir()

    other = build(tmp_path / "stopped", num_samples=4)  # what is done is not of these settings
    repeated = count_maps(other, stop_after=1)
    with pytest.raises(StoppedError):
        other.run()
    assert len(repeated) == 1

    second = build(tmp_path / "stopped")
    rest = count_maps(second)
    second.run()
    kept = 2 * 2 * 2  # first two scans of each split and direction, whose images are kept
    assert len(rest) == 2 + kept < len(counts)
    assert read(tmp_path / "stopped") == read(tmp_path / "whole")


def test_results_are_the_same_whether_they_are_computed_or_read(tmp_path: Path) -> None:
    rows = [{"x": np.float32(0.1), "n": np.int64(3), "nan": float("nan"), "name": "ä", "flag": np.bool_(True)}]
    computed = Progress(tmp_path, "one").share_work([0], lambda _: rows)
    read_again = Progress(tmp_path, "one").share_work([0], lambda _: pytest.fail("it is done"))
    assert str(computed) == str(read_again) and computed[0][0]["x"] == float(np.float32(0.1))
    assert Progress(tmp_path, "two").share_work([0], lambda _: 5) == [5]
    with pytest.raises(TypeError, match="set has no place in a table"):
        Progress(tmp_path, "three").share_work([0], lambda _: {1, 2})


def test_each_call_has_results_of_its_own(tmp_path: Path) -> None:
    progress = Progress(tmp_path, "one")
    assert [progress.share_work([1, 2], lambda item: item), progress.share_work([1, 2], lambda item: -item)] == [[1, 2], [-1, -2]]
    assert len(list((tmp_path / FOLDER / "one").iterdir())) == 4
    progress.remove()
    assert list(tmp_path.iterdir()) == []
