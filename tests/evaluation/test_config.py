from pathlib import Path

import pandas as pd
import pytest
import torch
from monai.bundle import ConfigParser

from bundle.simulation.squares import simulate_squares_cohort

ROOT = Path(__file__).parents[2]
EVALUATION = ("train.yaml", "evaluate.yaml")


def read(*names: str) -> ConfigParser:
    parser = ConfigParser()
    parser.read_config([ROOT / "configs" / name for name in names])
    return parser


def test_the_config_repeats_nothing_of_the_training():
    evaluation, training = (ConfigParser.load_config_file(ROOT / "configs" / name) for name in ("evaluate.yaml", "train.yaml"))
    assert [key for key in evaluation if evaluation[key] == training.get(key.removeprefix("+"), KeyError)] == []


def test_scans_are_prepared_as_in_training():
    evaluated, trained = read(*EVALUATION), read("train.yaml")
    assert evaluated["preprocessing"] == trained["preprocessing"]
    assert evaluated["images"].items() >= trained["images"].items()  # the truths are read too


@pytest.fixture(params=[2, pytest.param(3, marks=pytest.mark.slow)])
def parser(request, tmp_path):
    size = [32] * request.param
    parser = read(*EVALUATION)
    parser.update({
        "bundle_root": str(tmp_path),
        "dataset_dir": str(simulate_squares_cohort(tmp_path / "squares", size, num_train=8, num_validation=4, num_test=8)),
        "simulated_cohort": read("squares.yaml")["simulated_cohort"] | {"num_train": 8, "num_validation": 4, "num_test": 8},
        "checkpoint": str(tmp_path / "model.pt"),
        "device": "cpu",
        "spatial_dims": request.param,
        "image_size": size,
        "pixdim": 1.0,
        "plane": 0.0 if request.param == 2 else None,
        "num_samples": 4,
        "num_resamples": 50,
    })  # fmt: skip
    torch.manual_seed(0)
    torch.save({"model": parser.get_parsed_content("network_def").state_dict()}, tmp_path / "model.pt")
    return parser


@pytest.mark.slow
def test_truncated_scan_is_left_out_and_named(parser):
    image = parser.get_parsed_content("test#readable_scans").items[2]["image"]
    Path(image).write_bytes(Path(image).read_bytes()[:200])
    parser.parse(reset=True)
    table = parser.get_parsed_content("evaluator").run()
    assert table["n"].max() == 7
    with pytest.raises(SystemExit, match=r"1 of 8 test scans could not be read and are left out of all figures: .*sub-0015"):
        parser.get_parsed_content("test#readable_scans").finish()


@pytest.mark.slow
def test_config_evaluates_a_cohort_on_disk_and_reports_on_it(parser, tmp_path):
    table = parser.get_parsed_content("evaluator").run()
    oracle = table[(table["method"] == "oracle_expected") & (table["protocol"] == "paired")]
    assert (oracle["mean"] > 0.999).all() and set(table["cohort"]) == {"squares"} and set(table["split"]) == {"seen"}
    assert len(pd.read_csv(tmp_path / "output" / "eval" / "metrics.csv")) == len(table)
    parser.get_parsed_content("page").write()
    assert (tmp_path / "output" / "report" / "index.html").is_file()


def test_weights_of_another_architecture_are_refused(parser):
    parser["content_encoder::num_blocks"] = 2
    with pytest.raises(RuntimeError) as error:
        parser.get_parsed_content("evaluator")
    cause: BaseException = error.value
    while cause.__cause__ is not None:
        cause = cause.__cause__
    assert "model.pt fits another architecture than the config's" in str(cause)
