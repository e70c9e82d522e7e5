"""Several processes of one run, started as users start them, do what one process does."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from processes import ROOT, PythonProcess
from tiny_scans import make_affine, save_scan
from training_run import TINY

from bundle.ranks import average, count_ranks, draw_normal, gather, get_rank, join_ranks, own_rows, run_once, share_work

KILLED = "was ended by SIGKILL (often for want of memory), and all others with it: what is complete stays, and the same"
SMALL = {key: value for key, value in TINY.items() if key != "device"}
several = pytest.mark.skipif(not torch.distributed.is_available(), reason="PyTorch without torch.distributed")


GIVEN = {"RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "1"}


@pytest.mark.parametrize(
    ("changes", "timeout", "sentence"),
    [
        ({"WORLD_SIZE": "two"}, 1.0, "WORLD_SIZE must be a whole number, as torchrun sets it, got two"),
        ({"RANK": ""}, 1.0, "RANK must be a whole number, as torchrun sets it, got nothing"),
        ({"LOCAL_RANK": "abc"}, 1.0, "LOCAL_RANK must be a whole number, as torchrun sets it, got abc"),
        ({"RANK": "5"}, 1.0, "RANK must be below WORLD_SIZE, 2, got 5"),
        ({"MASTER_PORT": ""}, 1.0, "MASTER_PORT is not set"),
        ({}, -1.0, "rank#timeout must be above 0 hours, got -1.0"),
        ({}, 0, "rank#timeout must be above 0 hours, got 0"),
        ({"RANK": "1", "MASTER_PORT": "1"}, 1 / 3600, "the processes of the run do not come together"),
    ],
)
def test_an_environment_that_torchrun_does_not_make_is_refused(
    changes: dict[str, str], timeout: float, sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (GIVEN | changes).items():
        monkeypatch.setenv(name, value)
    with pytest.raises((ValueError, OSError), match=sentence):
        join_ranks(timeout)


def test_a_process_alone_is_the_first_of_one() -> None:
    assert (join_ranks(1.0), get_rank(), count_ranks(), run_once(lambda: 3), gather(3)) == (0, 0, 1, 3, [3])
    assert share_work([1, 2, 3], lambda item: 2 * item) == [2, 4, 6]
    values = torch.arange(4.0)
    assert torch.equal(average(values), values) and torch.equal(values[own_rows()], values)
    torch.manual_seed(0)
    draws = draw_normal(values)
    torch.manual_seed(0)
    assert torch.equal(draws, torch.randn_like(values))


DOUBLE = """# Shows the numbers of double precision, in which rounding is not enlarged to differences that are seen
network: "$(setattr(torch.Tensor, 'float', torch.Tensor.double), @network_def.double())[1]"
discriminator_optimizer#params: "$@discriminators.double().parameters()"
scan_transforms: [{_target_: CastToTyped, keys: image, dtype: $torch.float64}]
+validate#completion#transforms: [{_target_: CastToTyped, keys: image, dtype: $torch.float64}]
"""


def write_command(entry: str, files: list[str], keys: dict[str, object]) -> list[str]:
    """Return the words of a run of the bundle, after `-m`."""
    files = [name if "/" in name else f"configs/{name}.yaml" for name in files]
    options = [word for key, value in keys.items() for word in (f"--{key}", str(value))]
    return ["monai.bundle", "run", entry, "--config_file", str(files), *options]


def start(entry: str, files: list[str], **keys: object) -> list[PythonProcess]:
    """Start a run by one process, or by two with the variables that torchrun gives them when a config is for several."""
    words: list[object] = ["-m", *write_command(entry, files, keys)]
    if not any(name.startswith("multi_gpu") for name in files):
        return [PythonProcess(words)]
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    meeting = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    return [PythonProcess(words, RANK=str(rank), LOCAL_RANK=str(rank), **meeting) for rank in range(2)]


def finish(processes: list[PythonProcess], status: int = 0) -> str:
    """Wait for the processes of a run, the first of which ends with a status, and return what they print."""
    output = "".join(process.communicate(timeout=300)[0] for process in reversed(processes))
    assert [process.returncode for process in processes] == [status, 0][: len(processes)], output[-3000:]
    return output


def launch(entry: str, files: list[str], **keys: object) -> subprocess.Popen:
    """Start a run by two processes, as users do."""
    prefix = [sys.executable, "-m", "bundle.launch", "--standalone", "--nproc_per_node", "2", "-m"]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    command = [*prefix, *write_command(entry, files, keys)]
    return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def kill_one(process: subprocess.Popen, due: Callable[[], bool]) -> str:
    """Kill one of the processes of a run when something is due, and return the last line of the run."""
    while not due() and process.poll() is None:
        time.sleep(0.02)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    os.kill(int(children[-1]), signal.SIGKILL)
    output = process.communicate(timeout=300)[0]
    assert process.returncode == 128 + signal.SIGKILL, output[-3000:]
    return output.strip().splitlines()[-1]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a tiny cohort, and a training by one process, in double precision, in the subfolder `one`."""
    folder = tmp_path_factory.mktemp("ranks")
    (folder / "double.yaml").write_text(DOUBLE)
    files, keys = ["train", "squares", str(folder / "double.yaml")], SMALL | {"dataset_dir": folder / "squares"}
    finish(start("training", files, output_dir=folder / "one", **keys))
    return folder


