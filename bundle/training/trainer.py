"""Training engine of ICAM."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from ignite.engine import Engine, Events
from monai.engines import Trainer
from monai.engines.utils import IterationEvents
from monai.transforms import Randomizable
from monai.utils.enums import CommonKeys
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from torch.utils.data import DataLoader

from bundle.checkpoints import read_about
from bundle.data.scans import without_metadata
from bundle.files import announce, hold_folder, remove_leftovers
from bundle.training.objective import DiscriminatorObjective, GeneratorObjective, Phase
from bundle.training.translation import Translation

LOSSES = "losses"  # key of the output: every loss by name
LOCK = "train.lock"
MODEL = "model.pt"

logger = logging.getLogger(__name__)


class Learner:
    """A module with its optimiser.

    Args:
        module: what learns.
        optimizer: optimiser of its weights.
        schedule: learning rate, stepped with the optimiser; None for a constant one.
        clip_norm: largest gradient norm; None for no clipping.
    """

    def __init__(
        self, module: nn.Module, optimizer: Optimizer, schedule: LRScheduler | None = None, clip_norm: float | None = None
    ) -> None:
        self.module, self.optimizer, self.schedule, self.clip_norm = module, optimizer, schedule, clip_norm

    def step(self, loss: Tensor, grad_scaler: torch.amp.GradScaler) -> None:
        """Take one optimisation step.

        Args:
            loss: scalar to minimise.
            grad_scaler: scaler of mixed precision.
        """
        self.optimizer.zero_grad(set_to_none=True)
        grad_scaler.scale(loss).backward()
        if self.clip_norm is not None:
            grad_scaler.unscale_(self.optimizer)
            nn.utils.clip_grad_norm_(self.module.parameters(), self.clip_norm)
        grad_scaler.step(self.optimizer)
        if self.schedule is not None:
            self.schedule.step()


class ICAMTrainer(Trainer):
    """Alternate discriminator and generator steps; one translation of the batch serves both.

    A run may begin with phases in which only some terms count, so that the class is read from the attribute before anything is
    translated with it. Where the terms are cheap, the batches of a phase can be larger.

    Source: Bass et al., NeurIPS 2020, Eq. 5 (https://arxiv.org/abs/2006.08287).

    Args:
        device: where to train.
        max_epochs: epochs to train in all.
        train_data_loader: class-balanced batches, sorted by class, with keys `image` and `label`, and `value` for regression.
        generator: encoders and generator, an `ICAM`, with their optimiser.
        discriminators: both discriminators, a `Discriminators`, with their optimiser.
        phases: parts of the run, in this order.
        activation_checkpointing: whether memory is saved by computing activations again for the gradient, see `Translation`.
        amp: mixed precision, float16 on a GPU and bfloat16 on a CPU.
        train_handlers: Ignite or MONAI handlers.
        **kwargs: further arguments of `monai.engines.Trainer`.

    Raises:
        ValueError: When a loss is not finite.
    """

    def __init__(
        self,
        device: torch.device | str,
        max_epochs: int,
        train_data_loader: DataLoader,
        generator: Learner,
        discriminators: Learner,
        phases: Sequence[Phase],
        activation_checkpointing: bool = False,
        amp: bool = False,
        train_handlers: Sequence | None = None,
        **kwargs: Any,
    ) -> None:
        self.network: Any = generator.module
        self.generator, self.discriminators, self.phases = generator, discriminators, list(phases)
        self.activation_checkpointing = activation_checkpointing
        self._named: Phase | None = None  # phase that the log has named last
        kind = torch.device(device).type
        self.grad_scaler = torch.amp.GradScaler(kind, enabled=amp and kind == "cuda")
        super().__init__(device, max_epochs, train_data_loader, handlers=train_handlers, amp=amp, decollate=False, **kwargs)
        self.add_event_handler(Events.EPOCH_STARTED, ICAMTrainer.start_epoch)

    def run(self) -> None:
        """Train until `max_epochs`."""
        super(Trainer, self).run()  # Trainer.run would build a CUDA scaler of its own

    def start_epoch(self) -> None:
        """Give the batches the size that they have in this epoch's phase, and name a phase that begins in the log."""
        phase = self.find_phase()
        if phase is not self._named:
            self._named = phase
            kept = "its best network is kept" if phase is self.phases[-1] else "no network of it is kept"
            logger.info("Epoch %d of %d: phase %s, %s", self.state.epoch, self.state.max_epochs, phase.name, kept)
        self.data_loader.batch_sampler.set_batch_size(phase.batch_size)

    def find_phase(self) -> Phase:
        """Return the phase that the running epoch belongs to."""
        epoch = self.state.epoch
        for phase in self.phases:
            if phase.epochs is None or epoch <= phase.epochs:
                return phase
            epoch -= phase.epochs
        return self.phases[-1]

    def _iteration(self, engine: "ICAMTrainer", batchdata: Mapping[str, Tensor]) -> list[dict[str, Any]]:
        image, labels = (
            without_metadata(batchdata[key]).to(engine.state.device, non_blocking=True) for key in ("image", "label")
        )
        values = without_metadata(batchdata["value"]).to(image) if "value" in batchdata else None
        engine.network.train()
        discriminators: Any = engine.discriminators.module
        translation = Translation(engine.network, discriminators, image, labels, values, engine.activation_checkpointing)
        phase = engine.find_phase()
        losses = engine._step_discriminators(translation, phase.discriminators)
        losses |= engine._step_generator(translation, phase.generator)
        engine.grad_scaler.update()
        engine.network.update_class_attributes(translation.posterior[0].detach(), labels)
        engine.fire_event(IterationEvents.MODEL_COMPLETED)
        return [{CommonKeys.LOSS: losses["loss"], LOSSES: losses}]  # a list, as MONAI's handlers find after decollation

    def _step_discriminators(self, translation: Translation, objective: DiscriminatorObjective) -> dict[str, float]:
        if not objective.weights:
            return {}
        with torch.autocast(self.state.device.type, enabled=self.amp):
            losses = objective(translation)
        self.discriminators.step(losses["total"], self.grad_scaler)
        return {f"discriminator_{name}": finite(name, value) for name, value in losses.items() if name != "total"}

    def _step_generator(self, translation: Translation, objective: GeneratorObjective) -> dict[str, float]:
        self.discriminators.module.requires_grad_(False)
        with torch.autocast(self.state.device.type, enabled=self.amp):
            losses = objective(translation)
        self.generator.step(losses["total"], self.grad_scaler)
        self.discriminators.module.requires_grad_(True)
        return {"loss" if name == "total" else name: finite(name, value) for name, value in losses.items()}


class EpochSeed:
    """Seed batches and augmentation at the start of each epoch, by seed and epoch alone, so that a resumed run repeats it.

    Args:
        augmentation: random transform of the training set; None for none.
        seed: seed of the augmentation; the batches have their own.
    """

    def __init__(self, augmentation: Randomizable | None, seed: int) -> None:
        self.augmentation, self.seed = augmentation, seed

    def attach(self, engine: Engine) -> None:
        """Register with a trainer whose loader draws class-balanced batches."""
        engine.add_event_handler(Events.EPOCH_STARTED, self)

    def __call__(self, engine: Engine) -> None:
        """Seed the epoch that begins."""
        epoch = engine.state.epoch
        engine.data_loader.batch_sampler.set_epoch(epoch)
        if self.augmentation is not None:
            self.augmentation.set_random_state(seed=self.seed + epoch)


def train(trainer: Engine, folder: str | Path) -> None:
    """Run a trainer while no other process trains in its folder, and print what it has written.

    Args:
        trainer: the trainer.
        folder: folder of the run's files.

    Raises:
        ValueError: When another process does.
    """
    with hold_folder(folder, Path(folder) / LOCK, "ckpt_dir"):
        remove_leftovers(Path(folder) / name for name in (MODEL, "state.pt", "train.csv"))
        trainer.run()
    about = read_about(Path(folder) / MODEL) if (Path(folder) / MODEL).is_file() else {}
    kept = f"the network of epoch {about.get('epoch')}, by {about.get('key_metric')}: the checkpoint of evaluation and inference"
    announce(folder, {
        MODEL: kept, "state.pt": "state of the run, to resume it", "train.csv": "losses, figures and phase of each epoch",
        "events.out.tfevents.*": "the same for TensorBoard",
    })  # fmt: skip


def finite(name: str, value: Tensor) -> float:
    """Return a loss term as a number.

    Args:
        name: its name.
        value: the term, a scalar.

    Raises:
        ValueError: When it is not finite.
    """
    if not value.isfinite():
        raise ValueError(f"the loss term {name} is {value.item()}: lower the learning rate, or clip gradients with clip_norm")
    return value.item()
