"""Choice of methods, and those with random draws: what they draw, and what they tend to."""

from functools import partial

import numpy as np
import pytest
import torch
from captum.attr import GradientShap
from monai.data import Dataset
from torch import Tensor, nn

from bundle.baselines import PostHoc, choose_methods, draw_scans, smooth_gradients
from bundle.baselines.posthoc import fix_draws


@pytest.fixture
def linear(image: Tensor) -> nn.Sequential:
    """A linear classifier, whose gradient is its weight."""
    return nn.Sequential(nn.Flatten(), nn.Linear(image[0].numel(), 3))


def test_smoothed_gradients_of_a_linear_classifier_are_its_weights(linear, image, target):
    method = PostHoc(smooth_gradients, linear, 0, nt_samples=5, nt_samples_batch_size=2, stdevs=0.3, abs=False)
    maps = method.attribute(image, target)
    torch.testing.assert_close(maps, linear[1].weight[target].view_as(image).detach())


def test_shap_values_of_a_linear_classifier_are_weight_times_difference(linear, image, target):
    reference = torch.rand_like(image[:1])
    maps = PostHoc(GradientShap, linear, 0, baselines=reference, n_samples=3).attribute(image, target)
    torch.testing.assert_close(maps, linear[1].weight[target].view_as(image).detach() * (image - reference))


def test_maps_of_a_scan_are_those_of_captum(resnet, image, target):
    references, resnet = torch.rand(3, *image.shape[1:]), resnet.eval()
    noise = {"nt_samples": 4, "stdevs": 0.2, "abs": False}
    shap = {"baselines": references, "n_samples": 4, "stdevs": 0.1}
    for method, arguments in ((smooth_gradients, noise), (GradientShap, shap)):
        with fix_draws(3):
            expected = method(resnet).attribute(image[:1], target=target[:1], **arguments)
        found = PostHoc(method, resnet, 3, **arguments).attribute(image[:1], target[:1])
        torch.testing.assert_close(found, expected.detach())


def test_fixed_draws_repeat_and_leave_the_generators_alone():
    def draw() -> list[float]:
        return [torch.rand(()).item(), np.random.rand()]

    torch.manual_seed(1)
    np.random.seed(1)
    first = draw()
    torch.manual_seed(1)
    np.random.seed(1)
    drawn = []
    for _ in range(2):
        with fix_draws(5):
            drawn.append(draw())
    assert drawn[0] == drawn[1] != first
    assert draw() == first


def test_scans_of_a_class_are_drawn_once_each():
    rows = [{"label": index % 2, "image": torch.full((1, 2, 2), float(index))} for index in range(10)]
    drawn = draw_scans(Dataset(rows), 3, label=1, seed=2)
    assert drawn.shape == (3, 1, 2, 2)
    values = drawn[:, 0, 0, 0].tolist()
    assert len(set(values)) == 3 and all(value % 2 == 1 for value in values)
    torch.testing.assert_close(drawn, draw_scans(Dataset(rows), 3, label=1, seed=2))
    assert len(draw_scans(Dataset(rows), 99)) == 5
    with pytest.raises(ValueError, match="the training split has no scan of class 2, which gradient_shap compares with"):
        draw_scans(Dataset(rows), 3, label=2)


def test_only_chosen_methods_are_made():
    methods = choose_methods(["chosen"], {"other": pytest.fail, "chosen": partial(PostHoc, GradientShap, nn.ReLU())})
    assert list(methods) == ["chosen"]


@pytest.mark.parametrize("names", [[], ["grad_cam", "gradcam"]])
def test_unknown_methods_are_refused(names):
    with pytest.raises(ValueError, match="methods must name some of grad_cam, got "):
        choose_methods(names, {"grad_cam": pytest.fail})
