"""The configs among themselves: overlays change what is there, and inference agrees with the training."""

from pathlib import Path
from typing import Any

import pytest
from monai.bundle import ConfigParser
from monai.data import MetaTensor

from bundle.checkpoints import SETTINGS, read_about
from bundle.guards import check_overrides
from bundle.networks import ICAM
from bundle.simulation.squares import simulate_squares_cohort

CONFIGS = Path(__file__).parents[1] / "configs"
STAGES = {"train": ["train"], "evaluate": ["train", "evaluate"], "inference": ["inference"]}
OVERLAYS = sorted(
    str(path.relative_to(CONFIGS).with_suffix(""))
    for pattern in ("*.yaml", "ablations/*.yaml", "baselines/drit*.yaml")
    for path in CONFIGS.glob(pattern)
    if path.stem not in (*STAGES, "prepare", "group", "serving", "faithfulness", "federated")
    and not path.stem.startswith(("benchmark", "multi_gpu"))
)

BENEATH = {  # overlays that another one is needed for
    "volumes32": ["volumes"],
    "volumes96": ["volumes"],
    "volumes128": ["volumes"],
    "ageing": ["volumes"],
    "baselines/drit80": ["baselines/drit"],
}


def load(stage: str, *overlays: str) -> dict[str, Any]:
    return ConfigParser.load_config_files([CONFIGS / f"{name}.yaml" for name in (*STAGES[stage], *overlays)])


def list_unknown(overlay: dict[str, Any], base: Any, inside: str = "") -> list[str]:
    """List the keys of an overlay that its base has not; a component is replaced as a whole and checks its own arguments."""
    unknown = []
    for key, value in overlay.items():
        config: Any = base
        for part in key.removeprefix("+").split("#"):
            config = config[part] if isinstance(config, dict) and part in config else KeyError
        if config is KeyError:
            unknown.append(inside + key)
        elif isinstance(value, dict) and "_target_" not in value:
            unknown += list_unknown(value, config, f"{inside}{key}#")
    return unknown


@pytest.mark.parametrize("name", OVERLAYS)
def test_every_key_of_an_overlay_is_in_the_config_of_a_stage(name: str) -> None:
    stages = load("inference", *BENEATH.get(name, [])) | load("evaluate", *BENEATH.get(name, []))
    assert list_unknown(ConfigParser.load_config_file(CONFIGS / f"{name}.yaml"), stages) == []


def test_a_mistyped_key_is_found_at_every_depth() -> None:
    base = load("train")
    assert list_unknown({"max_epoch": 1, "loss_weights": {"cycle": 1}, "train#trainer#max_epoch": 1, "seed": 1}, base) == [
        "max_epoch",
        "loss_weights#cycle",
        "train#trainer#max_epoch",
    ]


@pytest.mark.parametrize("name", OVERLAYS)
def test_an_overlay_says_in_its_first_line_what_it_shows(name: str) -> None:
    assert (CONFIGS / f"{name}.yaml").read_text().startswith("# Shows ")


@pytest.mark.parametrize("name", OVERLAYS)
@pytest.mark.parametrize("stage", STAGES)
def test_an_overlay_gives_every_stage_the_same_network(name: str, stage: str) -> None:
    networks = []
    for base in ("train", stage):
        parser = ConfigParser(load(base, *BENEATH.get(name, []), name))
        networks.append(parser.get_parsed_content("network_def"))
    shapes, expected = ({key: value.shape for key, value in network.state_dict().items()} for network in networks)
    assert isinstance(networks[0], ICAM)
    assert shapes == expected


@pytest.mark.parametrize("name", OVERLAYS)
@pytest.mark.parametrize("stage", STAGES)
def test_an_overlay_is_accepted_by_every_stage(name: str, stage: str) -> None:
    """A network that was trained with an overlay is evaluated and used with the same one, whatever else that changes."""
    files = [str(CONFIGS / f"{part}.yaml") for part in (*STAGES[stage], *BENEATH.get(name, []), name)]
    check_overrides(["run", "--config_file", str(files)])


def test_inference_prepares_scans_as_training_does() -> None:
    """Training reads more files; the scan itself goes the same way."""
    trained, used = (load(name)["preprocessing"]["transforms"] for name in ("train", "inference"))
    assert used.pop() == {"_target_": "bundle.data.MarkTrainingScansd", "keys": "image", "checkpoint": "@checkpoint"}
    per_key = ("keys", "constant", "mode", "allow_missing_keys")
    assert [{k: v for k, v in item.items() if k not in per_key} for item in used] == [
        {k: v for k, v in item.items() if k not in per_key} for item in trained
    ]
    read, resampled = used[:2]
    assert read["keys"] == resampled["keys"] == ["image", "mask", "disease_map"]
    assert dict(zip(resampled["keys"], resampled["mode"], strict=True)).items() <= load("train")["images"].items()
    assert read["constant"] == [False, True, True]  # only a scan must have contrast
    assert [item["keys"] for item in used[2:]] == ["image", "age"]


