"""Maps lie where nibabel puts their scan, whatever its header, format and order of voxels."""

from collections.abc import Callable
from itertools import permutations, product
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pandas as pd
import pytest
import SimpleITK as sitk  # noqa: N813
import torch
from monai.bundle import ConfigParser
from monai.data import MetaTensor
from monai.transforms import Invertd
from nibabel.orientations import apply_orientation, inv_ornt_aff
from tiny_scans import make_affine, run, save_scan

from bundle.data.headers import WARNINGS_KEY
from bundle.files import make_nifti
from bundle.inference.explained_scans import take_array

Make = Callable[..., ConfigParser]
FORMS: dict[str, tuple[Any, int, Any, int]] = {  # sform, its code, qform, its code; of the affine where it is 1
    "both": (1, 4, 1, 1),
    "sform": (1, 2, None, 0),
    "qform": (None, 0, 1, 3),
    "none": (None, 0, None, 0),
    "different": (1, 1, 1.02, 2),
}
SHAPE = (24, 28, 20)


def save_with_forms(path: Path, forms: tuple[Any, int, Any, int], affine: np.ndarray, shape: tuple[int, ...] = SHAPE) -> Path:
    """Save a blob with forms and codes."""
    image = nibabel.load(save_scan(path, shape, affine))
    sform, sform_code, qform, qform_code = forms
    image.set_qform(None if qform is None else affine * [[qform], [qform], [qform], [1]], qform_code)
    image.set_sform(None if sform is None else affine, sform_code)
    content = nibabel.Nifti1Image(np.asarray(image.dataobj), image.affine, image.header)
    path.unlink()
    nibabel.save(content, path)
    return path


def explain(parser: ConfigParser) -> list[dict[str, Any]]:
    """Return the items of a config after the postprocessing, without files."""
    dataset, inferer, network, postprocessing = (
        parser.get_parsed_content(key) for key in ("dataset", "inferer", "network", "postprocessing")
    )
    items = [dataset[index] for index in range(len(dataset))]
    answers = [inferer(item["image"].as_tensor()[None], network) for item in items]
    return [
        postprocessing({**item, "pred": {key: value[0] for key, value in answer.items()}})
        for item, answer in zip(items, answers, strict=True)
    ]


def test_maps_have_affine_forms_and_codes_of_their_scan(make_parser: Make, tmp_path: Path, spatial_dims: int) -> None:
    affine = make_affine((2.0, 2.2, 2.5), 0.1)
    affine[:3, 3] = (-24, -30, -25)
    scans = {name: save_with_forms(tmp_path / "scans" / f"{name}.nii.gz", forms, affine) for name, forms in FORMS.items()}
    run(make_parser(spatial_dims, num_samples=2, plane=0.0 if spatial_dims == 2 else None))
    for name, path in scans.items():
        scan = nibabel.load(path)
        for ending in ("fa_mean", "fa_variance", "translated"):
            image = nibabel.load(tmp_path / "output" / f"{name}_{ending}.nii.gz")
            assert image.shape == SHAPE and image.header.get_xyzt_units()[0] == "mm"
            np.testing.assert_array_equal(image.affine, scan.affine)
            for read in ("get_sform", "get_qform"):
                expected, found = getattr(scan, read)(coded=True), getattr(image, read)(coded=True)
                assert found[1] == expected[1]
                np.testing.assert_equal(found[0], expected[0])


def test_every_order_of_voxels_gives_the_same_map_bit_for_bit(make_parser: Make, tmp_path: Path, spatial_dims: int) -> None:
    image = nibabel.load(save_scan(tmp_path / "scans" / "scan.nii", SHAPE, make_affine()))
    parser = make_parser(spatial_dims, num_samples=2, image_size=[16] * spatial_dims)
    voxels, (first,), preprocessing = np.asarray(image.dataobj), explain(parser), parser.get_parsed_content("preprocessing")
    answer, expected = MetaTensor(first["explanation"]["fa_mean"]), first["pred"][0].numpy()
    assert expected.any()
    for axes, signs in product(permutations(range(3)), product((1, -1), repeat=3)):
        order, back = np.c_[axes, signs], np.empty((3, 2), dtype=int)
        back[list(axes)] = np.c_[range(3), signs]
        stored = nibabel.Nifti1Image(apply_orientation(voxels, order), image.affine @ inv_ornt_aff(order, SHAPE))
        nibabel.save(stored, tmp_path / "stored.nii")
        scan = preprocessing({"image": tmp_path / "stored.nii"})["image"]
        assert torch.equal(scan.as_tensor(), first["image"].as_tensor())  # all that the network sees
        restored = Invertd("map", preprocessing, "image", nearest_interp=False)({"image": scan, "map": answer})["map"]
        np.testing.assert_array_equal(restored.affine, stored.affine)
        np.testing.assert_array_equal(apply_orientation(restored[0].numpy(), back), expected)


