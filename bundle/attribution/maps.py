"""Feature attribution (FA) maps of trained networks.

A map is the translated scan minus a reference: the scan itself ("input", as in the paper), or its own reconstruction
("reconstruction", ours), which leaves out what the decoder cannot draw.

Source: Bass et al., NeurIPS 2020, Sec. 3.2 and 3.3 (https://arxiv.org/abs/2006.08287).
"""

from collections.abc import Iterator, Mapping

import torch
from monai.networks.utils import eval_mode
from torch import Tensor
from torch.nn import functional

from bundle.attribution.encoded_scans import EncodedScans
from bundle.networks import ICAM
from bundle.structures import Attributes, AttributionMaps

REFERENCES = ("reconstruction", "input")
PROCESSOR_VOXELS = 700_000  # decoded at once: more take memory, and no less time


def exemplar_maps(
    scans: EncodedScans, attributes: Attributes, target: Tensor, reference: str = "reconstruction"
) -> AttributionMaps:
    """Explain scans by giving them the attributes of other scans.

    Source: Bass et al., NeurIPS 2020, Sec. 3.1 (https://arxiv.org/abs/2006.08287).

    Args:
        scans: encoded scans, B in V views.
        attributes: attributes of the reference scans, one a scan.
        target: classes of the reference scans, shape (B,).
        reference: what is subtracted, "reconstruction" or "input".

    Returns:
        Mean map over the views, with their unbiased variance; zero with one view.

    Raises:
        ValueError: When `reference` is neither.
    """
    with eval_mode(scans.network), torch.inference_mode():
        origin = _reference_images(scans, reference)
        return _average_views(target, torch.stack(list(scans.decode(attributes, target))), origin)


def sampled_maps(
    scans: EncodedScans,
    target: Tensor,
    attributes: Mapping[int, Attributes],
    chunk_size: int = 10,
    reference: str = "reconstruction",
    shown_draws: int = 0,
) -> AttributionMaps:
    """Explain scans by giving them attributes drawn for a class; mean and variance over the draws, each in every view.

    Every scan is given the same draws of its target class, so a map depends neither on the batch that its scan comes in nor on
    that batch's size. Memory does not grow with the number of draws.

    Source: Bass et al., NeurIPS 2020, Sec. 3.2, Fig. 4 (https://arxiv.org/abs/2006.08287).

    Args:
        scans: encoded scans, B in V views.
        target: classes to translate to, shape (B,).
        attributes: N attributes of each target class, at least 2.
        chunk_size: draws decoded at once, for each scan; on a processor no more than make `PROCESSOR_VOXELS`.
        reference: what is subtracted, "reconstruction" or "input".
        shown_draws: maps of so many first draws, each the mean over the views, are kept as well.

    Returns:
        Mean map, unbiased variance, mean translated scan, and the first maps.

    Raises:
        ValueError: When there are fewer than 2 draws, or `reference` is unknown.
    """
    if (num_samples := len(attributes[int(target[0])].values)) < 2:
        raise ValueError(f"num_samples must be at least 2 for a variance, got {num_samples}")
    with eval_mode(scans.network), torch.inference_mode():
        origin = _reference_images(scans, reference)
        mean, squares = torch.zeros_like(origin[0]), torch.zeros_like(origin[0])
        draws = origin.new_zeros(min(shown_draws, num_samples), *origin.shape[1:])
        for count, (draw, fa_map) in enumerate(_map_each(scans, origin, target, attributes, chunk_size), start=1):
            delta = fa_map - mean
            mean += delta / count
            squares += delta * (fa_map - mean)  # Welford's update
            if draw < len(draws):
                draws[draw] += fa_map / len(origin)
    return AttributionMaps(target, mean, squares / (count - 1), mean + origin.mean(0), draws if shown_draws else None)


def single_maps(
    scans: EncodedScans,
    target: Tensor,
    attributes: Mapping[int, Attributes],
    chunk_size: int = 10,
    reference: str = "reconstruction",
) -> Tensor:
    """Return the map with each attribute in every view, of which `sampled_maps` gives mean and variance.

    Source: Bass et al., NeurIPS 2020, Sec. 3.2, Fig. 4 (https://arxiv.org/abs/2006.08287).

    Args:
        scans: encoded scans, B in V views.
        target: classes to translate to, shape (B,).
        attributes: N attributes of each target class.
        chunk_size: attributes decoded at once, for each scan.
        reference: what is subtracted, "reconstruction" or "input".

    Returns:
        Maps of shape (N * V, B, C, H, W[, D]), `chunk_size` attributes view by view.

    Raises:
        ValueError: When `reference` is unknown.
    """
    with eval_mode(scans.network), torch.inference_mode():
        origin = _reference_images(scans, reference)
        return torch.stack([fa_map for _, fa_map in _map_each(scans, origin, target, attributes, chunk_size)])


