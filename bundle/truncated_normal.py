"""Standard normal numbers that lie in half-spaces: of one by inversion, of several by rejection and hit-and-run moves."""

import math

import numpy as np
import torch
from scipy.optimize import linprog
from scipy.stats import multivariate_normal
from torch import Tensor

REJECTION_ROUNDS = 64  # draws tried for each wanted sample before hit-and-run takes over
HIT_AND_RUN_MOVES = 64  # moves from a first point to a draw
TAIL = 4.0  # standard deviations beyond which the truncated normal is inverted in log space


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


def draw_in_polytope(
    weights: Tensor, cuts: Tensor, slack: Tensor, count: int, label: int, generator: torch.Generator | None
) -> tuple[Tensor, Tensor]:
    """Draw components of a mixture, and standard normal numbers inside the polytope of each, by rejection and then hit-and-run.

    Args:
        weights: shares of the components, shape (M,).
        cuts: normals of J half-spaces, shape (J, R).
        slack: their bounds for each component: cuts @ y >= slack[m], shape (M, J).
        count: number of draws.
        label: class of the draws, for the message.
        generator: source of randomness on the CPU.

    Returns:
        Components, shape (count,), and draws, shape (count, R), double precision.

    Raises:
        ValueError: When a polytope is empty.
    """
    dims = cuts.shape[1]
    components: list[Tensor] = []
    accepted: list[Tensor] = []
    missing = count
    for _ in range(REJECTION_ROUNDS):
        component = choose_component(weights.log(), count, generator)
        candidates = torch.randn(count, dims, dtype=torch.float64, generator=generator)
        inside = (candidates @ cuts.T >= slack[component]).all(1)
        components.append(component[inside][:missing])
        accepted.append(candidates[inside][:missing])
        missing -= len(accepted[-1])
        if missing == 0:
            return torch.cat(components), torch.cat(accepted)
    masses = weights.log() if len(weights) == 1 else weights.log() + _find_masses(cuts, slack)
    components.append(choose_component(masses, missing, generator))
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


def choose_component(masses: Tensor, count: int, generator: torch.Generator | None) -> Tensor:
    """Draw components by their log masses; no random number is used where there is one alone.

    Args:
        masses: shape (M,).
        count: number of draws.
        generator: source of randomness on the CPU.

    Returns:
        Shape (count,).
    """
    if len(masses) == 1:
        return torch.zeros(count, dtype=torch.long)
    return torch.multinomial((masses - masses.max()).exp(), count, replacement=True, generator=generator)
