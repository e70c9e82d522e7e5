"""The form of BIDS apps: explain the participants of a dataset, a run a session, and collect their tables.

Source: Gorgolewski et al., PLOS Computational Biology 2017 (https://doi.org/10.1371/journal.pcbi.1005209).
"""

import argparse
import csv
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

import pandas as pd
from monai.bundle import ConfigParser

from bundle import CONFIGS
from bundle.benchmark.runner import end_with_parent
from bundle.command_line.commands import COMMANDS, START, build_arguments, write_command
from bundle.command_line.options import read_path
from bundle.data.bids import DESCRIPTION, REQUIRED, is_described, write_text
from bundle.data.discovery import Discovery
from bundle.data.participants import name_person
from bundle.errors import INTERRUPT_STATUS
from bundle.files import announce, check_writable, escape_name, write_table
from bundle.guards import check_overrides
from bundle.inference.predictions import LOCK, RECORD, TABLE
from bundle.inference.regions import TABLE as REGIONS
from bundle.inference.table import Row, ScanTable
from bundle.viewer import Pages, read_pages
from bundle.viewer.pages import INDEX
from bundle.workers import THREADS, count_cores

LOGS = "logs"  # folder of what the runs print, a file each
COMMAND = COMMANDS["explain"]
WRITTEN = {  # by the level group
    INDEX: "all scans, with links to their pages, for any browser",
    TABLE: "class, probabilities and warnings of each scan",
    REGIONS: "change of each brain region of each scan",
}


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
    print(write_command(next(iter(runs.values()))), file=sys.stderr, flush=True)  # the others differ in their folders
    failed, pool = 0, ThreadPoolExecutor(int(given.n_procs))
    try:
        for future in as_completed([pool.submit(run_session, name, runs, given) for name in runs]):
            failed += not future.result()
    finally:  # at Ctrl-C as well, which the runs have too
        pool.shutdown(cancel_futures=True)
    print(f"{len(runs) - failed} of {len(runs)} sessions are done in {given.output_dir}", flush=True)
    return 1 if failed else 0


def build_run(given: argparse.Namespace, settings: Mapping[str, str], scans: Path, output_dir: Path) -> list[str]:
    """Return the arguments of MONAI's bundle that explain the scans of a folder."""
    values = vars(given) | {"dataset_dir": read_path(str(scans)), "output_dir": read_path(str(output_dir))}
    return build_arguments(COMMAND, values, given.config, {"layout": "bids", **settings})


