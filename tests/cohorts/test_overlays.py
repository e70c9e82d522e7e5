"""The overlays of cohorts, with the configs of training and evaluation, and with volumes."""

import inspect
import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from monai.bundle import ConfigParser

from bundle.cohorts import find_folder, read_adni, read_folder, read_hcp, read_ukbiobank
from bundle.guards import check_overrides

CONFIGS = Path(__file__).parents[2] / "configs"
READERS = {
    "adni": read_adni,
    "adni_caps": read_adni,
    "folder": read_folder,
    "hcp": read_hcp,
    "ukbiobank": read_ukbiobank,
}
STAGES = [("train",), ("train", "evaluate"), ("train", "volumes")]
PLAIN = {"layout", "labels", "classes", "field_strength", "held_out", "sessions", "scan", "table", "field", "extract_dir"}
PLAIN |= {"contrast", "brain_mask", "columns", "age_classes", "image_pattern"}
PARTS = ("cohort", "simulated_cohort", "manifest", "dataset_dir", "output_dir", "key_metric")


def load(name: str, *stages: str, **changes: Any) -> ConfigParser:
    files = [str(CONFIGS / f"{stage}.yaml") for stage in stages] + [str(CONFIGS / "data" / f"{name}.yaml")]
    check_overrides(["run", "--config_file", str(files)])
    parser = ConfigParser()
    parser.read_config(files)
    parser.update({key.replace("__", "#"): value for key, value in changes.items()})
    return parser


def test_there_is_an_overlay_for_each_reader() -> None:
    assert {path.stem for path in (CONFIGS / "data").glob("*.yaml")} == set(READERS)


@pytest.mark.parametrize("name", READERS)
def test_an_overlay_replaces_the_cohort_and_nothing_else(name: str) -> None:
    overlay = ConfigParser.load_config_file(CONFIGS / "data" / f"{name}.yaml")
    assert set(overlay) <= set(PARTS) and overlay["simulated_cohort"] is None


@pytest.mark.parametrize("name", READERS)
def test_every_option_of_a_reader_is_a_key_with_its_default(name: str) -> None:
    manifest = load(name, "train").get("manifest")
    options = inspect.signature(READERS[name]).parameters
    assert set(manifest) == set(options) | {"_target_"}
    defaults = {key: json.loads(json.dumps(option.default)) for key, option in options.items() if key in PLAIN}
    if name == "adni_caps":
        defaults["layout"] = "caps"
    assert {key: manifest[key] or None for key in defaults} == defaults


@pytest.mark.parametrize("stages", STAGES, ids="+".join)
def test_adni_with_every_stage(make_bids, visits, stages: tuple[str, ...]) -> None:
    folder = make_bids(visits)
    parser = load("adni", *stages, dataset_dir=str(folder))
    assert parser.get_parsed_content("cohort") == folder
    pd.testing.assert_frame_equal(parser.get_parsed_content("manifest"), read_adni(folder))


def test_options_are_reached_on_the_command_line(make_bids, visits) -> None:
    changes = {"manifest__classes": [["CN", "MCI"], ["AD"]], "manifest__held_out": "everyone"}
    parser = load("adni", "train", dataset_dir=str(make_bids(visits)), manifest__splitting__num_folds=4, **changes)
    manifest = parser.get_parsed_content("manifest")
    assert "CN" in set(manifest["diagnosis"]) and manifest["split"].value_counts()["test"] >= 5


def test_the_seed_of_the_config_decides_on_the_split(make_bids, visits) -> None:
    folder = make_bids(visits)
    options = {"dataset_dir": str(folder), "manifest__held_out": "everyone", "manifest__splitting__fractions": [0.5, 0.25, 0.25]}
    first, second = (load("adni", "train", cohort_seed=seed, **options).get_parsed_content("manifest") for seed in (0, 1))
    assert not first["split"].equals(second["split"])


def test_listing_writes_counts_and_tables(make_bids, visits, tmp_path: Path, caplog) -> None:
    parser = load("adni", "train", dataset_dir=str(make_bids(visits)), output_dir=str(tmp_path / "out"))
    with caplog.at_level("INFO"):
        parser.get_parsed_content("listing#1")
    assert "24 scans of 20 participants" in caplog.text
    written = read_folder(tmp_path / "out", table="manifest.tsv")
    assert len(written) == 24
    assert (tmp_path / "out" / "manifest_exclusions.tsv").is_file()


@pytest.mark.parametrize("name", READERS)
def test_a_folder_that_is_absent_is_refused_and_nothing_is_simulated(name: str, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="dataset_dir .*absent does not exist"):
        find_folder(tmp_path / "absent")
    parser = load(name, "train", dataset_dir=str(tmp_path / "absent"))
    with pytest.raises(RuntimeError) as raised:
        parser.get_parsed_content("manifest")
    causes = []
    error: BaseException | None = raised.value
    while error:
        causes.append(str(error))
        error = error.__cause__
    assert any("absent does not exist" in cause for cause in causes)
    assert not (tmp_path / "absent").exists()
