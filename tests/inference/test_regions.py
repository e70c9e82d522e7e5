"""The table of regions, against maps that are known, on the brain of the template."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pandas as pd
import pytest
from monai.bundle import ConfigParser
from tiny_results import make_row, write_results
from tiny_results import write_scan as write_scan_elsewhere
from tiny_scans import run

import bundle
from bundle.atlases import load_atlas
from bundle.checkpoints import hash_weights
from bundle.data import LoadScan
from bundle.files import write_nifti
from bundle.inference.regions import PICTURE, TABLE, RegionTable
from bundle.preprocessing.template import load_template
from bundle.records import write_record

EDGE = 4  # mm


def write_scan(folder: Path, name: str, change: float, height: int | None = None, **changes: Any) -> dict[str, Any]:
    """Write the template's brain, or a slice of it, and a map that is `change` left of the midline and 0 elsewhere."""
    template = load_template()
    values, affine = template.image[::EDGE, ::EDGE, ::EDGE], template.affine @ np.diag([EDGE, EDGE, EDGE, 1.0])
    if height is not None:
        values, affine = values[..., height : height + 1], affine.copy()
        affine[:3, 3] += affine[:3, 2] * height
    path = folder / "scans" / f"{name}.nii.gz"
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(values, affine), path)
    x = affine[0, 0] * np.arange(len(values)) + affine[0, 3]
    image = np.broadcast_to(np.where(x < 0, change, 0)[:, None, None], values.shape).astype(np.float32)
    write_nifti(folder / "output" / f"{name}_fa_mean.nii.gz", image, affine)
    return make_row(name, path, **changes)


def make_table(folder: Path, *rows: dict[str, Any], items: Any = (), **settings: Any) -> pd.DataFrame:
    writer = RegionTable(write_results(folder, list(rows)), **{"atlas": "aal", **settings})
    path = writer.write(items)
    assert path == folder / "output" / TABLE
    return pd.read_csv(path, sep="\t")


@pytest.mark.parametrize("height", [None, 21], ids=["3D", "2D"])
def test_the_change_of_regions_is_that_of_the_map(height: int | None, tmp_path: Path) -> None:
    row = write_scan(tmp_path, "sub-01/a", -0.3, height)
    table = make_table(tmp_path, row, class_names=["healthy", "ill"])
    assert set(table["name"]) == {"sub-01/a"} and set(table["target_class"]) == {0} and table["reason"].isna().all()
    sides = table[table["region"] == "Thalamus"].set_index("side")
    assert sides.loc["left", ["mean", "extreme"]].tolist() == pytest.approx([-0.3, -0.3], abs=0.08)
    assert sides.loc["right", "mean"] == pytest.approx(0, abs=0.08) and table["z"].isna().all()
    image = nibabel.load(tmp_path / "output" / "sub-01" / "a_fa_mean.nii.gz")
    labels = load_atlas("aal").label(image.shape, image.affine)
    sizes = {label: EDGE**3 / 1000 * (labels == label).sum() for label in np.unique(labels[labels > 0])}
    assert table["region_ml"].tolist() == pytest.approx(list(sizes.values()))
    assert sides.loc["left", "volume_ml"] == pytest.approx(sides.loc["left", "region_ml"], rel=0.2)
    assert (tmp_path / "output" / PICTURE).stat().st_size > 1000


