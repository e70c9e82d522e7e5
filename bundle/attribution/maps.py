"""Feature attribution (FA) maps of trained networks.

A map is the translated scan minus a reference: the scan itself ("input", as in the paper), or its own reconstruction
("reconstruction", ours), which leaves out what the decoder cannot draw.

Source: Bass et al., NeurIPS 2020, Sec. 3.2 and 3.3 (https://arxiv.org/abs/2006.08287).
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from monai.networks.utils import eval_mode
from torch import Tensor

from bundle.attribution.augmentation import ONE_VIEW, Viewing, Views
from bundle.checkpoints import hash_weights
from bundle.networks import ICAM
from bundle.sampling import draw_latents
from bundle.structures import AttributionMaps

REFERENCES = ("reconstruction", "input")


def exemplar_maps(
    network: ICAM,
    image: Tensor,
    attribute: Tensor,
    target: Tensor,
    reference: str = "reconstruction",
    viewing: Viewing = ONE_VIEW,
    mirrored: Tensor | None = None,
) -> AttributionMaps:
    """Explain scans by giving them the attributes of other scans.

    Source: Bass et al., NeurIPS 2020, Sec. 3.1 (https://arxiv.org/abs/2006.08287).

    Args:
        network: trained network.
        image: scans, intensities in [-1, 1], shape (B, C, H, W[, D]).
        attribute: attribute means of the reference scans, shape (B, 1, H/16, W/16[, D/16]).
        target: classes of the reference scans, shape (B,).
        reference: what is subtracted, "reconstruction" or "input".
        viewing: in which views, V, scans are translated.
        mirrored: attribute means of the mirrored reference scans, for mirrored views; None for the same.

    Returns:
        Mean map over the views, with their unbiased variance; zero with one view.

    Raises:
        ValueError: When `reference` is neither.
    """
    with eval_mode(network), torch.inference_mode():
        views = Views(network, image, viewing)
        other = None if mirrored is None else network.tell(mirrored, target)
        translated = views.decode(network.tell(attribute, target), other)
        maps = translated - _reference_images(views, reference, target)
    mean = maps.mean(0)
    return AttributionMaps(target, mean, maps.var(0) if len(maps) > 1 else torch.zeros_like(mean), translated.mean(0))


def sampled_maps(
    network: ICAM,
    image: Tensor,
    target: Tensor,
    num_samples: int = 50,
    threshold: float = 0.5,
    seed: int = 0,
    chunk_size: int = 10,
    reference: str = "reconstruction",
    viewing: Viewing = ONE_VIEW,
    attributes: Mapping[int, Tensor] | None = None,
    mirrored: Mapping[int, Tensor] | None = None,
) -> AttributionMaps:
    """Explain scans by giving them attributes drawn for a class; mean and variance over the draws, each in every view.

    The draws depend on `seed` and the target class alone: every scan is given the same ones, so a map depends neither on the
    batch that its scan comes in nor on that batch's size. Memory does not grow with `num_samples`.

    Source: Bass et al., NeurIPS 2020, Sec. 3.2, Fig. 4 (https://arxiv.org/abs/2006.08287).

    Args:
        network: trained network.
        image: scans, intensities in [-1, 1], shape (B, C, H, W[, D]).
        target: classes to translate to, shape (B,).
        num_samples: number of draws, N, at least 2.
        threshold: class probability that a draw exceeds.
        seed: seed of the draws.
        chunk_size: draws decoded at once, for each scan.
        reference: what is subtracted, "reconstruction" or "input".
        viewing: in which views, V, scans are translated.
        attributes: what is given to the scans instead of draws, by class, each of shape (N, 1, H/16, W/16[, D/16]); None draws.
        mirrored: what is given in mirrored views, likewise; None for the same.

    Returns:
        Mean map, unbiased variance and mean translated scan.

    Raises:
        ValueError: When `num_samples` is below 2, `reference` is unknown, or a class cannot be drawn.
    """
    if num_samples < 2:
        raise ValueError(f"num_samples must be at least 2 for a variance, got {num_samples}")
    with eval_mode(network), torch.inference_mode():
        views = Views(network, image, viewing)
        origin = _reference_images(views, reference, target)
        if attributes is None:
            attributes = draw_attributes(network, target.tolist(), num_samples, threshold, seed)
        mean, squares = torch.zeros_like(origin[0]), torch.zeros_like(origin[0])
        for count, fa_map in enumerate(_map_each(views, origin, attributes, target, chunk_size, mirrored), start=1):
            delta = fa_map - mean
            mean += delta / count
            squares += delta * (fa_map - mean)  # Welford's update
    return AttributionMaps(target, mean, squares / (count - 1), mean + origin.mean(0))


def single_maps(
    network: ICAM,
    image: Tensor,
    target: Tensor,
    attributes: Mapping[int, Tensor],
    chunk_size: int = 10,
    reference: str = "reconstruction",
    viewing: Viewing = ONE_VIEW,
    mirrored: Mapping[int, Tensor] | None = None,
) -> Tensor:
    """Return the map with each of some attributes in every view, of which `sampled_maps` gives mean and variance.

    Source: Bass et al., NeurIPS 2020, Sec. 3.2, Fig. 4 (https://arxiv.org/abs/2006.08287).

    Args:
        network: trained network.
        image: scans, intensities in [-1, 1], shape (B, C, H, W[, D]).
        target: classes to translate to, shape (B,).
        attributes: attributes of each class, shape (N, 1, H/16, W/16[, D/16]).
        chunk_size: attributes decoded at once, for each scan.
        reference: what is subtracted, "reconstruction" or "input".
        viewing: in which views, V, scans are translated.
        mirrored: attributes for mirrored views, likewise; None for the same.

    Returns:
        Maps of shape (N * V, B, C, H, W[, D]), `chunk_size` attributes view by view.

    Raises:
        ValueError: When `reference` is unknown.
    """
    with eval_mode(network), torch.inference_mode():
        views = Views(network, image, viewing)
        origin = _reference_images(views, reference, target)
        return torch.stack(list(_map_each(views, origin, attributes, target, chunk_size, mirrored)))


def describe_sampling(network: ICAM, sampling: Mapping[str, Any], preparation: Mapping[str, Any]) -> dict[str, Any]:
    """Return what decides the sampled maps of a scan.

    Args:
        network: trained network.
        sampling: arguments of `sampled_maps`.
        preparation: how scans become network input: grid and intensities.
    """
    settings = {name: sampling[name] for name in ("num_samples", "threshold", "seed")}
    return {"weights": f"SHA-256 {hash_weights(network)}", **settings, **sampling["viewing"]._asdict(), **preparation}


def translate_to_value(network: ICAM, image: Tensor, value: Tensor, reference: str = "reconstruction") -> AttributionMaps:
    """Explain scans by moving their attribute until the network regresses a wanted value from it, and no further.

    The regression is linear, v = w z + b, so that z' = z + w (v' - v) / |w|^2 is the nearest attribute with the value v'; what
    the attribute tells beside the value stays.

    Source: Bass et al., NeurIPS 2020, Sec. 3.1 (https://arxiv.org/abs/2006.08287), with regression; the step is ours.

    Args:
        network: trained network with a regressor.
        image: scans, intensities in [-1, 1], shape (B, C, H, W[, D]).
        value: wanted values in the regressor's units, shape (B,).
        reference: what is subtracted, "reconstruction" or "input".

    Returns:
        Maps with zero variance; their `target` is `value`.

    Raises:
        ValueError: When the network has no regressor, its regressor is constant, or `reference` is unknown.
    """
    with eval_mode(network), torch.inference_mode():
        views = Views(network, image)
        translated = views.decode(_move_to_value(network, views.latents[0].mean, value))[0]
        mean = translated - _reference_images(views, reference)[0]
    return AttributionMaps(value, mean, torch.zeros_like(mean), translated)


def interpolate(network: ICAM, image: Tensor, start: Tensor, end: Tensor, num_steps: int = 7) -> Tensor:
    """Decode the content of scans with attributes on the line from `start` to `end`.

    Source: Bass et al., NeurIPS 2020, Sec. 4.2, interpolation between and within classes (https://arxiv.org/abs/2006.08287).

    Args:
        network: trained network.
        image: scans that give the content, shape (B, C, H, W[, D]).
        start: first attributes, shape (B, 1, H/16, W/16[, D/16]), with what `ICAM.tell` appends.
        end: last attributes, same shape.
        num_steps: images of the strip, at least 2.

    Returns:
        Strips of shape (B, num_steps, C, H, W[, D]).

    Raises:
        ValueError: When `num_steps` is below 2.
    """
    if num_steps < 2:
        raise ValueError(f"num_steps must be at least 2, got {num_steps}")
    with eval_mode(network), torch.inference_mode():
        content = network.encode(image).content
        shares = torch.linspace(0, 1, num_steps, device=image.device)
        return torch.stack([network.decode(content, torch.lerp(start, end, share)) for share in shares], dim=1)


def draw_attributes(
    network: ICAM, labels: Sequence[int], num_samples: int, threshold: float = 0.5, seed: int = 0
) -> dict[int, Tensor]:
    """Draw attributes of each class of `labels`, each class from a generator of its own.

    Source: Bass et al., NeurIPS 2020, Sec. 3.2 (https://arxiv.org/abs/2006.08287).

    Args:
        network: trained network.
        labels: classes.
        num_samples: number of draws a class, N.
        threshold: class probability that a draw exceeds.
        seed: seed of the draws.

    Returns:
        Draws of shape (N, 1, H/16, W/16[, D/16]) by class.

    Raises:
        ValueError: When a class cannot be drawn.
    """
    draws = {}
    for label in sorted(set(labels)):
        generator = torch.Generator().manual_seed(seed + label)
        draws[label] = draw_latents(network, torch.tensor([label]), num_samples, threshold, generator)[0]
    return draws


def _move_to_value(network: ICAM, attribute: Tensor, value: Tensor) -> Tensor:
    """Return the attributes nearest to `attribute` (B, 1, H/16, W/16[, D/16]) whose regressed values are `value` (B,)."""
    regressed = network.attribute_encoder.regress(attribute)  # (B,)
    assert network.attribute_encoder.regressor is not None
    weight = network.attribute_encoder.regressor.weight[0]  # (F,)
    if not weight.any():
        raise ValueError("the network's regressor is constant (all its weights are 0): no attribute has another value")
    steps = (value.to(regressed) - regressed) / weight.square().sum()
    return attribute + (steps[:, None] * weight).view_as(attribute)


def _map_each(
    views: Views,
    origin: Tensor,
    attributes: Mapping[int, Tensor],
    target: Tensor,
    chunk_size: int,
    mirrored: Mapping[int, Tensor] | None = None,
) -> Iterator[Tensor]:
    """Yield the maps (B, C, H, W[, D]) with each attribute of the target classes, in each view, against its `origin`."""
    chunks = list(_tell_chunks(views.network, attributes, target, chunk_size))
    others = [None] * len(chunks) if mirrored is None else _tell_chunks(views.network, mirrored, target, chunk_size)
    for told, other in zip(chunks, others, strict=True):
        for translated, own in zip(views.decode_each(told, other), origin, strict=True):  # (n * B, C, H, W[, D])
            yield from (image - own for image in translated.split(len(views.image)))


def _tell_chunks(network: ICAM, attributes: Mapping[int, Tensor], target: Tensor, chunk_size: int) -> Iterator[Tensor]:
    """Yield what the generator is told for some attributes a scan at a time, each (n * B, ...)."""
    draws = torch.stack([attributes[label] for label in target.tolist()])  # (B, N, 1, H/16, W/16[, D/16])
    for chunk in draws.split(chunk_size, dim=1):
        yield network.tell(chunk.transpose(0, 1).flatten(0, 1), target.repeat(chunk.shape[1]))


def _reference_images(views: Views, reference: str, target: Tensor | None = None) -> Tensor:
    """Return what is subtracted in each view, (V, B, C, H, W[, D]), from scans that are translated to `target`."""
    if reference not in REFERENCES:
        raise ValueError(f"reference must be one of {', '.join(REFERENCES)}, got {reference!r}")
    if reference == "input":
        return views.image.expand(len(views.poses), *views.image.shape)
    return views.reconstruct(target)
