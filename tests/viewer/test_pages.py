"""The pages of an inference, read as text."""

import base64
import gzip
import html
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import nibabel
import numpy as np
import pytest
import torch
from monai.bundle import ConfigParser
from monai.data import MetaTensor
from tiny_results import SLICE, VOLUME, make_row, write_draws_and_walk, write_results, write_scan
from tiny_scans import ROOT, TINY, make_affine, run, save_checkpoint, save_scan

from bundle.atlases import Region
from bundle.data import ResampleToGrid
from bundle.data.scans import LoadScan
from bundle.files import write_nifti
from bundle.inference.explained_scans import name_image, write_series
from bundle.viewer import Pages
from bundle.viewer.pages import Entry

Fetched = re.compile(r'(?:src|href|action|data|poster|srcset)="(?!data:)([^"]*)"|url\(|@import')


def write(folder: Path, *rows: dict[str, Any], **settings: Any) -> Path:
    page = Pages(write_results(folder, list(rows)), ["healthy", "ill"], **settings).write()
    assert page is not None
    return page


def read_volumes(page: Path) -> dict[str, nibabel.Nifti1Image]:
    found = re.findall(r'<script type="application/octet-stream" id="volume-(\w+)">(\S+)</script>', page.read_text())
    return {key: nibabel.Nifti1Image.from_bytes(gzip.decompress(base64.b64decode(text))) for key, text in found}


def read_data(page: Path) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page.read_text())
    assert found is not None
    return json.loads(found[1])


@pytest.mark.parametrize("shape", [VOLUME, SLICE])
def test_a_page_holds_scan_and_maps_within_half_a_step(shape: tuple[int, ...], tmp_path: Path) -> None:
    row = write_scan(tmp_path, "sub-01/scan", shape)
    write(tmp_path, row)
    page = tmp_path / "output" / "sub-01" / "scan_page.html"
    volumes, data = read_volumes(page), read_data(page)
    read = lambda key: nibabel.load(tmp_path / "output" / f"sub-01/scan_{key}.nii.gz").get_fdata()  # noqa: E731
    exact = {"scan": nibabel.load(row["scan"]).get_fdata(), "fa_mean": read("fa_mean"), "translated": read("translated")}
    exact["fa_std"] = np.sqrt(read("fa_variance"))
    steps = {"scan": data["scanStep"]} | {layer["key"]: layer["step"] for layer in data["layers"]}
    assert set(volumes) == set(exact) == set(steps)
    for key, image in volumes.items():
        np.testing.assert_allclose(image.get_fdata(), exact[key].reshape(shape), atol=0.501 * steps[key])
        np.testing.assert_allclose(image.affine, nibabel.load(row["scan"]).affine, atol=1e-6)
    assert data["plane"] == ("axial" if shape == SLICE else None)


def test_pages_ask_for_nothing(tmp_path: Path) -> None:
    index = write(tmp_path, write_scan(tmp_path, "a"), write_scan(tmp_path, "sub/b"))
    for page in (index, tmp_path / "output" / "a_page.html", tmp_path / "output" / "sub" / "b_page.html"):
        text = page.read_text()
        links = [link for link in Fetched.findall(text)]
        assert all((page.parent / unquote(link)).is_file() for link in links) and links
        assert "http://" not in text and "https://" not in text
        assert "default-src 'none'" in text and "width=device-width" in text


def test_names_are_escaped_and_links_lead_to_their_pages(tmp_path: Path) -> None:
    name = 'a & b/x <img src=q onerror=alert(1)>"#1?%41:'
    index = write(tmp_path, write_scan(tmp_path, name), write_scan(tmp_path, "z"))
    text = index.read_text()
    assert "<img src=q" not in text and html.escape(name, quote=False).partition('"')[0] in text
    (link,) = set(re.findall(r'<a href="([^"]*x%20[^"]*)"', text))
    page = index.parent / unquote(link)
    assert page.is_file() and "<img src=q" not in page.read_text()
    assert read_data(page)["key"] == json.dumps([str(tmp_path / "scans" / f"{name}.nii.gz"), name])
    assert unquote(re.findall(r'rel="next" href="([^"]*)"', page.read_text())[0]) == "../z_page.html"


