"""Methods that captum has in another form: each wraps its class, and `PostHoc` calls them as it calls captum's own."""

from collections.abc import Sequence

import captum.attr
import numpy as np
from captum._utils.common import _register_backward_hook
from captum.attr import LayerAttribution
from captum.attr._core.lrp import SUPPORTED_LAYERS_WITH_RULES, SUPPORTED_NON_LINEAR_LAYERS
from captum.attr._utils.lrp_rules import EpsilonRule
from torch import Tensor, nn

from bundle.data.intensities import BACKGROUND

LINEAR = {2: "bilinear", 3: "trilinear"}  # interpolation by the number of spatial axes
RULED = (*SUPPORTED_LAYERS_WITH_RULES, nn.Conv3d, nn.BatchNorm3d, nn.AvgPool3d, nn.AdaptiveAvgPool3d)  # captum has few in 3D
PASSING = tuple(SUPPORTED_NON_LINEAR_LAYERS)  # layers that hand relevance on as it is


class GradCAM:
    """Features of a layer, weighted by the mean gradient of the logit, summed, and enlarged linearly; captum enlarges nothing.

    Source: Selvaraju et al., ICCV 2017 (https://arxiv.org/abs/1610.02391).

    Args:
        network: classifier.
        layer: name of the layer, such as "layer4".

    Raises:
        ValueError: When there is no layer of this name.
    """

    def __init__(self, network: nn.Module, layer: str) -> None:
        layers = dict(network.named_modules())
        if not layer or layer not in layers:
            accepted = ", ".join(key for key in layers if key and key.count(".") < 2)
            raise ValueError(f"layer must be one of {accepted}, or inside one, got {layer!r}")
        self.method = captum.attr.LayerGradCam(network, layers[layer])

    def attribute(self, image: Tensor, target: Tensor, relu_attributions: bool = False) -> Tensor:
        """Explain a batch of scans.

        Args:
            image: scans, shape (B, C, H, W[, D]).
            target: class that is explained, shape (B,).
            relu_attributions: whether what speaks against the class is left out, as in the paper. A scan in which nothing speaks
                for it then has an empty map.
        """
        coarse = self.method.attribute(image, target, relu_attributions=relu_attributions)  # (B, 1, H/16, W/16[, D/16]) or so
        size = image.shape[2:]
        return LayerAttribution.interpolate(coarse, tuple(size), LINEAR[len(size)]).expand_as(image)


class GuidedBackprop(captum.attr.GuidedBackprop):
    """Gradient of the logit that activations let pass only where it is positive; captum's leaves leaky ones unguided.

    Source: Springenberg et al., ICLR 2015 workshop (https://arxiv.org/abs/1412.6806).

    Args:
        model: classifier.
    """

    def _register_hooks(self, module: nn.Module) -> None:
        if isinstance(module, nn.ReLU | nn.LeakyReLU):
            self.backward_hooks.extend(_register_backward_hook(module, self._backward_hook, self))


class GuidedGradCAM(GradCAM):
    """Guided backpropagation times Grad-CAM; captum's always rectifies Grad-CAM.

    Source: Selvaraju et al., ICCV 2017, Sec. 3.1 (https://arxiv.org/abs/1610.02391).

    Args:
        network: classifier.
        layer: name of the layer of Grad-CAM.
    """

    def __init__(self, network: nn.Module, layer: str) -> None:
        super().__init__(network, layer)
        self.guided = GuidedBackprop(network)

    def attribute(self, image: Tensor, target: Tensor, relu_attributions: bool = False) -> Tensor:
        """Explain a batch of scans, with the arguments of `GradCAM`."""
        return super().attribute(image, target, relu_attributions) * self.guided.attribute(image, target)


class Occlusion:
    """Fall of the logit when a window of the scan is made empty, averaged over the windows that cover a pixel.

    Windows span all channels, and the images computed at once are counted over the batch, which captum does not do.

    Source: Zeiler and Fergus, ECCV 2014 (https://arxiv.org/abs/1311.2901).

    Args:
        network: classifier.
    """

    def __init__(self, network: nn.Module) -> None:
        self.method = captum.attr.Occlusion(network)

    def attribute(
        self,
        image: Tensor,
        target: Tensor,
        window: int | Sequence[int] = 8,
        stride: int | Sequence[int] = 4,
        baseline: float = BACKGROUND,
        chunk_size: int = 64,
    ) -> Tensor:
        """Explain a batch of scans.

        Args:
            image: scans, shape (B, C, H, W[, D]).
            target: class that is explained, shape (B,).
            window: edge of the window along all axes or one an axis, voxels.
            stride: step between windows, likewise.
            baseline: intensity inside the window.
            chunk_size: images computed at once.

        Raises:
            ValueError: When windows leave gaps or are larger than the scan.
        """
        channels, *size = image.shape[1:]
        edges, steps = (tuple(np.broadcast_to(value, len(size)).tolist()) for value in (window, stride))
        if any(not 1 <= step <= edge <= full for step, edge, full in zip(steps, edges, size, strict=True)):
            raise ValueError(
                f"1 <= stride <= window <= {tuple(size)}, the image's size in voxels, is needed for occlusion, got stride"
                f" {steps} and window {edges}"
            )
        count = max(1, chunk_size // len(image))
        shapes = (channels, *edges), (channels, *steps)
        return self.method.attribute(image, *shapes, baseline, target, perturbations_per_eval=count)


class LayerWiseRelevance:
    """The logit, handed back from layer to layer in proportion to what each input gave.

    Every layer has the epsilon rule; captum has no rule for most 3D layers, and forgets rules after each use.

    Source: Bach et al., PLoS ONE 2015, Sec. 2.3 (https://doi.org/10.1371/journal.pone.0130140).

    Args:
        network: classifier of layers that have a rule: convolutions, linear layers, pooling, batch normalisation, ReLU.
        epsilon: what keeps denominators from zero, in units of activations.

    Raises:
        ValueError: When a layer has no rule.
    """

    def __init__(self, network: nn.Module, epsilon: float = 1e-9) -> None:
        leaves = [layer for layer in network.modules() if not list(layer.children())]
        unknown = sorted({type(layer).__name__ for layer in leaves if not isinstance(layer, RULED + PASSING)})
        if unknown:
            raise ValueError(
                f"layer_wise_relevance has no rule for layers of type {', '.join(unknown)}: leave it out of methods here"
            )
        self.layers, self.epsilon = [layer for layer in leaves if isinstance(layer, RULED)], epsilon
        self.method = captum.attr.LRP(network)

    def attribute(self, image: Tensor, target: Tensor) -> Tensor:
        """Explain a batch of scans.

        Args:
            image: scans, shape (B, C, H, W[, D]).
            target: class that is explained, shape (B,).
        """
        for layer in self.layers:
            layer.rule = EpsilonRule(self.epsilon)
        return self.method.attribute(image, target)


def smooth_gradients(network: nn.Module) -> captum.attr.NoiseTunnel:
    """Return SmoothGrad: the gradient of the logit, averaged over noisy copies of the scan.

    Source: Smilkov et al., 2017 (https://arxiv.org/abs/1706.03825).

    Args:
        network: classifier.
    """
    return captum.attr.NoiseTunnel(captum.attr.Saliency(network))
