"""Exact draws of an attribute of a given class.

The latent classifier is linear, so "class k is at least as likely as t against every other class" is an intersection of K - 1
half-spaces. Only the K - 1 directions normal to them matter: the prior is truncated there and left alone elsewhere. With two
classes that is one truncated normal, drawn by inversion; with more it is a polytope, drawn by bounded rejection and, for what
rejection leaves, by hit-and-run moves; in training by bounded rejection alone.

Source: Bass et al., NeurIPS 2020, Sec. 3.2, "rejection sampling" (https://arxiv.org/abs/2006.08287).
"""

import math
from collections.abc import Sequence
from math import prod

import torch
from torch import Tensor

from bundle.networks import ICAM, Mixture
from bundle.ranks import count_ranks, own_rows
from bundle.truncated_normal import choose_component, draw_in_polytope, truncated_normal_quantile

TRIES = 64  # draws that rejection makes for an attribute of one of more than two classes, in training


def sample_attributes(
    weight: Tensor,
    bias: Tensor,
    target: Tensor,
    num_samples: int = 1,
    threshold: float = 0.5,
    generator: torch.Generator | None = None,
    mixtures: Sequence[Mixture] | None = None,
) -> Tensor:
    """Draw attributes from N(0, I) or from mixtures, conditional on the class that the linear classifier gives them.

    Source: Bass et al., NeurIPS 2020, Sec. 3.2 (https://arxiv.org/abs/2006.08287); drawn exactly instead of by rejection alone.

    Args:
        weight: the classifier's weight, shape (K, N).
        bias: its bias, shape (K,).
        target: wanted classes, shape (B,).
        num_samples: draws for each entry of `target`, S.
        threshold: probability that the target exceeds against each other class, in (0, 1); 0.5 is "the predicted class".
        generator: source of randomness on the CPU, so that every device draws the same.
        mixtures: distribution of the attributes of each class; None for N(0, I).

    Returns:
        Flat attributes of shape (B, S, N), dtype and device of `weight`.

    Raises:
        ValueError: When `threshold` is not in (0, 1), a target is no class, or the classifier gives a target to no attribute.
    """
    if not 0 < threshold < 1:
        raise ValueError(f"threshold must lie between 0 and 1, got {threshold}")
    num_classes, size = weight.shape
    if target.numel() and not 0 <= int(target.min()) <= int(target.max()) < num_classes:
        raise ValueError(f"target classes must be 0 to {num_classes - 1}, got {target.unique().tolist()}")
    normals, offsets = weight.detach().double().cpu(), bias.detach().double().cpu()
    draws = torch.empty(target.numel(), num_samples, size, dtype=torch.float64)
    for label in target.unique().tolist():
        rows = (target == label).cpu()
        others = [k for k in range(num_classes) if k != label]
        bounds = math.log(threshold / (1 - threshold)) - (offsets[label] - offsets[others])
        mixture = standard_normal(size) if mixtures is None else mixtures[label]
        count = int(rows.sum()) * num_samples
        drawn = _draw_inside(mixture, normals[label] - normals[others], bounds, count, label, generator)
        draws[rows] = drawn.view(-1, num_samples, size)
    return draws.to(weight)


def standard_normal(size: int, device: torch.device | None = None) -> Mixture:
    """Return N(0, I) of `size` numbers as a mixture of one component, double precision; None for the CPU."""
    weights, means, factor = torch.ones(1, device=device), torch.zeros(1, size, device=device), torch.eye(size, device=device)
    return Mixture(weights.double(), means.double(), factor.double())