def test_of_bids_scans_are_called_as_their_files_where_no_two_share_a_name(tmp_path: Path) -> None:
    rows = [write_scan(tmp_path, name) for name in ("ses-1/anat/sub-1_ses-1_T1w", "a/sub-2_T1w", "b/sub-2_T1w")]
    output = write_results(tmp_path, rows)

    def list_titles() -> list[str]:
        index = Pages(output).write()
        assert index is not None
        shown = re.findall(r'<th scope="row" class="name">(?:<a [^>]*>)?([^<]*)', index.read_text())
        found = [re.findall(r"<h1>(.*?)</h1>", (output / f"{row['name']}_page.html").read_text()) for row in rows]
        assert [[title] for title in shown] == found
        return shown

    assert list_titles() == [row["name"] for row in rows]
    (output / "settings.json").write_text(json.dumps({"layout": "bids", "fingerprint": "0123"}))
    for row in rows:
        for key in ("fa_mean", "fa_variance", "translated"):
            path = output / name_image(row["name"], key, True)
            (output / f"{row['name']}_{key}.nii.gz").rename(path)
    assert list_titles() == ["sub-1_ses-1_T1w", "a/sub-2_T1w", "b/sub-2_T1w"]


def test_bytes_that_are_no_text_are_kept_in_links(tmp_path: Path) -> None:
    name = "caf\udce9"
    row = write_scan(tmp_path, name)
    index = write(tmp_path, row | {key: row[key].replace("\udce9", "\\xe9") for key in ("scan", "name")})
    assert "./caf%E9_page.html" in index.read_text()
    assert (tmp_path / "output" / f"{name}_page.html").is_file()


def test_all_scans_share_one_scale(tmp_path: Path) -> None:
    write(tmp_path, write_scan(tmp_path, "weak", size=0.02), write_scan(tmp_path, "strong", size=0.5))
    limits = [read_data(tmp_path / "output" / f"{name}_page.html")["layers"][0]["limit"] for name in ("weak", "strong")]
    assert limits == [0.5, 0.5]
    weak = (tmp_path / "output" / "weak_page.html").read_text()
    assert "ends at &plusmn;0.5" in weak and re.search(r"lie within &plusmn;0\.01\d*\.", weak)


def test_the_scale_can_be_set(tmp_path: Path) -> None:
    index = write(tmp_path, write_scan(tmp_path, "a"), colour_limit=0.25)
    assert read_data(tmp_path / "output" / "a_page.html")["layers"][0]["limit"] == 0.25
    assert "ends at &plusmn;0.25" in index.read_text()


@pytest.mark.parametrize("limit", [0, -1.0, True, "0.2", float("inf"), None])
def test_a_scale_that_is_none_is_refused(limit: Any, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"colour_limit must be a positive number .network intensity., got "):
        Pages(tmp_path, colour_limit=limit)


def test_the_table_has_class_probability_typicality_and_warnings(tmp_path: Path) -> None:
    warned = write_scan(tmp_path, "a", warning="unlike the others: look; and another one")
    failed = make_row("b", tmp_path / "b.nii", status="failed", reason="b.nii cannot be read", predicted_class="")
    text = write(tmp_path, warned, failed).read_text()
    for label, cell in (("class", "ill"), ("probability", "0.750"), ("typicality", "0.4")):
        assert f'<td data-label="{label}">{cell}</td>' in text
    assert '<span class="warning">and another one</span>' in text and "b.nii cannot be read" in text
    assert re.findall(r'data-state="(\w+)"', text) == ["warned", "failed"]


