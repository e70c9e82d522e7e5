"""Attributes that are drawn for a translation; its other parts are tested with the objective."""

import pytest
import torch
from scipy.stats import kstest
from torch import nn

from bundle.networks import ICAM, Discriminators
from bundle.sampling import draw_latents
from bundle.training.translation import Translation


def test_draws_are_of_the_target_class(network: ICAM) -> None:
    target = torch.tensor([0, 1, 1])
    draws = draw_latents(network, target, num_samples=5)
    assert draws.shape == (3, 5, *network.attribute_encoder.latent_shape)
    assert torch.equal(network.classify(draws.flatten(0, 1)).argmax(1), target.repeat_interleave(5))


def test_without_a_classifier_draws_are_standard_normal_whatever_the_class(make_network) -> None:
    network = make_network(classification=False)
    draws = [draw_latents(network, torch.full((50,), k), 40, generator=torch.Generator().manual_seed(1)) for k in (0, 1)]
    assert torch.equal(*draws)
    assert kstest(draws[0].flatten().numpy(), "norm").pvalue > 0.01


def test_without_a_classifier_a_batch_is_translated_but_not_classified(make_network, image, labels) -> None:
    translation = Translation(make_network(classification=False), Discriminators(nn.Identity(), nn.Identity()), image, labels)
    assert translation.translated.shape == (8, *image.shape[1:])
    assert torch.equal(translation.attribute_classes, 1 - labels)  # of the exemplars alone
    with pytest.raises(ValueError, match="built with classification=True"):
        _ = translation.logits
