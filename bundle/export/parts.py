"""The parts of a network that are exported, each with named inputs and outputs."""

from collections.abc import Sequence
from typing import NamedTuple

from torch import Tensor, nn

from bundle.networks import ICAM


class Part(NamedTuple):
    """A part of a network, a function of tensors whose first axis is the batch.

    Attributes:
        module: the part, in evaluation mode.
        inputs: names of the tensors that it takes.
        outputs: names of those that it returns.
    """

    module: nn.Module
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]

    def compute(self, *inputs: Tensor) -> list[Tensor]:
        """Return the outputs of the part."""
        return as_list(self.module(*inputs))


class Encoder(nn.Module):
    """Both encoders, and the erasure of the attribute from the content, as one part."""

    def __init__(self, network: ICAM) -> None:
        super().__init__()
        self.content_encoder, self.attribute_encoder = network.content_encoder, network.attribute_encoder
        self.erasure = network.erasure

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return content (B, C, H/4, W/4[, D/4]), attribute mean and log-variance (B, 1, H/16, W/16[, D/16])."""
        mean, log_variance = self.attribute_encoder(image)
        content = self.content_encoder(image, mean)  # as `ICAM.encode`, which TorchScript does not compile outside its network
        return content if self.erasure is None else self.erasure(content, mean), mean, log_variance


def split_network(network: ICAM) -> dict[str, Part]:
    """Split a network into the parts that maps with any attributes need, beside the map in one pass.

    Args:
        network: trained network.

    Returns:
        Parts by name: `encoder`, `classifier`, with regression `regressor`, `generator` (one attribute for each content), and
        `map`, the network's own `forward`.

    Raises:
        ValueError: When the network has no classifier.
    """
    encoder = network.attribute_encoder
    if encoder.classifier is None:
        raise ValueError("an exported network predicts classes, and this one has no classifier (classification is false)")
    parts = {
        "encoder": Part(Encoder(network), ("image",), ("content", "mean", "log_variance")),
        "classifier": Part(nn.Sequential(nn.Flatten(), encoder.classifier), ("attribute",), ("logits",)),
        "generator": Part(network.generator, ("content", "attribute"), ("translated",)),
        "map": Part(network, ("image",), ("pred",)),  # named as in configs/metadata.json
    }
    if encoder.regressor is not None:
        parts["regressor"] = Part(nn.Sequential(nn.Flatten(), encoder.regressor, nn.Flatten(0)), ("attribute",), ("value",))
    for part in parts.values():
        part.module.eval()
    return parts


def as_list(outputs: Tensor | Sequence[Tensor]) -> list[Tensor]:
    """Return one or several outputs of a module as a list."""
    return [outputs] if isinstance(outputs, Tensor) else list(outputs)
