"""A classifier that was trained apart from the explained method: its predictions for changed scans are independent of it."""

import torch
from monai.networks.utils import eval_mode
from torch import Tensor, nn

from bundle.evaluation.split import Split


class IndependentClassifier:
    """A classifier of the same scans, whose features are those that its last linear layer reads.

    Args:
        network: trained classifier, from images (B, C, H, W[, D]) to class logits (B, K), whose last layer is linear.
        device: where to compute.
        batch_size: images classified at once.

    Raises:
        ValueError: When the network has no linear layer.
    """

    def __init__(self, network: nn.Module, device: torch.device | str = "cpu", batch_size: int = 32) -> None:
        self.network, self.device, self.batch_size = network.to(device), device, batch_size
        linear = [layer for layer in network.modules() if isinstance(layer, nn.Linear)]
        if not linear:
            raise ValueError(f"the classifier needs a linear layer after its features, and {type(network).__name__} has none")
        self.readout = linear[-1]

    def predict(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Return class probabilities (B, K) and features (B, F) of images (B, C, H, W[, D]), on the CPU, in double precision."""
        features: list[Tensor] = []
        hook = self.readout.register_forward_pre_hook(lambda _, inputs: features.append(inputs[0].double().cpu()))
        try:
            with eval_mode(self.network), torch.inference_mode():
                logits = [self.network(part.to(self.device)).double().cpu() for part in image.split(self.batch_size)]
        finally:
            hook.remove()
        return torch.cat(logits).softmax(1), torch.cat(features)

    def predict_split(self, split: Split) -> tuple[Tensor, Tensor]:
        """Return class probabilities (N, K) and features (N, F) of all scans of a split."""
        predicted = [self.predict(image) for image in split.stack_all("classifying")]
        return torch.cat([part[0] for part in predicted]), torch.cat([part[1] for part in predicted])