def value_maps(scans: EncodedScans, value: Tensor, reference: str = "reconstruction") -> AttributionMaps:
    """Explain scans by moving their attribute until the network regresses a wanted value from it, and no further.

    The regression is linear, v = w z + b. The attribute moves as attributes of the cohort do on average when v changes: with
    their covariance S, z' = z + S w (v' - v) / (w S w). Without distributions S = I, and z' is the nearest attribute with v'.

    Source: Bass et al., NeurIPS 2020, Sec. 3.1 (https://arxiv.org/abs/2006.08287), with regression; the step is ours.

    The value of a scan is that of the view as it is, and the attribute moves by the same step in every view.

    Args:
        scans: encoded scans, B in V views, of a network with a regressor.
        value: wanted values in the regressor's units, shape (B,).
        reference: what is subtracted, "reconstruction" or "input".

    Returns:
        Mean map over the views, with their unbiased variance, zero with one view; its `target` is `value`.

    Raises:
        ValueError: When the network has no regressor, its regressor is constant, or `reference` is unknown.
    """
    with eval_mode(scans.network), torch.inference_mode():
        regressed, regressor = scans.values, scans.network.attribute_encoder.regressor
        assert regressor is not None
        weight = regressor.weight[0]  # (F,)
        if not weight.any():
            raise ValueError("the network's regressor is constant (all its weights are 0): no attribute has another value")
        distributions = scans.network.distributions
        direction = weight if distributions is None else (distributions.covariance @ weight.double()).to(weight)
        lengths = (value.to(regressed) - regressed) / (weight * direction).sum()
        step = (lengths[:, None] * direction).view_as(scans.attribute)
        moved = [latents.mean + step for latents in scans.latents]
        origin = _reference_images(scans, reference)
        return _average_views(value, torch.stack(list(scans.decode_views(moved, scans.labels))), origin)


def interpolate(
    network: ICAM, image: Tensor, start: Tensor, end: Tensor, num_steps: int = 7, labels: tuple[Tensor, Tensor] | None = None
) -> Tensor:
    """Decode the content of scans with attributes on the line from `start` to `end`.

    Source: Bass et al., NeurIPS 2020, Sec. 4.2, interpolation between and within classes (https://arxiv.org/abs/2006.08287).

    Args:
        network: trained network.
        image: scans that give the content, shape (B, C, H, W[, D]).
        start: first attributes, shape (B, *latent_shape).
        end: last attributes, same shape.
        num_steps: images of the strip, at least 2.
        labels: classes of the first and of the last attributes, shape (B,) each; only class-conditional generators need them.

    Returns:
        Strips of shape (B, num_steps, C, H, W[, D]).

    Raises:
        ValueError: When `num_steps` is below 2.
    """
    if num_steps < 2:
        raise ValueError(f"num_steps must be at least 2, got {num_steps}")
    ends = None if labels is None else [functional.one_hot(side, len(network.class_attributes)).to(start) for side in labels]
    with eval_mode(network), torch.inference_mode():
        content = network.encode(image).content
        strip = []
        for share in torch.linspace(0, 1, num_steps, device=image.device):
            shares = None if ends is None else torch.lerp(ends[0], ends[1], share)  # of the classes, (B, K)
            strip.append(network.decode(content, torch.lerp(start, end, share), shares))
        return torch.stack(strip, dim=1)


def _map_each(
    scans: EncodedScans, origin: Tensor, target: Tensor, attributes: Mapping[int, Attributes], chunk_size: int
) -> Iterator[tuple[int, Tensor]]:
    """Yield number and maps (B, C, H, W[, D]) of each attribute of the target classes, in each view, against its `origin`."""
    chosen = [attributes[label] for label in target.tolist()]
    values = torch.stack([each.values for each in chosen], dim=1)  # (N, B, *latent_shape)
    mirrored = [each.values if each.mirrored is None else each.mirrored for each in chosen]
    if scans.image.device.type == "cpu":
        chunk_size = min(chunk_size, max(1, PROCESSOR_VOXELS // scans.image.numel()))
    for start, chunk, other in zip(
        range(0, len(values), chunk_size),
        values.split(chunk_size),
        torch.stack(mirrored, dim=1).split(chunk_size),
        strict=True,
    ):
        given, labels = Attributes(chunk.flatten(0, 1), other.flatten(0, 1)), target.repeat(len(chunk))
        for translated, own in zip(scans.decode(given, labels), origin, strict=True):  # (n * B, C, H, W[, D])
            yield from ((draw, image - own) for draw, image in enumerate(translated.split(len(scans.image)), start))


def _average_views(target: Tensor, translated: Tensor, origin: Tensor) -> AttributionMaps:
    """Return mean and unbiased variance over the views of scans that were translated once in each, (V, B, C, H, W[, D])."""
    maps = translated - origin
    mean = maps.mean(0)
    return AttributionMaps(target, mean, maps.var(0) if len(maps) > 1 else torch.zeros_like(mean), translated.mean(0))


def _reference_images(scans: EncodedScans, reference: str) -> Tensor:
    """Return what is subtracted in each view, (V, B, C, H, W[, D])."""
    if reference not in REFERENCES:
        raise ValueError(f"reference must be one of {', '.join(REFERENCES)}, got {reference!r}")
    return scans.reconstruction if reference == "reconstruction" else scans.image.expand(len(scans.views), *scans.image.shape)
