"""Config files that are named on a command line or from Python."""

from pathlib import Path

from bundle import CONFIGS


def find_overlay(name: str | Path) -> Path:
    """Return the path of a config file.

    Args:
        name: the file, or the name of one that comes with the bundle, such as "volumes" or "data/adni".

    Raises:
        FileNotFoundError: When there is neither.
    """
    for path in (Path(name).expanduser(), CONFIGS / f"{name}.yaml"):
        if path.is_file():
            return path
    raise FileNotFoundError(f"overlay {name} does not exist: give a config file, or the name of one in {CONFIGS}")
