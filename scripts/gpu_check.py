"""Compare a GPU with the processor: losses, maps, a training that is killed; then time, memory and load of a training iteration.

Usage: bash scripts/gpu_check.sh [DEVICE]     about 8 minutes; DEVICE is cuda:0 by default, and cpu shows that the script runs
Exit status 1: a comparison failed.
"""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from performance.ours import make_step, write_command
from performance.timing import print_table
from torch.profiler import ProfilerActivity, profile

import bundle
from bundle.training.graphs import WARM_UP

ROOT = Path(__file__).parents[1]
STEPS = 5  # iterations whose losses are compared
TOLERANCES = {"losses": 1e-3, "maps": 1e-3, "recorded": 1e-3, "resumed": 1e-2}  # relative; of maps, intensity of a range of 2
CASES: dict[str, tuple[list[str], dict[str, Any]]] = {  # overlays and keys
    "slices 96x112, batch 8": ([], {}),
    "slices 96x112, batch 64": ([], {"batch_size": 64}),
    "volumes 64x80x64, batch 4": (["volumes"], {}),
    "volumes 128x160x128, batch 4": (["volumes", "volumes128"], {}),
    "the paper's networks, 64x80x64, batch 2": (["volumes", "paper_network", "paper_objective"], {"batch_size": 2}),
}
PRECISE = {"amp": False}  # what is compared is computed in float32, on all devices
TIMED = {
    **PRECISE, "max_epochs": 3, "val_interval": 3, "warmup_epochs": 0, "simulated_cohort#num_train": 64,
    "simulated_cohort#num_validation": 8, "simulated_cohort#num_test": 8, "simulated_cohort#num_unseen": 0,
}  # fmt: skip
REPEATS, TINY_REPEATS = 20, 1  # iterations that are timed, on a GPU and on the processor
TRAINING = {
    **PRECISE, "max_epochs": 6, "epoch_length": 10, "image_size": "[32, 32]", "classifier_epochs": 1, "warmup_epochs": 1,
    "simulated_cohort#num_train": 32,
    "simulated_cohort#num_validation": 8, "simulated_cohort#num_test": 8,
}  # fmt: skip


@contextmanager
def draws_on_processor() -> Iterator[None]:
    """Draw all random numbers on the processor, so that two devices have the same."""
    originals = {name: getattr(torch, name) for name in ("randn", "rand", "randn_like")}
    exponential = torch.Tensor.exponential_

    def draw(name: str) -> Callable[..., torch.Tensor]:
        """Return a function of PyTorch that draws on the processor and moves what it has drawn."""

        def drawn(*shape: Any, device: Any = None, **settings: Any) -> torch.Tensor:
            if "generator" in settings:
                return originals[name](*shape, device=device, **settings)
            return originals[name](*shape, **settings).to(device)

        return drawn

    try:
        for name in ("randn", "rand"):
            setattr(torch, name, draw(name))
        setattr(torch, "randn_like", lambda like: originals["randn"](like.shape, dtype=like.dtype).to(like.device))  # noqa: B010
        setattr(torch.Tensor, "exponential_", lambda like: like.copy_(exponential(like.cpu())))  # noqa: B010
        yield
    finally:
        setattr(torch.Tensor, "exponential_", exponential)  # noqa: B010
        for name, original in originals.items():
            setattr(torch, name, original)


def compare_losses(device: str) -> float:
    """Return the largest relative difference of the losses of the first iterations."""
    losses = []
    for place in ("cpu", device):
        with draws_on_processor():
            torch.manual_seed(0)
            step = make_step([], {"device": place, "image_size": [64, 64], **PRECISE})[0]
            losses.append([{name: float(value) for name, value in step()[0]["losses"].items()} for _ in range(STEPS)])
    return find_largest_difference(*losses)


def compare_recorded(device: str) -> float:
    """Return the largest relative difference of the losses of iterations that are recorded from those that are not."""
    losses = []
    for recorded in (False, True):
        torch.manual_seed(0)
        step = make_step([], {"device": device, "image_size": [64, 64], "cuda_graphs": recorded, **PRECISE})[0]
        torch.manual_seed(1)
        losses.append([{name: float(value) for name, value in step()[0]["losses"].items()} for _ in range(WARM_UP + STEPS)])
    return find_largest_difference(*losses)


def find_largest_difference(losses: list[dict[str, float]], others: list[dict[str, float]]) -> float:
    """Return the largest relative difference of the losses of two runs, iteration by iteration."""
    pairs = [(one[name], other[name]) for one, other in zip(losses, others, strict=True) for name in one]
    return max(abs(one - other) / max(abs(one), 1e-2) for one, other in pairs)


def compare_maps(device: str) -> float:
    """Return the largest difference of the maps of the shipped networks, on a scan that looks like a brain."""
    axes = np.meshgrid(*[np.linspace(-1, 1, size) for size in (96, 112, 96)], indexing="ij")
    scan = np.clip(1 - sum(axis**2 for axis in axes), 0, None) * (1 + 0.2 * np.sin(9 * axes[0]))
    affine = np.diag([2.0, 2.0, 2.0, 1.0])
    affine[:3, 3] = (-95, -128, -77)
    worst = 0.0
    for name in ("lesions", "conversion"):
        maps = []
        for place in ("cpu", device):
            network = bundle.load(name, device=place)
            explained = network.explain((scan.astype(np.float32), affine), num_samples=10)
            maps.append([np.asarray(image.dataobj) for image in (explained.fa_mean, explained.fa_variance) if image is not None])
        worst = max(worst, *(float(np.abs(one - other).max()) for one, other in zip(*maps, strict=True)))
    return worst


