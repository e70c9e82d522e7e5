"""The Python interface gives what `configs/inference.yaml` gives."""

from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pandas as pd
import pytest
from monai.bundle import ConfigParser
from tiny_scans import run

import bundle
from bundle.data import LoadScan
from bundle.trained_network import TrainedNetwork


def test_numbers_are_those_of_the_command(trained_network: TrainedNetwork, scans: Path, tmp_path: Path) -> None:
    settings = {"num_samples": 4, "mirror_axis": 0, "seed": 3}
    reference = scans / "sub-1.nii.gz"
    parser = ConfigParser()
    parser.read_config(bundle.CONFIGS / "inference.yaml")
    paths = {"dataset_dir": str(scans), "output_dir": str(tmp_path / "maps"), "reference_scan": str(reference)}
    parser.update({**trained_network.changes, **settings, **paths, "overviews": False})
    run(parser)
    table = pd.read_csv(tmp_path / "maps" / "predictions.csv").set_index("name")
    for explanation in trained_network.explain_folder(scans, reference_scan=reference, **settings):
        row = table.loc[explanation.name]
        assert (explanation.predicted_class, explanation.target_class) == (row["predicted_class"], row["target_class"])
        np.testing.assert_allclose(explanation.probabilities, row[["probability_0", "probability_1"]].astype(float), atol=1e-6)
        for name in ("fa_mean", "fa_variance", "fa_exemplar", "translated"):
            expected = nibabel.load(tmp_path / "maps" / f"{explanation.name}_{name}.nii.gz")
            image = getattr(explanation, name)
            np.testing.assert_array_equal(image.get_fdata(), expected.get_fdata())
            np.testing.assert_array_equal(image.affine, explanation.scan.affine)
            assert image.shape == explanation.scan.shape
        assert explanation.fa_low is None
        assert explanation.fa_value is None


def test_files_and_folders_may_have_any_name(trained_network: TrainedNetwork, scans: Path, tmp_path: Path) -> None:
    folder = scans.rename(tmp_path / "Study #1 @home")
    (folder / "sub-0.nii.gz").rename(folder / "M\udcfcller.nii.gz")
    explanation = trained_network.explain(folder / "sub-1.nii.gz", 2, reference_scan=folder / "M\udcfcller.nii.gz")
    assert explanation.fa_exemplar is not None
    names = [each.name for each in trained_network.explain_folder(folder, 2)]
    assert names == ["M\udcfcller", "sub-1"] or names == ["sub-1", "M\udcfcller"]