def draw_latents(
    network: ICAM,
    target: Tensor,
    num_samples: int = 1,
    threshold: float = 0.5,
    generator: torch.Generator | None = None,
    fitted: bool = True,
) -> Tensor:
    """Draw attributes of given classes; those of a network without a classifier need not be predicted to be of their class.

    Source: Bass et al., NeurIPS 2020, Sec. 3.2 (https://arxiv.org/abs/2006.08287); without a classifier Lee et al., ECCV 2018,
    Sec. 3.2, latent regression (https://arxiv.org/abs/1808.00948).

    Args:
        network: encoders and generator.
        target: wanted classes, shape (B,).
        num_samples: draws for each of them, S.
        threshold: class probability that a draw exceeds.
        generator: source of randomness on the CPU.
        fitted: whether draws are from the network's distributions of the classes, if it has some, or from N(0, I).

    Returns:
        Attributes of shape (B, S, 1, H/16, W/16[, D/16]).

    Raises:
        ValueError: When a class cannot be drawn.
    """
    encoder = network.attribute_encoder
    mixtures = network.distributions.list_mixtures() if fitted and network.distributions is not None else None
    if encoder.classifier is None:
        size = prod(encoder.latent_shape)
        nowhere = torch.zeros(0, size, dtype=torch.float64), torch.zeros(0, dtype=torch.float64)  # no half-space
        known = [standard_normal(size) if mixtures is None else mixtures[label] for label in target.tolist()]
        flat = torch.stack([_draw_inside(each, *nowhere, num_samples, 0, generator) for each in known])
        flat = flat.to(network.class_attributes)
    else:
        readout = encoder.classifier.weight, encoder.classifier.bias
        flat = sample_attributes(*readout, target, num_samples, threshold, generator, mixtures)
    return flat.view(len(target), num_samples, *encoder.latent_shape)


def draw_on_device(network: ICAM, target: Tensor) -> Tensor:
    """Draw an attribute of each target class on the network's device and from its random numbers; nothing waits for the device.

    With two classes, or without a classifier, attributes are drawn as `draw_latents` does. With more they are drawn by rejection
    of at most `TRIES` draws; where none is predicted to be of the class, the draw is the one that is nearest to it.
    Where processes share a batch, the draws are those of the whole batch, see `bundle.ranks.draw_normal`.

    Source: Bass et al., NeurIPS 2020, Sec. 3.2, "rejection sampling" (https://arxiv.org/abs/2006.08287).

    Args:
        network: encoders and generator.
        target: wanted classes, shape (B,), as many of each and one after the other where processes share a batch.

    Returns:
        Attributes of shape (B, 1, H/16, W/16[, D/16]).
    """
    encoder, device = network.attribute_encoder, network.class_attributes.device
    target = target.repeat_interleave(count_ranks())  # of the whole batch
    if network.distributions is None:
        parts = standard_normal(prod(encoder.latent_shape), device)
        mixtures = Mixture(*(part.expand(len(target), *part.shape) for part in parts))
    else:
        fitted = network.distributions.weights, network.distributions.means, network.distributions.factors
        mixtures = Mixture(*(part[target].double() for part in fitted))
    if encoder.classifier is None:
        draws = _draw_unconditionally(mixtures, 1)[:, 0]
    else:
        readout = encoder.classifier.weight.detach().double(), encoder.classifier.bias.detach().double()
        draw = _draw_in_half_spaces if encoder.num_classes == 2 else _draw_by_rejection
        draws = draw(mixtures, *readout, target)
    return draws.view(-1, *encoder.latent_shape).to(network.class_attributes)[own_rows()]


def _draw_unconditionally(mixtures: Mixture, count: int) -> Tensor:
    """Draw so many attributes of each of B mixtures, shape (B, count, N)."""
    weights, means, factor = mixtures  # (B, M), (B, M, N), (B, N, Q)
    noise = torch.randn(len(factor), count, factor.shape[2], dtype=torch.float64, device=factor.device)
    component = _choose_components(weights.log()[:, None].expand(-1, count, -1))
    return means.take_along_dim(component[..., None], 1) + torch.einsum("bnq,bcq->bcn", factor, noise)


