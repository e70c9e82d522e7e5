"""The results of a group, from folders of maps to the page."""

import json
import logging
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from bundle.group import Cohort, Correction, Design, GroupAnalysis, MapReader
from bundle.group.clusters import name_regions

QUICK = Correction("max_t", 64)


def analyse(results: Any, output: Path, design: Design | None = None, participants: Path | None = None, **settings: Any) -> dict:
    """Analyse a group; return what was recorded."""
    correction = settings.pop("correction", QUICK)
    reader = MapReader(**settings)
    GroupAnalysis(Cohort(results, participants), reader, design or Design(), correction, output, mni_space=False).run()
    return json.loads((output / "settings.json").read_text())


def read(path: Path) -> np.ndarray:
    return np.asarray(nibabel.load(path).dataobj)


def test_means_spread_and_tests_lie_on_the_grid_of_the_scans(results: Path, maps: list[np.ndarray], tmp_path: Path) -> None:
    record = analyse(results, tmp_path / "group", correction=Correction("fdr", alpha=0.01))
    image = nibabel.load(tmp_path / "group" / "0-to-1_mean.nii.gz")
    inside = np.ones(maps[0].shape, bool)
    inside[0] = False  # no foreground
    known = {"mean": np.mean(maps[:6], axis=0), "std": np.std(maps[:6], axis=0, ddof=1), "count": np.full(maps[0].shape, 6)}
    for name, values in known.items():
        np.testing.assert_allclose(read(tmp_path / "group" / f"0-to-1_{name}.nii.gz"), values * inside, atol=1e-6)
    np.testing.assert_allclose(image.affine, nibabel.load(results / "sub-00_fa_mean.nii.gz").affine)
    assert image.get_data_dtype() == np.float32 and record["num_voxels"] == inside.sum()
    clusters = pd.read_csv(tmp_path / "group" / "clusters.tsv", sep="\t")
    assert set(clusters["test"]) == {"0-to-1", "1-to-0"}
    largest = clusters.sort_values("voxels").groupby("test").last()
    assert largest.loc["0-to-1", "t"] > 0 > largest.loc["1-to-0", "t"]
    assert abs(largest["voxels"] - 9 * maps[0].shape[2]).max() <= 3


def test_page_and_pictures_say_what_they_show(results: Path, tmp_path: Path) -> None:
    analyse(results, tmp_path / "group")
    page = (tmp_path / "group" / "index.html").read_text()
    pictures = re.findall(r'<img src="([^"]+)" alt="([^"]+)"', page)
    assert sorted(name for name, _ in pictures) == sorted(path.name for path in (tmp_path / "group").glob("*.png"))
    assert len(pictures) == 4  # mean and t of two directions
    assert "Colours end at ±0.1 network intensity (means and differences;" in page and "±10 (t;" in page
    assert all("Colours end at ±0.1; magnitudes below 0.005 are not drawn." in text for name, text in pictures if "esti" in name)
    for name, text in pictures:
        assert "n = 6" in text and "Red to yellow: brighter as" in text and "Blue to cyan: darker as" in text
        assert np.asarray(Image.open(tmp_path / "group" / name).convert("RGB")).std() > 5
    methods = (tmp_path / "group" / "methods.txt").read_text().strip()
    assert methods.replace("'", "&#39;").replace("&", "&amp;").replace("&amp;#39;", "&#39;") in page
    assert "12 scans" in methods and "not smoothed" in methods and "64 random permutations" in methods and "seed 0" in methods
    assert "nilearn 0." in methods


def test_pictures_of_a_group_without_a_common_change_are_pale(maps: list[np.ndarray], write_group: Any, tmp_path: Path) -> None:
    colours = {}
    for name, factor in (("weak", 0.01), ("strong", 1.0)):
        results = write_group([factor * values for values in maps], [(0, 1)] * 6 + [(1, 0)] * 6, name)
        record = analyse(results, tmp_path / "group")
        assert record["colours_end_at"] == {"estimate": 0.1, "t": 10.0}
        picture = np.asarray(Image.open(tmp_path / "group" / "0-to-1_estimate.png").convert("RGB")).astype(int)
        left = picture[:, : int(0.85 * picture.shape[1])]  # without the bar of the colours
        colours[name] = int((left[..., 0] - left[..., 2]).max())
    assert colours["weak"] < 0.8 * colours["strong"]