def test_what_is_doubtful_about_a_scan_is_passed_on(
    trained_network: TrainedNetwork, scans: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = LoadScan.__call__

    def doubt(load: LoadScan, path: str) -> Any:
        image = read(load, path)
        image.meta["warnings"] = [f"{path} has no orientation"]
        return image

    assert trained_network.explain(scans / "sub-0.nii.gz", 2).warnings == []
    monkeypatch.setattr(LoadScan, "__call__", doubt)
    with pytest.warns(UserWarning, match=r"^the scan: the scan has no orientation$"):
        trained_network.explain(nibabel.load(scans / "sub-0.nii.gz"), 2)
    with pytest.warns(UserWarning, match=r"sub-0\.nii\.gz has no orientation$"):
        (first, second) = trained_network.explain_folder(scans, 2)
    assert first.warnings == [f"{scans / 'sub-0.nii.gz'} has no orientation"] and len(second.warnings) == 1


def test_a_file_an_image_and_an_array_are_explained_alike(trained_network: TrainedNetwork, scans: Path) -> None:
    path = scans / "sub-0.nii.gz"
    image = nibabel.load(path)
    first, *others = (
        trained_network.explain(scan, 2) for scan in (path, str(path), image, (np.asarray(image.dataobj), image.affine))
    )
    for other in others:
        np.testing.assert_array_equal(first.fa_mean.get_fdata(), other.fa_mean.get_fdata())
        np.testing.assert_array_equal(first.probabilities, other.probabilities)


def test_a_scan_that_fails_is_left_out_with_a_warning(trained_network: TrainedNetwork, scans: Path) -> None:
    (scans / "broken.nii.gz").write_bytes(b"no image")
    with pytest.warns(UserWarning, match=r"broken.nii.gz is left out: .* cannot be read as NIfTI"):
        explained = [explanation.name for explanation in trained_network.explain_folder(scans, 2)]
    assert explained == ["sub-0", "sub-1"]
    with pytest.raises(ValueError, match="cannot be read as NIfTI"):
        trained_network.explain(scans / "broken.nii.gz", 2)


def test_what_is_not_accepted_is_refused_with_one_sentence(trained_network: TrainedNetwork, scans: Path) -> None:
    path = scans / "sub-0.nii.gz"
    with pytest.raises(ValueError, match="nun_samples is no setting of an explanation: .*did you mean num_samples"):
        trained_network.explain(path, nun_samples=3)
    for settings in ({"checkpoint": "other.pt"}, {"image_size": [64, 64]}, {"output_dir": "elsewhere"}):
        with pytest.raises(ValueError, match="is no setting of an explanation: accepted are target_value, reference_scan"):
            trained_network.explain(path, **settings)
    for settings in ({"num_samples": 0}, {"num_samples": 2.5}, {"seed": "x"}, {"chunk_size": 0}):
        with pytest.raises(ValueError, match=f"{next(iter(settings))} must be a whole number of at least"):
            trained_network.explain(path, **settings)
    with pytest.raises(ValueError, match="prepare must be True or False, got 'yes'"):
        trained_network.explain(path, prepare="yes")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="target must be a class, 0 to 1"):
        trained_network.explain(path, target=5)
    with pytest.raises(ValueError, match=r"scan must be a NIfTI file, a nibabel image, or \(array, affine\), got list"):
        trained_network.explain([1, 2])  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="the affine must have an inverse"):
        trained_network.explain((np.ones((8, 8, 8)), np.zeros((4, 4))))
    with pytest.raises(ValueError, match="the array must hold real numbers, got complex128"):
        trained_network.explain((np.ones((8, 8, 8), complex), np.eye(4)))
    with pytest.raises(ValueError, match=r"reference must be .*1/0"):  # a text, and no code
        trained_network.explain(path, 2, reference="$1/0")
    with pytest.raises(ValueError, match="checkpoint must be the name of a network or a file, got None"):
        bundle.load(None)  # type: ignore[arg-type]
    with pytest.raises(FileNotFoundError, match="nowhere does not exist"):
        trained_network.explain_folder(scans / "nowhere")  # before it is iterated
    with pytest.raises(ValueError, match="scans is a folder: explain takes one scan, explain_folder all scans of a folder"):
        trained_network.explain(scans)
    for affine in (None, np.eye(3)):
        with pytest.raises(ValueError, match="the affine must be a 4x4 matrix from voxels to mm, got"):
            trained_network.explain((np.ones((8, 8, 8)), affine))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="^the scan is constant"):
        trained_network.explain((np.ones((8, 8, 8)), np.eye(4)))
    (scans / "file").touch()
    with pytest.raises(OSError, match="file cannot be written to"):
        trained_network.explain(path, 2).save(scans / "file")
    with pytest.raises(FileNotFoundError, match="checkpoint conversio does not exist: give a file, or one of lesions"):
        bundle.load("conversio")
    with pytest.raises(ValueError, match=f"checkpoint {scans} is a folder: give the file of a trained network"):
        bundle.load(scans)
    with pytest.raises(FileNotFoundError, match="overlay volume does not exist"):
        bundle.load("conversion", overlays=["volume"])
    with pytest.raises(ValueError, match=r"overlays must be a list, such as \['volumes'\], got 'volumes'"):
        bundle.load("conversion", overlays="volumes")
    for content, message in (("num_sampels: 3", "did you mean num_samples"), ("checkpointing: true", "it is called activation_")):
        (scans / "mine.yaml").write_text(content)
        with pytest.raises(ValueError, match=f"mine.yaml has the key .*{message}"):
            bundle.load("lesions", overlays=[scans / "mine.yaml"])
    (scans / "mine.yaml").write_text("- 1")
    with pytest.raises(ValueError, match="mine.yaml holds no keys"):
        bundle.load("lesions", overlays=[scans / "mine.yaml"])
    with pytest.raises(ValueError, match="device gpu is not available: accepted here (is|are) cpu"):
        bundle.load("lesions", device="gpu")


@pytest.mark.parametrize("name", ["lesions", "conversion", "ageing"])
def test_networks_of_the_bundle_are_loaded_with_their_overlays(name: str) -> None:
    encoder = bundle.load(name, device="cpu").network.attribute_encoder
    assert len(encoder.image_size) == (2 if name == "lesions" else 3)
    assert (encoder.regressor is not None) == (name == "ageing")
