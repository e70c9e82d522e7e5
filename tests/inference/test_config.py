"""The committed config, as MONAI's tools read it."""

import inspect
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import torch
from monai.bundle import ConfigParser, ConfigWorkflow
from monai.data import decollate_batch
from monai.transforms import Invertd
from processes import run_python
from tiny_scans import ROOT, run

from bundle.networks import ICAM

Make = Callable[..., ConfigParser]

DATA = ("spatial_dims", "image_size", "pixdim", "plane", "percentile", "headroom", "num_classes")
NETWORK = ("content_encoder", "attribute_encoder", "generator", "network_def")


def _config(name: str) -> dict[str, Any]:
    return ConfigParser.load_config_file(ROOT / "configs" / name)


@pytest.mark.parametrize("key", DATA + NETWORK)
def test_data_and_network_are_those_of_training(key: str) -> None:
    assert _config("inference.yaml")[key] == _config("train.yaml")[key]


def test_monai_finds_every_property_it_requires(scans: Path, make_parser: Make, tmp_path: Path) -> None:
    config = make_parser().get()
    (tmp_path / "inference.json").write_text(json.dumps(config))
    (tmp_path / "metadata.json").write_text(json.dumps({"version": "0", "monai_version": "0", "pytorch_version": "0"}))
    meta = {
        "version": "0",
        "monai_version": "0",
        "pytorch_version": "0",
        "numpy_version": "0",
        "network_data_format": {},
    }
    (tmp_path / "metadata.json").write_text(json.dumps(meta))
    workflow = ConfigWorkflow(
        config_file=str(tmp_path / "inference.json"),
        meta_file=str(tmp_path / "metadata.json"),
        workflow_type="inference",
        logging_file=False,
    )
    workflow.initialize()
    assert workflow.check_properties() == []
    workflow.run()
    assert (tmp_path / "output" / "predictions.csv").is_file()


@pytest.mark.parametrize("name", ["sub-01/slice.nii.gz", "sub-02/volume.nii"])
def test_viewer_gets_a_map_of_one_channel_and_plain_numbers(scans: Path, make_parser: Make, name: str) -> None:
    """Go the way of MONAI Label: transform by transform, a copy of the network, one scan, no evaluator."""
    parser = make_parser()
    item: dict[str, Any] = {"image": str(scans / name), "image_path": str(scans / name), "device": "cpu"}
    for transform in parser.get_parsed_content("preprocessing").transforms:
        item = transform(item)
    with torch.no_grad():
        outputs = parser.get_parsed_content("inferer")(item["image"][None], parser.get_parsed_content("network"))
    item["pred"] = decollate_batch(outputs)[0]
    for transform in parser.get_parsed_content("postprocessing").transforms:
        item = transform(item)
    scan = nibabel.load(scans / name)
    assert item["pred"].shape == (1, *scan.shape)
    assert tuple(item["image"].meta["spatial_shape"]) == scan.shape
    np.testing.assert_array_equal(item["pred"].affine.numpy(), scan.affine)
    np.testing.assert_array_equal(item["image"].meta["original_affine"], scan.affine)
    assert set(json.loads(json.dumps(item["result"]))) == {"predicted_class", "probabilities", "target_class"}
    assert any(isinstance(transform, Invertd) for transform in parser.get_parsed_content("postprocessing").transforms)


def test_wrong_checkpoint_is_refused(scans: Path, make_parser: Make) -> None:
    make_parser()
    with pytest.raises(RuntimeError) as caught:
        make_parser(**{"content_encoder::channels": 3}).get_parsed_content("evaluator")
    assert "model.pt fits another architecture than the config's" in _causes(caught.value)


def test_empty_folder_is_refused_at_once(make_parser: Make, tmp_path: Path) -> None:
    (tmp_path / "scans").mkdir()
    with pytest.raises(RuntimeError) as caught:
        make_parser().get_parsed_content("evaluator")
    assert "holds no scan: accepted are files ending in .nii, .nii.gz" in _causes(caught.value)
    assert not (tmp_path / "output").exists()


@pytest.mark.parametrize("entry", ["evaluating", "interpolation", "export"])
def test_a_folder_that_cannot_be_written_to_is_refused_at_once(
    scans: Path, make_parser: Make, tmp_path: Path, entry: str
) -> None:
    (tmp_path / "file").write_text("mine")
    parser = make_parser(output_dir=str(tmp_path / "file" / "output"), source_scan=str(scans / "flat.nii.gz"))
    with pytest.raises(RuntimeError) as caught:
        run(parser, entry)
    assert "output cannot be written to (not a directory): give another output_dir" in _causes(caught.value)


@pytest.mark.parametrize("overlays", [[], ["volumes", "conversion"]], ids=["slices", "volumes"])
def test_every_layer_is_compiled_by_tensorrt_and_without_it_the_network_stays(overlays: list[str]) -> None:
    """Compiled parts take one tensor, so that the number of attributes for each content is no part of an engine."""
    parser = ConfigParser()
    parser.read_config([str(ROOT / "configs" / f"{name}.yaml") for name in ("inference", *overlays, "inference_trt")])
    parser.update({"bundle_root": str(ROOT), "device": "cpu"})
    network, parts = parser.get_parsed_content("network"), parser.get_parsed_content("network#submodule")
    assert isinstance(network, ICAM)
    assert all(name.startswith(tuple(f"{part}." for part in parts)) for name, _ in network.named_parameters())
    assert all(len(inspect.signature(network.get_submodule(part).forward).parameters) == 1 for part in parts)


@pytest.mark.slow
def test_command_line_ends_with_status_1_when_a_scan_failed(scans: Path, make_parser: Make, tmp_path: Path) -> None:
    (scans / "broken.nii.gz").write_bytes(b"no image")
    (tmp_path / "tiny.json").write_text(json.dumps(make_parser().get()))
    done = run_python(["-m", "monai.bundle", "run", "--config_file", tmp_path / "tiny.json"])
    assert done.returncode == 1
    assert "1 of 5 scans failed, the others are done" in done.stdout.splitlines()[-1]
    assert len(list((tmp_path / "output").rglob("*_fa_mean.nii.gz"))) == 4


def _causes(error: BaseException | None) -> str:
    """Return the messages of an error and of all that caused it."""
    return f"{error} {_causes(error.__cause__)}" if error else ""
