"""Records beside results, of what they were made from: finished work is not done again."""

import hashlib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from bundle import CONFIGS
from bundle.files import write_atomically

FINGERPRINT = "fingerprint"  # key of the record
PROGRAM = "ICAM for MONAI"
PACKAGES = ("monai", "torch", "pytorch-ignite", "numpy", "pandas", "scikit-learn", "nibabel", "matplotlib")


def read_version() -> str:
    """Return the version of the bundle."""
    return str(json.loads((CONFIGS / "metadata.json").read_text(encoding="utf-8"))["version"])


def list_versions(packages: Sequence[str] = PACKAGES) -> dict[str, str]:
    """Return the versions of the packages that results depend on; those not installed are left out."""
    found = {}
    for package in packages:
        with suppress(PackageNotFoundError):
            found[package] = version(package)
    return found


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


def hash_contents(path: str | Path | None) -> str | None:
    """Compute a hash of the bytes of a file, wherever it lies and whenever it was written.

    Args:
        path: The file; None for none.

    Returns:
        The first 16 digits of a SHA-256; None for no file.

    Raises:
        FileNotFoundError: When it does not exist.
    """
    if path is None:
        return None
    if not Path(path).is_file():
        raise FileNotFoundError(f"{path} does not exist")
    return compute_sha256(path)[:16]


def compute_sha256(path: str | Path) -> str:
    """Return the SHA-256 of a file, as `sha256sum` prints it."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_settings(path: str | Path, found: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    """Refuse to go on with results of other settings.

    Args:
        path: What the results are in, for the message.
        found: Settings that they were made with.
        wanted: Settings of this run.

    Raises:
        ValueError: When a setting differs, or only one side has it; the message names all that do.
    """
    names = [*wanted, *(name for name in found if name not in wanted)]
    if changed := [name for name in names if name not in found or name not in wanted or found[name] != wanted[name]]:
        raise ValueError(
            f"{path} is of a run with other {', '.join(changed)}: give another output_dir, or --resume False to replace it"
        )


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
