"""The cohort that comes with the bundle, made where a user has none yet."""

import json
import logging
from collections.abc import Callable
from pathlib import Path

from bundle.files import PARTICIPANTS, find_table
from bundle.simulation.storage import DESCRIPTION

logger = logging.getLogger(__name__)


def find_cohort(dataset_dir: str | Path, simulate: Callable[..., Path]) -> Path:
    """Return the folder of a cohort; where there is none, simulate one.

    A simulated cohort that exists is handed to `simulate` too, which refuses it when its settings are others than asked for. Any
    other cohort is taken as it is.

    Args:
        dataset_dir: folder of the cohort.
        simulate: writes a cohort into the folder `dataset_dir`, or finds it written.

    Returns:
        The folder.

    Raises:
        FileNotFoundError: When the folder holds something, but no cohort.
        ValueError: When it holds a simulated cohort with other settings.
    """
    folder = Path(dataset_dir).expanduser()
    if find_table(folder).is_file():
        return simulate(dataset_dir=folder) if _is_simulated(folder) else folder
    if folder.is_dir() and any(folder.iterdir()):
        raise FileNotFoundError(
            f"dataset_dir {folder} holds files but no {PARTICIPANTS}: give a cohort with that table, or a new folder"
        )
    logger.warning("No cohort in %s: simulating the embedded one there", folder)
    return simulate(dataset_dir=folder)


def _is_simulated(folder: Path) -> bool:
    description = folder / DESCRIPTION
    return description.is_file() and "Simulation" in json.loads(description.read_text())