def test_a_warning_that_scans_share_stands_once_with_their_number(tmp_path: Path) -> None:
    text = write(tmp_path, *(write_scan(tmp_path, name, warning="seen in training") for name in "abc")).read_text()
    assert text.count("seen in training") == 1 and "of 3 scans: <span>seen in training" in text
    assert text.count('href="#warning-1">warning 1</a>') == 3


def test_the_pages_link_to_what_lies_beside_them(tmp_path: Path) -> None:
    row, output = write_scan(tmp_path, "a"), tmp_path / "output"
    for name in ("logs/CITATION.md", "group/methods.txt", "group/index.html", "other/index.html"):
        (output / name).parent.mkdir(exist_ok=True)
        (output / name).write_text("")
    text = write(tmp_path, row).read_text()
    assert all(f'href="./{name}"' in text for name in ("predictions.csv", "logs/CITATION.md", "group/index.html"))
    assert "./other/index.html" not in text and "./regions.tsv" not in text and "quality" not in text.partition("<script>")[0]
    assert 'href="./a_fa_mean.nii.gz"' in (output / "a_page.html").read_text()


def test_the_quality_of_prepared_scans_is_in_the_table(tmp_path: Path) -> None:
    row = write_scan(tmp_path, "a")
    (tmp_path / "output" / "prepared").mkdir()
    (tmp_path / "output" / "prepared" / "prepared.tsv").write_text(f"raw_image\ttemplate_correlation\n{row['scan']}\t0.914\n")
    assert '<td data-label="quality">0.91</td>' in write(tmp_path, row).read_text()


def test_a_scan_that_is_gone_has_no_page_and_a_reason(tmp_path: Path) -> None:
    row = write_scan(tmp_path, "a")
    write(tmp_path, row)
    Path(row["scan"]).unlink()
    text = write(tmp_path, row | {"size_and_time": "1@2"}).read_text()
    assert "no page: " in text and "does not exist" in text
    assert not (tmp_path / "output" / "a_page.html").exists()


def test_a_damaged_map_stops_no_other_page(tmp_path: Path) -> None:
    rows = write_scan(tmp_path, "a"), write_scan(tmp_path, "b")
    (tmp_path / "output" / "a_fa_mean.nii.gz").write_bytes(b"no map")
    assert "no page: " in write(tmp_path, *rows).read_text()
    assert (tmp_path / "output" / "b_page.html").is_file()


def test_pages_that_would_be_the_same_are_kept(tmp_path: Path) -> None:
    rows = [write_scan(tmp_path, name, size_and_time="1@2") for name in "ab"]
    index, pages = write(tmp_path, *rows), [tmp_path / "output" / f"{name}_page.html" for name in "ab"]
    before, times = index.read_bytes(), [page.stat().st_mtime_ns for page in pages]
    assert write(tmp_path, *rows).read_bytes() == before
    assert [page.stat().st_mtime_ns for page in pages] == times
    write(tmp_path, rows[0] | {"size_and_time": "1@3"}, rows[1])
    assert [page.stat().st_mtime_ns == time for page, time in zip(pages, times, strict=True)] == [False, True]


def test_a_folder_without_a_table_has_no_pages(tmp_path: Path) -> None:
    assert Pages(tmp_path).write() is None and not list(tmp_path.iterdir())


def test_the_page_of_2000_scans_is_below_5_mb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    row = write_scan(tmp_path, "scan", (91, 109, 1))
    thumbnail = read_thumbnail(write(tmp_path, row))
    monkeypatch.setattr(Pages, "_write_scan", lambda *_: Entry(thumbnail, "./sub-0001/ses-01/anat/sub-0001_ses-01_T1w_page.html"))
    warning = "unlike the scans that the network was trained for, by its content: do not rely on its class"
    name, scan = (
        "sub-{0:04}/ses-01/anat/sub-{0:04}_ses-01_T1w",
        "/data/study/bids/sub-{0:04}/ses-01/anat/sub-{0:04}_ses-01_T1w.nii.gz",
    )
    rows = [make_row(name.format(index), scan.format(index), warning=warning) for index in range(2000)]
    assert write(tmp_path, *rows).stat().st_size < 5_000_000


