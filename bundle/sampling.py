"""Exact draws of an attribute of a given class.

The latent classifier is linear, so "class k is at least as likely as t against every other class" is an intersection of K - 1
half-spaces. Only the K - 1 directions normal to them matter: the prior is truncated there and left alone elsewhere. With two
classes that is one truncated normal, drawn by inversion; with more it is a polytope, drawn by bounded rejection and, for what
rejection leaves, by hit-and-run moves.

Source: Bass et al., NeurIPS 2020, Sec. 3.2, "rejection sampling" (https://arxiv.org/abs/2006.08287).
"""

import math
from collections.abc import Sequence
from math import prod

import numpy as np
import torch
from scipy.optimize import linprog
from scipy.stats import multivariate_normal
from torch import Tensor

from bundle.networks import ICAM, Mixture
from bundle.ranks import count_ranks, own_rows

REJECTION_ROUNDS = 64  # draws tried for each wanted sample before hit-and-run takes over
HIT_AND_RUN_MOVES = 64  # moves from a first point to a draw
TAIL = 4.0  # standard deviations beyond which the truncated normal is inverted in log space


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


def standard_normal(size: int) -> Mixture:
    """Return N(0, I) of `size` numbers as a mixture of one component, double precision."""
    return Mixture(torch.ones(1).double(), torch.zeros(1, size).double(), torch.eye(size).double())


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
        none = torch.zeros(0, size, dtype=torch.float64)
        flat = torch.stack(
            [
                _draw_inside(
                    standard_normal(size) if mixtures is None else mixtures[label],
                    none,
                    none[:, 0],
                    num_samples,
                    label,
                    generator,
                )
                for label in target.tolist()
            ]
        ).to(network.class_attributes)
    else:
        readout = encoder.classifier.weight, encoder.classifier.bias
        flat = sample_attributes(*readout, target, num_samples, threshold, generator, mixtures)
    return flat.view(len(target), num_samples, *encoder.latent_shape)


def draw_on_device(network: ICAM, target: Tensor) -> Tensor:
    """Draw an attribute of each target class as `draw_latents` does, on the network's device and from its random numbers.

    With two classes, or without a classifier, nothing waits for the device. With more the draws are made on the CPU.
    Where processes share a batch, the draws are those of the whole batch, see `bundle.ranks.draw_normal`.

    Args:
        network: encoders and generator.
        target: wanted classes, shape (B,), as many of each and one after the other where processes share a batch.

    Returns:
        Attributes of shape (B, 1, H/16, W/16[, D/16]).

    Raises:
        ValueError: When one of more than two classes cannot be drawn.
    """
    encoder, device = network.attribute_encoder, network.class_attributes.device
    target = target.repeat_interleave(count_ranks())  # of the whole batch
    if encoder.classifier is not None and encoder.num_classes > 2:
        return draw_latents(network, target)[own_rows(), 0]
    if network.distributions is None:
        weights, means, factor = (
            part.to(device).expand(len(target), *part.shape) for part in standard_normal(prod(encoder.latent_shape))
        )
    else:
        fitted = network.distributions.weights, network.distributions.means, network.distributions.factors
        weights, means, factor = (part[target].double() for part in fitted)
    noise, masses = torch.randn(len(target), factor.shape[2], dtype=torch.float64, device=device), weights.log()  # (B, Q), (B, M)
    if encoder.classifier is not None:
        weight, bias = encoder.classifier.weight.detach().double(), encoder.classifier.bias.detach().double()
        normals, bounds = weight[target] - weight[1 - target], bias[1 - target] - bias[target]
        cuts = torch.einsum("bn,bnq->bq", normals, factor)
        lengths = cuts.norm(dim=1, keepdim=True).clamp(min=torch.finfo(torch.float64).tiny)
        lower = (bounds[:, None] - torch.einsum("bmn,bn->bm", means, normals)) / lengths  # (B, M)
        masses, uniform = masses + torch.special.log_ndtr(-lower), torch.rand(len(target), 1, dtype=torch.float64, device=device)
    chosen = masses - torch.empty_like(masses).exponential_().log() if masses.shape[1] > 1 else masses  # Gumbel's maximum
    component = chosen.argmax(1, keepdim=True)
    if encoder.classifier is not None:
        cuts = cuts / lengths
        inside = truncated_normal_quantile(uniform, lower.gather(1, component))
        noise = noise + (inside - (noise * cuts).sum(1, keepdim=True)) * cuts
    draws = means.take_along_dim(component[:, :, None], 1)[:, 0] + torch.einsum("bnq,bq->bn", factor, noise)
    return draws.view(-1, *encoder.latent_shape).to(network.class_attributes)[own_rows()]


