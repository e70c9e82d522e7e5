"""Twenty-four people, their volumes and a clinic's table: listed, trained on, evaluated, reported and explained by commands."""

import logging
import sys
from pathlib import Path

import fire
import nibabel
import numpy as np
import pandas as pd
import pytest
from monai.bundle import run
from monai.utils import set_determinism

from bundle import CONFIGS
from bundle.checkpoints import read_about

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
SIZE = {"image_size": "[32, 32, 32]", "pixdim": "6.0", "batch_size": "2", "device": "cpu"}
SHORT = {"max_epochs": "2", "epoch_length": "2", "classifier_batch_size": "2"}


def write_clinic(folder: Path) -> None:
    """Write volumes with larger ventricles in patients, and a table as Excel saves it."""
    folder.mkdir()
    axes = np.meshgrid(*[(np.arange(28) - 13.5) * 6.0] * 3, indexing="ij")
    generator, rows = np.random.default_rng(0), ["Subject,Group,File,Years"]
    for index in range(24):
        image = 800 + 40 * generator.standard_normal((28, 28, 28))
        image[sum((axis / (20 + 12 * (index % 2))) ** 2 for axis in axes) < 1] = 250
        image *= sum((axis / 70) ** 2 for axis in axes) < 1
        nibabel.save(nibabel.Nifti1Image(image.astype(np.float32), np.diag([6.0, 6, 6, 1])), folder / f"p{index}_t1.nii.gz")
        rows.append(f"p{index},{('HC', 'PT')[index % 2]},p{index}_t1.nii.gz,{50 + index}")
    (folder / "people.csv").write_text("\n".join(rows) + "\n")


def start(monkeypatch: pytest.MonkeyPatch, entry: str, configs: list[str], **options: str) -> None:
    """Run a command in this process."""
    files = [str(CONFIGS / f"{name}.yaml") for name in configs]
    words = [word for key, value in options.items() for word in (f"--{key}", value)]
    command = ["run", entry, "--config_file", str(files), "--logging_file", "False", *words]
    monkeypatch.setattr(sys, "argv", ["monai.bundle", *command])
    fire.Fire({"run": run}, command)


def test_a_clinics_table_alone_leads_to_a_network_a_report_and_maps(tmp_path, monkeypatch, capfd) -> None:
    write_clinic(tmp_path / "clinic")
    output, network = tmp_path / "output", str(tmp_path / "output" / "train" / "model.pt")
    hook, level = sys.excepthook, logging.getLogger().level
    columns = "{'participant_id': 'Subject', 'label': 'Group', 'image': 'File', 'age': 'Years'}"
    reader = {"manifest#table": "people.csv", "manifest#classes": "[['HC'], ['PT']]", "manifest#columns": columns}
    folders = {"dataset_dir": str(tmp_path / "clinic"), "output_dir": str(output)}
    start(monkeypatch, "listing", ["train", "volumes", "data/folder"], **folders, **reader)
    folders["dataset_dir"] = str(output)
    start(monkeypatch, "training", ["train", "volumes"], **folders, **SIZE, **SHORT)
    for entry in ("evaluation", "report"):
        start(monkeypatch, entry, ["train", "evaluate", "volumes"], **folders, **SIZE, checkpoint=network, num_samples="2")
    scans = {"dataset_dir": str(output / "manifest.tsv"), "output_dir": str(output / "maps"), "checkpoint": network}
    start(monkeypatch, "evaluating", ["inference", "volumes"], **scans, **SIZE, num_samples="2", overviews="False")
    set_determinism(None)
    sys.excepthook = hook
    logging.getLogger().setLevel(level)

    manifest = pd.read_csv(output / "manifest.tsv", sep="\t")
    assert manifest.groupby("split").size().to_dict() == {"train": 16, "validation": 4, "test": 4}
    about = read_about(network)
    assert about["class_names"] == ["HC", "PT"] and (about["epoch"], about["phase"]) == (2, "whole")
    table = pd.read_csv(output / "train" / "train.csv")
    assert table["phase"].tolist() == ["classifier", "whole"] and table["chosen"].tolist() == [0, 1]
    assert set(pd.read_csv(output / "eval" / "predictions.csv")["predicted_name"]) <= {"HC", "PT"}
    page = (output / "report" / "index.html").read_text()
    assert "4 scans: 2 of class 0 HC, 2 of class 1 PT" in page and "The network of epoch 2, phase whole" in page
    assert "Warning" not in page
    assert len(list((output / "maps").rglob("*_fa_mean.nii.gz"))) == 24
    printed = capfd.readouterr().out
    for folder in (output, output / "train", output / "eval", output / "report", output / "maps"):
        assert f"Written to {folder}:" in printed
