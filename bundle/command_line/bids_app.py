"""The form of BIDS apps: explain the participants of a dataset, a run a session, and collect their tables.

Source: Gorgolewski et al., PLOS Computational Biology 2017 (https://doi.org/10.1371/journal.pcbi.1005209).
"""

import argparse
import csv
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from monai.bundle import ConfigParser
from tqdm import tqdm

from bundle import CONFIGS
from bundle.benchmark.runner import end_with_parent
from bundle.command_line.commands import COMMANDS, build_arguments, write_command
from bundle.command_line.options import read_path
from bundle.data.bids import DESCRIPTION, REQUIRED, is_described, write_text
from bundle.data.participants import name_person
from bundle.errors import INTERRUPT_STATUS, INTERRUPTED
from bundle.files import check_writable
from bundle.guards import check_overrides
from bundle.inference.predictions import RECORD, TABLE
from bundle.inference.table import Row, ScanTable
from bundle.workers import THREADS, count_cores

LOGS = "logs"  # folder of what the runs print, a file each
COMMAND = COMMANDS["explain"]


def explain_participants(given: argparse.Namespace) -> int:
    """Explain the chosen participants, each session by a run of its own in a folder of its own.

    Args:
        given: arguments of the command line.

    Returns:
        The exit status: 0, or 1 when a run failed or had scans that failed.

    Raises:
        OSError: When nothing can be written to the output folder.
        ValueError: When the dataset, a label or a key is not accepted.
    """
    settings = dict(given.set)
    sessions = find_sessions(given, settings)
    runs = {name: build_run(given, settings, given.bids_dir / name, given.output_dir / name) for name in sessions}
    check_overrides(next(iter(runs.values())))
    if given.print:
        print(*map(write_command, runs.values()), sep="\n", flush=True)
        return 0
    check_writable(given.output_dir / LOGS, "OUTPUT_DIR")
    failed = dict[str, str]()
    pool = ThreadPoolExecutor(int(given.n_procs))
    try:
        waiting = [pool.submit(run_session, name, runs[name], given) for name in runs]
        for future in as_completed(waiting):
            name, reason = future.result()
            failed |= {name: reason} if reason else {}
            tqdm.write(f"{name}: {reason or 'done'}", file=sys.stdout)
    except KeyboardInterrupt:  # the runs have it as well
        print(f"\n{INTERRUPTED}", file=sys.stderr, flush=True)
        return INTERRUPT_STATUS
    finally:
        pool.shutdown(cancel_futures=True)
    print(f"{len(runs) - len(failed)} of {len(runs)} sessions are done in {given.output_dir}", flush=True)
    return 1 if failed else 0


def build_run(given: argparse.Namespace, settings: Mapping[str, str], scans: Path, output_dir: Path) -> list[str]:
    """Return the arguments of MONAI's bundle that explain the scans of a folder."""
    values = vars(given) | {"dataset_dir": read_path(str(scans)), "output_dir": read_path(str(output_dir))}
    return build_arguments(COMMAND, values, given.config, {"layout": "bids", **settings})


