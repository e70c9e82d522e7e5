"""The pages of the test scans of an evaluation."""

import base64
import gzip
import html
import re
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import nibabel
import numpy as np
import pandas as pd
import pytest
import torch
from browser import browse, needs_chromium
from monai.data import Dataset

from bundle.evaluation import Evaluation
from bundle.evaluation.ground_truth import Truth
from bundle.viewer import EvaluationPages
from bundle.viewer.evaluation_pages import NO_MAP, WRONG, find_mean_truth
from tests.tiny_cohort import TinyCohort, build_network
from tests.tiny_evaluation import build_evaluation


def evaluate(folder: Path, cohort: TinyCohort, spatial_dims: int = 2, **network: Any) -> Evaluation:
    evaluation = build_evaluation(build_network(spatial_dims, **network), cohort, folder, num_samples=3, num_resamples=20)
    evaluation.pages = EvaluationPages(evaluation.results.folder, evaluation.split, evaluation.maps.training, ["look twice"])
    evaluation.run()
    return evaluation


def read_rows(index: Path) -> list[dict[str, str]]:
    """Return the cells of each scan by their headings, and the address of its page under `link`."""
    text = index.read_text()
    heads = re.findall(r'<th scope="col"[^>]*>([^<]*)</th>', text)
    rows = []
    for row in re.findall(r"<tr data-key=.*?</tr>", text):
        cells = re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", row)
        rows.append({key: html.unescape(re.sub(r"<[^>]*>", "", cell)) for key, cell in zip(heads, cells, strict=True)})
        rows[-1]["link"] = unquote((re.findall(r'<a href="([^"]*)"', row) or [""])[0])
    return rows


def read_volumes(page: Path) -> dict[str, np.ndarray]:
    found = re.findall(r'<script type="application/octet-stream" id="volume-(\w+)">(\S+)</script>', page.read_text())
    return {key: nibabel.Nifti1Image.from_bytes(gzip.decompress(base64.b64decode(text))).get_fdata() for key, text in found}


@pytest.mark.parametrize("spatial_dims", [2, 3])
def test_each_scan_has_a_page_with_its_map_its_truth_and_the_ncc_of_the_table(spatial_dims: int, tmp_path: Path) -> None:
    cohort = TinyCohort(spatial_dims)
    evaluation = evaluate(tmp_path, cohort, spatial_dims)
    folder = tmp_path / "eval"
    rows = read_rows(folder / "index.html")
    assert [row["scan"] for row in rows] == [row["participant_id"] for row in cohort.test.data]
    scans = pd.read_csv(folder / "scans.csv").query("method == 'sampled_reconstruction' and protocol == 'paired'")
    predictions = pd.read_csv(folder / "predictions.csv")
    for index, row in enumerate(rows):
        label = int(cohort.test.data[index]["label"])
        assert (row["true class"], row["target"]) == (f"class {label}", f"class {1 - label}")
        assert row["class"] == f"class {predictions['predicted'][index]}"
        assert float(row["NCC"]) == pytest.approx(float(scans.query(f"scan == {index}")["ncc_image"].iloc[0]), rel=5e-3)
        volumes = read_volumes(folder / row["link"])
        maps, variance = evaluation.explainer.make_maps_and_variance([index], 1 - label, evaluation.explainer.encode().attribute)
        assert variance is not None
        shape = (*cohort.size, 1)[:3]
        for key, expected in (("fa_mean", maps["sampled_reconstruction"]), ("fa_std", variance.sqrt())):
            np.testing.assert_allclose(volumes[key], expected[0, 0].numpy().reshape(shape), atol=2e-3)
        assert {"scan", "translated", "fa_exemplar", "truth", "truth_exemplar"} <= set(volumes)
        changed = cohort.images[f"test-{index}"]["effect"][0].numpy().reshape(shape)
        assert volumes["truth"].any() and not volumes["truth"][changed == 0].any()
        text = (folder / row["link"]).read_text()
        assert "look twice" in text and f"true class: class {label}" in text and "Truth: " in text
    assert len(list((folder / "pages").iterdir())) == len(rows)


def test_a_stopped_evaluation_writes_the_same_pages_and_those_that_are_lost_anew(tmp_path: Path) -> None:
    def read(name: str) -> dict[str, bytes]:
        folder = tmp_path / name / "eval"
        return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.html")}

    evaluate(tmp_path / "whole", TinyCohort(2))
    cohort, stopped = TinyCohort(2), tmp_path / "stopped"
    with pytest.raises(KeyboardInterrupt):
        evaluation = build_evaluation(build_network(2), cohort, stopped, num_samples=3, num_resamples=20)
        pages = EvaluationPages(stopped / "eval", evaluation.split, evaluation.maps.training, ["look twice"])
        evaluation.pages, finish = pages, pages.finish

        def stop(shown: Any) -> None:
            raise KeyboardInterrupt

        pages.finish = stop  # type: ignore[method-assign]
        evaluation.run()
    assert not (stopped / "eval" / "index.html").exists()
    pages.finish = finish  # type: ignore[method-assign]
    lost = sorted((stopped / "eval" / "pages").iterdir())[-1]
    lost.unlink()
    (lost.parent / "0099_old_page.html").write_text("of another evaluation")
    evaluation.run()
    assert read("stopped") == read("whole")
    pages.finish = stop  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        evaluation.run()
    assert not (stopped / "eval" / "index.html").exists()  # that of the evaluation before
    evaluation.pages = None
    evaluation.run()
    assert not read("stopped")


