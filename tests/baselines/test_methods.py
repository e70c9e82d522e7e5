"""Each method gives captum's maps, scan by scan, and what its definition says."""

from functools import partial
from typing import Any

import captum.attr
import pytest
import torch
from captum.attr import DeepLift, GradientShap, IntegratedGradients, LayerAttribution
from captum.attr._utils.lrp_rules import EpsilonRule
from torch import Tensor, nn

from bundle.baselines import (
    GradCAM,
    GuidedBackprop,
    GuidedGradCAM,
    LayerWiseRelevance,
    Occlusion,
    PostHoc,
    smooth_gradients,
)

LINEAR = {2: "bilinear", 3: "trilinear"}


def make_all(network: nn.Module, layer: str, spatial_dims: int) -> dict[str, PostHoc]:
    references = torch.rand(3, 1, *{2: (32, 48), 3: (32, 16, 32)}[spatial_dims])
    return {
        "GradCAM": PostHoc(partial(GradCAM, layer=layer), network),
        "GuidedGradCAM": PostHoc(partial(GuidedGradCAM, layer=layer), network),
        "GuidedBackprop": PostHoc(GuidedBackprop, network),
        "IntegratedGradients": PostHoc(IntegratedGradients, network, baselines=-1.0, n_steps=8, internal_batch_size=16),
        "Occlusion": PostHoc(Occlusion, network, window=16, stride=8),
        "DeepLift": PostHoc(DeepLift, network, baselines=-1.0),
        "SmoothGrad": PostHoc(smooth_gradients, network, 0, nt_samples=3, stdevs=0.3, abs=False),
        "GradientShap": PostHoc(GradientShap, network, 0, baselines=references, n_samples=3, stdevs=0.1),
    }


def assert_a_batch_is_its_scans(methods: dict[str, PostHoc], image: Tensor, target: Tensor) -> None:
    for name, method in methods.items():
        maps = method.attribute(image, target)
        alone = torch.cat([method.attribute(image[[i]], target[[i]]) for i in range(len(image))])
        assert maps.shape == image.shape and not maps.requires_grad, name
        assert maps.abs().max() > 0, name
        tolerance = 1e-5 * float(maps.abs().max())
        torch.testing.assert_close(maps, alone, atol=tolerance, rtol=1e-3, msg=lambda text, name=name: name + text)


@pytest.mark.slow
def test_a_batch_of_scans_has_the_maps_of_each_alone(resnet, spatial_dims, image, target):
    relevance = PostHoc(partial(LayerWiseRelevance, epsilon=1e-2), resnet)
    assert_a_batch_is_its_scans(make_all(resnet, "layer3", spatial_dims) | {"LayerWiseRelevance": relevance}, image, target)
    assert resnet.training and not image.requires_grad


def test_the_attribute_encoder_is_explained_as_well(encoder, spatial_dims, image, target):
    assert_a_batch_is_its_scans(make_all(encoder, "encoder.trunk", spatial_dims), image, target)


@pytest.mark.parametrize("rectify", [False, True])
def test_class_activation_maps_are_those_of_captum(resnet, spatial_dims, image, target, rectify):
    network, mode = resnet.eval(), LINEAR[spatial_dims]
    coarse = captum.attr.LayerGradCam(network, network.layer3).attribute(image, target, relu_attributions=rectify)
    expected = LayerAttribution.interpolate(coarse, tuple(image.shape[2:]), mode).detach()
    arguments: dict[str, Any] = {"network": network, "relu_attributions": rectify}
    found = PostHoc(partial(GradCAM, layer="layer3"), **arguments).attribute(image, target)
    torch.testing.assert_close(found, expected)
    assert found.any() and bool((found < 0).any()) != rectify
    guided = captum.attr.GuidedGradCam(network, network.layer3).attribute(image, target, interpolate_mode=mode).detach()
    ours = PostHoc(partial(GuidedGradCAM, layer="layer3"), **arguments).attribute(image, target)
    torch.testing.assert_close(ours if rectify else torch.where(found > 0, ours, guided), guided)
    assert ours.any()


def test_maps_are_those_of_captum(resnet, spatial_dims, image, target):
    network = resnet.eval()
    windows = ((1,) + (16,) * spatial_dims, (1,) + (8,) * spatial_dims)
    methods = make_all(network, "layer3", spatial_dims)
    expected = {
        "GuidedBackprop": captum.attr.GuidedBackprop(network).attribute(image, target),
        "IntegratedGradients": IntegratedGradients(network).attribute(image, -1.0, target, n_steps=8),
        "Occlusion": captum.attr.Occlusion(network).attribute(image, *windows, -1.0, target),
        "DeepLift": DeepLift(network).attribute(image, -1.0, target),
    }
    for name, maps in expected.items():
        found = methods[name].attribute(image, target)
        assert found.abs().max() > 0, name
        torch.testing.assert_close(found, maps.detach(), atol=1e-6, rtol=1e-4, msg=lambda text, name=name: name + text)


