"""Formats, and their files in other batches than they were written and compared with."""

import pytest
import torch
from tiny_export import Exported

from bundle.export import split_network
from bundle.export.formats import FORMATS, check_formats


@pytest.mark.parametrize("name", FORMATS)
def test_files_compute_what_the_network_does_for_any_batch(exported: Exported, name: str) -> None:
    parts = split_network(exported.parser.get_parsed_content("network"))
    image = torch.rand(5, 1, *exported.parser["image_size"]) * 2 - 1
    with torch.no_grad():
        content, mean, _ = parts["encoder"].compute(image)
        inputs = {"image": image, "content": content, "attribute": torch.randn_like(mean)}
        for part_name, part in parts.items():
            run = FORMATS[name].load(exported.folder / f"{part_name}{FORMATS[name].suffix}")
            given = [inputs[key] for key in part.inputs]
            for got, wanted in zip(run(*given), part.compute(*given), strict=True):
                torch.testing.assert_close(got, wanted, atol=1e-4, rtol=1e-4)
                assert wanted.std() > 1e-3


def test_onnx_names_the_inputs_and_outputs_of_a_part(exported: Exported) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    for name, part in split_network(exported.parser.get_parsed_content("network")).items():
        session = onnxruntime.InferenceSession(exported.folder / f"{name}.onnx")
        assert tuple(entry.name for entry in session.get_inputs()) == part.inputs
        assert tuple(entry.name for entry in session.get_outputs()) == part.outputs


def test_formats_that_cannot_be_written_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="must be of torchscript, onnx, torch_export, got tflite"):
        check_formats(["onnx", "tflite"])
    with pytest.raises(ValueError, match="got none"):
        check_formats([])
    monkeypatch.setattr("bundle.export.formats.ONNX_PACKAGES", ("onnx", "a_package_that_is_absent"))
    with pytest.raises(ValueError, match="needs the package a_package_that_is_absent: pip install -c constraints.txt"):
        check_formats(list(FORMATS))
    check_formats(["torchscript", "torch_export"])
