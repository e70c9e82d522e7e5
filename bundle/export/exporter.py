"""Exporting a trained network, and comparing each file with the network on scans."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from bundle.attribution import PriorSource
from bundle.export.formats import FORMATS, Run, capture, check_formats
from bundle.export.parts import Part, split_network
from bundle.files import announce, check_writable, write_atomically
from bundle.inference import load_scan

BATCH_SIZES = (1, 3)  # that files are compared at; they are written from a batch of two


def compare(part: Part, run: Run, inputs: Sequence[Tensor]) -> list[dict[str, Any]]:
    """Compare a function with a part of a network, at each of `BATCH_SIZES`.

    Args:
        part: part of a network.
        run: what a file made of it computes.
        inputs: what the part takes, each of at least as many scans as the largest batch.

    Returns:
        For each output its name `output`, the `largest` absolute value of the part's and the largest absolute `difference`.
    """
    batches = [[tensor[:size] for tensor in inputs] for size in BATCH_SIZES]
    pairs = [(part.compute(*batch), run(*batch)) for batch in batches]
    rows = []
    for index, name in enumerate(part.outputs):
        largest = torch.stack([wanted[index].abs().max() for wanted, _ in pairs]).max()
        difference = torch.stack([(wanted[index] - got[index]).abs().max() for wanted, got in pairs]).max()  # NaN stays
        rows.append({"output": name, "largest": float(largest), "difference": float(difference)})
    return rows


class Exporter:
    """Write the parts of a network in other formats, each file only when it computes what the network does.

    Into the folder go `PART.SUFFIX` for each part and format; `attributes.npy`, the attributes that inference draws for each
    class (K, N, 1, H/16, W/16[, D/16]); `image.npy`, the network's input of the compared scans (3, 1, H, W[, D]); and
    `differences.csv`.

    Args:
        source: source of the attributes, and the trained network.
        scans: items with the path `image`; the first three are compared.
        preprocessing: the network's preprocessing.
        output_dir: folder to write to.
        formats: names of `FORMATS`.
        tolerance: largest accepted difference, as a share of the largest value of an output, or of 1 where that is less.
    """

    def __init__(
        self,
        source: PriorSource,
        scans: Sequence[Mapping[str, Any]],
        preprocessing: Callable[[Any], Any],
        output_dir: str | Path,
        formats: Sequence[str] = tuple(FORMATS),
        tolerance: float = 1e-4,
    ) -> None:
        self.source, self.network, self.scans, self.preprocessing = source, source.network, scans, preprocessing
        self.folder, self.formats, self.tolerance = Path(output_dir), formats, tolerance

    def run(self) -> pd.DataFrame:
        """Export and compare, on the CPU.

        Returns:
            Contents of `differences.csv`: for each format, part and output the largest absolute value and difference.

        Raises:
            OSError: When nothing can be written to the folder.
            ValueError: When a format is unknown or its packages are absent, a scan is not what the network takes, or a file
                computes something else than the network.
        """
        check_formats(self.formats)
        check_writable(self.folder)
        items = [self.scans[index % len(self.scans)] for index in range(max(BATCH_SIZES))]  # fewer scans are repeated
        scans: list[Any] = [load_scan(item["image"], self.preprocessing) for item in items]
        image = torch.stack([scan.as_tensor() for scan in scans])  # (3, 1, H, W[, D])
        drawn = [self.source.draw(label).values for label in range(len(self.network.class_attributes))]
        attributes = torch.stack(drawn).detach().cpu()
        rows: list[dict[str, Any]] = []
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # of PyTorch's own inner parts, file by file
            parts = split_network(self.network.cpu())
            content, mean, _ = parts["encoder"].compute(image)
            given = {"image": image, "content": content, "attribute": attributes[-1, :1].expand_as(mean)}
            for name, part in parts.items():
                rows += self._export(name, part, [given[key] for key in part.inputs])
        for file, array in (("attributes.npy", attributes), ("image.npy", image)):
            with write_atomically(self.folder / file) as temporary:
                np.save(temporary, array.numpy())
        table = pd.DataFrame(rows).sort_values("format", key=lambda names: names.map(list(FORMATS).index), kind="stable")
        with write_atomically(self.folder / "differences.csv") as temporary:
            table.to_csv(temporary, index=False, float_format="%.3g")
        print(table.to_string(index=False, float_format="{:.2g}".format))
        announce(self.folder, {
            **{f"*{FORMATS[key].suffix}": f"parts of the network, {key}" for key in self.formats},
            "attributes.npy": "drawn attributes",
            "image.npy": "scans, as the network takes them", "differences.csv": "differences from PyTorch",
        })  # fmt: skip
        return table

    def _export(self, name: str, part: Part, inputs: Sequence[Tensor]) -> list[dict[str, Any]]:
        """Write a part in each format and return the rows of its comparison."""
        program = capture(part, [tensor[:2] for tensor in inputs])
        rows = []
        for key in self.formats:
            path = self.folder / f"{name}{FORMATS[key].suffix}"
            with write_atomically(path) as temporary:
                FORMATS[key].save(part, program, temporary)
                compared = compare(part, FORMATS[key].load(temporary), inputs)
                for row in compared:
                    if not row["difference"] <= self.tolerance * max(1.0, row["largest"]):  # NaN is refused as well
                        raise ValueError(
                            f"{path} was not written: its output {row['output']} differs from PyTorch's by"
                            f" {row['difference']:.2g}, of values up to {row['largest']:.2g}, and export_tolerance is"
                            f" {self.tolerance}"
                        )
            rows += [{"format": key, "part": name, **row} for row in compared]
        return rows
