import math

import numpy as np
import pytest
import torch
from ignite.engine import Engine
from monai.handlers import IgniteMetricHandler
from scipy import stats
from sklearn.metrics import average_precision_score

from bundle.metrics import NCCMetric, compute_auprc, compute_ncc, compute_pointing, find_extent

SHAPES = [(3, 1, 7, 9), (3, 1, 5, 6, 4)]  # 2D and 3D


def random_images(shape: tuple[int, ...], seed: int = 0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    maps = torch.randn(shape, generator=generator)
    truth = (torch.rand(shape, generator=generator) > 0.7).float()
    mask = (torch.rand(shape, generator=generator) > 0.4).float()
    return maps, truth, mask


@pytest.mark.parametrize("shape", SHAPES)
def test_ncc_is_pearson_correlation_of_magnitudes_in_scipy(shape):
    maps, truth, _ = random_images(shape)
    expected = [
        stats.pearsonr(m.abs().flatten().double().numpy(), t.flatten().double().numpy()).statistic
        for m, t in zip(maps, truth, strict=True)
    ]
    assert compute_ncc(maps, truth).tolist() == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("shape", SHAPES)
def test_ncc_within_a_mask_is_pearson_correlation_of_the_masked_voxels(shape):
    maps, truth, mask = random_images(shape)
    expected = [
        np.corrcoef(m.abs()[inside > 0].double().numpy(), t[inside > 0].double().numpy())[0, 1]
        for m, t, inside in zip(maps, truth, mask, strict=True)
    ]
    assert compute_ncc(maps, truth, mask).tolist() == pytest.approx(expected, abs=1e-12)


def test_ncc_of_four_voxels_equals_the_value_by_hand():
    maps = torch.tensor([[[[0.0, -2.0], [1.0, 1.0]]]])  # |map| - 1 = (-1, 1, 0, 0)
    truth = torch.tensor([[[[0.0, 1.0], [1.0, 0.0]]]])  # truth - 1/2 = (-1, 1, 1, -1) / 2
    assert compute_ncc(maps, truth).item() == pytest.approx(1 / math.sqrt(2))


@pytest.mark.parametrize("shape", SHAPES)
def test_ncc_of_a_perfect_map_is_one_whatever_its_sign_and_scale(shape):
    _, truth, mask = random_images(shape)
    assert compute_ncc(-0.01 * truth, truth, mask).tolist() == pytest.approx([1.0] * 3)


@pytest.mark.parametrize("shape", SHAPES)
def test_ncc_of_a_batch_equals_that_of_single_scans(shape):
    maps, truth, mask = random_images(shape)
    maps = maps * torch.tensor([1.0, 100.0, 0.01]).view(-1, *[1] * (len(shape) - 1))  # a flattened batch would see the scales
    single = [compute_ncc(m[None], t[None], k[None]).item() for m, t, k in zip(maps, truth, mask, strict=True)]
    assert compute_ncc(maps, truth, mask).tolist() == single


def test_ncc_has_a_gradient_that_raises_it():
    maps, truth, mask = random_images((1, 1, 8, 8))
    maps = maps.double().requires_grad_()
    before = compute_ncc(maps, truth, mask)
    before.sum().backward()
    assert compute_ncc(maps + 0.1 * maps.grad, truth, mask).item() > before.item()


def test_ncc_is_undefined_for_an_empty_truth_a_constant_map_and_an_empty_mask():
    maps, truth, mask = random_images((3, 1, 8, 8))
    truth[0], maps[1], mask[2] = 0, 0.1, 0
    assert compute_ncc(maps, truth, mask).isnan().all()


def test_ncc_does_not_read_what_lies_outside_the_mask():
    maps, truth, mask = random_images((2, 1, 8, 8))
    spoiled = maps.masked_fill(mask == 0, torch.nan)
    assert torch.equal(compute_ncc(spoiled, truth, mask), compute_ncc(maps, truth, mask))


def test_ncc_is_undefined_where_a_counted_voxel_is_not_finite():
    maps, truth, _ = random_images((2, 1, 8, 8))
    maps[0, 0, 0, 0] = torch.nan
    assert compute_ncc(maps, truth).isnan().tolist() == [True, False]


def test_ncc_of_a_small_lesion_on_a_large_offset_keeps_its_precision():
    truth = torch.zeros(1, 1, 64, 64)
    truth[..., :2, :2] = 1
    assert compute_ncc(1000 + 0.001 * truth, truth).item() == pytest.approx(1, abs=1e-3)


def test_ncc_of_images_of_different_shape_raises():
    with pytest.raises(ValueError, match=r"shapes must be equal, got \(2, 1, 8, 8\) and \(2, 1, 8, 9\)"):
        compute_ncc(torch.zeros(2, 1, 8, 8), torch.zeros(2, 1, 8, 9))


def run_handler(metric: NCCMetric, batches: list) -> float:
    evaluator = Engine(lambda _, batch: batch)
    evaluator.state.metric_details = {}
    IgniteMetricHandler(metric_fn=metric).attach(evaluator, "ncc")
    return evaluator.run(batches).metrics["ncc"]


@pytest.mark.parametrize("shape", SHAPES)
def test_metric_through_the_handler_of_monai_is_the_mean_over_scans_of_all_batches(shape):
    batches = [random_images(shape, seed)[:2] for seed in range(2)]
    batches.append(tuple(list(images) for images in random_images(shape, 2)[:2]))  # decollated
    batches[0][1][0] = 0  # an empty truth is left out
    values = torch.cat([compute_ncc(*(torch.as_tensor(x) if torch.is_tensor(x) else torch.stack(x) for x in b)) for b in batches])
    assert run_handler(NCCMetric(), batches) == pytest.approx(values.nanmean().item())


def test_masked_metric_reads_the_mask_behind_the_truth():
    maps, truth, mask = random_images((3, 1, 8, 8))
    result = run_handler(NCCMetric(masked=True), [(maps, torch.cat([truth, mask], 1))])
    assert result == pytest.approx(compute_ncc(maps, truth, mask).mean().item())


def test_metric_is_undefined_without_scans_and_raises_without_truth():
    metric = NCCMetric()
    assert metric.aggregate().isnan()
    with pytest.raises(ValueError, match="needs the truth"):
        metric(torch.zeros(1, 1, 8, 8))


@pytest.mark.parametrize("shape", SHAPES)
def test_area_under_the_precision_recall_curve_is_that_of_scikit_learn_scan_by_scan(shape):
    maps, truth, _ = random_images(shape)
    expected = [
        average_precision_score(t.flatten().numpy() > 0, m.flatten().abs().numpy()) for m, t in zip(maps, truth, strict=True)
    ]
    values = compute_auprc(maps, truth > 0)
    assert values.tolist() == pytest.approx(expected)
    single = [compute_auprc(m[None], t[None] > 0).item() for m, t in zip(maps, truth, strict=True)]
    assert values.tolist() == single


def test_area_of_four_voxels_equals_the_value_by_hand():
    maps = torch.tensor([[[[4.0, -3.0], [2.0, 1.0]]]])  # recall 1/2 at precision 1, recall 1 at precision 2/3
    extent = torch.tensor([[[[1, 0], [1, 0]]]]) > 0
    assert compute_auprc(maps, extent).item() == pytest.approx(0.5 * 1 + 0.5 * 2 / 3)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_perfect_map_finds_the_extent_whatever_its_sign_and_scale(shape):
    _, truth, _ = random_images(shape)
    for score in (compute_auprc, compute_pointing):
        assert score(-0.01 * truth, find_extent(truth)).tolist() == [1.0] * 3


@pytest.mark.parametrize("shape", SHAPES)
def test_pointing_is_the_place_of_the_largest_magnitude(shape):
    maps, truth, _ = random_images(shape)
    places = maps.abs().flatten(1).argmax(1)
    expected = truth.flatten(1)[torch.arange(3), places]
    assert compute_pointing(maps, truth > 0).tolist() == expected.tolist()


def test_where_several_voxels_are_largest_their_share_in_the_extent_counts():
    maps = torch.tensor([[[[2.0, -2.0], [2.0, 2.0], [0.0, 1.0]]]])
    extent = torch.tensor([[[[1, 0], [0, 0], [1, 1]]]]) > 0
    assert compute_pointing(maps, extent).item() == 0.25


@pytest.mark.parametrize("score", [compute_auprc, compute_pointing])
def test_finding_is_undefined_for_a_constant_map_an_empty_extent_and_values_that_are_not_finite(score):
    maps, truth, _ = random_images((4, 1, 8, 8))
    maps[0], truth[1], maps[2, 0, 0, 0] = -0.1, 0, torch.nan
    assert score(maps, find_extent(truth)).isnan().tolist() == [True, True, True, False]


@pytest.mark.parametrize("score", [compute_auprc, compute_pointing])
def test_finding_in_images_of_different_shape_raises(score):
    with pytest.raises(ValueError, match="shapes must be equal"):
        score(torch.zeros(2, 1, 8, 8), torch.zeros(2, 1, 8, 9) > 0)


def test_extent_of_a_mask_is_the_mask_and_of_a_change_its_larger_part():
    mask = torch.tensor([[[[0.0, 1.0, 1.0]]]])
    change = torch.tensor([[[[-8.0, 2.0, 2.1]]], [[[0.0, 0.01, 0.002]]]])
    assert torch.equal(find_extent(mask), mask > 0)
    assert find_extent(change).flatten(1).tolist() == [[True, False, True], [False, True, False]]
    assert find_extent(change, share=0.1).sum() == 5
    assert not find_extent(torch.zeros_like(mask)).any()


def test_an_impossible_share_raises():
    with pytest.raises(ValueError, match="share must be at least 0 and less than 1, got 1"):
        find_extent(torch.zeros(1, 1, 4, 4), share=1)