@pytest.mark.parametrize("epsilon", [1e-9, 0.5])
def test_relevance_is_that_of_captum(resnet, image, target, epsilon):
    found = PostHoc(partial(LayerWiseRelevance, epsilon=epsilon), resnet).attribute(image, target)
    for layer in resnet.eval().modules():
        if not list(layer.children()) and not isinstance(layer, nn.ReLU):
            layer.rule = EpsilonRule(epsilon)  # captum has none by default in 3D
    torch.testing.assert_close(found, captum.attr.LRP(resnet).attribute(image, target).detach())


def test_relevance_is_conserved_where_no_bias_takes_any(resnet, image, target):
    for name, weight in [*resnet.named_parameters(), *resnet.named_buffers()]:
        if name.endswith(("bias", "running_mean")):
            weight.data.zero_()
    relevance = PostHoc(LayerWiseRelevance, resnet).attribute(image, target).flatten(1).sum(1)
    logits = resnet.eval()(image).gather(1, target[:, None])[:, 0].detach()
    torch.testing.assert_close(relevance, logits, rtol=1e-2, atol=1e-3)


@pytest.mark.parametrize("method", [DeepLift, IntegratedGradients])
def test_contributions_add_up_to_the_change_of_the_logit(encoder, image, target, method):
    total = PostHoc(method, encoder, baselines=-1.0).attribute(image, target).flatten(1).sum(1)
    with torch.no_grad():
        change = (encoder(image) - encoder(torch.full_like(image, -1.0))).gather(1, target[:, None])[:, 0]
    torch.testing.assert_close(total, change, rtol=2e-2, atol=2e-4)


@pytest.fixture
def linear(image: Tensor) -> nn.Sequential:
    """A linear classifier, of which every contribution is known."""
    return nn.Sequential(nn.Flatten(), nn.Linear(image[0].numel(), 3))


def test_contributions_to_a_linear_classifier_are_weight_times_difference(linear, image, target):
    weight = linear[1].weight[target].view_as(image).detach()
    for method in (IntegratedGradients, DeepLift):
        maps = PostHoc(method, linear, baselines=0.25).attribute(image, target)
        torch.testing.assert_close(maps, weight * (image - 0.25))


def test_occlusion_of_a_pixel_from_a_linear_classifier_is_its_contribution(spatial_dims):
    linear = nn.Sequential(nn.Flatten(), nn.Linear(3**spatial_dims, 2))
    image = torch.rand(2, 1, *[3] * spatial_dims)
    maps = PostHoc(Occlusion, linear, window=1, stride=1, baseline=0.25, chunk_size=5).attribute(image, torch.tensor([0, 1]))
    torch.testing.assert_close(maps, linear[1].weight.view_as(image).detach() * (image - 0.25))


def test_guidance_keeps_positive_gradients_alone():
    network = nn.Sequential(nn.Linear(2, 2, bias=False), nn.LeakyReLU(0.1), nn.Linear(2, 1, bias=False))
    network[0].weight.data, network[2].weight.data = torch.tensor([[1.0, 2.0], [4.0, 8.0]]), torch.tensor([[1.0, -1.0]])
    maps = PostHoc(GuidedBackprop, network).attribute(torch.tensor([[1.0, 1.0], [-1.0, -1.0]]), torch.tensor([0, 0]))
    torch.testing.assert_close(maps, torch.tensor([[1.0, 2.0], [0.1, 0.2]]))


def test_a_layer_is_found_by_its_name(encoder, resnet):
    assert GradCAM(encoder, "encoder.trunk").method.layer is encoder.encoder.trunk
    assert GradCAM(resnet, "layer4.0").method.layer is resnet.layer4[0]
    with pytest.raises(ValueError, match="layer must be one of conv1, .*got ''"):
        GradCAM(resnet, "")


def test_mistakes_get_one_sentence(resnet, encoder, image, target):
    with pytest.raises(ValueError, match=r"target must be one class for each of 4 scans, got shape \(2,\)"):
        PostHoc(GuidedBackprop, resnet).attribute(image, target[:2])
    with pytest.raises(ValueError, match="layer must be one of .*layer4.*, got 'layer5'"):
        GradCAM(resnet, "layer5")
    with pytest.raises(ValueError, match=r"1 <= stride <= window <= .*, the image's size in voxels, .*got stride \(4, "):
        PostHoc(Occlusion, resnet, window=64, stride=4).attribute(image, target)
    with pytest.raises(ValueError, match="has no rule for layers of type LeakyReLU: leave it out of methods"):
        LayerWiseRelevance(encoder)