@pytest.mark.parametrize("wrong", [{"colour_limit": 0}, {"t_limit": -1.0}, {"t_limit": "high"}])
def test_colours_without_an_end_are_refused(wrong: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(wrong))} must be a positive number"):
        GroupAnalysis(Cohort(tmp_path, None), MapReader(), Design(), QUICK, tmp_path, **wrong)


NETWORK = {"Name": "toy", "Version": "epoch 3", "SHA256": "0123abcd", "TrainedOn": "simulated toys", "Classes": ["a", "b"]}


def test_page_and_paragraph_name_network_reference_and_cautions(results: Path, tmp_path: Path) -> None:
    (results / "network.json").write_text(json.dumps({**NETWORK, "Cautions": ["Trained on toys"], "fingerprint": ""}))
    for reference, words in (("reconstruction", "the scan's own reconstruction,"), ("input", "the scan,")):
        (results / "settings.json").write_text(json.dumps({"weights": "0123", "reference": reference, "fingerprint": ""}))
        record = analyse(results, tmp_path / "group")
        methods = (tmp_path / "group" / "methods.txt").read_text()
        assert "by ICAM, network toy (epoch 3, SHA-256 0123abcd), trained on simulated toys:" in methods
        assert f"translated scan minus {words}" in methods and "Caution: Trained on toys. Software" in methods
        page = (tmp_path / "group" / "index.html").read_text()
        assert '<p class="banner" role="note"><strong>Caution:</strong> Trained on toys.</p>' in page
        assert record["network"]["SHA256"] == "0123abcd"


def test_where_nothing_is_tested_the_paragraph_says_so_and_why(
    write_group: Callable[..., Path], maps: list[np.ndarray], tmp_path: Path
) -> None:
    results = write_group(maps[:3], [(0, 1), (0, 1), (1, 0)])
    analyse(results, tmp_path / "group")
    methods = (tmp_path / "group" / "methods.txt").read_text()
    assert "Nothing was tested: class 0 to class 1 (n = 2): fewer than 3 scans; class 1 to class 0 (n = 1): fewer than" in methods
    for words in ("t-test", "corrected", "error", "Nichols", "Effect sizes", "ovariates", "0 tests"):
        assert words not in methods
    results = write_group(maps[:4], [(0, 1)] * 3 + [(1, 0)], "more")
    analyse(results, tmp_path / "group")
    methods = (tmp_path / "group" / "methods.txt").read_text()
    assert "voxels: class 0 to class 1 (n = 3). In a" in methods and "against zero" in methods and "two groups" not in methods
    assert "corrected over its voxels." in methods


def test_results_that_do_not_say_what_made_them_carry_a_caution(results: Path, tmp_path: Path) -> None:
    analyse(results, tmp_path / "group")
    for name in ("index.html", "methods.txt"):
        assert "The results do not say on which scans the network was trained" in (tmp_path / "group" / name).read_text()


def test_the_page_lists_all_scans_with_their_groups_and_its_links_lead_to_files(
    results: Path, participants: Path, tmp_path: Path
) -> None:
    (results / "sub-03_page.html").write_text("")
    analyse(results, tmp_path / "group", Design(["sex", "F", "M"]), participants)
    page = (tmp_path / "group" / "index.html").read_text()
    rows = re.findall(r"<tr><th scope=\"row\">(.*?)</th><td>(.*?)</td><td>(.*?)</td><td>(.)</td></tr>", page)
    assert [row[1:] for row in rows[:2]] == [("class 0", "class 1", "F"), ("class 0", "class 1", "M")] and len(rows) == 12
    assert rows[2][0] == "sub-02" and rows[3][0] == '<a href="./../output/sub-03_page.html">sub-03</a>'
    links = set(re.findall(r'href="([^#"]+)"', page))
    assert {"clusters.tsv", "methods.txt", "settings.json", "0-to-1_mean.nii.gz", "0-to-1_logp.nii.gz"} <= links
    assert all((tmp_path / "group" / link).is_file() for link in links)


