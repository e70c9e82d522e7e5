"""Send good and bad requests in turn to a running server, and tell how it took them.

Usage: PYTHONPATH=scripts python scripts/serving/soak.py FOLDER [--pid PID] [--server URL] [--model NAME] [--count 100]

Of FOLDER every NIfTI file is sent, and between them requests that the server must refuse: files that are empty, cut off or of
another type, scans of a wrong shape or too large, settings that do not exist. Two requests are under way at any time. Prints a
row for each kind, and with the server's process number its memory, in MB, at the start and after each tenth of them.
"""

import argparse
import io
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle, islice
from pathlib import Path
from typing import Any, NamedTuple

import nibabel
import numpy as np
from explain_remotely import SERVER, request_map

TENTHS = 10


class Case(NamedTuple):
    """One request.

    Attributes:
        kind: What it is, for the table.
        name: Name of the file that is sent.
        scan: Its content.
        settings: What the request sets.
    """

    kind: str
    name: str
    scan: bytes
    settings: dict[str, Any]


def make_bad_cases(scan: bytes) -> list[Case]:
    """Return requests that a server must refuse.

    Args:
        scan: Content of a good file, compressed.
    """
    header = nibabel.Nifti1Header()
    header.set_data_shape((2000, 2000, 2000))
    return [
        Case("empty file", "scan.nii.gz", b"", {}),
        Case("cut off", "scan.nii.gz", scan[: len(scan) // 2], {}),
        Case("text", "scan.nii.gz", b"no image at all", {}),
        Case("picture", "scan.png", scan, {}),
        Case("four axes", "scan.nii", _write(np.ones((8, 8, 8, 2))), {}),
        Case("one axis", "scan.nii", _write(np.arange(8.0)), {}),
        Case("constant", "scan.nii", _write(np.ones((32, 32, 32))), {}),
        Case("NaN", "scan.nii", _write(np.full((32, 32, 32), np.nan)), {}),
        Case("too large", "scan.nii", header.binaryblock + bytes(4), {}),
        Case("unknown map", "scan.nii.gz", scan, {"map": "fa_median"}),
        Case("expression", "scan.nii.gz", scan, {"num_samples": "$1 + 1"}),
        Case("one sample", "scan.nii.gz", scan, {"num_samples": 1}),
        Case("no such class", "scan.nii.gz", scan, {"target": 7}),
        Case("unknown device", "scan.nii.gz", scan, {"device": "abacus"}),
        Case("no device", "scan.nii.gz", scan, {"device": [1]}),
        Case("other weights", "scan.nii.gz", scan, {"model_filename": "../model.pt"}),
        Case("kept on server", "scan.nii.gz", scan, {"save_label": True}),
        Case("path of no text", "scan.nii.gz", scan, {"image": 7}),
        Case("long name", f"scan.{'x' * 240}.nii.gz", scan, {}),
    ]


def send(case: Case, server: str, model: str) -> str:
    """Send a request.

    Args:
        case: The request.
        server: Address of the server.
        model: Name of the model.

    Returns:
        "map", or what the server said.
    """
    try:
        request_map(case.name, case.scan, server, model, **case.settings)
    except ValueError as error:
        return str(error).removeprefix(f"{case.name}: ")
    return "map"


def read_memory(pid: int) -> float:
    """Return the resident memory of a process, MB."""
    status = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmRSS"))


def run(folder: str, server: str, model: str, count: int, pid: int | None) -> None:
    """Send the requests and print what came of them.

    Args:
        folder: Where the good scans are.
        server: Address of the server.
        model: Name of the model.
        count: Number of requests.
        pid: Process of the server, for its memory; None for none.
    """
    good = [Case("scan", path.name, path.read_bytes(), {}) for path in sorted(Path(folder).glob("*.nii.gz"))]
    bad = make_bad_cases(good[0].scan)
    cases = islice((case for pair in zip(cycle(good), cycle(bad), strict=False) for case in pair), count)
    answers: Counter[tuple[str, str]] = Counter()
    if pid:
        print(f"after    0 requests: {read_memory(pid):.0f} MB", flush=True)
    with ThreadPoolExecutor(2) as pool:
        for number, (case, answer) in enumerate(pool.map(lambda case: (case, send(case, server, model)), list(cases)), start=1):
            answers[case.kind, answer] += 1
            if pid and number % max(1, count // TENTHS) == 0:
                print(f"after {number:4d} requests: {read_memory(pid):.0f} MB", flush=True)
    for (kind, answer), number in sorted(answers.items()):
        print(f"{number:4d} x {kind}: {answer}")


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", help="where the good scans are")
    parser.add_argument("--server", default=SERVER)
    parser.add_argument("--model", default="lesions")
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--pid", type=int)
    run(**vars(parser.parse_args()))


def _write(array: np.ndarray) -> bytes:
    """Return an array as the content of a NIfTI file."""
    buffer = io.BytesIO()
    image = nibabel.Nifti1Image(array.astype(np.float32), np.eye(4))
    image.to_stream(buffer)
    return buffer.getvalue()


if __name__ == "__main__":
    main()
