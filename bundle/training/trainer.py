"""Training engine of ICAM."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, cast

import torch
from ignite.engine import Events
from monai.engines import Trainer
from monai.engines.utils import IterationEvents
from monai.transforms import Randomizable
from monai.utils.enums import CommonKeys
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from torch.utils.data import DataLoader

from bundle.data.samplers import BalancedBatchSampler
from bundle.data.scans import without_metadata
from bundle.networks import ICAM, ContentDiscriminator, DomainDiscriminator
from bundle.training.objective import DiscriminatorObjective, GeneratorObjective
from bundle.training.seeding import EpochSeed
from bundle.training.translation import Translation

LOSSES = "losses"  # key of the output: every loss by name


class Stage(NamedTuple):
    """A part of a training run.

    Attributes:
        epochs: how long it lasts.
        batch_size: scans in a batch, as many of each class.
        generator: what encoders and generator minimise.
        discriminators: what the discriminators minimise; they rest when it has no terms.
    """

    epochs: int
    batch_size: int
    generator: GeneratorObjective
    discriminators: DiscriminatorObjective


class ICAMTrainer(Trainer):
    """Alternate discriminator and generator steps; one translation of the batch serves both.

    A run may begin with stages in which only some terms count, so that the attribute tells the class before anything is
    translated with it. Where the terms are cheap, the batches of a stage can be larger.

    Source: Bass et al., NeurIPS 2020, Eq. 5 (https://arxiv.org/abs/2006.08287).

    Args:
        device: where to train.
        max_epochs: epochs to train in all.
        train_data_loader: class-balanced batches, sorted by class, with keys `image` and `label`, and `value` for regression.
        network: encoders and generator.
        content_discriminator: D_c.
        domain_discriminator: D.
        generator_optimizer: optimiser of `network`.
        discriminator_optimizer: optimiser of both discriminators.
        loss_weights: weights of the generator's terms, see `GeneratorObjective`.
        discriminator_weights: weights of the discriminators' terms, see `DiscriminatorObjective`.
        generator_schedule: learning rate of `generator_optimizer`, stepped with it; None for a constant one.
        discriminator_schedule: the same of `discriminator_optimizer`.
        stages: what comes before the whole objective, in this order, each with its `epochs`, `batch_size`, `weights` and
            `discriminator_weights`. None for nothing.
        checkpointing: whether memory is saved by computing activations again for the gradient, see `Translation`.
        clip_norm: largest gradient norm of the network and of the discriminators; None for no clipping.
        augmentation: random transform of the training set, reseeded each epoch so that a resumed run repeats it.
        seed: seed of batches and augmentation.
        amp: mixed precision, float16 on a GPU and bfloat16 on a CPU.
        train_handlers: Ignite or MONAI handlers.
        **kwargs: further arguments of `monai.engines.Trainer`.

    Raises:
        ValueError: When a weight names no term, or a loss is not finite.
    """

    def __init__(
        self,
        device: torch.device | str,
        max_epochs: int,
        train_data_loader: DataLoader,
        network: ICAM,
        content_discriminator: ContentDiscriminator,
        domain_discriminator: DomainDiscriminator,
        generator_optimizer: Optimizer,
        discriminator_optimizer: Optimizer,
        loss_weights: Mapping[str, float],
        discriminator_weights: Mapping[str, float],
        generator_schedule: LRScheduler | None = None,
        discriminator_schedule: LRScheduler | None = None,
        stages: Sequence[Mapping[str, Any]] | None = None,
        checkpointing: bool = False,
        clip_norm: float | None = None,
        augmentation: Randomizable | None = None,
        seed: int = 0,
        amp: bool = False,
        train_handlers: Sequence | None = None,
        **kwargs: Any,
    ) -> None:
        self.network = network
        self.discriminators = nn.ModuleList([content_discriminator, domain_discriminator])
        self.generator_optimizer = generator_optimizer
        self.discriminator_optimizer = discriminator_optimizer
        self.schedules = {generator_optimizer: generator_schedule, discriminator_optimizer: discriminator_schedule}
        whole = {
            "epochs": max_epochs,
            "batch_size": cast(BalancedBatchSampler, train_data_loader.batch_sampler).batch_size,
            "weights": loss_weights,
            "discriminator_weights": discriminator_weights,
        }
        self.stages = [
            Stage(
                stage["epochs"],
                stage["batch_size"],
                GeneratorObjective(stage["weights"], content_discriminator, domain_discriminator),
                DiscriminatorObjective(stage["discriminator_weights"], content_discriminator, domain_discriminator),
            )
            for stage in [*(stages or []), whole]
        ]
        self.checkpointing = checkpointing
        self.clip_norm = clip_norm
        self.grad_scaler = torch.amp.GradScaler(torch.device(device).type, enabled=amp and torch.device(device).type == "cuda")
        super().__init__(device, max_epochs, train_data_loader, handlers=train_handlers, amp=amp, decollate=False, **kwargs)
        EpochSeed(augmentation, seed).attach(self)
        self.add_event_handler(Events.EPOCH_STARTED, ICAMTrainer.start_epoch)

    def run(self) -> None:
        """Train until `max_epochs`."""
        super(Trainer, self).run()  # Trainer.run would build a CUDA scaler of its own

    def start_epoch(self) -> None:
        """Give the batches the size that they have in this epoch's stage."""
        self.data_loader.batch_sampler.set_batch_size(self.find_stage().batch_size)

    def find_stage(self) -> Stage:
        """Return the stage that the running epoch belongs to."""
        epoch = self.state.epoch
        for stage in self.stages[:-1]:
            if epoch <= stage.epochs:
                return stage
            epoch -= stage.epochs
        return self.stages[-1]

    def _iteration(self, engine: "ICAMTrainer", batchdata: Mapping[str, Tensor]) -> list[dict[str, Any]]:
        image, labels = (
            without_metadata(batchdata[key]).to(engine.state.device, non_blocking=True) for key in ("image", "label")
        )
        values = without_metadata(batchdata["value"]).to(image) if "value" in batchdata else None
        engine.network.train()
        translation = Translation(engine.network, image, labels, values, engine.checkpointing)
        stage = engine.find_stage()
        losses = engine._step_discriminators(translation, stage.discriminators)
        losses |= engine._step_generator(translation, stage.generator)
        engine.grad_scaler.update()
        engine.network.update_class_attributes(translation.posterior[0].detach(), labels)
        engine.fire_event(IterationEvents.MODEL_COMPLETED)
        return [{CommonKeys.LOSS: losses["loss"], LOSSES: losses}]  # a list, as MONAI's handlers find after decollation

    def _step_discriminators(self, translation: Translation, objective: DiscriminatorObjective) -> dict[str, float]:
        if not objective.weights:
            return {}
        with autocast(self.state.device, self.amp):
            losses = objective(translation)
        self._step(self.discriminator_optimizer, losses["total"], self.discriminators)
        return {f"discriminator_{name}": finite(name, value) for name, value in losses.items() if name != "total"}

    def _step_generator(self, translation: Translation, objective: GeneratorObjective) -> dict[str, float]:
        translation.forget_verdicts()
        self.discriminators.requires_grad_(False)
        with autocast(self.state.device, self.amp):
            losses = objective(translation)
        self._step(self.generator_optimizer, losses["total"], self.network)
        self.discriminators.requires_grad_(True)
        return {"loss" if name == "total" else name: finite(name, value) for name, value in losses.items()}

    def _step(self, optimizer: Optimizer, loss: Tensor, module: nn.Module) -> None:
        optimizer.zero_grad(set_to_none=True)
        self.grad_scaler.scale(loss).backward()
        if self.clip_norm is not None:
            self.grad_scaler.unscale_(optimizer)
            nn.utils.clip_grad_norm_(module.parameters(), self.clip_norm)
        self.grad_scaler.step(optimizer)
        if (schedule := self.schedules[optimizer]) is not None:
            schedule.step()


def autocast(device: torch.device, enabled: bool) -> torch.autocast:
    """Return the context of mixed precision: float16 on a GPU, bfloat16 on a CPU.

    Args:
        device: where it is computed.
        enabled: whether precision is mixed at all.
    """
    return torch.autocast(device.type, torch.float16 if device.type == "cuda" else torch.bfloat16, enabled=enabled)


def finite(name: str, value: Tensor) -> float:
    """Return a loss term as a number.

    Args:
        name: its name.
        value: the term, a scalar.

    Raises:
        ValueError: When it is not finite.
    """
    number = value.detach().item()
    if number != number or abs(number) == float("inf"):
        raise ValueError(f"the loss term {name} is {number}: lower the learning rate, or clip gradients with clip_norm")
    return number
