"""Erasure of the class from contents, against equal means and scikit-learn."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from bundle.networks.erasure import ClassErasure


def make_contents(num_classes: int, spatial_dims: int, count: int = 40) -> tuple[torch.Tensor, torch.Tensor]:
    """Return contents whose mean depends on the class."""
    labels = torch.arange(num_classes).repeat_interleave(count)
    shift = 3 * torch.randn(num_classes, 5, *[4] * spatial_dims)
    return torch.randn(len(labels), 5, *[4] * spatial_dims) + shift[labels], labels


@pytest.mark.parametrize("num_classes", [2, 3])
def test_erased_contents_have_one_mean_and_a_linear_classifier_is_at_chance(num_classes: int, spatial_dims: int) -> None:
    content, labels = make_contents(num_classes, spatial_dims)
    erasure = ClassErasure(num_classes, tuple(content.shape[1:]), momentum=0.0)
    assert torch.equal(erasure(content), content)  # before the first update
    erasure.update(content, labels)
    erased = erasure(content)
    means = torch.stack([erased[labels == label].mean(0) for label in range(num_classes)])
    torch.testing.assert_close(means, content.mean(0).expand_as(means), atol=1e-4, rtol=1e-4)
    probe = LogisticRegression(C=1e-3, max_iter=1000)
    scores = [probe.fit(each.flatten(1).numpy(), labels).score(each.flatten(1).numpy(), labels) for each in (content, erased)]
    assert scores[0] == 1 and scores[1] < 1 / num_classes + 0.1


def test_only_the_differences_of_the_classes_are_erased_and_further_channels_stay(spatial_dims: int) -> None:
    content, labels = make_contents(3, spatial_dims)
    erasure = ClassErasure(3, (4, *content.shape[2:]), momentum=0.0)
    erasure.update(content, labels)
    erased = erasure(content)
    assert torch.equal(erased[:, 4:], content[:, 4:])
    change = (erased - content)[:, :4].flatten(1)
    assert np.linalg.matrix_rank(change.numpy(), tol=1e-3) == 2
    torch.testing.assert_close(erasure(erased), erased, atol=1e-4, rtol=1e-4)


def test_means_move_by_their_momentum_and_those_of_absent_classes_stay(spatial_dims: int) -> None:
    content, _ = make_contents(3, spatial_dims, count=2)
    erasure = ClassErasure(3, tuple(content.shape[1:]), momentum=0.9)
    erasure.update(content, torch.tensor([0, 0, 0, 1, 1, 1]))
    torch.testing.assert_close(erasure.means[0], 0.1 * content[:3].mean(0))
    assert not erasure.means[2].any()
