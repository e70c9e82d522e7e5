"""Training as users start it: what it leaves, and how it goes on after it was killed."""

import shutil
import signal
import time
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from filelock import FileLock
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from training_run import Run

from bundle.checkpoints import read_about
from bundle.training import MeanChange
from bundle.training.trainer import LOCK

pytestmark = pytest.mark.slow


def test_a_run_leaves_its_best_network_its_state_and_a_row_an_epoch(uninterrupted: Run) -> None:
    assert {"model.pt", "state.pt", "train.csv"} <= {path.name for path in uninterrupted.train_dir.iterdir()}
    table = uninterrupted.table
    assert table["epoch"].tolist() == [1, 2, 3, 4]
    assert table["iteration"].tolist() == [3, 6, 9, 12]
    assert table["cycle_l1"].isna().tolist() == [True, False, False, False]  # the warm-up has other terms
    assert table[["loss", "val_ncc", "val_ncc_minus", "val_ncc_plus", "val_accuracy"]].notna().all(axis=None)


def test_the_best_network_is_completed(uninterrupted: Run) -> None:
    weights = torch.load(uninterrupted.train_dir / "model.pt", weights_only=True)["model"]
    assert weights["distributions.means"].any(dim=-1)[:, 0].all() and weights["typicality.count"] > 0
    assert read_about(uninterrupted.train_dir / "model.pt")["temperature"] > 0


def test_the_confounds_of_the_mean_change_are_found(uninterrupted: Run) -> None:
    found = torch.load(uninterrupted.train_dir / "state.pt", weights_only=True)["mean_change"]["confounds"]
    first = MeanChange(2, [32, 32], num_confounds=3).confounds
    assert found.shape == first.shape and (found @ first.T).abs().max() < 0.9
    torch.testing.assert_close(found @ found.T, torch.eye(3))


def test_tensorboard_has_every_loss_and_pictures(uninterrupted: Run) -> None:
    tags: dict[str, set] = {"scalars": set(), "images": set()}
    for events in uninterrupted.train_dir.glob("events*"):
        found = EventAccumulator(str(events)).Reload().Tags()
        for kind in tags:
            tags[kind] |= set(found[kind])
    assert {"loss", "kl", "cycle_l2", "discriminator_content_class"} <= tags["scalars"]
    assert tags["images"]


def test_checkpoints_hold_nothing_but_tensors_and_plain_values(uninterrupted: Run) -> None:
    for name in ("model.pt", "state.pt"):
        torch.load(uninterrupted.train_dir / name, weights_only=True)


def test_a_killed_run_resumes_to_the_same_numbers(folder: Path, uninterrupted: Run) -> None:
    run = Run(folder, "killed")
    process = run.start()
    while len(run.table) < 2 and process.poll() is None:
        time.sleep(0.02)
    time.sleep(0.1)  # into the next epoch
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert len(run.table) < 4
    assert "Resuming" in run.finish()
    pd.testing.assert_frame_equal(run.table, uninterrupted.table)
    for name in ("model.pt", "state.pt"):
        first, second = (torch.load(each.train_dir / name, weights_only=True) for each in (run, uninterrupted))
        assert_same(first, second)


def test_a_killed_run_from_disk_resumes_to_the_numbers_of_one_in_memory(folder: Path, uninterrupted: Run) -> None:
    run = Run(folder, "disk", data_in="disk", store_dtype="float32")
    process = run.start()
    while len(run.table) < 2 and process.poll() is None:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert len(run.table) < 4
    output = run.finish()
    assert "Resuming" in output and output.count("where all are there") == 2
    pd.testing.assert_frame_equal(run.table, uninterrupted.table)
    first, second = (torch.load(each.train_dir / "model.pt", weights_only=True) for each in (run, uninterrupted))
    assert_same(first, second)


def assert_same(first: Any, second: Any) -> None:
    """Compare nested containers, tensors bit by bit."""
    if isinstance(first, dict):
        assert first.keys() == second.keys()
        first, second = list(first.values()), list(second.values())
    if isinstance(first, list | tuple):
        for one, other in zip(first, second, strict=True):
            assert_same(one, other)
    elif isinstance(first, torch.Tensor):
        assert torch.equal(first, second)
    else:
        assert first == second


