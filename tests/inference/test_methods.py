"""What a run says of itself: the sidecar of an image, and the paragraph to copy."""

import hashlib
from pathlib import Path
from typing import Any

import pytest
from tiny_trained_network import build_trained_network

from bundle import MODELS
from bundle.cautions import list_cautions
from bundle.data.discovery import IMAGES
from bundle.inference.methods import Methods, name_network, read_network
from bundle.records import read_version

SETTINGS: dict[str, Any] = {
    "seed": 3, "num_samples": 20, "attribute_source": "mixture", "threshold": 0.6, "shift": 0, "reference": "reconstruction",
    "image_size": [96, 112], "pixdim": 2.0, "plane": 15.0, "percentile": 99.5, "headroom": 1.0, "prepare": False,
}  # fmt: skip
RESULT = {"predicted_class": 0, "target_class": 1}


def write(folder: Path, checkpoint: Path = MODELS / "conversion.pt", **changes: Any) -> str:
    Methods(checkpoint, {**SETTINGS, **changes}).write(folder)
    return " ".join((folder / "CITATION.md").read_text().split())


@pytest.mark.parametrize("key", IMAGES)
def test_a_sidecar_names_image_unit_model_and_settings(key: str) -> None:
    fields = Methods(MODELS / "conversion.pt", {**SETTINGS, "target_value": 70}).describe(RESULT, key)
    digest = hashlib.sha256((MODELS / "conversion.pt").read_bytes()).hexdigest()
    assert fields["Model"] == {
        "Name": "conversion", "Version": read_version(), "SHA256": digest, "TrainedOn": "simulated conversion",
    }  # fmt: skip
    assert fields["PredictedClass"] == {"Label": 0, "Name": "MCI"}
    assert fields["Settings"]["threshold"] == 0.6 and fields["Settings"]["seed"] == 3
    assert fields["Units"].startswith("intensity of the scan") == key.startswith("translated")
    assert ("TargetClass" in fields) == (key not in ("fa_exemplar", "fa_value", "translated_value"))
    assert fields.get("TargetClass", {"Name": "AD"})["Name"] == "AD"
    assert ("70 years" in fields["Description"]) == ("TargetAge" in fields) == ("value" in key)


def test_the_paragraph_says_what_was_done_and_nothing_else(tmp_path: Path) -> None:
    text = write(tmp_path)
    assert "The network was conversion (" in text and "trained on simulated conversion. Its classes are 0 MCI, 1 AD." in text
    assert "a grid of 96 x 112 voxels of 2.0 mm; of volumes, the axial slice at z = 15.0 mm was taken." in text
    assert "translated to its most likely class other than the predicted one: 20 attributes were drawn from the dist" in text
    assert "(seed 3), such that the probability of the target class exceeds 0.6" in text
    assert not any(word in text for word in ("prepared", "mirror", "years", "Vovk", "reference scan", "Tustison", "None", "{"))


def test_the_paragraph_names_the_controls_of_z_scores(tmp_path: Path) -> None:
    Methods(MODELS / "conversion.pt", SETTINGS, "They compare with 3 controls").write(tmp_path)
    assert "\nThey compare with 3 controls.\n" in (tmp_path / "CITATION.md").read_text()


def test_the_network_of_results_is_read_as_it_was_written(tmp_path: Path) -> None:
    methods = Methods(MODELS / "conversion.pt", SETTINGS)
    methods.write_network(tmp_path)
    found = read_network(tmp_path)
    assert found == {**methods.model, "Classes": ["MCI", "AD"], "Cautions": list_cautions(MODELS / "conversion.pt")}
    assert name_network(found) in write(tmp_path) and read_network(tmp_path / "elsewhere") == {}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"target": 0}, "translated to MCI: 20"),
        ({"plane": None}, "voxels of 2.0 mm. Intensities"),
        ({"mirror_axis": 0, "shift": 2}, "averaged over mirror images and shifts by 2 voxels"),
        ({"target_value": 70}, "an age of 70 years"),
        ({"reference": "input"}, "translated scan minus the scan;"),
        ({"reference_scan": "0123"}, "attribute of a reference scan"),
        ({"calibration": "0123", "interval_level": 0.9}, "with the probability 0.9 are conformal (Vovk, 2012)"),
        ({"attribute_source": "prior"}, "drawn from the standard normal distribution"),
        ({"prepare": True, "preparation": {"brain_extraction": True, "voxel_size": 1.0}},
         "Scans were prepared: brain extraction by deepbet (Fisch et al., 2023), resampling to 1.0 mm."),
    ],
)  # fmt: skip
def test_each_setting_is_said(changes: dict[str, Any], expected: str, tmp_path: Path) -> None:
    assert expected in write(tmp_path, **changes)


def test_of_a_network_without_distributions_attributes_are_standard_normal(tmp_path: Path) -> None:
    build_trained_network(tmp_path, 2)  # whose distributions were not fitted
    text = write(tmp_path, tmp_path / "model.pt")
    assert "drawn from the standard normal distribution" in text and "The network was model.pt (unknown, SHA-256" in text


def test_writing_again_leaves_the_file_as_it_is(tmp_path: Path) -> None:
    write(tmp_path)
    before = (tmp_path / "CITATION.md").stat().st_mtime_ns
    write(tmp_path)
    assert (tmp_path / "CITATION.md").stat().st_mtime_ns == before
