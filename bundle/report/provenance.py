"""Where a report's figures come from: code and packages."""

import subprocess
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = ("monai", "torch", "pytorch-ignite", "numpy", "pandas", "scikit-learn", "nibabel", "matplotlib")


def find_commit(folder: str | Path) -> str | None:
    """Return the git commit that a folder is at, with "+ changes" when files differ from it; None outside a repository."""
    commit = _run_git(folder, "rev-parse", "HEAD")
    if commit is None:
        return None
    changed = _run_git(folder, "status", "--porcelain", "--untracked-files=no")
    return f"{commit} + changes" if changed else commit


def list_versions() -> dict[str, str]:
    """Return the versions of the packages that the figures depend on; those not installed are left out."""
    found = {}
    for package in PACKAGES:
        with suppress(PackageNotFoundError):
            found[package] = version(package)
    return found


def _run_git(folder: str | Path, *command: str) -> str | None:
    try:
        done = subprocess.run(["git", "-C", str(folder), *command], capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
