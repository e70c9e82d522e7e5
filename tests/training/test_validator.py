"""What validation compares a map with, and that its figures are those of the maps."""

import pytest
import torch

from bundle.attribution import EncodedScans, exemplar_maps
from bundle.metrics import compute_ncc
from bundle.networks import ICAM
from bundle.structures import Attributes
from bundle.training import ICAMValidator, direction
from bundle.training.validator import true_change


@pytest.fixture
def batch(image: torch.Tensor, labels: torch.Tensor) -> dict[str, torch.Tensor]:
    """Two controls and two diseased scans, whose parcels 1 and 2 lie in two rows of voxels; the first has parcel 1 only."""
    parcels = torch.zeros_like(image)
    parcels[:, :, 1], parcels[:, :, 2] = 1, 2
    mask = torch.zeros_like(image)
    mask[2, :, 1] = 1
    mask[3, :, 1:3] = 1
    return {"image": image, "label": labels, "mask": mask, "parcel_map": parcels}


def test_a_diseased_scan_loses_its_lesions_and_a_control_gains_the_parcels_of_its_partner(batch: dict) -> None:
    truth = true_change(batch, torch.tensor([2, 3, 0, 1]))
    assert torch.equal(truth[2:], batch["mask"][2:])
    assert torch.equal(truth[0], (batch["parcel_map"][0] == 1).float())
    assert torch.equal(truth[1], (batch["parcel_map"][1] > 0).float())


def test_without_parcels_a_control_is_compared_with_the_mask_of_its_partner(batch: dict) -> None:
    del batch["parcel_map"]
    truth = true_change(batch, torch.tensor([3, 2, 1, 0]))
    assert torch.equal(truth[:2], batch["mask"][[3, 2]])


def test_output_is_what_exemplar_maps_give(network: ICAM, batch: dict) -> None:
    validator = ICAMValidator("cpu", [batch], network)
    validator.run()
    output = validator.state.output
    scans, mean = EncodedScans(network, batch["image"]), network.encode(batch["image"]).mean.detach()
    expected = exemplar_maps(scans, Attributes(mean[[2, 3, 0, 1]]), batch["label"][[2, 3, 0, 1]])
    torch.testing.assert_close(output["pred"], expected.mean)
    torch.testing.assert_close(output["logits"], network.classify(mean))
    maps, truth = direction(1)(output)
    torch.testing.assert_close(compute_ncc(maps, truth), compute_ncc(expected.mean[2:], batch["mask"][2:]))


def test_the_mirrored_map_is_that_of_the_mirrored_scans_turned_back(network: ICAM, batch: dict) -> None:
    outputs = []
    for image in (batch["image"], batch["image"].flip(3)):
        validator = ICAMValidator("cpu", [{"image": image, "label": batch["label"]}], network, mirror_axis=1)
        validator.run()
        outputs.append(validator.state.output)
    torch.testing.assert_close(outputs[0]["mirrored"], outputs[1]["pred"].flip(3))
    assert not torch.allclose(outputs[0]["mirrored"], outputs[0]["pred"])


def test_a_network_without_a_classifier_gives_maps_and_no_logits(make_network, batch: dict) -> None:
    validator = ICAMValidator("cpu", [batch], make_network(classification=False))
    validator.run()
    assert validator.state.output["logits"].shape == (4, 0)
    assert validator.state.output["pred"].shape == batch["image"].shape


def test_a_cohort_without_masks_has_no_ncc(network: ICAM, batch: dict) -> None:
    validator = ICAMValidator("cpu", [{key: batch[key] for key in ("image", "label")}], network)
    validator.run()
    assert compute_ncc(validator.state.output["pred"], validator.state.output["truth"]).isnan().all()


def test_a_disease_map_is_the_truth_in_both_directions(batch: dict) -> None:
    disease_map = torch.randn_like(batch["image"])
    assert torch.equal(true_change(batch | {"disease_map": disease_map}, torch.tensor([2, 3, 0, 1])), disease_map)


def test_the_regressed_value_is_that_of_the_attribute(make_network, batch: dict) -> None:
    network = make_network(regression=True)
    values = torch.tensor([-1.0, 0.5, 0.0, 2.0])
    validator = ICAMValidator("cpu", [batch | {"value": values}], network)
    validator.run()
    predicted = network.attribute_encoder.regress(network.encode(batch["image"]).mean)
    torch.testing.assert_close(validator.state.output["predicted_value"], predicted)
    assert torch.equal(validator.state.output["value"], values)
