"""Phenotypes of a tiny network, through the committed config."""

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from monai.bundle import ConfigParser
from tiny_scans import ROOT, TINY, make_affine, run, save_checkpoint, save_scan

from bundle.checkpoints import save_network
from bundle.errors import find_cause
from bundle.phenotypes.phenotypes import PAGE, RECORD, TABLE


def make_parser(folder: Path, spatial_dims: int, keep: bool = False, **settings: Any) -> ConfigParser:
    parser = ConfigParser()
    parser.read_config(ROOT / "configs" / "inference.yaml")
    parser.read_meta({"version": "0.0.0"})
    tiny = {**TINY, "bundle_root": str(folder), "dataset_dir": str(folder / "scans"), "output_dir": str(folder / "output")}
    tiny |= {"checkpoint": str(folder / "model.pt"), "device": "cpu", "spatial_dims": spatial_dims}
    tiny |= {"image_size": [32] * spatial_dims, "plane": 5.0 if spatial_dims == 2 else None, "phenotype_samples": 12}
    parser.update({**tiny, **settings})
    for number in range(3):
        save_scan(folder / "scans" / f"sub-{number}.nii.gz", (24, 28, 20), make_affine(), number)
    if keep:
        return parser
    save_checkpoint(parser, folder / "model.pt")
    checkpoint = torch.load(folder / "model.pt")
    if "distributions.means" not in checkpoint["model"]:
        return parser
    size = checkpoint["model"]["distributions.means"].shape[2]
    means = torch.zeros(2, 8, size)
    means[1, 1] = 20
    shares = torch.tensor([[1.0, 0, 0, 0, 0, 0, 0, 0], [0.75, 0.25, 0, 0, 0, 0, 0, 0]])
    checkpoint["model"] |= {"distributions.means": means, "distributions.weights": shares}
    torch.save(checkpoint, folder / "model.pt")
    return parser


@pytest.mark.parametrize("spatial_dims", [2, 3])
def test_table_and_page_have_modes_clusters_and_scans(spatial_dims: int, tmp_path: Path) -> None:
    parser = make_parser(tmp_path, spatial_dims, threshold=1e-9, num_modes=2)
    run(parser, "phenotypes")
    table = pd.read_csv(tmp_path / "output" / TABLE, sep="\t")
    assert list(table["name"]) == ["sub-0", "sub-1", "sub-2"]
    assert list(table.filter(regex="^mode_")) == ["mode_1", "mode_2"]
    np.testing.assert_allclose(table[["cluster_1", "cluster_2"]].sum(axis=1), 1)
    assert set(table["cluster"]) <= {1, 2} and np.isfinite(table.filter(regex="^mode_")).all(axis=None)
    text = (tmp_path / "output" / PAGE).read_text()
    assert text.count("<img ") == 4 and re.findall(r"<strong>(\w+ \d)</strong>", text) == [
        "Mode 1",
        "Mode 2",
        "Cluster 1",
        "Cluster 2",
    ]
    assert "75.0 % of the class" in text and "25.0 % of the class" in text and "where 99.9 % of their values lie below" in text
    assert len(re.findall(r'alt="(?:Mode|Cluster) \d\. Axial slice at z = ', text)) == 4 and "http://" not in text


def test_the_record_says_what_the_results_are_of_and_leaves_that_of_an_inference(tmp_path: Path) -> None:
    parser = make_parser(tmp_path, 2, threshold=1e-9, seed=5)
    about = {"class_names": ["MCI", "AD"], "cohort": "simulated toys"}
    save_network(tmp_path / "model.pt", parser.get_parsed_content("network"), about)
    (tmp_path / "output").mkdir()
    (tmp_path / "output" / "settings.json").write_text("of an inference")
    run(make_parser(tmp_path, 2, threshold=1e-9, seed=5, keep=True), "phenotypes")
    record = json.loads((tmp_path / "output" / RECORD).read_text())
    digest = hashlib.sha256((tmp_path / "model.pt").read_bytes()).hexdigest()
    assert record["network"] == {"Name": "model.pt", "Version": "unknown", "SHA256": digest, "TrainedOn": "simulated toys"}
    assert record["phenotype_class"] == {"label": 1, "name": "AD"} and record["phenotype_samples"] == 12 and record["seed"] == 5
    assert record["content_scan"].endswith(".nii.gz") and "torch" in record["versions"]
    table, page = pd.read_csv(tmp_path / "output" / TABLE, sep="\t"), (tmp_path / "output" / PAGE).read_text()
    assert [["MCI", "AD"][label] for label in table["predicted_class"]] == list(table["predicted_name"])
    assert "trained on simulated scans alone (simulated toys)" in page and f"<td>{table['predicted_name'][0]}</td>" in page
    assert (tmp_path / "output" / "settings.json").read_text() == "of an inference"


def test_a_scan_that_cannot_be_read_is_left_out_and_the_status_says_so(tmp_path: Path) -> None:
    parser = make_parser(tmp_path, 2, threshold=1e-9)
    (tmp_path / "scans" / "bad.nii.gz").write_bytes(b"no scan")
    with pytest.raises(SystemExit, match=r"1 of 4 scans are left out; the first: .*bad\.nii\.gz"):
        run(parser, "phenotypes")
    assert len(pd.read_csv(tmp_path / "output" / TABLE, sep="\t")) == 3


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"num_components": 0, "attribute_source": "prior"}, "has no distributions of its classes"),
        ({"phenotype_class": 2}, "phenotype_class must be a class, 0 to 1, or null, got 2"),
        ({"num_modes": 0}, "num_modes must be a whole number of at least 1"),
    ],
)
def test_wrong_settings_are_refused(settings: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(RuntimeError) as raised:  # MONAI's, around ours
        run(make_parser(tmp_path, 2, **settings), "phenotypes")
    assert message in str(find_cause(raised.value))
