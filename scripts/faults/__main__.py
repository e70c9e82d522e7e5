"""Faults on purpose, and what they cost: a row for each, in a CSV and in docs/reliability.md.

Usage: PYTHONPATH=scripts python -m faults [--minutes 90] [--share 1.0] [--seed 0] [--only WORD ...] [--output FILE]
"""

import argparse
import csv
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from faults.damage import damage_checkpoints, damage_headers, damage_scans, damage_tables
from faults.hostile import MANY, follow_hostile_table, list_many, open_trapped_checkpoint
from faults.kills import Row, can_mount, fill_disk, kill_at_random, run_twice, run_undisturbed
from faults.runs import list_tasks, make_inputs

KILLS = {"training": 60, "inference": 60, "preparation": 40, "simulation": 20, "packing": 10, "benchmark": 10}
DRAWS = {"headers": 5000, "tables": 5000, "checkpoints": 1000, "scans": 1000}


def try_faults(folder: Path, share: float, number: int, until: float, only: list[str]) -> Iterator[Row]:
    """Try every fault.

    Args:
        folder: where everything is made; empty.
        share: of the full numbers that are tried.
        number: seed of all draws.
        until: time of `time.monotonic` after which nothing new is begun.
        only: names of the tasks, and "damage", "hostile", that are tried; empty for all.

    Yields:
        Rows, as they are done.
    """
    random = np.random.default_rng(number)
    inputs = folder / "inputs"
    inputs.mkdir()
    make_inputs(inputs)
    counts = {name: max(1, round(share * count)) for name, count in (KILLS | DRAWS).items()}
    if not only or "damage" in only:
        damaged = folder / "damage"
        damaged.mkdir()
        yield damage_headers(damaged, counts["headers"], number)
        yield damage_tables(damaged / "tables", counts["tables"] // 2, number)  # each is read in two ways
        yield damage_checkpoints(inputs / "checkpoint.pt", damaged, counts["checkpoints"], random)
        yield damage_scans(inputs / "scans" / "sub-00_T1w.nii.gz", damaged, counts["scans"], random)
    if not only or "hostile" in only:
        hostile = folder / "hostile" / "inside"
        hostile.mkdir(parents=True)
        yield open_trapped_checkpoint(inputs, hostile)
        yield follow_hostile_table(inputs, hostile)
        yield list_many(folder / "many", max(200, round(share * MANY)))
    mounts = can_mount(folder)
    for task in list_tasks(inputs):
        if (only and task.name not in only) or time.monotonic() > until:
            continue
        work = folder / task.name
        work.mkdir()
        reference = run_undisturbed(task, work)
        yield kill_at_random(task, reference, work, counts[task.name], random, until)
        yield run_twice(task, reference, work)
        if mounts:
            yield from fill_disk(task, reference, work)
        else:
            yield Row("disk full", task.name, 0, 0, "not tried: this process may not mount disks")


def main() -> None:
    """Read the command line, try the faults and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=90, help="after which no further fault is begun")
    parser.add_argument("--share", type=float, default=1.0, help="of the full numbers of faults")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="*", default=[], help="tasks, damage, hostile")
    parser.add_argument("--output", type=Path, default=Path("docs/reliability.csv"))
    given = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="icam-faults-"))
    rows, output = [], given.output.absolute()
    try:
        for row in try_faults(folder, given.share, given.seed, time.monotonic() + 60 * given.minutes, given.only):
            rows.append(row)
            print(f"{row.fault:45} {row.where:30} {row.good:5} of {row.tried:5}   {row.remark}", flush=True)
            with output.open("w", newline="") as file:
                csv.writer(file).writerows([Row._fields, *rows])
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    sys.exit(
        f"{sum(row.good < row.tried for row in rows)} rows have a fault that ended as it must not"
        if any(row.good < row.tried for row in rows)
        else 0
    )


if __name__ == "__main__":
    main()
