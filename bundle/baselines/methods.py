"""Post-hoc attribution methods: what each pixel of a scan contributes to a class logit of a trained classifier.

All of them are captum's (https://captum.ai); each is a class whose arguments are the settings, with one verb,
`attribute(image, target)`.
"""

import warnings
from abc import ABC, abstractmethod
from collections.abc import Sequence

import captum.attr
import numpy as np
import torch
from captum.attr import LayerAttribution
from monai.networks.utils import eval_mode
from torch import Tensor, nn

from bundle.baselines.layers import assign_rules, find_layer, guide
from bundle.data.intensities import BACKGROUND

LINEAR = {2: "bilinear", 3: "trilinear"}  # interpolation by the number of spatial axes


class PostHoc(ABC):
    """An attribution method and the classifier that it explains.

    Args:
        network: classifier, from images (B, C, H, W[, D]) to class logits (B, K).
    """

    def __init__(self, network: nn.Module) -> None:
        self.network = network

    @property
    def networks(self) -> list[nn.Module]:
        """Networks whose weights the maps depend on."""
        return [self.network]

    def attribute(self, image: Tensor, target: Tensor) -> Tensor:
        """Explain the logit of a class of each scan.

        Args:
            image: scans, intensities in [-1, 1], shape (B, C, H, W[, D]).
            target: class that is explained, shape (B,).

        Returns:
            Maps, signed where the method is, of the shape of `image`.

        Raises:
            ValueError: When `target` has not one class a scan.
        """
        if target.shape != image.shape[:1]:
            raise ValueError(f"target must be one class for each of {len(image)} scans, got shape {tuple(target.shape)}")
        with eval_mode(self.network), torch.enable_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # captum tells of each hook that it sets
            return self._attribute(image.detach().clone().requires_grad_(), target.to(image.device)).detach()

    @abstractmethod
    def _attribute(self, image: Tensor, target: Tensor) -> Tensor:
        """Return the maps of a batch."""


class GradCAM(PostHoc):
    """Features of a layer, weighted by the mean gradient of the logit, summed, and enlarged linearly.

    Source: Selvaraju et al., ICCV 2017 (https://arxiv.org/abs/1610.02391).

    Args:
        network: classifier.
        layer: name of the layer, such as "layer4".
        rectify: whether what speaks against the class is left out, as in the paper. A scan in which nothing speaks for it then
            has an empty map.
    """

    def __init__(self, network: nn.Module, layer: str, rectify: bool = False) -> None:
        super().__init__(network)
        self.rectify = rectify
        self.method = captum.attr.LayerGradCam(network, find_layer(network, layer))

    def _attribute(self, image: Tensor, target: Tensor) -> Tensor:
        coarse = self.method.attribute(image, target, relu_attributions=self.rectify)  # (B, 1, H/16, W/16[, D/16]) or so
        size = image.shape[2:]
        return LayerAttribution.interpolate(coarse, tuple(size), LINEAR[len(size)]).expand_as(image)