def compare_resumed(device: str, folder: Path) -> float:
    """Return the largest relative difference of the losses of a training that is killed and goes on, from one that is not.

    On a GPU the iterations of the killed one are recorded.
    """
    tables = []
    for name in ("whole", "killed"):
        recorded = name == "killed" and device.startswith("cuda")
        options = {
            "dataset_dir": folder / "cohort",
            "output_dir": folder / name,
            "device": device,
            "cuda_graphs": recorded,
            **TRAINING,
        }
        command = [sys.executable, "-W", "ignore", *write_command("training", ["train", "squares"], options)]
        table = folder / name / "train" / "train.csv"
        for number in range(2 if name == "killed" else 1):
            with (folder / "log.txt").open("a") as log:
                process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)
            while name == "killed" and not number and process.poll() is None:
                if table.is_file() and len(table.read_text().splitlines()) > 3:
                    os.kill(process.pid, signal.SIGKILL)
                time.sleep(0.05)
            if process.wait() not in (0, -signal.SIGKILL):
                raise RuntimeError((folder / "log.txt").read_text()[-2000:])
        tables.append(pd.read_csv(table).select_dtypes("number").drop(columns=["seconds", "chosen"], errors="ignore"))
    whole, killed = tables
    return float(((whole - killed).abs() / whole.abs().clip(lower=1e-2)).max(axis=None, skipna=True))


def time_step(overlays: list[str], changes: dict[str, Any], device: str, amp: bool, recorded: bool) -> list[float]:
    """Return milliseconds of an iteration, the share of them in which the GPU computes, and its peak memory, GiB."""
    cuda = device.startswith("cuda")
    step = make_step(overlays, changes | {"device": device, "amp": amp, "cuda_graphs": recorded})[0]
    repeats, wait = (REPEATS, torch.cuda.synchronize) if cuda else (TINY_REPEATS, lambda: None)
    if cuda:
        for _ in range(WARM_UP + 2):
            step()
        torch.cuda.reset_peak_memory_stats()
    wait()
    begin = time.perf_counter()
    for _ in range(repeats):
        step()
    wait()
    seconds = (time.perf_counter() - begin) / repeats
    if not cuda:
        return [1000 * seconds, float("nan"), float("nan")]
    with profile(activities=[ProfilerActivity.CUDA]) as profiler:
        for _ in range(5):
            step()
        wait()
    busy = sum(event.self_device_time_total for event in profiler.key_averages()) / 5e6
    return [1000 * seconds, busy / seconds, torch.cuda.max_memory_allocated() / 2**30]


def time_training(device: str, folder: Path, recorded: bool) -> float:
    """Return milliseconds of an iteration of the default training of slices, with reading and augmentation of its scans."""
    output, length = folder / f"timed-{recorded}", 200 if device.startswith("cuda") else 2
    options = {"dataset_dir": folder / "lesions", "output_dir": output, "device": device, "epoch_length": length}
    options |= {"cuda_graphs": recorded, **TIMED}
    command = [sys.executable, "-W", "ignore", *write_command("training", ["train"], options)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    seconds = pd.read_csv(output / "train" / "train.csv")["seconds"]
    return 1000 * float(seconds[1]) / length  # the second epoch: nothing is new, and nothing validated


def main() -> None:
    """Print the comparisons and the table."""
    device = sys.argv[1] if len(sys.argv) > 1 else "cuda:0"
    cuda = device.startswith("cuda")
    fast, torch.backends.cudnn.allow_tf32 = torch.backends.cudnn.allow_tf32, False
    name = torch.cuda.get_device_name(device) if cuda else "the processor itself"
    print(f"{name}, torch {torch.__version__}\n", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        found = {
            "losses": compare_losses(device), "maps": compare_maps(device), "resumed": compare_resumed(device, Path(folder)),
        }  # fmt: skip
        if cuda:
            found["recorded"] = compare_recorded(device)
    rows = [[key, value, TOLERANCES[key], "yes" if value <= TOLERANCES[key] else "NO"] for key, value in found.items()]
    print_table(["compared", "largest difference", "tolerance", "within"], rows)
    torch.backends.cudnn.allow_tf32 = fast  # as in a training
    timed, ways = CASES if cuda else dict(list(CASES.items())[:1]), (False, True) if cuda else (False,)
    measured = {
        (case, kind, recorded): time_step(*settings, device, kind != "float32", recorded)
        for case, settings in timed.items()
        for kind in ("float32", "bfloat16")
        for recorded in ways
    }
    table = [[case, kind, "yes" if recorded else "no", *cells] for (case, kind, recorded), cells in measured.items()]
    print_table(["iteration", "precision", "recorded", "ms", "GPU busy", "GiB"], table)
    with tempfile.TemporaryDirectory() as folder:
        trained = {recorded: time_training(device, Path(folder), recorded) for recorded in ways}
    alone = {recorded: measured[next(iter(CASES)), "float32", recorded][0] for recorded in ways}
    table = [["yes" if recorded else "no", ms, ms / alone[recorded]] for recorded, ms in trained.items()]
    print_table(["training of slices, batch 8, recorded", "ms an iteration", "over the iteration alone"], table)
    sys.exit(any(row[-1] == "NO" for row in rows))


if __name__ == "__main__":
    main()
