"""Scores that say how unusual a scan is: its attribute, its reconstruction, and its content."""

import torch
from sklearn.covariance import LedoitWolf
from torch import Tensor

from bundle.attribution.encoded_scans import EncodedScans
from bundle.data.intensities import BACKGROUND
from bundle.networks import ICAM, PARTS

LEAST_ERROR = 1e-6  # of a reconstruction, intensity of a range of 2: a generator that moves the scan itself has none


def describe_content(network: ICAM, content: Tensor) -> Tensor:
    """Return mean and standard deviation over space of each feature of contents (B, C, H/4, W/4[, D/4]), shape (B, 2C)."""
    features = content[:, : network.content_encoder.feature_channels].flatten(2).float()
    return torch.cat([features.mean(2), features.std(2)], dim=1)


def score_scans(scans: EncodedScans) -> Tensor:
    """Return the scores of scans, those of `bundle.networks.typicality.PARTS`, shape (B, 3).

    They are minus the log density of the attribute under the distributions of all classes, the logarithm of the mean absolute
    error of the reconstruction inside the brain, and the Mahalanobis distance of what describes the content.

    Args:
        scans: encoded scans of a network with distributions.
    """
    network = scans.network
    assert network.distributions is not None and network.typicality is not None
    with torch.inference_mode():
        density = network.distributions.log_density(scans.attribute.flatten(1)).logsumexp(1)
        inside = scans.image > BACKGROUND
        error = ((scans.reconstruction[0] - scans.image).abs() * inside).flatten(1).sum(1) / inside.flatten(1).sum(1).clamp(min=1)
        distance = network.typicality.find_distance(describe_content(network, scans.latents[0].content))
        return torch.stack([-density.float(), error.clamp(min=LEAST_ERROR).log(), distance], dim=1)


def knows_cohort(network: ICAM) -> bool:
    """Return whether a network has scores of the scans that it was trained for, by which others have a p-value."""
    return network.typicality is not None and bool(network.typicality.count)


def find_typicality(scans: EncodedScans) -> tuple[Tensor, Tensor]:
    """Return the p-value of each scan, (B,), and its most unusual part, a position in `PARTS`, (B,).

    Args:
        scans: encoded scans of a network with distributions.
    """
    assert scans.network.typicality is not None
    return scans.network.typicality.find_p_values(score_scans(scans))


def doubt_scan(value: float, part: int, level: float) -> str:
    """Return a sentence on a scan that is not typical; empty for others.

    Args:
        value: its p-value.
        part: its most unusual part, a position in `PARTS`.
        level: p-value up to which a scan is not typical.
    """
    if value > level:
        return ""
    return f"unlike the scans that the network was trained for, by its {PARTS[part]}: do not rely on its class"


def fit_features(network: ICAM, features: Tensor) -> None:
    """Give a network the mean and covariance of the features of training scans.

    Args:
        network: network with distributions.
        features: from `describe_content`, shape (S, F), with at least two scans.
    """
    assert network.typicality is not None
    estimate = LedoitWolf().fit(features.double().cpu().numpy())
    values, vectors = torch.linalg.eigh(torch.from_numpy(estimate.covariance_))
    whitening = vectors / values.clamp(min=values.max() * 1e-9).sqrt()
    network.typicality.centre.copy_(torch.from_numpy(estimate.location_))
    network.typicality.whitening.copy_(whitening)