def _draw_inside(
    mixture: Mixture, normals: Tensor, bounds: Tensor, count: int, label: int, generator: torch.Generator | None
) -> Tensor:
    """Draw (count, N) from a mixture, given normals @ z >= bounds, with normals (J, N) and bounds (J,)."""
    noise = torch.randn(count, mixture.factor.shape[1], dtype=torch.float64, generator=generator)
    if not len(normals):
        component = _choose(mixture.weights.log(), count, generator)
    else:
        basis, triangle = torch.linalg.qr((normals @ mixture.factor).T)  # (Q, R), (R, J) with R = min(Q, J)
        cuts = triangle.T  # the half-spaces of component m in the coordinates of the basis: cuts @ y >= slack[m]
        slack = bounds - mixture.means @ normals.T  # (M, J)
        if cuts.shape == (1, 1) and cuts[0, 0] != 0:
            lower = slack[:, 0] / cuts[0, 0].abs()
            component = _choose(mixture.weights.log() + torch.special.log_ndtr(-lower), count, generator)
            uniform = torch.rand(count, dtype=torch.float64, generator=generator)
            inside = (cuts[0, 0].sign() * truncated_normal_quantile(uniform, lower[component])).unsqueeze(1)
        else:
            component, inside = _polytope_normal(mixture.weights, cuts, slack, count, label, generator)
        noise = noise + (inside - noise @ basis) @ basis.T
    return mixture.means[component] + noise @ mixture.factor.T


def _choose(masses: Tensor, count: int, generator: torch.Generator | None) -> Tensor:
    """Draw `count` components by their log masses (M,); nothing is drawn where there is one alone."""
    if len(masses) == 1:
        return torch.zeros(count, dtype=torch.long)
    return torch.multinomial((masses - masses.max()).exp(), count, replacement=True, generator=generator)


def truncated_normal_quantile(uniform: Tensor, lower: Tensor) -> Tensor:
    """Return x such that a standard normal above `lower` exceeds x with probability `uniform`.

    In the far tail, where the probability underflows, the survival function is inverted in log space by Newton's method.

    Args:
        uniform: probabilities in [0, 1], any shape, double precision.
        lower: truncation point in standard deviations, broadcastable to `uniform`.

    Returns:
        Quantiles, at least `lower`, shape of `uniform`.
    """
    uniform = uniform.clamp(min=torch.finfo(uniform.dtype).tiny)
    lower = lower.to(uniform).expand_as(uniform)
    body = -torch.special.ndtri(uniform * torch.special.ndtr(-lower))
    log_survival = uniform.log() + torch.special.log_ndtr(-lower)
    tail = (lower.square() - 2 * uniform.log()).sqrt()  # exact as lower grows
    for _ in range(6):
        survival = torch.special.log_ndtr(-tail)
        log_density = -0.5 * tail.square() - 0.5 * math.log(2 * math.pi)
        tail = tail + (survival - log_survival) * (survival - log_density).exp()
    return torch.where(lower > TAIL, tail, body).maximum(lower)