def test_groups_of_a_table_are_compared_within_a_target_class(
    results: Path, participants: Path, maps: list[np.ndarray], tmp_path: Path
) -> None:
    analyse(results, tmp_path / "group", Design(["sex", "F", "M"]), participants)
    found = read(tmp_path / "group" / "sex_F_minus_M_to-1_difference.nii.gz")
    women, men = np.mean(maps[0:6:2], axis=0), np.mean(maps[1:6:2], axis=0)
    np.testing.assert_allclose(found[1:], (women - men)[1:], atol=1e-6)
    assert "towards class 1: F minus M (sex)" in (tmp_path / "group" / "index.html").read_text()


def test_predicted_classes_are_compared_where_all_have_one_target(
    write_group: Callable[..., Path], maps: list[np.ndarray], tmp_path: Path
) -> None:
    results = write_group(maps, [(0, 1)] * 6 + [(1, 1)] * 6)
    record = analyse(results, tmp_path / "group", correction=Correction("fdr"))
    assert "predicted-class_0_minus_1_to-1" in record["tests"]
    assert read(tmp_path / "group" / "predicted-class_0_minus_1_to-1_t.nii.gz")[5, 5].min() > 10


def test_a_second_run_replaces_the_files_of_the_first(results: Path, participants: Path, tmp_path: Path) -> None:
    analyse(results, tmp_path / "group", Design(["sex", "F", "M"]), participants)
    (tmp_path / "group" / "mine.txt").write_text("kept")
    before = {path.name: path.read_bytes() for path in (tmp_path / "group").glob("0-to-1_*.nii.gz")}
    record = analyse(results, tmp_path / "group")
    assert not list((tmp_path / "group").glob("sex*")) and (tmp_path / "group" / "mine.txt").exists()
    assert before == {path.name: path.read_bytes() for path in (tmp_path / "group").glob("0-to-1_*.nii.gz")}
    assert all((tmp_path / "group" / name).is_file() for name in record["files"])


def test_a_scan_that_cannot_be_read_is_named_and_the_others_are_done(
    results: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (results / "sub-03_fa_mean.nii.gz").write_bytes(b"damaged")
    with caplog.at_level(logging.WARNING), pytest.raises(SystemExit, match="1 of 12 scans failed, the others are done.*sub-03"):
        analyse(results, tmp_path / "group")
    assert any(message.startswith("sub-03 is left out") for message in caplog.messages)
    assert json.loads((tmp_path / "group" / "settings.json").read_text())["tests"]["0-to-1"]["scans"] == {"scans": 5}


def test_scans_elsewhere_than_mni_space_are_refused_unless_it_is_said(results: Path, tmp_path: Path) -> None:
    for path in results.glob("*_fa_mean.nii.gz"):
        image = nibabel.load(path)
        affine = image.affine + np.eye(4)[:, 2:3] @ np.array([[0, 0, 0, 95]])  # 95 mm higher
        nibabel.save(nibabel.Nifti1Image(np.asarray(image.dataobj), affine), path)
    analysis = GroupAnalysis(Cohort(results), MapReader(), Design(), QUICK, tmp_path / "group")
    with pytest.raises(ValueError, match=r"do not lie in MNI152 space: their mask overlaps .* --mni_space False"):
        analysis.run()


def test_regions_are_those_of_the_atlas_and_the_ventricles() -> None:
    points = np.array([[-28, -20, -14], [28, -20, -14], [-8, 4, 16], [8, 4, 16], [300, 0, 0]])
    assert name_regions(points) == ["Hippocampus_L", "Hippocampus_R", "Lateral_Ventricle_L", "Lateral_Ventricle_R", ""]


def test_importing_the_package_does_not_import_nilearn() -> None:
    code = "import bundle, bundle.command_line, sys; sys.exit('nilearn' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
