"""Writing a part of a network in a format, and running the file that was written."""

import logging
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor
from torch.export import Dim, ExportedProgram

from bundle.export.parts import Part, as_list

Run = Callable[..., list[Tensor]]  # from the inputs of a part to its outputs
ONNX_PACKAGES = ("onnx", "onnxscript", "onnxruntime")
OPSET = 20  # of ONNX: the first whose GridSample takes volumes


class Format(NamedTuple):
    """A file format.

    Attributes:
        suffix: of its files.
        save: writes a part to a path; takes the part and what torch.export made of it.
        load: returns the function that a file computes.
    """

    suffix: str
    save: Callable[[Part, ExportedProgram, Path], object]
    load: Callable[[Path], Run]


def capture(part: Part, inputs: Sequence[Tensor]) -> ExportedProgram:
    """Return the program of a part, for batches of any size (https://docs.pytorch.org/docs/stable/export.html).

    Args:
        part: part of a network.
        inputs: an example of its inputs, of at least two scans: a batch of one would be taken for a constant.
    """
    batch = Dim("batch")
    return torch.export.export(part.module, tuple(inputs), dynamic_shapes=tuple({0: batch} for _ in inputs))


def check_formats(formats: Sequence[str]) -> None:
    """Refuse formats that are unknown, or whose packages are absent.

    Args:
        formats: names.

    Raises:
        ValueError: When a format is not in `FORMATS`, or is ONNX without its packages.
    """
    known = ", ".join(FORMATS)
    if not formats or (unknown := [name for name in formats if name not in FORMATS]):
        raise ValueError(f"export_formats must be of {known}, got {unknown[0] if formats else 'none'}")
    if "onnx" in formats and (absent := [name for name in ONNX_PACKAGES if find_spec(name) is None]):
        raise ValueError(
            f'export_formats has onnx, which needs the package {absent[0]}: pip install -c constraints.txt ".[export]",'
            " or leave onnx out"
        )


def _save_onnx(part: Part, program: ExportedProgram, path: Path) -> None:
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # it warns of torchvision's absence, file by file
    torch.onnx.export(
        program,
        f=path,
        input_names=part.inputs,
        output_names=part.outputs,
        opset_version=OPSET,
        dynamo=True,
        external_data=False,
        verbose=False,
    )


def _load_onnx(path: Path) -> Run:
    from onnxruntime import InferenceSession  # not needed by those who write no ONNX

    session = InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [entry.name for entry in session.get_inputs()]

    def run(*inputs: Tensor) -> list[Tensor]:
        feed = {name: tensor.numpy() for name, tensor in zip(names, inputs, strict=True)}
        return [torch.from_numpy(array) for array in session.run(None, feed)]

    return run


def _as_run(module: Callable) -> Run:
    return lambda *inputs: as_list(module(*inputs))


FORMATS = {
    "torchscript": Format(
        ".ts",
        lambda part, program, path: torch.jit.script(part.module).save(str(path)),
        lambda path: _as_run(torch.jit.load(str(path))),
    ),
    "onnx": Format(".onnx", _save_onnx, _load_onnx),
    "torch_export": Format(
        ".pt2",
        lambda part, program, path: torch.export.save(program, path),
        lambda path: _as_run(torch.export.load(path).module()),
    ),
}
