"""Where a report's figures come from: code and packages."""

import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = ("monai", "torch", "pytorch-ignite", "numpy", "pandas", "scikit-learn", "nibabel", "matplotlib")


def find_commit(folder: str | Path) -> str | None:
    """Return the git commit that a folder is at, with "+ changes" when files differ from it; None outside a repository.

    Args:
        folder: folder of the code.
    """
    commit = _ask_git(folder, "rev-parse", "HEAD")
    if commit is None:
        return None
    changed = _ask_git(folder, "status", "--porcelain", "--untracked-files=no")
    return f"{commit} + changes" if changed else commit


def list_versions() -> dict[str, str]:
    """Return the versions of the packages that the figures depend on; those not installed are left out."""
    found = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _ask_git(folder: str | Path, *command: str) -> str | None:
    try:
        answer = subprocess.run(["git", "-C", str(folder), *command], capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return answer.stdout.strip() if answer.returncode == 0 else None
