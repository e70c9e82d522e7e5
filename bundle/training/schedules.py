"""Learning-rate schedules."""

import math

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR


def cosine_schedule(optimizer: Optimizer, num_iterations: int, num_warmup: int = 0) -> LambdaLR:
    """Raise the learning rate linearly, then lower it to zero along half a cosine.

    By hand: MONAI's WarmupCosineSchedule starts from a rate of zero, with which the first step changes nothing.

    Source: Loshchilov and Hutter, ICLR 2017 (https://arxiv.org/abs/1608.03983), without restarts.

    Args:
        optimizer: its parameter groups keep their own peak rates.
        num_iterations: iterations until the rate is zero.
        num_warmup: iterations until the peak.

    Returns:
        A schedule to step after every iteration.

    Raises:
        ValueError: When the warm-up is not shorter than the whole.
    """
    check_warmup(num_warmup, num_iterations)

    def factor(iteration: int) -> float:
        if iteration < num_warmup:
            return (iteration + 1) / num_warmup
        progress = (iteration - num_warmup) / (num_iterations - num_warmup)
        return 0.5 * (1 + math.cos(math.pi * min(progress, 1.0)))

    return LambdaLR(optimizer, factor)


def check_warmup(num_warmup: int, num_iterations: int) -> None:
    """Refuse a warm-up that is not shorter than the training.

    Args:
        num_warmup: iterations until the learning rate's peak.
        num_iterations: iterations of the training.

    Raises:
        ValueError: When it is not.
    """
    if not 0 <= num_warmup < num_iterations:
        raise ValueError(
            f"warmup_iterations must be at least 0 and below the {num_iterations} iterations of the training (max_epochs x "
            f"epoch_length), got {num_warmup}"
        )
