"""Training: objective, engine, validation, and the files of a run."""

from bundle.training.augmentation import BatchAugmentation
from bundle.training.checkpoints import BestModel, Provenance, RunState, fingerprint_images
from bundle.training.completion import Completion
from bundle.training.distributions import FitDistributions
from bundle.training.graphs import CudaGraphs, check_cuda_graphs
from bundle.training.history import History, LossBar, Readings
from bundle.training.initialisation import initialise
from bundle.training.mean_change import MeanChange
from bundle.training.phases import Phase, fit_phases
from bundle.training.schedules import cosine_schedule
from bundle.training.settings import check_folder, check_settings, choose_key_metric
from bundle.training.trainer import EpochSeed, ICAMTrainer, Learner, train
from bundle.training.validator import ICAMValidator, direction

__all__ = [
    "BatchAugmentation",
    "BestModel",
    "Completion",
    "CudaGraphs",
    "EpochSeed",
    "FitDistributions",
    "History",
    "ICAMTrainer",
    "ICAMValidator",
    "Learner",
    "LossBar",
    "MeanChange",
    "Phase",
    "Provenance",
    "Readings",
    "RunState",
    "check_cuda_graphs",
    "check_folder",
    "check_settings",
    "choose_key_metric",
    "cosine_schedule",
    "direction",
    "fingerprint_images",
    "fit_phases",
    "initialise",
    "train",
]
