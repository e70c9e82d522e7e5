"""Where a report's figures come from: the state of the code."""

import subprocess
from pathlib import Path


def find_commit(folder: str | Path) -> str | None:
    """Return the git commit that a folder is at, with "+ changes" when files differ from it; None outside a repository."""
    commit = _run_git(folder, "rev-parse", "HEAD")
    if commit is None:
        return None
    changed = _run_git(folder, "status", "--porcelain", "--untracked-files=no")
    return f"{commit} + changes" if changed else commit


def _run_git(folder: str | Path, *command: str) -> str | None:
    try:
        done = subprocess.run(["git", "-C", str(folder), *command], capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
