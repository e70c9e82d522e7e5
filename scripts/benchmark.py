"""Time and memory of training and maps on synthetic scans, on one processor core; no cohort is needed.

Usage: python scripts/benchmark.py steps   [--reference FOLDER] [--rounds 5] [--cases WORD ...]   an iteration of training
       python scripts/benchmark.py maps    [--reference FOLDER] [--rounds 3]   mean and variance of the maps of one scan
       python scripts/benchmark.py growth  [--rounds 3]   time over voxels, batch, draws and scans on disk, with exponents
       python scripts/benchmark.py memory   a training iteration and maps of volumes by size, GiB
       python scripts/benchmark.py processes [--rounds 3] [--counts 1 2]   a training and an inference by several processes
       python scripts/benchmark.py parts   [--rounds 5]   an iteration with other parts
       python scripts/benchmark.py preparation [--rounds 1]   what is computed of a scan of 1 mm before it is learnt from
       python scripts/benchmark.py cohort [--scans 40000]   what a cohort of volumes takes, from rates that were measured
       python scripts/benchmark.py quality FOLDER ...   seconds until trainings reached an NCC, from their train.csv

FOLDER is a checkout of the authors' code, https://github.com/CherBass/ICAM. Computations take turns, each in its own process.
Times are CPU seconds, medians; of processes, which need a free core each, seconds of the clock, the least of the rounds.
Memory is that of the process, less what it takes before it computes, MiB.
"""

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from performance.cohort import describe_cohort
from performance.convolutions import record_convolutions
from performance.ours import PAPER, make_maps, make_step
from performance.preparation import make_preparation
from performance.processes import measure_processes
from performance.reading import make_reading
from performance.reference import Reference
from performance.timing import fit_exponent, measure_interleaved, print_table, repeat

from bundle.networks import Generator

SLICE, VOLUME = [128, 128], [64, 80, 64]
CASES: dict[str, dict[str, Any]] = {
    "slices, batch 16": {"size": SLICE, "batch_size": 16},
    "slices, batch 2": {"size": SLICE, "batch_size": 2},
    "volumes, batch 2": {"size": VOLUME, "batch_size": 2},
}
SAMPLES = {"slices": (SLICE, 50), "volumes": (VOLUME, 10)}  # grid and number of draws
SHIPPED, PLAIN, WIDE, DEFAULT = "authors' code as shipped", "without anomaly detection", "the paper's networks", "default"
BOTH = "default, both views"  # of inference of volumes
ALONE = "{}, convolutions alone"
SIZES = ([32, 48, 32], [64, 80, 64], [96, 112, 96])  # voxels
LARGE = [128, 160, 128]  # voxels
PREPARATION = ("bias correction", "registration to the template", "registration of a pair")
QUALITIES = (0.4, 0.5, 0.6, 0.65, 0.7)  # NCC of exemplar maps of the validation split
BATCHES, DRAWS, SCANS = (4, 8, 16, 32), (10, 50, 250), (250, 1000, 4000)
PARTS: dict[str, dict[str, Any]] = {
    "default": {},
    "without channels_last": {"network": "$@network_def.to(@device)"},
    "bfloat16": {"amp": True},
    "the paper's generator": {
        "generator": {
            "_target_": f"{Generator.__module__}.{Generator.__name__}",
            "spatial_dims": "@spatial_dims",
            "content_channels": "$@content_encoder.out_channels",
        }
    },
    "base width 16": {"content_encoder#channels": 16},
}


def choose_configs(size: list[int], wide: bool) -> tuple[list[str], dict[str, Any]]:
    """Return the overlays and changed keys of a grid: ours by default, or the paper's networks and objective."""
    changes: dict[str, Any] = {"image_size": size, "spatial_dims": len(size)}
    if len(size) == 3:
        changes["plane"] = None
    return ([*PAPER] if wide else ["volumes"] if len(size) == 3 else []), changes