def run_session(name: str, arguments: Sequence[str], given: argparse.Namespace) -> tuple[str, str]:
    """Run the inference of a session.

    Returns:
        Name of the session, and in a sentence why its run failed; empty when it did not.
    """
    log = given.output_dir / LOGS / f"{name.replace('/', '_')}.log"
    threads = dict.fromkeys(THREADS, str(max(1, count_cores() // int(given.n_procs)))) if int(given.n_procs) > 1 else {}
    with log.open("w") as file:
        print(write_command(arguments), file=file, flush=True)
        words = [sys.executable, "-m", "monai.bundle", *arguments]
        status = subprocess.run(
            words, stdout=file, stderr=subprocess.STDOUT, env=threads | os.environ, preexec_fn=end_with_parent
        ).returncode
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return name, f"exit status {status}, see {log}: {lines[-1].removeprefix('Error: ')}" if status else ""


def collect_tables(given: argparse.Namespace) -> int:
    """Put the tables of the chosen participants into one, with columns for participant and session; nothing is computed.

    Args:
        given: arguments of the command line.

    Returns:
        The exit status: 0, or 1 when there are sessions without results or scans that failed.

    Raises:
        OSError: When the table cannot be written.
        ValueError: When there is no result, or the results are of different networks or settings.
    """
    sessions = find_sessions(given, dict(given.set))
    done = [name for name in sessions if (given.output_dir / name / TABLE).is_file()]
    if not done:
        raise ValueError(f"OUTPUT_DIR {given.output_dir} holds no results of these participants: run the level participant first")
    records = {name: json.loads((given.output_dir / name / RECORD).read_text()) for name in done}
    if other := [name for name in done if records[name] != records[done[0]]]:
        raise ValueError(f"{done[0]} and {other[0]} in {given.output_dir} have results of different networks or settings")
    rows = [row for name in done for row in read_rows(given.output_dir, name)]
    table = ScanTable(given.output_dir / TABLE, list(dict.fromkeys(key for row in rows for key in row)))
    table.write(rows)
    write_text(given.output_dir / RECORD, (given.output_dir / done[0] / RECORD).read_text())
    failed, missing = sum(row["status"] == "failed" for row in rows), [name for name in sessions if name not in done]
    people = len({row["participant_id"] for row in rows})
    print(f"Written to {table.path}: {len(rows)} scans of {people} participants, of which {failed} failed", flush=True)
    if missing:
        print(f"Error: {len(missing)} of {len(sessions)} sessions have no results: {', '.join(missing[:5])}", file=sys.stderr)
    return 1 if failed or missing else 0


def read_rows(output_dir: Path, name: str) -> list[Row]:
    """Return the rows of a session's table; names of scans are those below the output folder."""
    path = output_dir / name / TABLE
    with path.open(encoding="utf-8", newline="") as file:
        columns = next(csv.reader(file), [])
    person, _, session = name.partition("/")
    own = {"participant_id": person, "session_id": session or "n/a"}
    return [{**own, **row, "name": f"{name}/{row['name']}"} for row in ScanTable(path, columns).read()]


def find_sessions(given: argparse.Namespace, settings: Mapping[str, str]) -> list[str]:
    """List the sessions with scans of the chosen participants.

    Args:
        given: arguments of the command line.
        settings: keys of the configs; `scan_suffix` is the contrast.

    Returns:
        Paths relative to the dataset, such as sub-01/ses-M00, or sub-01 for a participant without sessions.

    Raises:
        FileNotFoundError: When there is no such folder.
        ValueError: When it is no BIDS dataset, has not the labels, or has no scans.
    """
    folder: Path = given.bids_dir
    if not folder.is_dir():
        raise FileNotFoundError(f"BIDS_DIR {folder} does not exist: accepted is the folder of a BIDS dataset")
    if not (given.skip_bids_validation or is_described(folder)):
        text = "accepted is a BIDS dataset, or --skip-bids-validation"
        raise ValueError(f"BIDS_DIR {folder} has no {DESCRIPTION} with {' and '.join(REQUIRED)}: {text}")
    people = choose(folder, "sub-", given.participant_label, "--participant-label")
    suffix = settings.get("scan_suffix") or ConfigParser.load_config_file(CONFIGS / "inference.yaml")["scan_suffix"]
    places = [f"{person}/{session.name}" for person in people for session in sorted((folder / person).glob("ses-*"))]
    if given.session_label:
        labels = {f"ses-{label.removeprefix('ses-')}" for label in given.session_label}
        if absent := labels - {place.partition("/")[2] for place in places}:
            raise ValueError(f"--session-label {min(absent)}: no such session in {folder}")
        places = [place for place in places if place.partition("/")[2] in labels]
    else:
        places += people
    pattern = "anat/*" if suffix == "all" else f"anat/*_{suffix}.*"
    found = sorted(place for place in places if any((folder / place).glob(pattern)))
    if not found:
        raise ValueError(f"BIDS_DIR {folder} has no {pattern} of these participants; another contrast: --set scan_suffix=T2w")
    return found


def choose(folder: Path, prefix: str, labels: Sequence[str] | None, flag: str) -> list[str]:
    """Return the names of the folders with a prefix that have one of the labels, or of all.

    Raises:
        ValueError: When there is none, or none of a label.
    """
    names = sorted(path.name for path in folder.glob(f"{prefix}*") if path.is_dir())
    if not names:
        raise ValueError(f"BIDS_DIR {folder} has no folder {prefix}*: accepted is a BIDS dataset")
    chosen = names if labels is None else [f"{prefix}{name_person(label)}" for label in labels]
    if absent := [name for name in chosen if name not in names]:
        raise ValueError(f"{flag} {absent[0]}: not in {folder}, which has {len(names)}, {names[0]} to {names[-1]}")
    return sorted(set(chosen))
