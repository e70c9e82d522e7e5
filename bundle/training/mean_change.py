"""Mean change of translations into each class, beside the difference of the mean scans of the classes."""

from collections.abc import Sequence

import torch
from monai.networks.layers.factories import Pool
from torch import Tensor, nn

from bundle.networks import find_class_means, move_class_means
from bundle.networks.blocks import repeat


class MeanChange(nn.Module):
    """Loss that is 0 where translations change scans, on average, by what distinguishes the mean scans of the two classes.

    A small change that many persons have is lost among the differences between two scans, and a discriminator does not see it.
    The means of two classes show it. They are running means of the training, on a coarser grid. The errors of the mean change are
    running means too, over many batches, so that the single translation is free to show its own change.

    Source: Li et al., ICML 2015 (https://arxiv.org/abs/1502.02761), the first moment, of the change in place of the image. Ours.

    Args:
        num_classes: number of classes, K.
        image_size: voxels along each spatial axis.
        factor: edge, in voxels, of the blocks over which scans are averaged first.
        momentum: share of the old value that the error of a class keeps in an iteration.
        scan_momentum: the same of the mean scan of a class, at most: at first it is the plain mean of what was seen.
        channels: channels of an image.

    Raises:
        ValueError: When the blocks do not divide the image.
    """

    def __init__(
        self,
        num_classes: int,
        image_size: Sequence[int],
        factor: int = 2,
        momentum: float = 0.98,
        scan_momentum: float = 0.998,
        channels: int = 1,
    ) -> None:
        super().__init__()
        if factor < 1 or any(size % factor for size in image_size):
            raise ValueError(f"factor must be 1 or more and divide the image_size {list(image_size)}, got {factor}")
        self.momentum, self.scan_momentum = momentum, scan_momentum
        self.pool = Pool[Pool.AVG, len(image_size)](kernel_size=factor)
        shape = num_classes, channels, *(size // factor for size in image_size)
        self.scans: Tensor  # mean scan of each class, (K, C, h, w[, d])
        self.errors: Tensor  # mean change into each class, less the wanted one, same shape
        self.num_updates: Tensor  # scalar
        self.register_buffer("scans", torch.zeros(shape))
        self.register_buffer("errors", torch.zeros(shape))
        self.register_buffer("num_updates", torch.zeros(()))

    @torch.no_grad()
    def observe(self, image: Tensor, labels: Tensor) -> None:
        """Move the mean scan of each class towards that of a batch, as all phases of a training do, long before the loss counts.

        Args:
            image: scans, shape (B, C, H, W[, D]).
            labels: their classes, shape (B,).
        """
        with torch.autocast(image.device.type, enabled=False):
            self.num_updates += 1
            share = ((self.num_updates - 1) / self.num_updates).clamp(max=self.scan_momentum)
            move_class_means(self.scans, self.pool(image.float()), labels, share)

    def forward(self, image: Tensor, labels: Tensor, translated: Tensor, target: Tensor) -> Tensor:
        """Move the mean errors towards those of a batch that was observed, and return their mean square.

        Args:
            image: scans, shape (B, C, H, W[, D]).
            labels: their classes, shape (B,).
            translated: n translations of each scan, all first ones before all second ones, shape (n * B, C, H, W[, D]).
            target: their classes, shape (n * B,).
        """
        with torch.autocast(image.device.type, enabled=False):
            scans = self.pool(image.float()) - self.scans[labels]
            errors = self.pool(translated.float()) - self.scans[target] - repeat(scans, len(target) // len(labels))
            move_class_means(self.errors, errors.detach(), target, self.momentum)
            batch = find_class_means(errors, target, len(self.errors))[0]
            return (self.errors + batch - batch.detach()).square().mean()  # the gradient goes through the batch
