"""scripts/onnx_maps.py: maps without PyTorch."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_export import Exported
from tiny_scans import ROOT

from scripts.onnx_maps import explain

WITHOUT_TORCH = """
import sys
sys.modules.update(torch=None, monai=None, bundle=None)  # importing them is an error
import runpy
sys.argv.pop(0)
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def test_maps_are_those_of_inference(exported: Exported, tmp_path: Path) -> None:
    image, maps = exported.folder / "image.npy", tmp_path / "maps.npz"
    axis = exported.parser.get_parsed_content("mirror_axis")
    script = [ROOT / "scripts" / "onnx_maps.py", exported.folder, image, maps]
    script += [] if axis is None else ["--mirror_axis", str(axis)]  # of volumes
    subprocess.run([sys.executable, "-c", WITHOUT_TORCH, *script], check=True)
    network, scans = exported.parser.get_parsed_content("network"), torch.from_numpy(np.load(image))
    wanted = exported.parser.get_parsed_content("inferer")(scans, network)
    with torch.no_grad():
        wanted["pred"] = network(scans)
    with np.load(maps) as got:
        for key in ("probabilities", "target", "pred", "fa_mean", "fa_variance"):
            np.testing.assert_allclose(got[key], wanted[key].numpy(), atol=1e-4)
            assert got[key].shape == wanted[key].shape
        assert got["fa_mean"].std() > 1e-3
    assert list(tmp_path.iterdir()) == [maps]


def test_scans_of_another_grid_are_refused(exported: Exported) -> None:
    size = [16] * len(exported.parser["image_size"])
    with pytest.raises(ValueError, match=r"images must be float32, B of shape \[1, 32, 32.*got float32 of shape \[2, 1, 16, 16"):
        explain(exported.folder, np.zeros((2, 1, *size), np.float32))


def test_an_axis_that_scans_do_not_have_is_refused(exported: Exported) -> None:
    image = np.load(exported.folder / "image.npy")
    with pytest.raises(ValueError, match=f"mirror_axis must be one of 0 to {image.ndim - 3}, or left out for one view, got"):
        explain(exported.folder, image, image.ndim - 2)