def make_work(task: str, size: list[int], count: int, reference: str = "") -> Callable[[], Any]:
    """Build a computation.

    Args:
        task: "step", its "convolutions" or "maps", of ours "default", "wide" or "checkpointed", of maps "mirrored", or of the
            reference "shipped" or "plain", such as "step wide"; or "part" and one of `PARTS`; or "preparation" and one of
            `PREPARATION`; or "reading".
        size: voxels along each axis.
        count: scans of a batch, or draws, or scans on disk.
        reference: checkout of the authors' code.
    """
    kind, _, variant = task.partition(" ")
    if kind == "part":
        return make_step([], PARTS[variant])[0]
    if kind == "preparation":
        return make_preparation(variant)
    if kind == "reading":
        return make_reading(size, count)
    if kind == "convolutions":
        return record_convolutions(make_work(f"step {variant}", size, count))
    if variant in ("shipped", "plain"):
        model, scans = Reference(reference, size, count if kind == "step" else 2), torch.rand(max(count, 2), 1, *size) * 2 - 1
        if kind == "maps":
            return lambda: model.explain(scans[:1], count)
        classes = torch.eye(2).repeat_interleave(count // 2, 0)
        return lambda: model.step(scans[:count], classes, variant == "shipped")
    overlays, changes = choose_configs(size, variant == "wide")
    changes["activation_checkpointing"] = variant == "checkpointed"
    if kind == "maps":
        return make_maps(overlays, changes, count, 0 if variant == "mirrored" else None)
    return make_step(overlays, changes | {"batch_size": count})[0]


def compare_steps(reference: str, rounds: int, cases: list[str]) -> None:
    """Print time and memory of a training iteration of the authors' code and of ours, and of the convolutions in ours."""
    for case, settings in CASES.items():
        if cases and not any(word in case for word in cases):
            continue
        where = {"size": settings["size"], "count": settings["batch_size"], "reference": reference}
        variants = {DEFAULT: "default", WIDE: "wide"} | ({PLAIN: "plain", SHIPPED: "shipped"} if reference else {})
        work = {name: (f"step {variant}", where) for name, variant in variants.items()}
        work |= {ALONE.format(name): (f"convolutions {variants[name]}", where) for name in (DEFAULT, WIDE)}
        measured = measure_interleaved(work, rounds)
        rows = []
        for name in variants:
            seconds, memory = measured[name]
            alone = seconds / measured[ALONE.format(name)].seconds if name in (DEFAULT, WIDE) else "-"
            ratios = [measured[other].seconds / seconds if reference else "-" for other in (SHIPPED, PLAIN)]
            rows.append([name, seconds, *ratios, alone, round(memory)])
        print(f"Training iteration, {case}, {'x'.join(map(str, settings['size']))}\n")
        columns = ["networks", "CPU s", f"{SHIPPED}, times as long", f"{PLAIN}, times as long", "over its convolutions", "MiB"]
        print_table(columns, rows)


def compare_maps(reference: str, rounds: int) -> None:
    """Print time and memory of the sampled maps of one scan."""
    for name, (size, count) in SAMPLES.items():
        variants = {DEFAULT: "default"} | ({BOTH: "mirrored"} if len(size) == 3 else {})
        variants |= {WIDE: "wide"} | ({SHIPPED: "shipped"} if reference else {})
        where = {"size": size, "count": count, "reference": reference}
        measured = measure_interleaved({title: (f"maps {variant}", where) for title, variant in variants.items()}, rounds)
        rows = []
        for title, (seconds, memory) in measured.items():
            rows.append([title, seconds, measured[SHIPPED].seconds / seconds if reference else "-", round(memory)])
        print(f"{count} maps of one scan, {name}, {'x'.join(map(str, size))}\n")
        print_table(["networks", "CPU s", f"{SHIPPED}, times as long", "MiB"], rows)


def show_growth(rounds: int) -> None:
    """Print how time and memory grow, with the exponents of fitted power laws."""
    voxels = [float(torch.tensor(size).prod()) for size in SIZES]
    series: list[tuple[str, str, list[float], list[tuple[list[int], int]]]] = [
        ("iteration, batch 2, over voxels", "step default", voxels, [(size, 2) for size in SIZES]),
        ("iteration of slices over batch", "step default", [float(count) for count in BATCHES], [(SLICE, n) for n in BATCHES]),
        ("maps of a volume over draws", "maps default", [float(count) for count in DRAWS], [(VOLUME, n) for n in DRAWS]),
        (
            "reading a batch of slices over scans on disk",
            "reading",
            [float(count) for count in SCANS],
            [(SLICE, n) for n in SCANS],
        ),
    ]
    for title, task, values, settings in series:
        work = {str(index): (task, {"size": size, "count": count}) for index, (size, count) in enumerate(settings)}
        seconds, memory = zip(*measure_interleaved(work, rounds).values(), strict=True)
        print(f"{title}: time ~ ^{fit_exponent(values, seconds):.2f}, memory ~ ^{fit_exponent(values, memory):.2f}\n")
        print_table(["size", "CPU s", "MiB"], [[int(v), t, round(m)] for v, t, m in zip(values, seconds, memory, strict=True)])


def show_memory() -> None:
    """Print the memory of an iteration of volumes, batch 2, and of 50 maps of a scan in both views, by size."""
    rows = []
    for size in (*SIZES[1:], LARGE):
        tasks = {"step default": 2, "step checkpointed": 2, "maps mirrored": 50}
        work = {task: (task, {"size": size, "count": count}) for task, count in tasks.items()}
        measured = measure_interleaved(work, 1).values()
        rows.append([" x ".join(map(str, size)), *(each.memory / 1024 for each in measured)])
    print_table(["voxels", "training, GiB", "with activation_checkpointing, GiB", "50 maps of a scan, GiB"], rows)


def compare_processes(counts: list[int], rounds: int) -> None:
    """Print wall time of a training and of an inference by several processes, with the exponents of fitted power laws."""
    rows = []
    for name, seconds in measure_processes(counts, rounds):
        rows.append([name, *seconds, seconds[0] / seconds[-1], fit_exponent(counts, seconds)])
    columns = [f"{count} process{'es' * (count > 1)}, s" for count in counts]
    print_table(["", *columns, f"{counts[-1]} over {counts[0]}, times as fast", "time grows with the power"], rows)


def compare_parts(rounds: int) -> None:
    """Print time and number of parameters of an iteration of slices with other parts."""
    measured = measure_interleaved({name: (f"part {name}", {"size": SLICE, "count": 0}) for name in PARTS}, rounds)
    parameters = [make_step([], changes)[1] for changes in PARTS.values()]
    rows = [[name, each.seconds, count] for (name, each), count in zip(measured.items(), parameters, strict=True)]
    print_table(["parts", "CPU s", "parameters"], rows)


def show_preparation(rounds: int) -> None:
    """Print time and memory of the steps of a preparation."""
    measured = measure_interleaved({name: (f"preparation {name}", {"size": [], "count": 0}) for name in PREPARATION}, rounds)
    print_table(
        ["of a scan of 1 mm", "CPU s", "MiB"], [[name, each.seconds, round(each.memory)] for name, each in measured.items()]
    )


def show_quality(folders: list[str]) -> None:
    """Print after how many seconds and epochs, the validations among them, trainings first reached an NCC of the validation."""
    rows = []
    for folder in folders:
        table = pd.read_csv(Path(folder) / "train.csv")
        reached = [table.index[table["val_ncc"] >= least] for least in QUALITIES]
        seconds = table["seconds"].cumsum()
        cells = [f"{seconds[found[0]]:.0f} ({table['epoch'][found[0]]})" if len(found) else "-" for found in reached]
        rows.append([folder, *cells, round(float(table["val_ncc"].max()), 3)])
    print_table(["training", *(f"NCC {least}: s (epoch)" for least in QUALITIES), "best NCC"], rows)


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "verb", choices=["steps", "maps", "growth", "memory", "processes", "parts", "preparation", "cohort", "quality", "repeat"]
    )
    parser.add_argument("arguments", nargs="*", help="of quality: folders of trainings, such as output/train")
    parser.add_argument("--reference", default="", help="checkout of the authors' code")
    parser.add_argument("--rounds", type=int, default=5, help="how often each computation is timed")
    parser.add_argument("--cases", nargs="*", default=[], help="words of the cases of steps; all by default")
    parser.add_argument("--scans", type=int, default=40_000, help="scans, of cohort")
    parser.add_argument("--counts", nargs="+", type=int, default=[1, 2], help="numbers of processes, of processes")
    given = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    verbs: dict[str, Callable[[], None]] = {
        "steps": lambda: compare_steps(given.reference, given.rounds, given.cases),
        "maps": lambda: compare_maps(given.reference, given.rounds),
        "growth": lambda: show_growth(given.rounds),
        "memory": show_memory,
        "processes": lambda: compare_processes(given.counts, given.rounds),
        "parts": lambda: compare_parts(given.rounds),
        "preparation": lambda: show_preparation(given.rounds),
        "cohort": lambda: print_table(*describe_cohort(given.scans)),
        "quality": lambda: show_quality(given.arguments),
        "repeat": lambda: repeat(make_work(given.arguments[0], **json.loads(given.arguments[1]))),
    }
    verbs[given.verb]()


if __name__ == "__main__":
    main()