def read_thumbnail(index: Path) -> str:
    found = re.search(r'<img src="(data:image/webp;base64,[^"]*)"', index.read_text())
    assert found is not None
    return found[1]


@pytest.mark.parametrize("shape", [VOLUME, SLICE])
def test_draws_and_steps_of_walks_are_kept_within_half_a_step(shape: tuple[int, ...], tmp_path: Path) -> None:
    row = write_scan(tmp_path, "scan", shape)
    draws, walk = write_draws_and_walk(tmp_path, "scan")
    write(tmp_path, row)
    page = tmp_path / "output" / "scan_page.html"
    volumes, data = read_volumes(page), read_data(page)
    for place, draw in enumerate(data["draws"]):
        np.testing.assert_allclose(
            volumes[draw["key"]].get_fdata(), draws[place], atol=0.6 * draw["step"]
        )  # the file itself is rounded
    (shown,) = data["walks"]
    assert shown["texts"][2] == "step 3 of 5, 50% of the way to the mean of healthy"
    steps = np.cumsum([volumes[f"translated_steps_{place}"].get_fdata() for place in range(5)], axis=0)
    np.testing.assert_allclose(steps, walk, atol=0.6 * shown["step"])
    assert page.read_text().count('aria-pressed="false"><img src="data:image/webp') == 3


def test_cautions_and_warnings_stand_above_all(tmp_path: Path) -> None:
    index = write(tmp_path, write_scan(tmp_path, "a", warning="unlike the others"), cautions=["trained on <toys>"])
    page = (tmp_path / "output" / "a_page.html").read_text()
    for text in (index.read_text(), page):
        assert '<p class="banner" role="note"><strong>Caution:</strong> trained on &lt;toys&gt;.</p>' in text
    assert '<p class="banner" role="note"><strong>Warning:</strong> unlike the others.</p>' in page


def test_the_change_by_region_is_shown_where_there_is_a_table(tmp_path: Path) -> None:
    rows = [write_scan(tmp_path, name, size_and_time="1@2") for name in ("a", "b")]
    write(tmp_path, *rows)
    lines = ["name\tregion\tside\tmean\textreme\tvolume_ml\tz\tother", "a\tthalamus\tleft\t0.012345\t0.3\t1.2\t0.5\tx"]
    (tmp_path / "output" / "regions.tsv").write_text("\n".join([*lines, "a\tventricle\tright\t-0.2\t-0.4\t8\t-3.1\tx", ""]))
    write(tmp_path, *rows)
    a, b = ((tmp_path / "output" / f"{name}_page.html").read_text() for name in "ab")
    cells = re.findall(r"<(?:td|th scope=row)>([^<]*)<", a.partition('id="regions-table"')[2].partition("</table>")[0])
    assert cells == ["ventricle", "right", "-0.2", "-0.4", "8", "-3.1", "thalamus", "left", "0.0123", "0.3", "1.2", "0.5"]
    assert 'id="regions-table"' not in b


class HalvesOfTheBrain:
    """Labels the voxels of a map by side, as a table of regions does."""

    atlas = "halves"

    def describe_controls(self) -> str:
        return "They compare with 3 controls, of controls.tsv: with fewer than 20 they are rough"

    def label(self, row: dict[str, str]) -> tuple[np.ndarray, dict[int, Region]]:
        labels = np.zeros(VOLUME, dtype=np.int32)
        labels[:10], labels[14:] = 40, 7
        return labels, {40: Region("half", "left"), 7: Region("half", "right")}