@several
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_training_by_two_processes_is_that_of_one_and_goes_on_after_a_kill_with_one(trained: Path) -> None:
    keys = SMALL | {"dataset_dir": trained / "squares", "output_dir": trained / "two"}
    files, table = ["train", "squares", str(trained / "double.yaml")], trained / "two" / "train" / "train.csv"

    def has_two_epochs() -> bool:
        return table.is_file() and len(table.read_text().splitlines()) > 2

    assert KILLED in kill_one(launch("training", [*files, "multi_gpu_train"], **keys), has_two_epochs)
    assert "bundle.training.checkpoints: Resuming" in finish(start("training", files, **keys))
    one, two = (pd.read_csv(trained / name / "train" / "train.csv").drop(columns="seconds") for name in ("one", "two"))
    pd.testing.assert_frame_equal(two, one, rtol=1e-5)  # losses and validation figures of every epoch


@several
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_two_processes_complete_a_network_that_is_kept_in_the_last_epoch_alone(trained: Path) -> None:
    files, states = ["train", "squares", str(trained / "double.yaml")], []
    for name, overlay in (("last", []), ("last_two", ["multi_gpu_train"])):
        keys = SMALL | {"dataset_dir": trained / "squares", "output_dir": trained / name, "max_epochs": 2, "val_interval": 2}
        finish(start("training", [*files, *overlay], **keys))
        states.append(torch.load(trained / name / "train" / "model.pt", weights_only=True)["model"])
    one, two = states
    assert any(name.startswith("distributions.") for name in one) and one.keys() == two.keys()
    for state in states:
        whitening = state["typicality.whitening"]  # known but for the signs of its axes
        state["typicality.whitening"] = whitening @ whitening.T
    for name, value in one.items():
        torch.testing.assert_close(two[name], value, rtol=1e-4, atol=1e-6, msg=lambda text, name=name: f"{name}: {text}")


@several
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_an_evaluation_by_two_processes_has_the_tables_of_one(trained: Path) -> None:
    keys = {"dataset_dir": trained / "squares", "checkpoint": trained / "one/train/model.pt", "image_size": "[32, 32]"}
    keys |= {name: value for name, value in TINY.items() if name.startswith("simulated_cohort")}
    keys |= {"num_samples": 3, "num_resamples": 20, "batch_size": 2, "uncertainty#attribute_sources": "['prior']"}
    files = ["train", "evaluate", "squares"]
    finish(start("evaluation", files, output_dir=trained / "alone", **keys))
    output = finish(start("evaluation", [*files, "multi_gpu_evaluate"], output_dir=trained / "both", **keys))
    assert output.count("Written to") == 1
    names = sorted(path.name for path in (trained / "alone" / "eval").iterdir())
    assert {"metrics.csv", "scans.csv", "predictions.csv", "uncertainty.csv", "calibration.pt", "maps.npz"} <= set(names)
    assert sorted(path.name for path in (trained / "both" / "eval").iterdir()) == names
    for name in filter(lambda name: name.endswith(".csv"), names):
        assert (trained / "both" / "eval" / name).read_bytes() == (trained / "alone" / "eval" / name).read_bytes(), name
    alone, both = (np.load(trained / folder / "eval" / "maps.npz") for folder in ("alone", "both"))
    assert list(alone) == list(both)
    assert all(np.array_equal(alone[name], both[name]) for name in alone)


@several
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_an_inference_by_two_processes_goes_on_after_a_kill_and_leaves_the_files_of_one(tmp_path: Path) -> None:
    for number in range(9):
        save_scan(tmp_path / "scans" / f"scan-{number}.nii.gz", (80, 96, 1), make_affine(), number)
    (tmp_path / "scans" / "scan-3.nii.gz").write_bytes(b"no scan")
    keys = {"dataset_dir": tmp_path / "scans", "num_samples": 40, "mirror_axis": 0}
    alone = start("evaluating", ["inference"], output_dir=tmp_path / "one", **keys)
    expected = finish(alone, status=1).strip().splitlines()[-1]
    assert expected.startswith("1 of 9 scans failed, the others are done")
    folder, files = tmp_path / "two", ["inference", "multi_gpu_inference"]
    line = kill_one(launch("evaluating", files, output_dir=folder, **keys), lambda: len(list(folder.glob("*.png"))) > 2)
    assert KILLED in line
    rows = [row for path in folder.glob("predictions*.csv") for row in path.read_text().splitlines() if ",done," in row]
    done = {f"{row.split(',')[1]}_fa_mean.nii.gz" for row in rows}
    written = {path.name: path.stat().st_mtime_ns for path in folder.glob("*_fa_mean.nii.gz")}
    again = start("evaluating", files, output_dir=folder, **keys)
    assert finish(again, status=1).strip().splitlines()[-1] == expected.replace("/one/", "/two/")
    ours, theirs = (
        {path.relative_to(each): path.read_bytes() for each in [root] for path in root.rglob("*") if path.is_file()}
        for root in (folder, tmp_path / "one")
    )
    assert ours.keys() == theirs.keys()
    assert [str(name) for name in ours if ours[name] != theirs[name]] == []
    assert done and all((folder / name).stat().st_mtime_ns == written[name] for name in done)  # they were not done again