@pytest.mark.parametrize("name", ["slices128", "paper_objective"])
def test_the_papers_weights_are_complete(name: str) -> None:
    """A block replaces the one it overlays, so that a term that is left out is lost."""
    ours, theirs = load("train")["loss_weights"], load("train", name)["loss_weights"]
    assert {key for key, weight in ours.items() if weight} <= theirs.keys()


@pytest.mark.parametrize(
    ("name", "left"),
    [
        ("icam_fa", {"attribute_class", "map", "reconstruction_l1", "cycle_l1"}),
        ("icam_bce", {"attribute_class", "reconstruction_l1", "cycle_l1"}),
        ("icam_drit", {"reconstruction_l1", "cycle_l1"}),
    ],
)
@pytest.mark.parametrize("objective", [[], ["paper_network", "paper_objective"]], ids=["ours", "paper"])
def test_ablations_leave_out_their_terms_and_no_others(name: str, left: set[str], objective: list[str]) -> None:
    whole, less = (
        ConfigParser(load("train", *objective, *overlay)).get_parsed_content("loss_weights")
        for overlay in ([], [f"ablations/{name}"])
    )
    assert {key for key in whole if whole[key] == less[key] or less[key]} | {"map_reconstruction", "map"} >= left
    removed = {key for key in whole if whole[key] and not less[key]}
    candidates = {"reconstruction_l2", "cycle_l2", "map", "map_reconstruction", "attribute_class"}
    assert removed == {key for key in candidates - left if whole[key]} - ({"map_reconstruction"} if "map" in left else set())


def test_without_a_classifier_validation_has_no_accuracy() -> None:
    for name, accuracy in (("quickstart", True), ("ablations/icam_drit", False)):
        parser = ConfigParser(load("train", name))
        assert ("accuracy" in parser.get_parsed_content("validate#measured")) == accuracy


def test_the_paper_weighs_the_sum_of_the_divergence() -> None:
    parser = ConfigParser(load("train", "slices128", "paper_objective"))
    assert parser.get_parsed_content("loss_weights")["kl"] == pytest.approx(0.01 * 64)


@pytest.mark.parametrize("split", ["train", "validate"])
def test_what_is_not_random_is_cached(tmp_path: Path, split: str) -> None:
    simulate_squares_cohort(tmp_path / "squares", (32, 32), num_train=4, num_validation=4, num_test=0)
    parser = ConfigParser()
    parser.read_config([str(CONFIGS / "train.yaml"), str(CONFIGS / "squares.yaml")])
    parser.update({"dataset_dir": str(tmp_path / "squares"), "cohort": str(tmp_path / "squares"), "image_size": [32, 32]})
    dataset = parser.get_parsed_content(f"{split}#dataset")
    assert all(isinstance(item["image"], MetaTensor) for item in dataset._cache)


@pytest.mark.parametrize("overlays", [[], ["volumes", "conversion"]], ids=["slices", "volumes"])
@pytest.mark.parametrize("stage", ["evaluate", "inference"])
def test_the_shipped_network_fits_its_config(stage: str, overlays: list[str]) -> None:
    parser = ConfigParser(load(stage, *overlays))
    parser["device"] = "cpu"
    assert isinstance(parser.get_parsed_content("network"), ICAM)


@pytest.mark.parametrize(("name", "overlays"), [("model", []), ("conversion", ["volumes"]), ("ageing", ["volumes", "ageing"])])
def test_the_shipped_networks_hold_the_settings_of_their_scans(name: str, overlays: list[str]) -> None:
    expected = ConfigParser(load("train", *overlays)).get_parsed_content(SETTINGS)
    assert read_about(CONFIGS.parent / "models" / f"{name}.pt")[SETTINGS] == dict(expected)
    assert load("inference")[SETTINGS] == load("train")[SETTINGS]


@pytest.mark.parametrize("path", sorted((CONFIGS / "data").glob("*.yaml")), ids=lambda path: path.stem)
def test_who_is_tested_does_not_depend_on_the_seed_of_a_training(path: Path) -> None:
    text = path.read_text()
    assert 'seed: "@cohort_seed"' in text and 'seed: "@seed"' not in text
    assert all(load(stage)["cohort_seed"] == 0 for stage in STAGES)


def test_maps_of_the_benchmark_have_as_many_views_in_volumes_as_in_slices() -> None:
    parser = ConfigParser()
    parser.read_config([CONFIGS / f"{name}.yaml" for name in ("benchmark", "benchmark_faithfulness")])
    views = {
        name: parser.get_parsed_content(f"measures#{name}#options").get("mirror_axis")
        for name, measure in parser["measures"].items()
        if measure["entry"] != "attribution"
    }
    assert views.pop("maps") == views.pop("faithfulness_views") == 0
    assert set(views.values()) == {"none"}
