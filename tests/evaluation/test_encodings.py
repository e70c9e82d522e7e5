import pytest
import torch

from bundle.evaluation import encodings
from bundle.evaluation.encodings import encode_images
from tests.tiny_evaluation import build_split


@pytest.mark.parametrize("spatial_dims", [2, 3])
def test_encodings_are_those_of_single_scans_whatever_the_batch_size(spatial_dims, make_cohort, make_network):
    network, cohort = make_network(spatial_dims), make_cohort(spatial_dims)
    batched = encode_images(network, build_split(cohort, batch_size=3).stack_all(""))
    with torch.inference_mode():
        latents = [network.eval().encode(cohort.test[i]["image"][None]) for i in range(len(cohort.test))]
    content = torch.cat([latent.content for latent in latents])
    torch.testing.assert_close(batched.attribute, torch.cat([latent.mean for latent in latents]))
    torch.testing.assert_close(batched.content, content.flatten(1))
    torch.testing.assert_close(batched.pooled, content.flatten(2).mean(2))
    assert batched.probabilities.sum(1).tolist() == pytest.approx([1.0] * len(cohort.test))


@pytest.mark.parametrize("spatial_dims", [2, 3])
def test_large_contents_are_averaged_over_neighbours(spatial_dims, make_cohort, make_network, monkeypatch):
    network, cohort = make_network(spatial_dims), make_cohort(spatial_dims)
    whole = encode_images(network, build_split(cohort).stack_all(""))
    monkeypatch.setattr(encodings, "LARGEST_CONTENT", whole.content.shape[1] - 1)
    halved = encode_images(network, build_split(cohort).stack_all(""))
    assert halved.content.shape[1] == whole.content.shape[1] // 2**spatial_dims
    torch.testing.assert_close(halved.content.mean(1), whole.content.mean(1))