def test_the_page_of_all_scans_names_the_tables_in_the_first_evaluation_of_a_folder_and_in_the_next(tmp_path: Path) -> None:
    evaluation = evaluate(tmp_path, TinyCohort(2))
    index = tmp_path / "eval" / "index.html"
    first = index.read_text()
    assert {f'<a href="./{name}.csv">' in first for name in ("metrics", "scans", "predictions")} == {True}
    evaluation.run()
    assert index.read_text() == first


def test_of_three_classes_a_scan_has_a_page_for_each_direction(tmp_path: Path) -> None:
    cohort = TinyCohort(2, num_train=6)
    for dataset in (cohort.train, cohort.test):
        dataset.data = [row | {"label": 2} if place % 4 == 3 else row for place, row in enumerate(dataset.data)]
    evaluate(tmp_path, cohort, num_classes=3)
    rows = read_rows(tmp_path / "eval" / "index.html")
    targets = {(row["scan"], row["target"]) for row in rows}
    assert {target for scan, target in targets if scan == "test-0"} == {"class 1", "class 2"}
    assert {target for scan, target in targets if scan == "test-1"} == {"class 0", "class 2"}
    known = {(row["true class"], row["target"]) for row in rows if row["NCC"]}
    assert known == {("class 0", "class 1"), ("class 0", "class 2"), ("class 1", "class 0"), ("class 2", "class 0")}
    assert len({row["link"] for row in rows}) == len(rows)


def test_scans_without_truth_have_a_map_and_no_ncc(tmp_path: Path) -> None:
    evaluate(tmp_path, TinyCohort(2).drop("mask", "effect", "parcel_map"))
    rows = read_rows(tmp_path / "eval" / "index.html")
    assert len(rows) == 8 and all("NCC" not in row and row["link"] and row["target"] != row["true class"] for row in rows)
    assert "truth" not in read_volumes(tmp_path / "eval" / rows[0]["link"])
    assert pd.read_csv(tmp_path / "eval" / "metrics.csv", keep_default_na=False)["protocol"].eq("").all()


def test_scans_without_a_reference_are_listed_without_a_map(tmp_path: Path) -> None:
    cohort = TinyCohort(2)
    cohort.test = Dataset([row for row in cohort.test.data if row["label"] == 1], cohort.load)
    evaluate(tmp_path, cohort)
    rows = read_rows(tmp_path / "eval" / "index.html")
    assert len(rows) == 4 and {(row["target"], row["link"]) for row in rows} == {("", "")}
    assert all(NO_MAP in row["warnings"] for row in rows)


def test_a_wrong_class_is_a_warning(tmp_path: Path) -> None:
    evaluate(tmp_path, TinyCohort(2))
    text = (tmp_path / "eval" / "index.html").read_text()
    wrong = [row for row in read_rows(tmp_path / "eval" / "index.html") if row["class"] != row["true class"]]
    assert wrong and f"of {len(wrong)} scans: <span>{WRONG}" in text


def test_a_network_without_classifier_has_no_pages(tmp_path: Path) -> None:
    evaluation = evaluate(tmp_path, TinyCohort(2), classification=False)
    assert not list((tmp_path / "eval").rglob("*.html"))
    assert any("no pages of scans" in sentence for sentence in evaluation.list_gaps())


def test_names_are_plain_in_files_and_whole_on_pages(tmp_path: Path) -> None:
    cohort = TinyCohort(2)
    names = ["a/b <i>ä</i>", "..", "é" * 300]
    for place, name in enumerate(names):
        cohort.images[name] = cohort.images[f"test-{place}"]
    named = [row | {"participant_id": name} for row, name in zip(cohort.test.data, names, strict=False)]
    cohort.test = Dataset([*named, *list(cohort.test.data)[len(names) :]], cohort.load)
    evaluate(tmp_path, cohort)
    rows = read_rows(tmp_path / "eval" / "index.html")[: len(names)]
    assert [row["scan"] for row in rows] == names
    stems = ["0000_a_b__i_ä__i_", "0001_..", "0002_" + "é" * 60]  # numbers are those of `scan` in the tables
    assert [row["link"] for row in rows] == [f"./pages/{stem}_page.html" for stem in stems]
    for row in rows:
        page = tmp_path / "eval" / row["link"]
        assert f"<h1>{html.escape(row['scan'], quote=False)}</h1>" in page.read_text()


def test_the_truth_of_a_mean_map_is_the_expected_change_before_the_mask() -> None:
    image = torch.zeros(1, 2, 2)
    mask, own = Truth("paper", "both", "mask", image), Truth("paired", "exemplar", "own mask", image)
    change = Truth("paired", "sampled", "change", image)
    assert find_mean_truth([mask, own, change]) is change
    assert find_mean_truth([mask, own]) is mask
    assert find_mean_truth([own]) is None and find_mean_truth([]) is None


@needs_chromium
@pytest.mark.slow
def test_pages_open_in_a_browser_without_a_word_and_lead_to_each_other(tmp_path: Path) -> None:
    evaluate(tmp_path, TinyCohort(3), 3)
    index = tmp_path / "eval" / "index.html"
    assert "8 of 8 scans" in browse(tmp_path, index.as_uri(), "--dump-dom")
    page = tmp_path / "eval" / read_rows(index)[1]["link"]
    assert "Cross: voxel" in browse(tmp_path, page.as_uri(), "--dump-dom")
    links = [unquote(link) for link in re.findall(r'(?:href)="(?!data:)([^"#]*)"', page.read_text())]
    assert len(links) == 3 and all((page.parent / link).is_file() for link in links)