def _polytope_normal(
    weights: Tensor, cuts: Tensor, slack: Tensor, count: int, label: int, generator: torch.Generator | None
) -> tuple[Tensor, Tensor]:
    """Draw components (count,) by weights (M,), and (count, R) of y ~ N(0, I) given cuts @ y >= slack of the component, (M, J).

    By rejection, and then by hit-and-run.
    """
    dims = cuts.shape[1]
    components: list[Tensor] = []
    accepted: list[Tensor] = []
    missing = count
    for _ in range(REJECTION_ROUNDS):
        component = _choose(weights.log(), count, generator)
        candidates = torch.randn(count, dims, dtype=torch.float64, generator=generator)
        inside = (candidates @ cuts.T >= slack[component]).all(1)
        components.append(component[inside][:missing])
        accepted.append(candidates[inside][:missing])
        missing -= len(accepted[-1])
        if missing == 0:
            return torch.cat(components), torch.cat(accepted)
    masses = weights.log() if len(weights) == 1 else weights.log() + _find_masses(cuts, slack)
    components.append(_choose(masses, missing, generator))
    moved = torch.empty(missing, dims, dtype=torch.float64)
    for each in components[-1].unique().tolist():
        rows = components[-1] == each
        moved[rows] = _hit_and_run(cuts, slack[each], int(rows.sum()), label, generator)
    return torch.cat(components), torch.cat([*accepted, moved])


def _find_masses(cuts: Tensor, slack: Tensor) -> Tensor:
    """Return the log probability that y ~ N(0, I) lies in each polytope cuts @ y >= slack[m], shape (M,)."""
    normal = multivariate_normal(cov=(cuts @ cuts.T).numpy(), allow_singular=True, seed=0)
    masses = torch.from_numpy(np.atleast_1d(normal.logcdf(-slack.numpy())))
    if masses.isfinite().any():
        return masses
    return -slack.clamp(min=0).square().sum(1) / 2  # all are too far out for numbers: the nearest


def _hit_and_run(cuts: Tensor, bounds: Tensor, count: int, label: int, generator: torch.Generator | None) -> Tensor:
    """Move `count` chains from an interior point along random directions, each move an exact conditional draw."""
    state = _interior_point(cuts, bounds, label).expand(count, -1)
    for _ in range(HIT_AND_RUN_MOVES):
        direction = torch.randn(state.shape, dtype=torch.float64, generator=generator)
        direction = direction / direction.norm(dim=1, keepdim=True)
        slope, slack = direction @ cuts.T, bounds - state @ cuts.T  # wanted: step * slope >= slack
        ratio = slack / slope
        low = ratio.masked_fill(slope <= 0, -math.inf).amax(1)
        high = ratio.masked_fill(slope >= 0, math.inf).amin(1)
        centre = -(state * direction).sum(1)  # along the line the prior is N(centre, 1)
        step = centre + _between(low - centre, high - centre, generator)
        state = state + step.clamp(low, high).unsqueeze(1) * direction
    return state


def _between(low: Tensor, high: Tensor, generator: torch.Generator | None) -> Tensor:
    """Draw standard normals between `low` and `high`, from the side where the tail is long."""
    flip = low + high < 0  # mirror, so that the interval lies on the positive side or around zero
    near, far = torch.where(flip, -high, low), torch.where(flip, -low, high)
    outside = (torch.special.log_ndtr(-far) - torch.special.log_ndtr(-near)).exp()  # share beyond the far end
    uniform = outside + (1 - outside) * torch.rand(low.shape, dtype=torch.float64, generator=generator)
    draw = truncated_normal_quantile(uniform, near)
    return torch.where(flip, -draw, draw)


def _interior_point(cuts: Tensor, bounds: Tensor, label: int) -> Tensor:
    """Return a point well inside the polytope (the centre of a ball of radius up to 1), shape (1, R)."""
    radii = cuts.norm(dim=1, keepdim=True)
    rows = np.hstack([-cuts.numpy(), radii.numpy()])  # -cuts @ y + radius * |cuts| <= -bounds
    goal = np.zeros(rows.shape[1])
    goal[-1] = -1.0
    limits = [(None, None)] * cuts.shape[1] + [(0.0, 1.0)]
    answer = linprog(goal, A_ub=rows, b_ub=-bounds.numpy(), bounds=limits)
    if answer.status != 0 or (answer.x[-1] <= 0 and bool((radii > 0).any())):
        raise ValueError(f"the latent classifier gives class {label} to no attribute, so none can be drawn")
    return torch.from_numpy(answer.x[:-1]).unsqueeze(0)