def test_formats_and_axes_of_one_voxel_change_no_map(make_parser: Make, tmp_path: Path, spatial_dims: int) -> None:
    path = save_scan(tmp_path / "scans" / "plain.nii.gz", SHAPE, make_affine())
    image = nibabel.load(path)
    voxels, folder = np.asarray(image.dataobj), tmp_path / "scans"
    nibabel.save(nibabel.Nifti1Image(voxels[..., None, None], image.affine), folder / "axes.nii.gz")
    nibabel.save(nibabel.MGHImage(voxels, image.affine), folder / "scan.mgz")
    sitk.WriteImage(sitk.ReadImage(str(path)), str(folder / "scan.nrrd"))
    rows = "\n".join(["image", "plain.nii.gz", "axes.nii.gz", "scan.mgz", "scan.nrrd"])
    (folder / "scans.tsv").write_text(rows + "\n")
    first, *others = explain(make_parser(spatial_dims, num_samples=2, dataset_dir=str(folder / "scans.tsv")))
    for other in others:
        np.testing.assert_allclose(other["pred"].affine, image.affine, atol=1e-5)
        np.testing.assert_array_equal(first["pred"], other["pred"])
        assert first["result"] == other["result"]


def test_a_network_out_of_range_costs_the_scan_and_writes_no_map(make_parser: Make, tmp_path: Path, spatial_dims: int) -> None:
    save_scan(tmp_path / "scans" / "scan.nii.gz", SHAPE, make_affine())
    parser = make_parser(spatial_dims, num_samples=2)
    content = torch.load(tmp_path / "model.pt", weights_only=True)
    torch.save({"model": {name: weight * 1e20 for name, weight in content["model"].items()}}, tmp_path / "model.pt")
    with pytest.raises(SystemExit, match="the only scan failed"):
        run(parser)
    row = pd.read_csv(tmp_path / "output" / "predictions.csv").iloc[0]
    assert row["status"] == "failed" and "scan.nii.gz gets NaN or infinite values in " in row["reason"]
    assert not list((tmp_path / "output").rglob("*.nii.gz"))


def test_doubts_reach_the_end_and_the_reason_of_a_failure(make_parser: Make, tmp_path: Path) -> None:
    save_with_forms(tmp_path / "scans" / "a.nii.gz", FORMS["different"], make_affine())
    (item,) = explain(make_parser(num_samples=2))
    assert [doubt.split(":")[0] for doubt in item["image"].meta[WARNINGS_KEY]] == [
        "sform and qform differ",
        "volume is no brain's",
    ]
    with pytest.raises(SystemExit, match="no axial slice at plane = 500 mm.*; sform and qform differ: the sform"):
        run(make_parser(num_samples=2, plane=500.0))


@pytest.mark.slow
def test_maps_of_a_prepared_scan_have_forms_and_doubts_of_the_raw_one(make_parser: Make, tmp_path: Path) -> None:
    raw = save_with_forms(tmp_path / "scans" / "raw.nii.gz", FORMS["different"], make_affine((2.5, 2.0, 2.2), 0.2))
    limits = {"limits::brain_volume": [0, 1e9], "limits::template_correlation": -1, "limits::num_slices": 2}
    steps = dict.fromkeys(("bias_correction", "brain_extraction", "registration"), False)
    (item,) = explain(make_parser(num_samples=2, prepare=True, voxel_size=2.0, **steps, **limits))
    assert item["image"].meta[WARNINGS_KEY][0].startswith("sform and qform differ: the sform (code 1)")
    image, scan = make_nifti(*take_array(item["pred"])), nibabel.load(raw)
    for read in ("get_sform", "get_qform"):
        np.testing.assert_equal(getattr(image, read)(coded=True), getattr(scan, read)(coded=True))
    table = pd.read_csv(tmp_path / "output" / "prepared" / "prepared.tsv", sep="\t")
    assert table["warning"][0].startswith("sform and qform differ")
