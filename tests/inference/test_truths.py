"""The NCC of a map with the truth that a table names."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pandas as pd
import pytest
import torch
from monai.bundle import ConfigParser
from monai.data import MetaTensor
from tiny_scans import make_affine, run, save_scan

from bundle.inference.postprocessing import compare_with_truth
from bundle.metrics import compute_ncc

SHAPES = {2: (6, 7), 3: (6, 7, 5)}


def make_item(spatial_dims: int, target: int, **truths: Any) -> dict[str, Any]:
    generator = torch.Generator().manual_seed(0)
    result = {"target_class": target, "predicted_class": 1 - target, "probabilities": [0.5, 0.5]}
    return {"explanation": {"fa_mean": torch.randn(1, *SHAPES[spatial_dims], generator=generator)}, "result": result, **truths}


def make_truth(spatial_dims: int) -> MetaTensor:
    return MetaTensor((torch.rand(1, *SHAPES[spatial_dims], generator=torch.Generator().manual_seed(1)) > 0.7).float())


@pytest.mark.parametrize("key", ["mask", "disease_map"])
@pytest.mark.parametrize("spatial_dims", [2, 3])
def test_it_is_pearsons_correlation_of_the_magnitudes(spatial_dims: int, key: str) -> None:
    truth = make_truth(spatial_dims)
    item = make_item(spatial_dims, 0, **{key: truth})
    values = [image.abs().double().numpy().ravel() for image in (item["explanation"]["fa_mean"], truth.as_tensor())]
    assert compare_with_truth(item)["ncc"] == pytest.approx(np.corrcoef(*values)[0, 1])


@pytest.mark.parametrize(
    ("target", "key", "label"),
    [(1, "mask", None), (0, "mask", "0"), (0, "disease_map", "0"), (1, "disease_map", "1"), (0, "other", None)],
)
def test_a_map_that_the_truth_says_nothing_of_has_none(target: int, key: str, label: str | None) -> None:
    known = {} if label is None else {"label": label}
    assert compare_with_truth(make_item(2, target, **{key: make_truth(2)}, **known)) == {}


def test_a_table_with_masks_gives_truth_and_ncc_in_the_row(make_parser: Callable[..., ConfigParser], tmp_path: Path) -> None:
    scan = save_scan(tmp_path / "scans" / "a.nii.gz", (30, 26), make_affine())
    save_scan(tmp_path / "scans" / "b.nii.gz", (30, 26), make_affine(), seed=1)
    mask = np.zeros((30, 26), dtype=np.float32)
    mask[10:14, 8:14] = 1
    nibabel.save(nibabel.Nifti1Image(mask, make_affine()), tmp_path / "scans" / "a_mask.nii.gz")
    rows = "image\tmask\tlabel\na.nii.gz\ta_mask.nii.gz\t1\nb.nii.gz\tn/a\t0\n"
    (tmp_path / "scans" / "participants.tsv").write_text(rows)
    run(make_parser(target=0))
    table = pd.read_csv(tmp_path / "output" / "predictions.csv", dtype={"truth": object}).set_index("name")
    assert table.loc["a", "truth"] == str(scan.with_name("a_mask.nii.gz")) and pd.isna(table.loc["b", ["truth", "ncc"]]).all()
    mean = nibabel.load(tmp_path / "output" / "a_fa_mean.nii.gz").get_fdata()
    near = float(compute_ncc(torch.from_numpy(mean)[None, None], torch.from_numpy(mask).double()[None, None]))
    assert table.loc["a", "ncc"] == pytest.approx(near, abs=0.03)  # there on the scan's grid, here on the network's