def run_session(name: str, runs: Mapping[str, Sequence[str]], given: argparse.Namespace) -> bool:
    """Run the inference of a session, and print a line when it begins and one when it ends.

    Args:
        name: the session.
        runs: arguments of MONAI's bundle for each session.
        given: arguments of the command line.

    Returns:
        Whether it was done.
    """
    log, start = given.output_dir / LOGS / f"{name.replace('/', '_')}.log", time.monotonic()
    title = f"{name.replace('/', ' ')} ({list(runs).index(name) + 1} of {len(runs)})"
    print(f"{title}: explaining", flush=True)
    threads = dict.fromkeys(THREADS, str(max(1, count_cores() // int(given.n_procs)))) if int(given.n_procs) > 1 else {}
    with log.open("w") as file:
        print(write_command(runs[name]), file=file, flush=True)
        words = [sys.executable, "-m", START, *runs[name]]
        status = subprocess.run(
            words, stdout=file, stderr=subprocess.STDOUT, env=threads | os.environ, preexec_fn=end_with_parent
        ).returncode
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    end = f"exit status {status}, see {log}: {lines[-1].removeprefix('Error: ')}" if status else "done"
    end = "stopped" if status in (INTERRUPT_STATUS, -signal.SIGINT) else end
    print(f"{title}: {end} ({time.monotonic() - start:.0f} s)", flush=True)
    return status == 0


def collect_tables(given: argparse.Namespace) -> int:
    """Put tables and pages of the chosen participants into one each; nothing is computed.

    Tables have columns for participant and session. A session whose run was stopped is left out, and named.

    Args:
        given: arguments of the command line.

    Returns:
        The exit status: 0, or 1 when there are sessions without complete results, or scans that failed.

    Raises:
        OSError: When a file cannot be written.
        ValueError: When no session is complete, or the results are of different networks or settings.
    """
    sessions = find_sessions(given, dict(given.set))
    begun = [name for name in sessions if (given.output_dir / name / TABLE).is_file()]
    done = find_complete(given, begun)
    if not done:
        kind = "complete results" if begun else "results"
        raise ValueError(f"OUTPUT_DIR {given.output_dir} holds no {kind} of these participants: run the level participant first")
    records = {name: json.loads((given.output_dir / name / RECORD).read_text()) for name in done}
    if other := [name for name in done if records[name] != records[done[0]]]:
        raise ValueError(f"{done[0]} and {other[0]} in {given.output_dir} have results of different networks or settings")
    rows = [row for name in done for row in read_rows(given.output_dir, name)]
    table = ScanTable(given.output_dir / TABLE, list(dict.fromkeys(key for row in rows for key in row)))
    table.write(rows)
    write_text(given.output_dir / RECORD, (given.output_dir / done[0] / RECORD).read_text())
    collect_regions(given.output_dir, done)
    collect_pages(given.output_dir, done)
    failed, people = sum(row["status"] == "failed" for row in rows), len({row["participant_id"] for row in rows})
    announce(given.output_dir, WRITTEN)
    print(f"{len(rows)} scans of {people} participants, of which {failed} failed", flush=True)
    absent = {
        "have no results": [name for name in sessions if name not in begun],
        "are not complete, and left out": [name for name in begun if name not in done],
    }
    for text, names in absent.items():
        if names:
            print(f"Error: {len(names)} of {len(sessions)} sessions {text}: {list_first(names)}", file=sys.stderr)
    return 1 if failed or len(done) < len(sessions) else 0


def find_complete(given: argparse.Namespace, begun: Sequence[str]) -> list[str]:
    """Return the sessions whose run got to its end: it holds no lock, and all scans have rows and, where any have them, regions.

    Args:
        given: arguments of the command line.
        begun: sessions with a table of results.
    """
    suffix, done = read_suffix(dict(given.set)), []
    has_regions = any((given.output_dir / name / REGIONS).is_file() for name in begun)
    for name in begun:
        folder, rows = given.output_dir / name, read_rows(given.output_dir, name)
        files = Discovery(given.bids_dir / name).find(None if suffix == "all" else suffix)
        ends = ["/" + escape_name(path.relative_to(given.bids_dir / name).as_posix()) for path in files]
        unmeasured = {row["name"] for row in rows if row["status"] == "done"} - set(read_regions(given.output_dir, name)["name"])
        explained = all(any(row["scan"].endswith(end) for row in rows) for end in ends)
        if explained and not (has_regions and unmeasured) and not (folder / LOCK).exists():
            done.append(name)
    return done


def list_first(names: Sequence[str], most: int = 5) -> str:
    """Return the first of several names, and how many more there are."""
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def read_rows(output_dir: Path, name: str) -> list[Row]:
    """Return the rows of a session's table; names of scans are those below the output folder."""
    path = output_dir / name / TABLE
    with path.open(encoding="utf-8", newline="") as file:
        columns = next(csv.reader(file), [])
    return [{**name_session(name), **row, "name": f"{name}/{row['name']}"} for row in ScanTable(path, columns).read()]


def read_regions(output_dir: Path, name: str) -> pd.DataFrame:
    """Return the table of regions of a session, without rows where there is none; scans are named as in `read_rows`."""
    if not (output_dir / name / REGIONS).is_file():
        return pd.DataFrame(columns=["name"])
    table = pd.read_csv(output_dir / name / REGIONS, sep="\t", dtype=str, keep_default_na=False)
    return table.assign(name=f"{name}/" + table["name"])


def name_session(name: str) -> Row:
    """Return the columns of tables that name participant and session."""
    person, _, session = name.partition("/")
    return {"participant_id": person, "session_id": session or "n/a"}


def collect_regions(output_dir: Path, done: Sequence[str]) -> None:
    """Write the tables of regions of sessions as one, or remove an earlier one where there are none."""
    tables = []
    for name in [name for name in done if (output_dir / name / REGIONS).is_file()]:
        table, place = read_regions(output_dir, name), name_session(name)
        table.insert(0, "session_id", place["session_id"])
        table.insert(0, "participant_id", place["participant_id"])
        tables.append(table)
    if tables:
        write_table(output_dir / REGIONS, pd.concat(tables, ignore_index=True))
    else:
        (output_dir / REGIONS).unlink(missing_ok=True)


def collect_pages(output_dir: Path, done: Sequence[str]) -> None:
    """Write a page over the pages of sessions, with their settings, or remove an earlier one where there are none."""
    found = next((pages for name in done if (pages := read_pages(output_dir / name))), None)
    if found:
        Pages(output_dir, **found.settings).collect(done)
    else:
        (output_dir / INDEX).unlink(missing_ok=True)


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
    suffix = read_suffix(settings)
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


def read_suffix(settings: Mapping[str, str]) -> str:
    """Return the contrast that is explained, `all` for every scan."""
    return settings.get("scan_suffix") or str(ConfigParser.load_config_file(CONFIGS / "inference.yaml")["scan_suffix"])


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
