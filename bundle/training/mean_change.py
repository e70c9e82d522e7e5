"""Mean change of translations into each class, beside the difference of the mean scans of the classes."""

from collections.abc import Callable, Sequence
from math import prod

import torch
from ignite.engine import Engine, Events
from monai.networks.layers.factories import Pool
from torch import Tensor, nn

from bundle.networks import find_class_means, move_class_means
from bundle.networks.blocks import repeat
from bundle.ranks import average


class MeanChange(nn.Module):
    """Loss that is 0 where translations change scans, on average, by what distinguishes the mean scans of the two classes.

    A small change that many persons have is lost among the differences between two scans, and a discriminator does not see it.
    The means of two classes show it. They are running means of the training, on a coarser grid. The errors of the mean change are
    running means too, over many batches, so that the single translation is free to show its own change.

    The means of a few hundred scans also differ by chance, most along the directions in which persons differ most, such as the
    shape of the head. These directions are left out of the errors: the first principal components of the scans within their
    classes. They are found by power iteration, one step an epoch. An epoch needs more scans than there are components: the
    others are arbitrary directions, which take little from the errors.

    Source: Li et al., ICML 2015 (https://arxiv.org/abs/1502.02761), the first moment, of the change in place of the image;
    components: Mitliagkas et al., NIPS 2013 (https://arxiv.org/abs/1307.0032). Ours.

    Args:
        num_classes: number of classes, K.
        image_size: voxels along each spatial axis.
        factor: edge, in voxels, of the blocks over which scans are averaged first.
        momentum: share of the old value that the error of a class keeps in an iteration.
        scan_momentum: the same of the mean scan of a class, at most: at first it is the plain mean of what was seen.
        channels: channels of an image.
        num_confounds: number of principal components that are left out.

    Raises:
        ValueError: When the blocks do not divide the image, or `num_confounds` is below 0 or above the number of blocks.
    """

    def __init__(
        self,
        num_classes: int,
        image_size: Sequence[int],
        factor: int = 2,
        momentum: float = 0.98,
        scan_momentum: float = 0.998,
        channels: int = 1,
        num_confounds: int = 0,
    ) -> None:
        super().__init__()
        if factor < 1 or any(size % factor for size in image_size):
            raise ValueError(f"factor must be 1 or more and divide the image_size {list(image_size)}, got {factor}")
        self.momentum, self.scan_momentum = momentum, scan_momentum
        self.pool = Pool[Pool.AVG, len(image_size)](kernel_size=factor)
        shape = num_classes, channels, *(size // factor for size in image_size)
        size = prod(shape[1:])
        if not 0 <= num_confounds <= size:
            raise ValueError(f"num_confounds must be 0 to {size}, the blocks of an image, got {num_confounds}")
        self.scans: Tensor  # mean scan of each class, (K, C, h, w[, d])
        self.errors: Tensor  # mean change into each class, less the wanted one, same shape
        self.num_updates: Tensor  # scalar
        self.register_buffer("scans", torch.zeros(shape))
        self.register_buffer("errors", torch.zeros(shape))
        self.register_buffer("num_updates", torch.zeros(()))
        self.confounds: Tensor  # orthonormal directions that are left out, at first random ones, (num_confounds, C * h * w[ * d])
        first = torch.randn(size, num_confounds, generator=torch.Generator().manual_seed(0))
        self.register_buffer("confounds", torch.linalg.qr(first).Q.T.contiguous())
        # the same, times the covariance of the scans that this process observed in an epoch
        self._products = torch.zeros_like(self.confounds)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "MeanChange":
        """Move what is no buffer as well: a buffer would be that of the first process in all."""
        self._products = fn(self._products)
        return super()._apply(fn, recurse)

    def attach(self, engine: Engine) -> None:
        """Register with a trainer, before what saves its state."""
        engine.add_event_handler(Events.EPOCH_COMPLETED, self.find_confounds)

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
            scans = self.pool(image.float())
            move_class_means(self.scans, scans, labels, share)
            within = (scans - self.scans[labels]).flatten(1).to(self.confounds)
            self._products += self.confounds @ within.T @ within

    @torch.no_grad()
    def find_confounds(self) -> None:
        """Take a step of the power iteration with the scans that the processes observed since the last one."""
        products = average(self._products)
        if products.any():
            self.confounds.copy_(torch.linalg.qr(products.T).Q.T)
            self._products.zero_()

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
            found = (self.errors + batch - batch.detach()).flatten(1)  # the gradient goes through the batch
            confounds = self.confounds.to(found)
            return (found - found @ confounds.T @ confounds).square().mean()