def _choose_components(masses: Tensor) -> Tensor:
    """Draw components by their log masses (..., M), shape (...); no random number is used where there is one alone."""
    chosen = masses - torch.empty_like(masses).exponential_().log() if masses.shape[-1] > 1 else masses  # Gumbel's maximum
    return chosen.argmax(-1)


def _draw_in_half_spaces(mixtures: Mixture, weight: Tensor, bias: Tensor, target: Tensor) -> Tensor:
    """Draw an attribute of each of B mixtures that is predicted to be of its target, one of two classes, shape (B, N)."""
    weights, means, factor = mixtures
    noise = torch.randn(len(target), factor.shape[2], dtype=torch.float64, device=factor.device)
    normals, bounds = weight[target] - weight[1 - target], bias[1 - target] - bias[target]
    cuts = torch.einsum("bn,bnq->bq", normals, factor)
    lengths = cuts.norm(dim=1, keepdim=True).clamp(min=torch.finfo(torch.float64).tiny)
    lower = (bounds[:, None] - torch.einsum("bmn,bn->bm", means, normals)) / lengths  # (B, M)
    uniform = torch.rand(len(target), 1, dtype=torch.float64, device=factor.device)
    component = _choose_components(weights.log() + torch.special.log_ndtr(-lower))[:, None]
    cuts = cuts / lengths
    inside = truncated_normal_quantile(uniform, lower.gather(1, component))
    noise = noise + (inside - (noise * cuts).sum(1, keepdim=True)) * cuts
    return means.take_along_dim(component[:, :, None], 1)[:, 0] + torch.einsum("bnq,bq->bn", factor, noise)


def _draw_by_rejection(mixtures: Mixture, weight: Tensor, bias: Tensor, target: Tensor) -> Tensor:
    """Draw an attribute of each of B mixtures that is predicted to be of its target, one of K classes, shape (B, N)."""
    draws = _draw_unconditionally(mixtures, TRIES)
    logits = draws @ weight.T + bias  # (B, TRIES, K)
    own = (target[:, None] == torch.arange(len(bias), device=target.device))[:, None]  # (B, 1, K)
    margin = logits.masked_fill(~own, -math.inf).amax(2) - logits.masked_fill(own, -math.inf).amax(2)
    inside = margin >= 0
    first = torch.where(inside, torch.arange(TRIES, device=target.device), TRIES).argmin(1)
    chosen = torch.where(inside.any(1), first, margin.argmax(1))
    return draws.take_along_dim(chosen[:, None, None], 1)[:, 0]


def _draw_inside(
    mixture: Mixture, normals: Tensor, bounds: Tensor, count: int, label: int, generator: torch.Generator | None
) -> Tensor:
    """Draw (count, N) from a mixture, given normals @ z >= bounds, with normals (J, N) and bounds (J,)."""
    noise = torch.randn(count, mixture.factor.shape[1], dtype=torch.float64, generator=generator)
    if not len(normals):
        component = choose_component(mixture.weights.log(), count, generator)
    else:
        basis, triangle = torch.linalg.qr((normals @ mixture.factor).T)  # (Q, R), (R, J) with R = min(Q, J)
        cuts = triangle.T  # the half-spaces of component m in the coordinates of the basis: cuts @ y >= slack[m]
        slack = bounds - mixture.means @ normals.T  # (M, J)
        if cuts.shape == (1, 1) and cuts[0, 0] != 0:
            lower = slack[:, 0] / cuts[0, 0].abs()
            component = choose_component(mixture.weights.log() + torch.special.log_ndtr(-lower), count, generator)
            uniform = torch.rand(count, dtype=torch.float64, generator=generator)
            inside = (cuts[0, 0].sign() * truncated_normal_quantile(uniform, lower[component])).unsqueeze(1)
        else:
            component, inside = draw_in_polytope(mixture.weights, cuts, slack, count, label, generator)
        noise = noise + (inside - noise @ basis) @ basis.T
    return mixture.means[component] + noise @ mixture.factor.T