def test_a_region_leads_to_its_strongest_place(tmp_path: Path) -> None:
    row = write_scan(tmp_path, "a")
    lines = ["name\tregion\tside\tmean\tz", "a\thalf\tleft\t-0.1\tn/a", "a\thalf\tright\t0.2\tn/a", ""]
    (tmp_path / "output" / "regions.tsv").write_text("\n".join(lines))
    write(tmp_path, row, regions=HalvesOfTheBrain())
    page = tmp_path / "output" / "a_page.html"
    mean = nibabel.load(tmp_path / "output" / "a_fa_mean.nii.gz").get_fdata()
    places = [tuple(map(int, found.split(","))) for found in re.findall(r'<tr data-voxel="([\d,]+)"', page.read_text())]
    np.testing.assert_allclose([mean[place] for place in places], [mean.max(), mean.min()])  # the largest mean is first
    assert "z-score" not in page.read_text()  # none was computed
    names, labels = read_data(page)["regions"], read_volumes(page)["labels"].get_fdata().astype(int)
    assert [names[labels[place]] for place in [*places, (12, 0, 0)]] == ["right half", "left half", ""]


def test_regions_that_are_not_to_be_reported_are_marked_and_stand_last_and_the_controls_are_named(tmp_path: Path) -> None:
    row = write_scan(tmp_path, "a")
    lines = ["name\tregion\tside\tmean\tz\treliability", "a\thalf\tleft\t-0.1\t-94\t0.499", "a\thalf\tright\t0.2\t3\t0.5", ""]
    (tmp_path / "output" / "regions.tsv").write_text("\n".join(lines))
    write(tmp_path, row, regions=HalvesOfTheBrain())
    page = (tmp_path / "output" / "a_page.html").read_text()
    names = re.findall(r'<button type="button" aria-label="(half[^"]*)">([^<]*)</button>', page)
    assert names == [("half, right", "half"), ("half, left, do not report", "half *")]
    assert '<p class="banner" role="note">They compare with 3 controls, of controls.tsv: with' in page
    assert "Below 0.5: do not report" in page


def test_a_table_of_regions_without_a_column_is_refused(tmp_path: Path) -> None:
    row = write_scan(tmp_path, "a")
    (tmp_path / "output" / "regions.tsv").write_text("name\tregion\nfoo\tbar\n")
    with pytest.raises(ValueError, match=r"regions.tsv lacks the column side: its columns are name, region"):
        write(tmp_path, row)


@pytest.mark.parametrize("kind", ["mask", "signed"])
def test_the_truth_is_laid_over_the_scan_and_the_ncc_is_in_the_table(kind: str, tmp_path: Path) -> None:
    row = write_scan(tmp_path, "a", truth=str(tmp_path / "truth.nii.gz"), ncc=0.71)
    mean = nibabel.load(tmp_path / "output" / "a_fa_mean.nii.gz")
    truth = (mean.get_fdata() > 0.1).astype(np.float32) if kind == "mask" else 1000 * mean.get_fdata()
    nibabel.save(nibabel.Nifti1Image(truth, mean.affine), tmp_path / "truth.nii.gz")
    index = write(tmp_path, row)
    page = tmp_path / "output" / "a_page.html"
    layer = read_data(page)["layers"][-1]
    assert (layer["key"], layer["kind"]) == ("truth", kind)
    np.testing.assert_allclose(read_volumes(page)["truth"].get_fdata(), truth, atol=0.502 * layer["step"])
    assert '<td data-label="NCC">0.71</td>' in index.read_text() and "truth: 0.71" in page.read_text()


