"""Training of VA-GAN against a Wasserstein critic with gradient penalty."""

from collections.abc import Mapping
from typing import Any

import torch
from monai.engines import Trainer
from monai.utils.enums import CommonKeys
from torch import Tensor, nn
from torch.optim.lr_scheduler import LRScheduler
from torch.utils.data import DataLoader

from bundle.baselines.vagan import VAGAN
from bundle.training.augmentation import move_batch
from bundle.training.trainer import LOSSES


class GradientPenalty(nn.Module):
    """Squared difference of a critic's slope from one, between real and generated images.

    Source: Gulrajani et al., NeurIPS 2017, Eq. 3 (https://arxiv.org/abs/1704.00028).
    """

    def forward(self, critic: nn.Module, real: Tensor, generated: Tensor) -> Tensor:
        """Return mean((|gradient of the critic| - 1)^2) at points drawn between pairs of images.

        Args:
            critic: network from images to one number each.
            real: images, shape (B, C, H, W[, D]).
            generated: images, same shape.

        Raises:
            ValueError: When the shapes differ.
        """
        if real.shape != generated.shape:
            raise ValueError(f"shapes must be equal, got {tuple(real.shape)} and {tuple(generated.shape)}")
        share = torch.rand(len(real), *[1] * (real.ndim - 1)).to(real)
        between = torch.lerp(generated, real, share).requires_grad_()
        (slope,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
        return (slope.flatten(1).norm(dim=1) - 1).square().mean()


def find_turns(
    num_iterations: int, critic_steps: int = 5, tuning_steps: int = 100, tuning_first: int = 25, tuning_period: int = 100
) -> frozenset[int]:
    """Return the iterations, counted from 1, in which the generator takes a step; the critic takes one in each.

    The critic gets `critic_steps` before a step of the generator, or `tuning_steps` before the first ones and from time to time.

    Source: Baumgartner et al., CVPR 2018, Sec. 3.4 (https://arxiv.org/abs/1711.08998).

    Args:
        num_iterations: iterations of the training.
        critic_steps: steps of the critic for one of the generator.
        tuning_steps: the same where the critic is tuned.
        tuning_first: steps of the generator, from the first, before which the critic is tuned.
        tuning_period: and every so many steps thereafter.

    Raises:
        ValueError: When there is no such iteration, or a number is below 1 (`tuning_first`: 0).
    """
    if min(critic_steps, tuning_steps, tuning_period) < 1 or tuning_first < 0:
        raise ValueError(
            "critic_steps, tuning_steps and tuning_period must be at least 1 and tuning_first at least 0, got "
            f"{critic_steps}, {tuning_steps}, {tuning_period} and {tuning_first}"
        )
    turns = [0]
    while turns[-1] <= num_iterations:
        tuned = len(turns) <= tuning_first or (len(turns) - 1) % tuning_period == 0
        turns.append(turns[-1] + (tuning_steps if tuned else critic_steps))
    if len(turns) == 2:
        raise ValueError(f"VA-GAN's generator takes no step in {num_iterations} iterations: train longer, or lower tuning_steps")
    return frozenset(turns[1:-1])


class VAGANTrainer(Trainer):
    """Train the critic in every iteration, and the generator of maps in the iterations of its own.

    Source: Baumgartner et al., CVPR 2018, Eq. 2-4 (https://arxiv.org/abs/1711.08998).

    Args:
        device: where to train.
        max_epochs: epochs to train.
        train_data_loader: class-balanced batches, with keys `image` and `label`.
        network: generator of maps.
        critic: network from images to one number each, larger for real scans of the target class; without batch normalisation.
        generator_schedule: learning rate of the optimiser of `network`, stepped with it.
        critic_schedule: the same of `critic`.
        turns: iterations in which the generator takes a step, from `find_turns`.
        loss_weights: weights of the map's mean absolute value, `map`, and of the `gradient_penalty`.
        train_handlers: Ignite or MONAI handlers.
        **kwargs: further arguments of `monai.engines.Trainer`.
    """

    def __init__(
        self,
        device: torch.device | str,
        max_epochs: int,
        train_data_loader: DataLoader,
        network: VAGAN,
        critic: nn.Module,
        generator_schedule: LRScheduler,
        critic_schedule: LRScheduler,
        turns: frozenset[int],
        loss_weights: Mapping[str, float],
        train_handlers: Any = None,
        **kwargs: Any,
    ) -> None:
        self.network, self.critic, self.turns, self.loss_weights = network, critic, turns, loss_weights
        self.generator_schedule, self.critic_schedule, self.penalty = generator_schedule, critic_schedule, GradientPenalty()
        kwargs = {"prepare_batch": move_batch, "handlers": train_handlers, "decollate": False} | kwargs
        super().__init__(device, max_epochs, train_data_loader, **kwargs)

    def _iteration(self, engine: "VAGANTrainer", batchdata: Mapping[str, Tensor]) -> list[dict[str, Any]]:
        batch = engine.prepare_batch(batchdata, engine.state.device)
        image, labels = batch["image"], batch["label"]
        source, real = image[labels == engine.network.source], image[labels == engine.network.target]
        engine.network.train()
        losses = engine._step_critic(source, real)
        if engine.state.iteration in engine.turns:
            losses |= engine._step_generator(source)
        return [{CommonKeys.LOSS: losses["critic"], LOSSES: losses}]

    def _step_critic(self, source: Tensor, real: Tensor) -> dict[str, Tensor]:
        with torch.no_grad():
            generated = self.network.translate(source)
        distance = self.critic(real).mean() - self.critic(generated).mean()
        penalty = self.penalty(self.critic, real, generated)
        loss = self.loss_weights["gradient_penalty"] * penalty - distance
        self._step(self.critic_schedule, loss)
        named = {"critic": loss, "distance": distance, "gradient_penalty": penalty}
        return {name: value.detach() for name, value in named.items()}

    def _step_generator(self, source: Tensor) -> dict[str, Tensor]:
        self.critic.requires_grad_(False)
        maps = self.network(source)
        adversarial, size = -self.critic(source + maps).mean(), maps.abs().mean()
        loss = adversarial + self.loss_weights["map"] * size
        self._step(self.generator_schedule, loss)
        self.critic.requires_grad_(True)
        named = {"loss": loss, "adversarial": adversarial, "map": size}
        return {name: value.detach() for name, value in named.items()}

    def _step(self, schedule: LRScheduler, loss: Tensor) -> None:
        schedule.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        schedule.optimizer.step()
        schedule.step()
