"""Scores of unusual scans, against their definition."""

import torch
from torch.distributions import MultivariateNormal

from bundle.attribution import EncodedScans
from bundle.attribution.typicality import describe_content, find_typicality, fit_features, score_scans


def test_scores_are_density_error_and_distance(make_network, image) -> None:
    network = make_network(num_components=2)
    fit_features(network, torch.randn(50, 2 * network.content_encoder.feature_channels))
    network.distributions.means.normal_()
    scans = EncodedScans(network, image)
    scores = score_scans(scans)
    normal = [MultivariateNormal(means[0].double(), torch.eye(means.shape[1]).double()) for means in network.distributions.means]
    density = torch.stack([each.log_prob(scans.attribute.flatten(1).double()) for each in normal]).logsumexp(0)
    torch.testing.assert_close(scores[:, 0], -density.float(), atol=1e-3, rtol=1e-4)
    error = [(one - other)[other > -1].abs().mean().log() for one, other in zip(scans.reconstruction[0], image, strict=True)]
    torch.testing.assert_close(scores[:, 1], torch.stack(error), atol=1e-4, rtol=1e-4)
    assert scores.shape == (4, 3) and find_typicality(scans)[0].isnan().all()


def test_features_are_mean_and_spread_of_each_feature_map_and_become_white(make_network, image) -> None:
    network = make_network(num_components=2)
    content = torch.randn(6, network.content_encoder.out_channels, *[4] * (image.ndim - 2))
    features = describe_content(network, content)
    count = network.content_encoder.feature_channels
    torch.testing.assert_close(features[:, 0], content[:, 0].flatten(1).mean(1))
    torch.testing.assert_close(features[:, count], content[:, 0].flatten(1).std(1))
    many = 3 + 2 * torch.randn(5000, 2 * count)
    fit_features(network, many)
    white = (many - network.typicality.centre) @ network.typicality.whitening
    torch.testing.assert_close(white.T.cov(), torch.eye(2 * count), atol=0.05, rtol=0)