@pytest.mark.slow
def test_the_page_of_a_volume_of_2_mm_is_below_6_mb(tmp_path: Path) -> None:
    row = write_scan(tmp_path, "scan", (91, 109, 91))
    random, scan = np.random.default_rng(0), nibabel.load(row["scan"])
    brain = scan.get_fdata() > 0
    to_grid = ResampleToGrid([72, 88, 72], 2.5)  # of a network, on which images are drawn
    grid = to_grid(LoadScan()(row["scan"]))

    def draw(size: float, count: int = 1) -> MetaTensor:
        """Return noise of a network's grid on that of the scan, within the brain."""
        noise = MetaTensor(torch.from_numpy(random.normal(0, size, (count, *grid.shape[1:]))).float()).copy_meta_from(grid)
        noise.applied_operations = list(grid.applied_operations)
        return to_grid.inverse(noise) * torch.from_numpy(brain)

    for key, size in (("fa_mean", 0.05), ("fa_variance", 0.001), ("translated", 50.0)):
        image = draw(size)[0].numpy() + (scan.get_fdata() if key == "translated" else 0)
        write_nifti(tmp_path / "output" / f"scan_{key}.nii.gz", image.astype(np.float32), scan.affine)
    write_series(tmp_path / "output" / "scan_fa_draws.nii.gz", draw(0.05, 6))
    steps = draw(10.0, 5)
    steps = steps.clone().copy_meta_from(steps) + torch.from_numpy(scan.get_fdata()).float()
    write_series(tmp_path / "output" / "scan_translated_steps.nii.gz", steps)
    write(tmp_path, row)
    size = (tmp_path / "output" / "scan_page.html").stat().st_size
    assert size < 6_000_000


Make = Callable[..., ConfigParser]


@pytest.fixture
def make_parser(tmp_path: Path) -> Make:
    """Return a function that reads the committed config with a tiny network."""

    def make(spatial_dims: int, **overrides: Any) -> ConfigParser:
        parser = ConfigParser()
        parser.read_config(ROOT / "configs" / "inference.yaml")
        parser.read_meta({"version": "0.0.0"})
        paths = {"dataset_dir": tmp_path / "scans", "output_dir": tmp_path / "output", "checkpoint": tmp_path / "model.pt"}
        sizes = {"spatial_dims": spatial_dims, "image_size": [32] * spatial_dims, "plane": 5.0 if spatial_dims == 2 else None}
        settings = {**TINY, **sizes, "device": "cpu", "overviews": False, **{key: str(path) for key, path in paths.items()}}
        parser.update({**settings, **overrides})
        if not (tmp_path / "model.pt").exists():
            save_checkpoint(parser, tmp_path / "model.pt")
        return parser

    return make


@pytest.mark.parametrize("spatial_dims", [2, 3])
def test_inference_writes_pages_and_keeps_them(spatial_dims: int, make_parser: Make, tmp_path: Path) -> None:
    save_scan(tmp_path / "scans" / "flat.nii.gz", (30, 26), make_affine())
    save_scan(tmp_path / "scans" / "sub" / "volume.nii", (24, 28, 20), make_affine((2.0, 2.0, 2.5), 0.2))
    if spatial_dims == 3:
        (tmp_path / "scans" / "flat.nii.gz").unlink()
    run(make_parser(spatial_dims))
    pages = sorted((tmp_path / "output").rglob("*.html"))
    names = (
        ["index.html", "sub/volume_page.html"] if spatial_dims == 3 else ["flat_page.html", "index.html", "sub/volume_page.html"]
    )
    assert [str(page.relative_to(tmp_path / "output")) for page in pages] == names
    before = {page: page.stat().st_mtime_ns for page in pages if page.name != "index.html"}
    run(make_parser(spatial_dims))
    assert before == {page: page.stat().st_mtime_ns for page in before}


def test_pages_are_not_written_where_they_are_not_wanted(make_parser: Make, tmp_path: Path) -> None:
    save_scan(tmp_path / "scans" / "flat.nii.gz", (30, 26), make_affine())
    run(make_parser(2, pages=False))
    assert not list((tmp_path / "output").rglob("*.html"))


def test_a_scan_that_is_explained_anew_loses_its_page(make_parser: Make, tmp_path: Path) -> None:
    path = save_scan(tmp_path / "scans" / "flat.nii.gz", (30, 26), make_affine())
    run(make_parser(2))
    save_scan(path, (28, 26), make_affine())
    run(make_parser(2, pages=False))
    assert not (tmp_path / "output" / "flat_page.html").exists()