def test_a_finished_run_is_found_and_left_as_it_is(uninterrupted: Run) -> None:
    before = (uninterrupted.train_dir / "model.pt").stat().st_mtime_ns
    assert "after epoch 4 of 4" in uninterrupted.finish()
    assert (uninterrupted.train_dir / "model.pt").stat().st_mtime_ns == before


def test_a_run_goes_on_when_the_cohort_is_given_by_another_path(uninterrupted: Run, folder: Path) -> None:
    shutil.copytree(folder / "squares", folder / "moved")
    assert "after epoch 4 of 4" in Run(folder, "uninterrupted", dataset_dir=str(folder / "moved")).finish()


def test_all_scans_that_cannot_be_read_are_named_at_once(uninterrupted: Run, folder: Path) -> None:
    cohort = shutil.copytree(folder / "squares", folder / "damaged")
    table = pd.read_csv(cohort / "participants.tsv", sep="\t").set_index("split")
    bad = [table.loc["train", "image"].iloc[3], *table.loc["validation", "image"].iloc[[0, 2]]]
    for name in bad:
        (cohort / name).write_bytes(b"no image")
    (cohort / "dataset_description.json").unlink()  # a cohort of somebody's own
    run = Run(folder, "damaged_run", dataset_dir=str(cohort))
    output = run.finish()
    assert run.status != 0 and "Error: 3 of 24 scans of training and validation cannot be used" in output
    assert all(name in output for name in bad) and not (run.train_dir / "train.csv").exists()


@pytest.mark.parametrize(
    ("keys", "sentence"),
    [
        ({"loss_weights#cycle_l1": "3.0"}, "Error: {state} is of a run with other loss_weights: give another output"),
        ({"data_in": "disk"}, "Error: {state} is of a run with other store_dtype: give another output_dir"),
        ({"read_interval": "0"}, "Error: read_interval must be a whole number of at least 1, got 0"),
        ({"num_workers": "-1"}, "Error: num_workers must be a whole number of at least 0, got -1"),
        ({"workers#num_workers": "1.5"}, "Error: num_workers must be null, 0 or a whole number above, got 1.5"),
        ({"rank": "1"}, "Error: --rank needs processes that torchrun starts and configs/multi_gpu_train.yaml brings together"),
        ({"data_in": "ram"}, "Error: data_in must be auto, memory or disk, got ram"),
        ({"loss_weights#kll": "3.0"}, "has no key loss_weights#kll; did you mean loss_weights?"),
        ({"max_epoch": "3"}, "has no key max_epoch; did you mean max_epochs?"),
        ({"resume": "false"}, "Error: --resume false is read as a text: write True or False"),
        ({"amp": "off"}, "Error: amp must be True or False, got 'off'"),
        ({"epoch_length": "None"}, "Error: --epoch_length None is ignored by MONAI: write null in a config file given after"),
        ({"batch_size": "3"}, "Error: batch_size must be a multiple of the 2 classes, got 3"),
        ({"image_size": "[40, 40]", "dataset_dir": "/nowhere"}, "Error: image_size must be 2 multiples of 16, got [40, 40]"),
        ({"dataset_dir": str(Path(__file__).parent)}, "holds files but no participants.tsv"),
    ],
)
def test_a_mistake_gets_one_sentence(uninterrupted: Run, folder: Path, keys: dict, sentence: str) -> None:
    run = Run(folder, "uninterrupted", **keys)
    output = run.refuse()
    assert sentence.format(state=run.train_dir / "state.pt") in output
    assert "Traceback" not in output
    assert not (run.train_dir.parent / "store").exists()  # before scans are preprocessed


def test_two_trainings_in_one_folder_are_refused(uninterrupted: Run, folder: Path) -> None:
    run = Run(folder, "uninterrupted")
    with FileLock(run.train_dir / LOCK):
        output = run.refuse()
    assert f"Error: {run.train_dir} is being written by another process" in output
    assert "another ckpt_dir" in output


def test_the_key_metric_can_be_one_that_needs_no_masks(folder: Path) -> None:
    run = Run(folder, "accuracy", key_metric="accuracy", max_epochs="2", patience="1")
    run.finish()
    assert run.status == 0, run.output
