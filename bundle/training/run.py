"""A training from its beginning to its end."""

from pathlib import Path

from ignite.engine import Engine

from bundle.files import hold_folder

LOCK = "train.lock"


def train(trainer: Engine, folder: str | Path) -> None:
    """Run a trainer while no other process trains in its folder.

    Args:
        trainer: the trainer.
        folder: folder of what is kept of the run.

    Raises:
        ValueError: When another process does.
    """
    with hold_folder(folder, Path(folder) / LOCK, "ckpt_dir"):
        trainer.run()
