"""Records beside results, of what they were made from: finished work is not done again."""

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from bundle.files import write_atomically

FINGERPRINT = "fingerprint"  # key of the record


def compute_fingerprint(*parts: Any, files: Iterable[str | Path] = ()) -> str:
    """Compute a hash that changes with settings and with the files that a result depends on.

    Args:
        parts: Settings in the types of JSON, paths among them; keys of dictionaries count in any order.
        files: Files of which path, size and time count, not the content; absent ones have a fingerprint as well.

    Returns:
        The first 16 digits of a SHA-256.
    """
    states = []
    for path in map(Path, files):
        states.append([str(path), *((path.stat().st_size, path.stat().st_mtime_ns) if path.is_file() else ())])
    text = json.dumps([parts, states], sort_keys=True, default=os.fspath)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def read_record(path: str | Path, fingerprint: str | None, files: Iterable[str | Path] = ()) -> dict[str, Any] | None:
    """Read what was recorded about results that are complete.

    Args:
        path: File of the record.
        fingerprint: What the results must have been made from; None to accept any.
        files: Results that must exist.

    Returns:
        Content of the record; None when it is absent, damaged or of another fingerprint, or a result is absent.
    """
    try:
        record = json.loads(Path(path).read_text(encoding="utf-8"))
        if fingerprint not in (None, record.pop(FINGERPRINT)) or not all(Path(file).is_file() for file in files):
            return None
        return dict(record)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def write_record(path: str | Path, fingerprint: str, content: Mapping[str, Any]) -> dict[str, Any]:
    """Write a record, after the results that it stands for; a killed process leaves none, or a whole one.

    Args:
        path: File of the record, ending in `.json`; its folder is made when absent.
        fingerprint: What the results were made from.
        content: What else is recorded, in the types of JSON.

    Returns:
        The content as `read_record` returns it.
    """
    text = json.dumps({**content, FINGERPRINT: fingerprint}, indent=2, default=os.fspath) + "\n"
    with write_atomically(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    record: dict[str, Any] = json.loads(text)
    del record[FINGERPRINT]
    return record
