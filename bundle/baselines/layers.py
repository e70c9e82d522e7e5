"""What attribution methods ask of the layers of a network."""

from copy import deepcopy

from captum.attr._utils.custom_modules import Addition_Module
from captum.attr._utils.lrp_rules import EpsilonRule
from torch import Tensor, nn
from torch.nn import functional

RULED = (
    nn.Linear, nn.Conv2d, nn.Conv3d, nn.BatchNorm2d, nn.BatchNorm3d, nn.MaxPool2d, nn.MaxPool3d,
    nn.AvgPool2d, nn.AvgPool3d, nn.AdaptiveAvgPool2d, nn.AdaptiveAvgPool3d, Addition_Module,
)  # fmt: skip
PASSING = (nn.ReLU, nn.Tanh, nn.Dropout)  # layers that hand relevance on as it is


class GuidedLeakyReLU(nn.ReLU):
    """A leaky ReLU that counts as a ReLU, so that guided backpropagation guides it too.

    Args:
        negative_slope: slope below zero.
    """

    def __init__(self, negative_slope: float) -> None:
        super().__init__()
        self.negative_slope = negative_slope

    def forward(self, features: Tensor) -> Tensor:
        """Return max(x, 0) + slope * min(x, 0), any shape."""
        return functional.leaky_relu(features, self.negative_slope)


def guide(network: nn.Module) -> nn.Module:
    """Return a copy of a network, with the same output, whose leaky ReLUs are `GuidedLeakyReLU`.

    Args:
        network: the network.
    """
    guided = deepcopy(network)
    for module in list(guided.modules()):
        for name, child in module.named_children():
            if isinstance(child, nn.LeakyReLU):
                setattr(module, name, GuidedLeakyReLU(child.negative_slope))
    return guided


def find_layer(network: nn.Module, name: str) -> nn.Module:
    """Return a layer of a network.

    Args:
        network: the network.
        name: where the layer is, such as "layer4" or "encoder.trunk".

    Raises:
        ValueError: When there is none of this name.
    """
    layers = dict(network.named_modules())
    if not name or name not in layers:
        accepted = ", ".join(key for key in layers if key and key.count(".") < 2)
        raise ValueError(f"layer must be one of {accepted}, or inside one, got {name!r}")
    return layers[name]


def assign_rules(network: nn.Module, epsilon: float) -> None:
    """Give each layer the epsilon rule of layer-wise relevance propagation; captum has it by default for 2D layers alone.

    Source: Bach et al., PLoS ONE 2015, Sec. 2.3 (https://doi.org/10.1371/journal.pone.0130140).

    Args:
        network: the network.
        epsilon: what keeps denominators from zero, in units of activations.

    Raises:
        ValueError: When a layer has no rule.
    """
    leaves = [layer for layer in network.modules() if not list(layer.children())]
    unknown = sorted({type(layer).__name__ for layer in leaves if not isinstance(layer, RULED + PASSING)})
    if unknown:
        raise ValueError(
            f"layer_wise_relevance has no rule for layers of type {', '.join(unknown)}: leave it out of methods here"
        )
    for layer in leaves:
        if isinstance(layer, RULED):
            layer.rule = EpsilonRule(epsilon)