def test_scans_elsewhere_are_left_out_with_the_reason(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    rows = [write_scan(tmp_path, "a", 0.2), write_scan_elsewhere(tmp_path, "b"), make_row("c", "c.nii", status="failed")]
    (tmp_path / "scans" / "gone.nii.gz").write_text("")
    rows.append({**write_scan(tmp_path, "d", 0.2), "scan": str(tmp_path / "scans" / "gone.nii.gz")})
    with caplog.at_level(logging.WARNING):
        table = make_table(tmp_path, *rows)
    left_out = table[table["reason"].notna()].set_index("name")
    assert list(left_out.index) == ["b", "d"] and left_out["region"].isna().all()
    assert "not in MNI space" in left_out.loc["b", "reason"] and "gone.nii.gz" in left_out.loc["d", "reason"]
    assert "2 of 3 scans have no regions" in caplog.text and "b: not in MNI space" in caplog.text
    table = make_table(tmp_path, *rows, least_overlap=0)
    assert set(table.loc[table["region"].notna(), "name"]) == {"a", "b"}


def test_rows_of_the_same_settings_are_kept_and_no_scan_is_read_for_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [{**write_scan(tmp_path, "a", 0.2), "size_and_time": "1@2"}, write_scan_elsewhere(tmp_path, "b")]
    make_table(tmp_path, *rows)
    written = (tmp_path / "output" / TABLE).read_bytes()
    read: list[str] = []
    load = LoadScan.__call__
    monkeypatch.setattr(LoadScan, "__call__", lambda self, path: read.append(Path(path).name) or load(self, path))
    make_table(tmp_path, *rows)
    assert (tmp_path / "output" / TABLE).read_bytes() == written and read == []
    larger = make_table(tmp_path, *rows, threshold=0.9)
    assert (larger["volume_ml"].dropna() == 0).all() and len(read) == 2
    make_table(tmp_path, {**rows[0], "size_and_time": "3@4"}, rows[1], threshold=0.9)
    assert read[2:] == ["a.nii.gz"]
    make_table(tmp_path, *rows, threshold=0.9, reference=tmp_path / "output" / TABLE)
    assert read[3:] == ["a.nii.gz"]


def test_a_head_is_placed_by_its_preparation(tmp_path: Path) -> None:
    """The raw head lies elsewhere and is scaled; its prepared scan is the template."""
    row = write_scan(tmp_path, "a", 0.2)
    expected = make_table(tmp_path, row)
    prepared, image = row["scan"], nibabel.load(tmp_path / "output" / "a_fa_mean.nii.gz")
    raw_to_prepared = np.diag([2.0, 2, 2, 1])
    raw_to_prepared[:3, 3] = 10, -30, 5
    write_nifti(tmp_path / "output" / "a_fa_mean.nii.gz", image.get_fdata(), np.linalg.inv(raw_to_prepared) @ image.affine)
    np.savetxt(tmp_path / "xfm.txt", raw_to_prepared)
    row |= {"scan": str(tmp_path / "head.nii.gz"), "size_and_time": "3@4"}
    item = {"scan": row["scan"], "name": "a", "image": prepared, "transform": str(tmp_path / "xfm.txt")}
    table = make_table(tmp_path, row, items=[item])
    np.testing.assert_allclose(table["mean"], expected["mean"], atol=1e-6)
    np.testing.assert_allclose(table["volume_ml"], expected["volume_ml"] / 8, rtol=1e-4)


def test_z_scores_are_those_of_the_controls_towards_the_same_class(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    changes = [0.0, 0.1, 0.3]
    controls = [write_scan(tmp_path / "controls", f"c{i}", change, target_class=0) for i, change in enumerate(changes)]
    controls.append(write_scan(tmp_path / "controls", "other", 9.0, target_class=1))
    reference = make_table(tmp_path / "controls", *controls)
    reference.to_csv(tmp_path / "reference.tsv", sep="\t", index=False, na_rep="n/a")
    rows = [write_scan(tmp_path, "a", 0.5, target_class=0), write_scan(tmp_path, "b", 0.5, target_class=1)]
    with caplog.at_level(logging.WARNING):
        table = make_table(tmp_path, *rows, reference=tmp_path / "reference.tsv").set_index("name")
    left = table.loc["a"].query("side == 'left' and region == 'Hippocampus'")["z"].item()
    assert left == pytest.approx((0.5 - np.mean(changes)) / np.std(changes, ddof=1), rel=1e-4)
    assert table.loc["b", "z"].isna().all()  # one control alone is translated to class 1
    assert "have no z-score" in caplog.text
    numbers = "3 controls translated to class 0 and 1 control translated to class 1"
    table = f"{tmp_path / 'reference.tsv'}: with fewer than 20 they are rough"
    sentence = f"The z-scores of regions compare with {numbers}, of {table}"
    assert [each.levelname for each in caplog.records if each.getMessage() == sentence] == ["WARNING"]


def test_controls_are_counted_once_each_and_enough_of_them_give_no_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rows = [f"c{i}\t0\t{region}\tleft\t{0.01 * i}" for i in range(20) for region in ("a", "Hippocampus")]
    (tmp_path / "reference.tsv").write_text("\n".join(["name\ttarget_class\tregion\tside\tmean", *rows, ""]))
    with caplog.at_level(logging.INFO):
        row = write_scan(tmp_path, "a", 0.5, target_class=0)
        make_table(tmp_path, row, reference=tmp_path / "reference.tsv", class_names=["MCI", "AD"])
    (record,) = [each for each in caplog.records if "compare with" in each.getMessage()]
    assert record.levelno == logging.INFO
    sentence = f"The z-scores of regions compare with 20 controls translated to MCI, of {tmp_path / 'reference.tsv'}"
    assert record.getMessage() == sentence
    assert RegionTable(tmp_path).describe_controls() == ""


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"atlas": "AAL2"}, "atlas: accepted are regions, aal"),
        ({"threshold": -1}, "region_threshold must be a number from 0 on"),
        ({"least_overlap": 1.5}, "least_overlap must be a number from 0 to 1, got 1.5"),
    ],
)
def test_wrong_settings_are_refused_before_anything_is_computed(settings: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        RegionTable(tmp_path, **settings).check()


def test_a_table_of_controls_without_regions_is_refused(tmp_path: Path) -> None:
    (tmp_path / "reference.tsv").write_text("name\tregion\na\tb\n")
    with pytest.raises(ValueError, match="has no column side: accepted is the regions.tsv"):
        RegionTable(tmp_path, reference=tmp_path / "reference.tsv").check()


def test_without_an_atlas_no_table_is_left(tmp_path: Path) -> None:
    row = write_scan(tmp_path, "a", 0.2)
    make_table(tmp_path, row)
    assert RegionTable(tmp_path / "output", atlas=None).write() is None
    assert not any((tmp_path / "output" / name).exists() for name in (TABLE, PICTURE))


@pytest.mark.parametrize("spatial_dims", [2, 3])
def test_inference_writes_the_table_and_python_has_the_same(
    spatial_dims: int, make_parser: Callable[..., ConfigParser], tmp_path: Path
) -> None:
    write_scan(tmp_path, "brain", 0.0)
    sizes = {"pixdim": 6.0, "plane": 20.0 if spatial_dims == 2 else None, "atlas": "aal3"}
    parser = make_parser(spatial_dims, **sizes)
    run(parser)
    table = pd.read_csv(tmp_path / "output" / TABLE, sep="\t")
    assert len(table) > 20 and table["region"].notna().all() and (table["mean"] != 0).mean() > 0.9
    image = nibabel.load(tmp_path / "output" / "brain_fa_mean.nii.gz")
    labels = load_atlas("aal3").label(image.shape, image.affine)
    if spatial_dims == 2:  # only the slice counts
        assert table["region_ml"].sum() < 0.05 * (labels > 0).sum() * EDGE**3 / 1000
    item = parser.get_parsed_content("evaluator").state.output[0]
    from bundle.explanation import Explanation

    overview = parser.get_parsed_content("overview")
    found = Explanation(item, nibabel.load(tmp_path / "scans" / "brain.nii.gz"), overview).measure_regions("aal3")
    for column in ("mean", "extreme", "volume_ml", "region_ml"):
        np.testing.assert_allclose(found[column], table[column], rtol=1e-4, atol=1e-6)


def test_regions_that_a_shipped_network_does_not_draw_reliably_are_marked(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    row = write_scan(tmp_path, "a", -0.3)
    make_table(tmp_path, row, atlas="regions")
    table = pd.read_csv(tmp_path / "output" / TABLE, sep="\t")
    assert table["reliability"].isna().all() and "reliably" not in caplog.text
    weights = hash_weights(bundle.load("conversion", device="cpu").network)  # the network that was measured
    views = [(1, 0, None), (0, 2, None), (None, 2, None), (0, 0, 0.7), (None, 0, 0.29)]  # mirror_axis, shift, reliability
    for mirror_axis, shift, frontal in views:
        assert "reliably" not in caplog.text
        record = {"weights": weights, "mirror_axis": mirror_axis, "shift": shift}
        write_record(tmp_path / "output" / "settings.json", "", record)
        table = RegionTable(tmp_path / "output", atlas="regions").write()
        values = pd.read_csv(table, sep="\t").set_index(["region", "side"])["reliability"]
        if frontal is None:  # not measured
            assert values.isna().all()
            continue
        assert values["lateral-ventricle", "left"] == 0.95 and values["frontal", "left"] == frontal
        assert values.notna().all()
    assert "reliably in one view" in caplog.text
    assert "left frontal" in caplog.text and "left lateral-ventricle" not in caplog.text
