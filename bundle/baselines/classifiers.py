"""Classifiers that post-hoc methods explain: networks from a scan to class logits, and how a plain one is trained."""

from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import Any

from captum.attr._utils.custom_modules import Addition_Module
from monai.engines import SupervisedTrainer
from monai.networks.nets.resnet import ResNetBlock
from monai.utils.enums import CommonKeys
from torch import Tensor, nn
from torch.optim.lr_scheduler import LRScheduler

from bundle.networks import ICAM
from bundle.training.augmentation import move_batch
from bundle.training.trainer import LOSSES


class AttributeClassifier(nn.Module):
    """ICAM's attribute encoder with its latent classifier, as a classifier of scans.

    Source: Bass et al., NeurIPS 2020, Sec. 4.3, Table 4 (https://arxiv.org/abs/2006.08287).

    Args:
        network: trained network, whose weights are shared.
    """

    def __init__(self, network: ICAM) -> None:
        super().__init__()
        self.encoder = network.attribute_encoder

    def forward(self, image: Tensor) -> Tensor:
        """Return class logits, shape (B, K), of scans of shape (B, C, H, W[, D])."""
        mean, _ = self.encoder(image)
        return self.encoder.classify(mean)


class SeparableBlock(ResNetBlock):
    """MONAI's basic ResNet block, with each activation and the addition a module of its own.

    It has the weights and the output of MONAI's block. Methods that change how a module passes a gradient on, such as DeepLIFT
    and layer-wise relevance propagation, need every module to be used once, and no addition beside them.

    Source: He et al., CVPR 2016 (https://arxiv.org/abs/1512.03385), "basic" block.

    Args:
        *args: arguments of `monai.networks.nets.resnet.ResNetBlock`.
        **kwargs: its further arguments; the activation must not work in place.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.last_act = deepcopy(self.act)
        self.addition = Addition_Module()

    def forward(self, features: Tensor) -> Tensor:
        """Return features of shape (B, planes, H / stride, W / stride[, D / stride])."""
        shortcut = features if self.downsample is None else self.downsample(features)
        change = self.bn2(self.conv2(self.act(self.bn1(self.conv1(features)))))
        return self.last_act(self.addition(change, shortcut))


class ClassifierTrainer(SupervisedTrainer):
    """MONAI's trainer, with the output that the handlers of ICAM's training read, and a schedule that steps each iteration.

    Args:
        *args: arguments of `monai.engines.SupervisedTrainer`.
        schedule: learning rate of the optimiser.
        prepare_batch: takes a batch and a device, and returns the batch there, with the same keys.
        **kwargs: further arguments of `monai.engines.SupervisedTrainer`.
    """

    def __init__(self, *args: Any, schedule: LRScheduler, prepare_batch: Callable = move_batch, **kwargs: Any) -> None:
        def prepare(*arguments: Any, **settings: Any) -> tuple[Tensor, Tensor]:
            batch = prepare_batch(*arguments, **settings)
            return batch["image"], batch["label"]

        self.schedule = schedule
        super().__init__(*args, prepare_batch=prepare, decollate=False, **kwargs)

    def _iteration(self, engine: "ClassifierTrainer", batchdata: Mapping[str, Tensor]) -> list[dict[str, Any]]:
        loss = super()._iteration(engine, batchdata)[CommonKeys.LOSS].detach()
        engine.schedule.step()
        return [{CommonKeys.LOSS: loss, LOSSES: {"loss": loss}}]
