"""Erasure of the attribute from contents, against ridge regression of scikit-learn and principal components."""

import numpy as np
import pytest
import torch
from scipy.linalg import subspace_angles
from sklearn.linear_model import LogisticRegression, Ridge

from bundle.networks.erasure import RIDGE, AttributeErasure

LEADING = 3  # attributes that vary most


def make_latents(spatial_dims: int, count: int = 200) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return contents that depend on their attributes, the attributes, and classes that these decide."""
    attribute = torch.randn(count, 1, *[2] * spatial_dims)
    attribute.flatten(1)[:, :LEADING] *= 4
    attribute += 2
    content = torch.randn(count, 5, *[4] * spatial_dims)
    content[:, :4] += (attribute.flatten(1) @ torch.randn(2**spatial_dims, 4 * 4**spatial_dims)).view_as(content[:, :4])
    return content, attribute, (attribute.flatten(1)[:, 0] > 2).long()


def make_erasure(content: torch.Tensor, attribute: torch.Tensor, num_components: int) -> AttributeErasure:
    return AttributeErasure(attribute[0].numel(), (4, *content.shape[2:]), num_components)


def test_erased_contents_are_the_residuals_of_a_ridge_regression(spatial_dims: int) -> None:
    content, attribute, _ = make_latents(spatial_dims)
    erasure = make_erasure(content, attribute, num_components=100)
    assert torch.equal(erasure(content, attribute), content)  # before the first update
    erasure.update(content, attribute)
    values, features = attribute.flatten(1).numpy(), content[:, :4].flatten(1).numpy()
    ridge = Ridge(alpha=RIDGE * values.var(0).mean() * len(values)).fit(values, features)
    expected = features - ridge.predict(values) + features.mean(0)
    np.testing.assert_allclose(erasure(content, attribute)[:, :4].flatten(1), expected, atol=1e-3)


def test_a_linear_classifier_reads_the_class_from_contents_and_not_from_erased_ones(spatial_dims: int) -> None:
    content, attribute, labels = make_latents(spatial_dims)
    erasure = make_erasure(content, attribute, num_components=LEADING)
    for _ in range(300):  # turns of the components
        erasure.update(content, attribute)
    probe = LogisticRegression(C=1e-3, max_iter=1000)
    both = content[:, :4].flatten(1).numpy(), erasure(content, attribute)[:, :4].flatten(1).numpy()
    scores = [probe.fit(each[:100], labels[:100]).score(each[100:], labels[100:]) for each in both]
    assert scores[0] > 0.9 and scores[1] < 0.65


def test_the_components_become_the_leading_ones_of_the_attributes(spatial_dims: int) -> None:
    content, attribute, _ = make_latents(spatial_dims)
    erasure = make_erasure(content, attribute, num_components=LEADING)
    for batch in [*range(0, 200, 20)] * 20:
        erasure.update(content[batch : batch + 20], attribute[batch : batch + 20])
    expected = np.linalg.eigh(np.cov(attribute.flatten(1).numpy().T))[1][:, -LEADING:]
    assert np.rad2deg(subspace_angles(erasure.components.numpy(), expected)).max() < 10
    scores = (attribute.flatten(1) - attribute.flatten(1).mean(0)) @ erasure.components
    before, after = (
        (scores.T @ (each - each.mean(0)) / 200).norm() for each in (content.flatten(1), erasure(content, attribute).flatten(1))
    )
    assert after < 0.15 * before


def test_statistics_are_plain_means_at_first_and_move_by_their_momentum_then(spatial_dims: int) -> None:
    content, attribute, _ = make_latents(spatial_dims, count=6)
    erasure = AttributeErasure(attribute[0].numel(), (5, *content.shape[2:]), 2, momentum=0.5)
    for scan in range(3):
        erasure.update(content[[scan]], attribute[[scan]])
    expected = 0.5 * (0.5 * (content[0] + content[1])) + 0.5 * content[2]
    torch.testing.assert_close(erasure.content_mean.view_as(content[0]), expected)


def test_further_channels_stay_and_the_attribute_gets_no_gradient(spatial_dims: int) -> None:
    content, attribute, _ = make_latents(spatial_dims)
    erasure = make_erasure(content, attribute, num_components=2)
    erasure.update(content, attribute)
    content.requires_grad_(), attribute.requires_grad_()
    erased = erasure(content, attribute)
    assert torch.equal(erased[:, 4:], content[:, 4:])
    erased.sum().backward()
    torch.testing.assert_close(content.grad, torch.ones_like(content))
    assert attribute.grad is None


def test_a_batch_is_erased_like_its_scans_one_by_one(spatial_dims: int) -> None:
    content, attribute, _ = make_latents(spatial_dims)
    erasure = make_erasure(content, attribute, num_components=2)
    erasure.update(content, attribute)
    single = torch.cat([erasure(content[[scan]], attribute[[scan]]) for scan in range(4)])
    torch.testing.assert_close(erasure(content[:4], attribute[:4]), single)


def test_no_component_is_refused() -> None:
    with pytest.raises(ValueError, match="num_components must be 1 or more, got 0"):
        AttributeErasure(4, (2, 4, 4), 0)
