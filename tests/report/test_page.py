import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from browser import browse, measure_width, needs_chromium
from processes import run_python

from bundle import CONFIGS
from bundle.evaluation import Evaluation
from bundle.report import Report
from tests.tiny_evaluation import build_evaluation
from tests.tiny_pairs import VALUE_MEAN, VALUE_SCALE, TinyPairs, build_known_network


def make_page(evaluation: Evaluation, folder: Path, settings: dict[str, Any], title: str = "ICAM") -> Report:
    return Report(evaluation, evaluation.explainer, folder, folder / "model.pt", folder / "train.csv", settings, title)


@pytest.fixture
def make_report(make_cohort, make_network, tmp_path):
    def make(spatial_dims: int = 2, dropped: tuple[str, ...] = (), evaluate: bool = True, **arguments) -> Report:
        cohort, network = make_cohort(spatial_dims).drop(*dropped), make_network(spatial_dims)
        torch.save({"model": network.state_dict()}, tmp_path / "model.pt")
        evaluation = build_evaluation(network, cohort, tmp_path, **arguments)
        if evaluate:
            evaluation.run()
        history = {"epoch": [1, 2, 3], "loss": [9.0, 4.0, 2.0], "val_ncc": [0.1, 0.3, 0.4], "val_accuracy": [0.5, 0.9, 1.0]}
        pd.DataFrame(history).to_csv(tmp_path / "train.csv", index=False)
        return make_page(evaluation, tmp_path, {"image_size": [16, 32]}, "A & B")

    return make


@pytest.mark.parametrize("spatial_dims", [2, pytest.param(3, marks=pytest.mark.slow)])
def test_page_is_complete_in_itself(spatial_dims, make_report):
    page = make_report(spatial_dims).write().read_text()
    assert not re.findall(r'(?:src|href)="(?!data:image/png;base64,|#)', page)
    assert "@import" not in page and "url(http" not in page
    assert "A &amp; B" in page and "width=device-width" in page
    banner = '<p class="banner" role="note"><strong>Caution:</strong> The classifier is not shown to be better'
    assert page.count(banner) == 2 and page.index(banner) < page.index("<h2>")  # seen and unseen: four are too few for more
    for section in ("results", "scans", "interpolation", "latent", "training", "settings"):
        assert page.count(f'id="{section}"') == 1
    assert page.count("<svg") == 2 * 5 + 2 + 2  # figures and reliability of both splits, latent spaces, curves
    captions = re.findall(r"</svg>\n?<figcaption><strong>[^<]+\?</strong> [^<]+\.</figcaption>", page)
    assert len(captions) == page.count("<svg")  # a question and a caption each
    assert all(re.findall(r"<img [^>]*alt=\"[^\"]+\"", page)) and page.count("<img ") == page.count('alt="')
    assert "exemplar_" not in page.partition('id="settings"')[0] and "against the input" in page


@pytest.mark.slow
@pytest.mark.parametrize("spatial_dims", [2, 3])
def test_page_of_pairs_and_ages_shows_their_figures_and_scatter_pictures(spatial_dims, tmp_path):
    cohort, network = TinyPairs(spatial_dims, aged=4), build_known_network(spatial_dims, regression=True)
    ages = {"value_mean": VALUE_MEAN, "value_scale": VALUE_SCALE}
    evaluation = build_evaluation(network, cohort, tmp_path, **ages)
    evaluation.run()
    page = make_page(evaluation, tmp_path, {}).write().read_text()
    for words in (
        "repeat scans over converters",
        "repeat ratio",
        "volume effect, longitudinal (+)",
        "age, error in years",
        "two scans of one participant",
    ):
        assert words in page
    for title in ("seen: ventricle volume (+)", "seen: age of scans", "seen: age of translated scans"):
        assert f'aria-label="{title}"' in page
    assert not re.findall(r'(?:src|href)="(?!data:image/png;base64,|#)', page) and len(page) < 2_000_000


@pytest.mark.slow
def test_page_repeats_byte_for_byte(make_report):
    report = make_report()
    assert report.write().read_bytes() == report.write().read_bytes()


@pytest.mark.slow
def test_page_shows_the_figures_of_the_table(make_report, tmp_path):
    page = make_report().write().read_text()
    metrics = pd.read_csv(tmp_path / "eval" / "metrics.csv")
    row = metrics[(metrics["method"] == "exemplar_input") & (metrics["metric"] == "ncc_image")].iloc[0]
    assert f"<td>{row['mean']:.3f} [{row['ci_low']:.2f}, {row['ci_high']:.2f}]</td>" in page


def test_page_of_a_cohort_without_truths_says_what_is_left_out(make_report):
    page = make_report(dropped=("mask", "effect", "parcel_map", "brain_mask", "anatomy")).write().read_text()
    assert "Left out: no columns mask, effect or disease_map" in page and "Test scans" in page
    assert page.count("Left out") == 2 and "NCC is the correlation" not in page  # the other one: seen and unseen anatomies
    lead = page.split('id="results"')[0]
    assert "8 scans: 4 of class 0, 4 of class 1" in lead and ">accuracy<" in lead and "NCC" not in lead
    assert 'alt="truth' not in page and 'alt="exemplar map' in page


def test_a_report_before_the_evaluation_raises_and_says_what_to_run(make_report):
    with pytest.raises(FileNotFoundError, match=r"metrics\.csv does not exist: run the evaluation first"):
        make_report(evaluate=False).write()


def test_a_report_of_a_folder_without_an_evaluation_simulates_no_cohort(tmp_path):
    files = f"['{CONFIGS}/train.yaml','{CONFIGS}/evaluate.yaml']"
    words = ["-m", "monai.bundle", "run", "report", "--config_file", files, "--bundle_root", tmp_path]
    done = run_python(words, PYTHONPATH=str(CONFIGS.parent))
    assert done.returncode == 1 and "metrics.csv does not exist: run the evaluation first" in done.stdout.splitlines()[-1]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_report_on_another_evaluation_raises(make_report):
    make_report(seed=0)
    with pytest.raises(ValueError, match="holds an evaluation with another interval, maps: run the evaluation again"):
        make_report(seed=1, evaluate=False).write()


@pytest.mark.slow
def test_a_report_with_other_weights_raises(make_report):
    report = make_report()
    with torch.no_grad():
        report.explainer.network.attribute_encoder.classifier.bias += 1
    with pytest.raises(ValueError, match="holds an evaluation with another weights"):
        report.write()


@pytest.mark.slow
@needs_chromium
def test_the_page_opens_from_the_disk_sorts_and_fits_any_width(make_report, tmp_path):
    page = make_report().write()
    document = browse(tmp_path, page.as_uri(), "--dump-dom")
    assert document.count('<button type="button">') > 10
    for width in (390, 1280):
        assert measure_width(page, width) <= width
