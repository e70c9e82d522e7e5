"""Learning-rate schedules."""

import logging
import math
from functools import cache

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

WARMUP_SHARE = 0.1  # of a training that is shorter than its warm-up

logger = logging.getLogger(__name__)


def cosine_schedule(optimizer: Optimizer, num_iterations: int, num_warmup: int = 0) -> LambdaLR:
    """Raise the learning rate linearly, then lower it to zero along half a cosine.

    By hand: MONAI's WarmupCosineSchedule starts from a rate of zero, with which the first step changes nothing.

    Source: Loshchilov and Hutter, ICLR 2017 (https://arxiv.org/abs/1608.03983), without restarts.

    Args:
        optimizer: its parameter groups keep their own peak rates.
        num_iterations: iterations until the rate is zero.
        num_warmup: iterations until the peak; in a training that is not longer, as `fit_warmup` has it.

    Returns:
        A schedule to step after every iteration.

    Raises:
        ValueError: When the warm-up is negative.
    """
    num_warmup = fit_warmup(num_warmup, num_iterations)

    def factor(iteration: int) -> float:
        """Return the share of the peak at an iteration."""
        if iteration < num_warmup:
            return (iteration + 1) / num_warmup
        progress = (iteration - num_warmup) / (num_iterations - num_warmup)
        return 0.5 * (1 + math.cos(math.pi * min(progress, 1.0)))

    return LambdaLR(optimizer, factor)


def fit_warmup(num_warmup: int, num_iterations: int) -> int:
    """Return the iterations of a warm-up, cut to a tenth of a training that is not longer.

    Args:
        num_warmup: iterations until the learning rate's peak.
        num_iterations: iterations of the training.

    Raises:
        ValueError: When the warm-up is negative.
    """
    if num_warmup < 0:
        raise ValueError(f"warmup_iterations must be at least 0, got {num_warmup}")
    if num_warmup < num_iterations:
        return num_warmup
    return _cut(num_warmup, num_iterations)


@cache  # one sentence, whatever the number of schedules
def _cut(num_warmup: int, num_iterations: int) -> int:
    cut = int(WARMUP_SHARE * num_iterations)
    logger.warning(
        "The rise of the learning rate is cut from warmup_iterations %d to %d: the training has %d iterations (max_epochs x"
        " epoch_length)", num_warmup, cut, num_iterations,
    )  # fmt: skip
    return cut