class GuidedBackprop(PostHoc):
    """Gradient of the logit that activations let pass only where it is positive; leaky ones as well.

    Source: Springenberg et al., ICLR 2015 workshop (https://arxiv.org/abs/1412.6806).

    Args:
        network: classifier.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__(guide(network))
        self.method = captum.attr.GuidedBackprop(self.network)

    def _attribute(self, image: Tensor, target: Tensor) -> Tensor:
        return self.method.attribute(image, target)


class GuidedGradCAM(PostHoc):
    """Guided backpropagation times Grad-CAM.

    Source: Selvaraju et al., ICCV 2017, Sec. 3.1 (https://arxiv.org/abs/1610.02391).

    Args:
        network: classifier.
        layer: name of the layer of Grad-CAM.
        rectify: whether Grad-CAM leaves out what speaks against the class.
    """

    def __init__(self, network: nn.Module, layer: str, rectify: bool = False) -> None:
        super().__init__(network)
        self.factors = GradCAM(network, layer, rectify), GuidedBackprop(network)

    @property
    def networks(self) -> list[nn.Module]:
        """The classifier and its guided copy."""
        return [network for factor in self.factors for network in factor.networks]

    def _attribute(self, image: Tensor, target: Tensor) -> Tensor:
        coarse, guided = (factor.attribute(image, target) for factor in self.factors)
        return coarse * guided


class IntegratedGradients(PostHoc):
    """Gradient of the logit, averaged on the way from an empty image to the scan, times their difference.

    Source: Sundararajan et al., ICML 2017 (https://arxiv.org/abs/1703.01365).

    Args:
        network: classifier.
        num_steps: points of the way.
        baseline: intensity of the empty image.
        chunk_size: images computed at once.
    """

    def __init__(self, network: nn.Module, num_steps: int = 50, baseline: float = BACKGROUND, chunk_size: int = 64) -> None:
        super().__init__(network)
        self.num_steps, self.baseline, self.chunk_size = num_steps, baseline, chunk_size
        self.method = captum.attr.IntegratedGradients(network)

    def _attribute(self, image: Tensor, target: Tensor) -> Tensor:
        chunk = max(self.chunk_size, len(image))
        return self.method.attribute(image, self.baseline, target, n_steps=self.num_steps, internal_batch_size=chunk)


class Occlusion(PostHoc):
    """Fall of the logit when a window of the scan is made empty, averaged over the windows that cover a pixel.

    Source: Zeiler and Fergus, ECCV 2014 (https://arxiv.org/abs/1311.2901).

    Args:
        network: classifier.
        window: edge of the window along all axes or one an axis, voxels.
        stride: step between windows, likewise.
        baseline: intensity inside the window.
        chunk_size: images computed at once.
    """

    def __init__(
        self,
        network: nn.Module,
        window: int | Sequence[int] = 8,
        stride: int | Sequence[int] = 4,
        baseline: float = BACKGROUND,
        chunk_size: int = 64,
    ) -> None:
        super().__init__(network)
        self.window, self.stride, self.baseline, self.chunk_size = window, stride, baseline, chunk_size
        self.method = captum.attr.Occlusion(network)

    def _attribute(self, image: Tensor, target: Tensor) -> Tensor:
        channels, *size = image.shape[1:]
        window, stride = (tuple(np.broadcast_to(edges, len(size)).tolist()) for edges in (self.window, self.stride))
        if any(not 1 <= step <= edge <= full for step, edge, full in zip(stride, window, size, strict=True)):
            raise ValueError(
                f"1 <= stride <= window <= {tuple(size)}, the image's size in voxels, is needed for occlusion, got stride"
                f" {stride} and window {window}"
            )
        with torch.no_grad():
            return self.method.attribute(
                image, (channels, *window), (channels, *stride), self.baseline, target,
                perturbations_per_eval=max(1, self.chunk_size // len(image)),
            )  # fmt: skip


class DeepLIFT(PostHoc):
    """Difference of the logit from that of an empty image, shared out by the differences of activations (rescale rule).

    Source: Shrikumar et al., ICML 2017 (https://arxiv.org/abs/1704.02685).

    Args:
        network: classifier, each of whose activations is used once.
        baseline: intensity of the empty image.
    """

    def __init__(self, network: nn.Module, baseline: float = BACKGROUND) -> None:
        super().__init__(network)
        self.baseline = baseline
        self.method = captum.attr.DeepLift(network)

    def _attribute(self, image: Tensor, target: Tensor) -> Tensor:
        return self.method.attribute(image, self.baseline, target)


class LayerWiseRelevance(PostHoc):
    """The logit, handed back from layer to layer in proportion to what each input gave (epsilon rule).

    Source: Bach et al., PLoS ONE 2015 (https://doi.org/10.1371/journal.pone.0130140).

    Args:
        network: classifier of layers that have a rule: convolutions, linear layers, pooling, batch normalisation, ReLU.
        epsilon: what keeps denominators from zero, in units of activations.

    Raises:
        ValueError: When a layer has no rule.
    """

    def __init__(self, network: nn.Module, epsilon: float = 1e-9) -> None:
        super().__init__(network)
        self.epsilon = epsilon
        assign_rules(network, epsilon)  # so that a layer without a rule is refused at once
        self.method = captum.attr.LRP(network)

    def _attribute(self, image: Tensor, target: Tensor) -> Tensor:
        assign_rules(self.network, self.epsilon)  # captum forgets them after each use
        return self.method.attribute(image, target)
