"""Training engine of ICAM."""

import copy
import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from ignite.engine import Engine, Events
from monai.engines import SupervisedTrainer, Trainer
from monai.engines.utils import IterationEvents
from monai.utils.enums import CommonKeys
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from torch.utils.data import DataLoader

from bundle.checkpoints import load_network, read_about
from bundle.data.scans import without_metadata
from bundle.files import announce, hold_folder, remove_leftovers
from bundle.ranks import is_first, synchronise, wait_for_ranks
from bundle.training.augmentation import move_batch
from bundle.training.completion import Completion
from bundle.training.graphs import Recorded, Recorder
from bundle.training.mean_change import MeanChange
from bundle.training.phases import Phase
from bundle.training.steps import DiscriminatorStep, GeneratorStep
from bundle.training.translation import Shown, pair_classes

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

    def find_gradient(self, loss: Tensor) -> None:
        """Replace the gradient of the weights by that of a loss.

        Args:
            loss: scalar to minimise.
        """
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()

    def step(self) -> None:
        """Take one optimisation step along the gradient."""
        if self.clip_norm is not None:
            nn.utils.clip_grad_norm_(self.module.parameters(), self.clip_norm)
        self.optimizer.step()
        if self.schedule is not None:
            self.schedule.step()


class Begun(NamedTuple):
    """A batch of which the translations are made, and the gradient of the discriminators is known.

    Attributes:
        image: scans, shape (B, C, H, W[, D]).
        labels: their classes, shape (B,).
        losses: of encoders and generator, apart from those that the discriminators decide, with their weighted sum as `total`.
        shown: what the discriminators see.
        discriminator_losses: of the discriminators, by name; empty where they do not learn.
    """

    image: Tensor
    labels: Tensor
    losses: dict[str, Tensor]
    shown: Shown
    discriminator_losses: dict[str, Tensor]


