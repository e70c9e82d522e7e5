"""Training of VA-GAN against a Wasserstein critic with gradient penalty."""

from collections.abc import Mapping
from typing import Any

import torch
from monai.engines import Trainer
from monai.utils.enums import CommonKeys
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from torch.utils.data import DataLoader

from bundle.baselines.vagan import VAGAN
from bundle.data.scans import without_metadata
from bundle.training.trainer import LOSSES, finite


class GradientPenalty(nn.Module):
    """How far a critic's slope is from one, between real and generated images.

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
    turns: list[int] = []
    iteration = 0
    while iteration <= num_iterations:
        tuned = len(turns) < tuning_first or len(turns) % tuning_period == 0
        iteration += tuning_steps if tuned else critic_steps
        turns.append(iteration)
    if len(turns) < 2:
        raise ValueError(f"VA-GAN's generator takes no step in {num_iterations} iterations: train longer, or lower tuning_steps")
    return frozenset(turns[:-1])


class VAGANTrainer(Trainer):
    """Train the critic in every iteration, and the generator of maps when its turn comes.

    Source: Baumgartner et al., CVPR 2018, Eq. 2-4 (https://arxiv.org/abs/1711.08998).

    Args:
        device: where to train.
        max_epochs: epochs to train.
        train_data_loader: class-balanced batches, with keys `image` and `label`.
        network: generator of maps.
        critic: network from images to one number each, larger for real scans of the target class; without batch normalisation.
        generator_optimizer: optimiser of `network`.
        critic_optimizer: optimiser of `critic`.
        generator_schedule: its learning rate, stepped with it.
        critic_schedule: the same of `critic_optimizer`.
        turns: iterations in which the generator takes a step, from `find_turns`.
        map_weight: weight of the map's mean absolute value.
        penalty_weight: weight of the gradient penalty.
        train_handlers: Ignite or MONAI handlers.
        **kwargs: further arguments of `monai.engines.Trainer`.

    Raises:
        ValueError: When a loss is not finite.
    """

    penalty = GradientPenalty()

    def __init__(
        self,
        device: torch.device | str,
        max_epochs: int,
        train_data_loader: DataLoader,
        network: VAGAN,
        critic: nn.Module,
        generator_optimizer: Optimizer,
        critic_optimizer: Optimizer,
        generator_schedule: LRScheduler,
        critic_schedule: LRScheduler,
        turns: frozenset[int],
        map_weight: float = 100.0,
        penalty_weight: float = 10.0,
        train_handlers: Any = None,
        **kwargs: Any,
    ) -> None:
        self.network, self.critic = network, critic
        self.generator_optimizer, self.critic_optimizer = generator_optimizer, critic_optimizer
        self.schedules = {generator_optimizer: generator_schedule, critic_optimizer: critic_schedule}
        self.turns, self.map_weight, self.penalty_weight = turns, map_weight, penalty_weight
        super().__init__(device, max_epochs, train_data_loader, handlers=train_handlers, decollate=False, **kwargs)

    def _iteration(self, engine: "VAGANTrainer", batchdata: Mapping[str, Tensor]) -> list[dict[str, Any]]:
        image, labels = (without_metadata(batchdata[key]).to(engine.state.device) for key in ("image", "label"))
        source, real = image[labels == engine.network.source], image[labels == engine.network.target]
        engine.network.train()
        losses = engine._step_critic(source, real)
        if engine.state.iteration in engine.turns:
            losses |= engine._step_generator(source)
        return [{CommonKeys.LOSS: losses["critic"], LOSSES: losses}]

    def _step_critic(self, source: Tensor, real: Tensor) -> dict[str, float]:
        with torch.no_grad():
            generated = self.network.translate(source)
        distance = self.critic(real).mean() - self.critic(generated).mean()
        penalty = self.penalty(self.critic, real, generated)
        loss = self.penalty_weight * penalty - distance
        self._step(self.critic_optimizer, loss)
        named = {"critic": loss, "distance": distance, "gradient_penalty": penalty}
        return {name: finite(name, value) for name, value in named.items()}

    def _step_generator(self, source: Tensor) -> dict[str, float]:
        self.critic.requires_grad_(False)
        maps = self.network(source)
        adversarial, size = -self.critic(source + maps).mean(), maps.abs().mean()
        loss = adversarial + self.map_weight * size
        self._step(self.generator_optimizer, loss)
        self.critic.requires_grad_(True)
        named = {"loss": loss, "adversarial": adversarial, "map": size}
        return {name: finite(name, value) for name, value in named.items()}

    def _step(self, optimizer: Optimizer, loss: Tensor) -> None:
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        self.schedules[optimizer].step()
