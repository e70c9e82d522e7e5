import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from bundle.evaluation.faithfulness import Deletion
from bundle.evaluation.faithfulness.deletion import rank_voxels, score_order, smooth
from tests.evaluation.known_classifier import KnownExplainer, make_classifier

SIZES = [(12, 10), (8, 6, 10)]


@pytest.mark.parametrize("size", SIZES)
def test_smoothing_is_the_gaussian_of_scipy_far_from_the_background(size):
    image = torch.rand(1, *size)
    inside = gaussian_filter(np.ones(size), 1.5, mode="constant")
    expected = gaussian_filter(image[0].double().numpy(), 1.5, mode="constant") / inside
    assert np.allclose(smooth(image, 1.5)[0], expected, atol=1e-6)


@pytest.mark.parametrize("size", SIZES)
def test_a_uniform_brain_stays_uniform_up_to_its_edge_and_the_background_stays_as_it_is(size):
    image = torch.full((1, *size), -1.0)
    image[:, 2:-2, 2:-2] = 0.3
    assert torch.allclose(smooth(image, 2.0), image, atol=1e-6)


@pytest.mark.parametrize("size", SIZES)
def test_voxels_are_ranked_by_magnitude_the_background_last_and_ties_by_chance(size):
    image = torch.rand(1, *size)
    image[:, 0] = -1
    values = torch.randn(1, *size)
    ranks = rank_voxels(values, image, [0, 1])
    inside = image > -1
    assert sorted(ranks.flatten().tolist()) == list(range(ranks.numel()))
    assert ranks[inside].max() < ranks[~inside].min()
    assert (values[inside].abs()[ranks[inside].argsort()].diff() <= 0).all()
    ties = [rank_voxels(torch.zeros_like(values), image, [0, seed]) for seed in (1, 1, 2)]
    assert torch.equal(ties[0], ties[1]) and not torch.equal(ties[0], ties[2])


def test_figures_of_a_classifier_that_counts_equal_the_closed_form():
    """The probability is the share of voxels that are bright: the mean over the logarithm of the share is known."""
    image, smoothed = torch.full((1, 10, 10), 1.0), torch.zeros(1, 10, 10)
    shares = (0.1, 0.2, 1.0)
    ranks = torch.arange(100).view(1, 10, 10)

    def classify(images: torch.Tensor) -> torch.Tensor:
        bright = (images > 0.5).flatten(1).double().mean(1)
        return torch.stack([1 - bright, bright], 1)

    figures = score_order(classify, image, smoothed, ranks, 1, shares)
    inserted = (0.15 * np.log(2) + 0.6 * np.log(5)) / np.log(10)
    assert figures == {"deletion": pytest.approx(1 - inserted), "insertion": pytest.approx(inserted)}


@pytest.mark.parametrize("spatial_dims", [2, 3])
def test_right_maps_are_better_than_chance_and_wrong_ones_worse(spatial_dims, make_cohort):
    deletion = Deletion(make_classifier(), (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0), blur=30.0)
    rows = list(deletion.score(KnownExplainer(make_cohort(spatial_dims), batch_size=3)))
    means = {m: [np.mean([r[name] for r in rows if r["method"] == m]) for name in ("deletion", "insertion")]
             for m in ("right", "truth", "random", "wrong")}  # fmt: skip
    assert means["right"][0] < means["random"][0] < means["wrong"][0]
    assert means["right"][1] > means["random"][1] > means["wrong"][1]
    assert means["truth"] == pytest.approx(means["right"])
    again = list(deletion.score(KnownExplainer(make_cohort(spatial_dims), batch_size=1)))
    assert [row["insertion"] for row in again] == pytest.approx([row["insertion"] for row in rows])


@pytest.mark.parametrize("shares", [(0.1,), (0.0, 1.0), (0.2, 0.1), (0.5, 1.1)])
def test_shares_that_do_not_rise_within_the_scan_raise(shares):
    with pytest.raises(ValueError, match="shares must rise"):
        Deletion(make_classifier(), shares)