class ICAMTrainer(SupervisedTrainer):
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
        mean_change: keeps the means of the loss term of this name; None without it.
        activation_checkpointing: whether memory is saved by computing activations again for the gradient, see `Translation`.
        amp: mixed precision in bfloat16, which needs no scaling of gradients.
        make_recorder: makes what records the kernels of the iterations of a phase, such as `CudaGraphs`; None for no recording.
        train_handlers: Ignite or MONAI handlers.
        **kwargs: further arguments of `monai.engines.SupervisedTrainer`, as which MONAI FL knows it; `prepare_batch` takes a
            batch and a device, and returns the batch there, with the same keys.
    """

    def __init__(
        self,
        device: torch.device | str,
        max_epochs: int,
        train_data_loader: DataLoader,
        generator: Learner,
        discriminators: Learner,
        phases: Sequence[Phase],
        mean_change: MeanChange | None = None,
        activation_checkpointing: bool = False,
        amp: bool = False,
        make_recorder: Callable[[], Recorder] | None = None,
        train_handlers: Sequence | None = None,
        **kwargs: Any,
    ) -> None:
        self.generator, self.discriminators, self.phases = generator, discriminators, list(phases)
        self.activation_checkpointing = activation_checkpointing
        self.mean_change = None if mean_change is None else mean_change.to(device)
        self.make_recorder = make_recorder
        self._phase: Phase | None = None  # that the steps below belong to
        self._begin: Callable[[Tensor, Tensor, Tensor, Tensor | None], Begun]  # both are set where a phase begins
        self._finish: Callable[[Begun], dict[str, Tensor]]
        handlers = [each for each in (self.mean_change, *(train_handlers or [])) if each is not None]
        kwargs = {"prepare_batch": move_batch, "train_handlers": handlers, "amp": amp, "decollate": False} | kwargs
        super().__init__(
            device, max_epochs, train_data_loader, network=generator.module, optimizer=generator.optimizer,
            loss_function=phases[-1].generator, **kwargs,
        )  # fmt: skip
        self.add_event_handler(Events.EPOCH_STARTED, ICAMTrainer.start_epoch)

    def run(self) -> None:
        """Train until `max_epochs`."""
        super(Trainer, self).run()  # Trainer.run would build a CUDA scaler of its own

    def start_epoch(self) -> None:
        """Give the batches the size that they have in this epoch's phase, and begin a new phase with its steps."""
        phase = self.find_phase()
        if phase is not self._phase:
            self._phase = phase
            kept = "its best network is kept" if phase is self.phases[-1] else "no network of it is kept"
            logger.info("Epoch %d of %d: phase %s, %s", self.state.epoch, self.state.max_epochs, phase.name, kept)
            discriminators: Any = self.discriminators.module
            self.generator_step = synchronise(GeneratorStep(self.network, phase, self.activation_checkpointing, self.mean_change))
            self.discriminator_step = synchronise(DiscriminatorStep(discriminators, phase.discriminators))
            self.adversarial_step = DiscriminatorStep(discriminators, phase.adversarial)  # in which they do not learn
            self._begin, self._finish = self._translate, self._judge
            if self.make_recorder is not None:
                recorder = self.make_recorder()
                self._begin, self._finish = Recorded(self._translate, recorder), Recorded(self._judge, recorder)
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
        partner = pair_classes(without_metadata(batchdata["label"]))  # where the labels still are: the device is not waited for
        partner = partner.to(engine.state.device, non_blocking=True)
        batch = engine.prepare_batch(batchdata, engine.state.device, non_blocking=True)
        engine.network.train()
        begun = engine._begin(batch["image"], batch["label"], partner, batch.get("value"))
        if begun.discriminator_losses:
            engine.discriminators.step()
        losses = engine._finish(begun)
        engine.generator.step()
        if begun.shown.encoded is not None:
            engine.network.erasure.update(begun.shown.encoded.detach(), begun.shown.mean.detach())
        engine.fire_event(IterationEvents.MODEL_COMPLETED)
        if engine.make_recorder is not None:
            losses = {name: loss.clone() for name, loss in losses.items()}  # a recorded iteration writes over its own
        return [{CommonKeys.LOSS: losses["loss"], LOSSES: losses}]  # a list, as MONAI's handlers find after decollation

    def _translate(self, image: Tensor, labels: Tensor, partner: Tensor, values: Tensor | None) -> Begun:
        """Translate a batch, and find the gradient of the discriminators."""
        with self._autocast():
            losses, shown = self.generator_step(image, labels, partner, values)
        judged: dict[str, Tensor] = {}
        if self.find_phase().discriminators.weights:
            with self._autocast():
                judged = self.discriminator_step(image, labels, shown.detach())
            self.discriminators.find_gradient(judged.pop("total"))
        return Begun(image, labels, losses, shown, judged)

    def _judge(self, begun: Begun) -> dict[str, Tensor]:
        """Find the gradient of encoders and generator, against discriminators that have learned, and return all losses."""
        self.discriminators.module.requires_grad_(False)
        with self._autocast():
            against = self.adversarial_step(begun.image, begun.labels, begun.shown)
        self.discriminators.module.requires_grad_(True)
        total = begun.losses["total"] + against["total"]
        self.generator.find_gradient(total)
        self.network.update_class_attributes(begun.shown.mean.detach(), begun.labels)
        judged = {f"discriminator_{name}": value for name, value in begun.discriminator_losses.items()}
        named = {**judged, **against, **begun.losses, "loss": total}
        return {name: value.detach() for name, value in named.items() if name != "total"}

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.state.device.type, dtype=torch.bfloat16, enabled=self.amp)


class EpochSeed:
    """Give the batches their epoch, which with the seed decides all that is random about the data: a resumed run repeats it."""

    def attach(self, engine: Engine) -> None:
        """Register with a trainer whose loader draws class-balanced batches."""
        engine.add_event_handler(Events.EPOCH_STARTED, self)

    def __call__(self, engine: Engine) -> None:
        """Seed the epoch that begins."""
        engine.data_loader.batch_sampler.set_epoch(engine.state.epoch)


def train(trainer: Any, folder: str | Path, completion: Completion | None = None) -> None:
    """Run a trainer while no other process trains in its folder, and print what it has written.

    Args:
        trainer: the trainer.
        folder: folder of the run's files.
        completion: completes the best network; None for networks of other methods.

    Raises:
        ValueError: When another process does.
    """
    with hold_folder(folder, Path(folder) / LOCK, "ckpt_dir"):
        if is_first():
            remove_leftovers(Path(folder) / name for name in (MODEL, "state.pt", "train.csv"))
        trainer.run()
        wait_for_ranks()  # until the first has written its best network
        if completion is not None and (Path(folder) / MODEL).is_file():
            best = load_network(copy.deepcopy(trainer.network), Path(folder) / MODEL, trainer.state.device)
            completion.run(best, Path(folder) / MODEL, Path(folder) / MODEL)
    if not is_first():
        return
    about = read_about(Path(folder) / MODEL) if (Path(folder) / MODEL).is_file() else {}
    kept = f"the network of epoch {about.get('epoch')}, by {about.get('key_metric')}: the checkpoint of evaluation and inference"
    announce(folder, {
        MODEL: kept, "state.pt": "state of the run, to resume it", "train.csv": "losses, figures and phase of each epoch",
        "events.out.tfevents.*": "the same for TensorBoard",
    })  # fmt: skip
