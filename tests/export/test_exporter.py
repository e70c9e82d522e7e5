"""The run id export: what it writes, and what it refuses to write."""

from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_export import Exported

from bundle.attribution import MixtureSource, PriorSource
from bundle.export import Exporter, Part
from bundle.export.exporter import compare
from bundle.export.formats import FORMATS
from bundle.export.parts import split_network


def test_every_output_of_every_part_and_format_is_compared(exported: Exported) -> None:
    table = exported.differences
    parts = split_network(exported.parser.get_parsed_content("network"))
    rows = {(name, part, output) for name in FORMATS for part in parts for output in parts[part].outputs}
    assert set(table[["format", "part", "output"]].itertuples(index=False, name=None)) == rows
    assert len(table) == len(rows)
    assert (table["largest"] > 1e-3).all()
    assert (table["difference"] <= 1e-4 * table["largest"].clip(lower=1)).all()


def test_the_attributes_are_those_that_inference_draws(exported: Exported) -> None:
    source = MixtureSource(exported.parser.get_parsed_content("network"), num_samples=4)
    saved = np.load(exported.folder / "attributes.npy")
    np.testing.assert_array_equal(saved, np.stack([source.draw(label).values for label in (0, 1)]))


def test_three_scans_are_compared_and_two_are_repeated(exported: Exported) -> None:
    image = np.load(exported.folder / "image.npy")
    assert image.shape == (3, 1, *exported.parser["image_size"])
    np.testing.assert_array_equal(image[2], image[0])
    assert not np.array_equal(image[1], image[0])


def test_nothing_unfinished_is_left(exported: Exported) -> None:
    assert len(list(exported.folder.iterdir())) == len(FORMATS) * (5 if exported.parser["regression"] else 4) + 3


def test_comparison_finds_the_largest_difference_and_what_is_not_a_number() -> None:
    part = Part(torch.nn.ReLU(), ("image",), ("pred",))
    image = torch.tensor([[0.0], [-1.0], [3.0]])
    (row,) = compare(part, lambda tensor: [tensor], [image])
    assert row == {"output": "pred", "largest": 3.0, "difference": 1.0}
    (row,) = compare(part, lambda tensor: [tensor * torch.nan], [image])
    assert np.isnan(row["difference"])


def test_a_file_that_does_not_compute_what_the_network_does_is_not_written(exported: Exported, tmp_path: Path) -> None:
    network = exported.parser.get_parsed_content("network_def", instantiate=True)
    parts = {key: exported.parser.get_parsed_content(key) for key in ("dataset#data", "preprocessing")}
    exporter = Exporter(PriorSource(network), *parts.values(), tmp_path, formats=["torchscript"], tolerance=-1.0)
    with pytest.raises(ValueError, match="encoder.ts was not written: its output content differs from PyTorch's by 0,"):
        exporter.run()
    assert list(tmp_path.iterdir()) == []
