"""An evaluation names the network's file, and warns where its figures mislead."""

import json

import pytest
import torch
from monai.data import Dataset
from tiny_evaluation import build_evaluation

from bundle.checkpoints import save_network
from bundle.cohorts import Identity
from bundle.data.signatures import SCANS, compute_signature
from bundle.evaluation import Origin
from bundle.evaluation.split import Split

OWN = Identity("clinic", "0123", ["HC", "PT"])
TRAINED = {"cohort": "clinic", "fingerprint": "0123", "class_names": ["HC", "PT"], "epoch": 3, "phase": "whole"}


@pytest.fixture
def split() -> Split:
    images = torch.rand(4, 1, 16, 16)
    rows = [{"participant_id": str(i), "label": i % 2} for i in range(4)]
    return Split(Dataset(rows, lambda row: {"image": images[int(row["participant_id"])]}))


def make_origin(folder, about: dict, identity: Identity = OWN) -> Origin:
    save_network(folder / "model.pt", torch.nn.Linear(1, 1), about)
    return Origin(folder / "model.pt", identity)


def test_a_network_of_this_cohort_is_named_without_a_warning(tmp_path, split) -> None:
    origin = make_origin(tmp_path, TRAINED)
    assert origin.list_warnings(split) == []
    assert origin.list_lines() == [
        f"Checkpoint: {tmp_path / 'model.pt'} (trained for: clinic, epoch 3 of the phase whole)", "Classes: 0 HC, 1 PT",
    ]  # fmt: skip


def test_a_network_of_another_cohort_is_named_with_both_cohorts_and_their_classes(tmp_path, split, caplog) -> None:
    about = {"cohort": "simulated conversion", "class_names": ["MCI", "AD"]}
    (warning,) = make_origin(tmp_path, about).list_warnings(split)
    assert (
        "trained for the cohort simulated conversion (0 MCI, 1 AD), and is evaluated on another, clinic (0 HC, 1 PT)" in warning
    )
    assert warning in caplog.text


def test_the_same_name_with_other_scans_is_another_cohort(tmp_path, split) -> None:
    assert "evaluated on another" in make_origin(tmp_path, TRAINED | {"fingerprint": "4567"}).list_warnings(split)[0]


def test_a_file_that_says_nothing_is_named(tmp_path, split) -> None:
    origin = make_origin(tmp_path, {})
    assert "does not say which cohort it was trained for" in origin.list_warnings(split)[0]
    assert origin.class_names == ["HC", "PT"] and origin.describe()["trained_for"] == "unknown"


def test_test_scans_that_were_trained_on_are_counted(tmp_path, split) -> None:
    known = torch.stack([compute_signature(split.stack([index])[0]) for index in (1, 3)])
    warnings = make_origin(tmp_path, TRAINED | {SCANS: known}).list_warnings(split)
    assert warnings == ["the network was trained on 2 of the 4 test scans: figures are too good"]


def test_all_outputs_name_the_file_and_the_predicted_classes(make_cohort, make_network, tmp_path, capsys) -> None:
    evaluation = build_evaluation(make_network(2), make_cohort(2).drop("mask", "effect", "parcel_map"), tmp_path)
    evaluation.origin = make_origin(tmp_path, {"cohort": "elsewhere"})
    evaluation.split.class_names = evaluation.origin.class_names
    evaluation.run()
    settings = json.loads((tmp_path / "eval" / "settings.json").read_text())
    assert settings["checkpoint"] == str(tmp_path / "model.pt") and settings["class_names"] == ["HC", "PT"]
    assert "elsewhere" in settings["warnings"][0]
    printed = capsys.readouterr().out
    assert f"Checkpoint: {tmp_path / 'model.pt'}" in printed and "Warning: " in printed
    assert f"Written to {tmp_path / 'eval'}:" in printed and "  metrics.csv" in printed
    header, first = (tmp_path / "eval" / "predictions.csv").read_text().splitlines()[:2]
    row = dict(zip(header.split(","), first.split(","), strict=True))
    assert row["predicted_name"] == ["HC", "PT"][int(row["predicted"])]


def test_the_networks_classes_in_another_order_are_refused(tmp_path) -> None:
    with pytest.raises(ValueError, match=r"classes 0 HC, 1 PT, and the cohort the same in another order, 0 PT, 1 HC"):
        make_origin(tmp_path, TRAINED, OWN._replace(class_names=["PT", "HC"]))
