import pytest
import torch
from torch import nn

from bundle.evaluation.faithfulness import IndependentClassifier


@pytest.mark.parametrize("spatial_dims", [2, 3])
def test_probabilities_are_the_readout_of_the_features_whatever_the_batch_size(spatial_dims):
    network = nn.Sequential(nn.Flatten(), nn.Linear(4**spatial_dims, 5), nn.ReLU(), nn.Dropout(0.5), nn.Linear(5, 3))
    image = torch.rand(7, 1, *[4] * spatial_dims)
    probabilities, features = IndependentClassifier(network, batch_size=2).predict(image)
    expected = (features.float() @ network[-1].weight.T + network[-1].bias).softmax(1)
    assert features.shape == (7, 5) and torch.allclose(probabilities.float(), expected, atol=1e-6)
    assert torch.allclose(IndependentClassifier(network, batch_size=7).predict(image)[0], probabilities, atol=1e-6)
    assert network.training and not network[-1]._forward_pre_hooks


def test_a_network_without_a_linear_layer_raises():
    with pytest.raises(ValueError, match="the classifier needs a linear layer"):
        IndependentClassifier(nn.Conv2d(1, 2, 3))
