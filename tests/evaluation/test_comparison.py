import pytest
import torch

from bundle.evaluation import Evaluation


@pytest.mark.parametrize("spatial_dims", [2, 3])
def test_mirrored_views_are_given_what_mirrored_scans_are_encoded_to(spatial_dims, make_cohort, make_network, tmp_path):
    network, cohort = make_network(spatial_dims), make_cohort(spatial_dims)

    def compare(axis):
        settings = {"num_samples": 2, "draws": "bank", "mirror_axis": axis}
        return Evaluation(network, cohort.test, cohort.train, tmp_path, "tiny", **settings).comparison

    with torch.inference_mode():
        attribute = network.eval().attribute_encoder(torch.stack([row["image"] for row in cohort.test]))[0]
    before, both = (compare(axis).make_maps([1, 3], 0, attribute) for axis in (None, 0))
    for images in cohort.images.values():
        images["image"] = images["image"].flip(1)
    with torch.inference_mode():
        mirrored = network.attribute_encoder(torch.stack([row["image"] for row in cohort.test]))[0]
    after = compare(None).make_maps([1, 3], 0, mirrored)
    for name, image in both.items():
        torch.testing.assert_close(image, (before[name] + after[name].flip(2)) / 2, atol=1e-5, rtol=1e-4)
