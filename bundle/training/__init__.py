"""Training: the engine, its validation, and what is kept of a run."""

from bundle.training.checkpoints import BestModel, RunState
from bundle.training.history import History
from bundle.training.progress import LossBar
from bundle.training.run import train
from bundle.training.schedules import cosine_schedule
from bundle.training.seeding import EpochSeed
from bundle.training.settings import check_key_metric, check_settings
from bundle.training.trainer import ICAMTrainer
from bundle.training.validator import ICAMValidator, direction

__all__ = [
    "BestModel",
    "EpochSeed",
    "History",
    "ICAMTrainer",
    "ICAMValidator",
    "LossBar",
    "RunState",
    "check_key_metric",
    "check_settings",
    "cosine_schedule",
    "direction",
    "train",
]
