"""The commands and snippets of the README and the user guide run on tiny data, in a folder like the repository's root.

A command is run as it is written, in this process, with an overlay of small numbers. Commands before it make what it needs.
"""

import logging
import re
import runpy
import shutil
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import fire
import numpy as np
import pandas as pd
import pytest
import yaml
from documentation import ROOT, read_commands, read_scripts, read_snippets, split_options
from monai.bundle import ConfigParser
from monai.bundle import run as run_bundle
from monai.utils import set_determinism
from tiny_layouts import TinyLayouts, write_table
from tiny_scans import make_affine, save_scan

from bundle.benchmark import runner
from bundle.evaluation.reporting import Results
from bundle.simulation.squares import simulate_squares_cohort
from scripts.package import JSON_TWINS, make_json

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

GUIDE = [ROOT / "README.md", *(ROOT / "docs" / f"{name}.md" for name in (
    "quickstart", "data", "simulation", "training", "scale", "maps", "evaluation", "heads", "cohorts", "comparison", "runtimes",
    "sharing", "outputs", "questions",
))]  # fmt: skip
TINY: dict[str, Any] = {  # keys of the overlay, of which a command has those that its config has
    "device": "cpu", "amp": False, "num_workers": 0, "max_epochs": 2, "epoch_length": 1, "val_interval": 1, "batch_size": 4,
    "classifier_batch_size": 4, "classifier_epochs": 0, "warmup_epochs": 1, "warmup_iterations": 1,
    "train#trainer#turns#critic_steps": 1, "train#trainer#turns#tuning_steps": 1,
    "simulated_cohort#num_train": 4, "simulated_cohort#num_validation": 4, "simulated_cohort#num_test": 2,
    "simulated_cohort#num_unseen": 0,
    "num_samples": 2, "num_resamples": 20, "uncertainty#num_calibration": 4, "workers#num_workers": 0,
    "num_steps": 3, "export_formats": ["torchscript"], "num_shap_samples": 3, "num_noisy_samples": 3, "num_references": 2,
    "occlusion_window": "$@pixdim * min(@image_size) / 2", "occlusion_stride": "$@pixdim * min(@image_size) / 2",
    "deletion_shares": [0.01, 0.1, 1.0], "deletion_scans": 2, "num_shuffles": 1, "randomisation_scans": 2, "translation_scans": 2,
    "brain_extraction": False, "bias_correction": False, "registration": False, "voxel_size": 8.0,
    "limits#brain_volume": [0, 1e9], "limits#template_correlation": -1, "limits#num_slices": 2,
    "only": ["resnet"], "seeds": [0], "num_jobs": 1,
}  # fmt: skip
REPLACED = (  # options of commands, by those of the overlay; processors without bfloat16 take minutes with amp
    "amp", "num_workers", "max_epochs", "val_interval", "num_samples", "num_steps", "num_shap_samples", "num_noisy_samples",
    "occlusion_window", "occlusion_stride", "deletion_scans", "randomisation_scans", "translation_scans",
)  # fmt: skip
SMALLER = {key: TINY[key] for key in REPLACED} | {"test_participants": 2}
RESULTS = {  # of an entry point: key of a folder, and files that are made in it
    "training": ("ckpt_dir", ["model.pt", "state.pt", "train.csv"]),
    "evaluation": ("explainer_dir", ["eval/metrics.csv", "eval/predictions.csv"]),
    "report": ("output_dir", ["report/index.html"]),
    "pooling": ("output_dir", ["eval/metrics.csv", "eval/predictions.csv"]),
    "attribution": ("explainer_dir", ["eval/metrics.csv", "eval/scans.csv"]),
    "faithfulness": ("explainer_dir", ["faithfulness/metrics.csv", "faithfulness/scans.csv"]),
    "listing": ("output_dir", ["manifest.tsv", "manifest_exclusions.tsv"]),
    "benchmark": ("output_dir", ["comparison.csv", "comparison.md", "figures.csv", "index.html"]),
    "publication": ("output_dir", ["comparison.csv", "comparison.md", "figures.csv", "index.html"]),
    "inference": ("output_dir", ["predictions.csv", "**/*_fa_mean.nii.gz", "**/*_fa_variance.nii.gz", "**/*_overview.png"]),
    "prepare": ("output_dir", ["prepared.tsv", "overview.html", "**/*_desc-prepared_T1w.nii.gz"]),
    "interpolation": ("output_dir", ["*_interpolation.nii.gz", "*_interpolation.png"]),
    "export": ("output_dir", ["map.ts", "attributes.npy", "image.npy", "differences.csv"]),
}
MADE_BY = {  # what makes the files that commands read, for those that come before it or are run alone
    "output/train/model.pt": "training-train",
    "output/mine/train/model.pt": "training-train-dataset_dir-output_dir",
    "output/trial/train/model.pt": "training-train-dataset_dir-output_dir-max_epochs-epoch_length",
    "output/squares/train/model.pt": "training-train+squares-output_dir",
    "output/adni/train/model.pt": "training-train+adni-dataset_dir-output_dir",
    "output/adni/manifest.tsv": "listing-train+adni-dataset_dir-output_dir",
    "output/adni": "listing-train+adni-dataset_dir-output_dir",
    "data/adni_prepared": "run-prepare-dataset_dir-output_dir",
    "data/lesions": "training-train",
    "data/conversion": "training-train+volumes+conversion-amp",
    "output/eval/calibration.pt": "evaluation-train+evaluate-uncertainty#attribute_sources",
    "output/slices/image.npy": "export-inference-dataset_dir-split-output_dir",
    "output/baselines/independent/train/model.pt": "training-train+classification+resnet-seed-classifier_name",
    "output/baselines/resnet/train/model.pt": "training-train+classification+resnet",
    "output/baselines/vagan/train/model.pt": "training-train+vagan_network+vagan",
}
READS = {"faithfulness": "independent", "resnet": "resnet", "vagan_network": "vagan"}  # trained networks that overlays name


class Command(NamedTuple):
    """What follows `python -m monai.bundle run`."""

    entry: str
    files: list[str]
    options: dict[str, str]

    @property
    def stems(self) -> list[str]:
        return [Path(file).stem for file in self.files]

    @property
    def name(self) -> str:
        return "-".join([self.entry, "+".join(self.stems), *self.options])


def localise(word: str) -> str:
    """Put an absolute path of the pages into the workspace."""
    return re.sub(r"^/(data|tmp)/", r"\1/", word)


def list_commands() -> dict[str, Command]:
    """Return the commands by name, in the order of the pages; those that differ in paths alone are one."""
    commands = {}
    for page in GUIDE:
        for words in read_commands(page):
            entry, files, options = split_options([localise(word) for word in words[4:]])
            command = Command(entry, files, options)
            commands.setdefault(command.name, command)
    return commands


COMMANDS = list_commands()


class Workspace:
    """The current folder, with what the commands that were run have made."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.monkeypatch = monkeypatch
        self.done: set[str] = set()

    def make(self, path: str) -> None:
        """Make a file that commands read, where a command makes it and it is not there yet."""
        if path in MADE_BY and not Path(path).exists():
            self.run(MADE_BY[path])

    def run(self, name: str) -> None:
        """Run a documented command, once, after those that it needs; check that its results are there."""
        if name in self.done:
            return
        command = COMMANDS[name]
        for path in (path for key, path in command.options.items() if key != "output_dir"):
            self.make(path)
        for stem in command.stems if command.entry != "training" else ():
            self.make(f"output/baselines/{READS.get(stem)}/train/model.pt")
        for entry, before in (("report", "evaluation"), ("publication", "benchmark")):
            if command.entry == entry:
                self.run(name.replace(entry, before, 1))
        begin = time.time() - 0.1
        self.execute(command)
        self.done.add(name)
        entry = {"train": "training"}.get(command.stems[0], command.stems[0]) if command.entry == "run" else command.entry
        key, patterns = RESULTS[entry]
        parser = ConfigParser(ConfigParser.load_config_files(command.files))
        parser.update({name: command.options[name] for name in ("output_dir", "classifier_name") if name in command.options})
        folder = Path(parser.get_parsed_content(key))
        new = {pattern: [path for path in folder.glob(pattern) if path.stat().st_mtime >= begin] for pattern in patterns}
        assert [pattern for pattern, paths in new.items() if not paths] == []

    def execute(self, command: Command) -> None:
        """Run a command as MONAI's command line does, with a tiny overlay."""
        overlay = Path("overlays", "+".join([*command.stems, "tiny.yaml"]))
        if not overlay.exists():
            config = ConfigParser(ConfigParser.load_config_files(command.files))
            keys = {key: value for key, value in TINY.items() if config.get(key, "absent") != "absent"}
            if "volumes" not in command.stems:
                keys.pop("export_formats", None)  # a snippet reads all formats
            if "simulated_cohort#num_unseen" in keys:
                keys["simulated_cohort#anatomies"] = ["mni152-09a-sym"]  # each takes ten seconds
            overlay.parent.mkdir(exist_ok=True)
            overlay.write_text(yaml.safe_dump(keys))
        options = {key: str(SMALLER.get(key, value)) for key, value in command.options.items() if key != "scheduler"}
        files = sorted([*command.files, str(overlay)], key=lambda file: not file.startswith(("configs", "overlays")))
        if command.entry == "run" and command.stems[0] == "inference":
            options["resume"] = "False"  # pages use one output_dir for several networks
        options |= {"config_file": str(files), "logging_file": "False"}  # the reader's own files are the last ones
        words = [command.entry, *(word for key, value in options.items() for word in (f"--{key}", value))]
        with self.monkeypatch.context() as patch:
            patch.setattr(sys, "argv", ["monai.bundle", "run", *words])
            fire.Fire({"run": run_bundle}, sys.argv[1:])


class Process:
    """A step of a benchmark, in this process: tests/benchmark starts processes."""

    workspace: Workspace

    def __init__(self, words: Sequence[str], **_: Any) -> None:
        self.command = Command(*split_options(list(words[words.index("run") + 1 :])))

    def terminate(self) -> None:
        """It has ended."""

    def wait(self) -> int:
        self.workspace.execute(self.command)
        return 0


def make_inputs() -> None:
    """Write the files that a reader has, under the names of the pages, into the current folder."""
    shutil.copytree(ROOT / "configs", "configs", copy_function=lambda source, target: Path(target).symlink_to(source))
    Path("scripts").symlink_to(ROOT / "scripts")
    for name, content in make_json({f"{twin}.yaml": Path(f"{twin}.yaml").read_bytes() for twin in JSON_TWINS}).items():
        Path(name).write_bytes(content)
    Path("my.yaml").write_text("output_dir: output/my\n")
    for block in re.findall(r"(?:^    .+\n)+", (ROOT / "docs" / "comparison.md").read_text(), flags=re.MULTILINE):
        if "# squares32.yaml" in block:  # two files beside each other
            middle = block.splitlines()[0].index("# tiny.yaml")
            for name, part in (("squares32", slice(middle)), ("tiny", slice(middle, None))):
                Path(f"{name}.yaml").write_text("".join(f"{line[part].strip()}\n" for line in block.splitlines()))
    head = np.diag([6.0, 6, 6, 1])
    head[:3, 3] = (-87, -105, -87)
    for name in ("FOLDER/sub-01", "my_scans/sub-01", "output/quickstart/scans/sub-01", "scans/sub-01", "a", "b", "sub-01_T1w"):
        save_scan(Path(f"{name}.nii.gz"), (24, 28, 20), make_affine(), seed=len(name))
    for name in ("SCANS/sub-01", "SCANS/sub-02"):
        save_scan(Path(f"{name}.nii.gz"), (30, 36, 30), head)
    simulate_squares_cohort("my_cohort", (96, 112), num_train=8, num_validation=4, num_test=8)
    Path("my_cohort/dataset_description.json").unlink()  # it is not known to be simulated
    for fold in range(2):
        table = {"participant_id": [f"{fold}{i}" for i in range(4)], "split": "test", "label": [0, 1] * 2, "probability_0": 0.4}
        predictions = pd.DataFrame(table).assign(probability_1=0.6)
        Results(f"output/fold-{fold}/eval").write_tables({"predictions": predictions, "scans": pd.DataFrame()}, {})
    write_cohorts(TinyLayouts(Path("data").resolve()))


def write_cohorts(layouts: TinyLayouts) -> None:
    """Write the layouts of the page on cohorts."""
    visits = [(f"{i:03d}S{1000 + i}", 0, "MCI" if i < 4 else "AD") for i in range(8)]
    visits += [(f"03{i}S0001", months, state) for i in range(4) for months, state in ((0, "MCI"), (24, "AD"))]
    layouts.make_bids(visits, "adni_bids")
    layouts.make_caps(visits)
    layouts.make_ukbiobank([*range(46, 58), *range(70, 80), 70, 71], "ukbiobank")
    splits = ["train"] * 4 + ["validation"] * 2 + ["test"] * 4
    rows = [f"{person} {i % 2} {splits[i]}" for i, person in enumerate(layouts.make_hcp(len(splits)))]
    write_table(layouts.folder / "hcp_labels.tsv", "participant_id label split", *rows)
    scans = [layouts.make_scan(layouts.folder / "clinic" / f"{i}.nii.gz") for i in range(24)]
    rows = [f"p{i} {('control', 'patient')[i % 2]} {scan.name} {50 + i}" for i, scan in enumerate(scans)]
    write_table(layouts.folder / "clinic" / "people.csv", "Subject Group File Years", *rows)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """A folder with the files of a reader; what is global is restored in the end."""
    level = logging.getLogger().level
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.chdir(tmp_path_factory.mktemp("root"))
        monkeypatch.setattr(sys, "excepthook", sys.excepthook)
        monkeypatch.setattr(signal, "signal", lambda *_: None)  # commands have a Ctrl-C of their own
        make_inputs()
        workspace = Workspace(monkeypatch)
        monkeypatch.setattr(Process, "workspace", workspace, raising=False)
        monkeypatch.setattr(runner, "subprocess", SimpleNamespace(Popen=Process, STDOUT=None))
        yield workspace
    set_determinism(None)
    logging.getLogger().setLevel(level)


@pytest.mark.parametrize("name", COMMANDS, ids=lambda name: name[:80])
def test_a_documented_command_runs_and_leaves_its_results(name: str, workspace: Workspace) -> None:
    workspace.run(name)


SCRIPTS = [words for page in GUIDE for words in read_scripts(page) if "package" not in words[0]]  # tests/bundle packs


@pytest.mark.parametrize("words", SCRIPTS, ids=lambda words: words[0])
def test_a_documented_script_runs_and_leaves_its_results(
    words: list[str], workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    for path in words[1:]:
        workspace.make(path)
    monkeypatch.setattr(sys, "argv", words)
    runpy.run_path(words[0], run_name="__main__")
    assert Path(next(word for word in reversed(words) if Path(word).suffix in (".npz", ".png"))).is_file()


SNIPPETS = [
    pytest.param(code, id=f"{page.stem}-{number}")
    for page in GUIDE
    for number, code in enumerate(read_snippets(page))
    if "bundle_dir" not in code  # of a packed bundle: tests/bundle
]


@pytest.mark.parametrize("code", SNIPPETS)
def test_a_documented_snippet_runs_and_leaves_its_results(code: str, workspace: Workspace) -> None:
    workspace.make("output/slices/image.npy") if "output/slices" in code else None
    exec(re.sub(r"num_samples=\d+", "num_samples=2", code), {})
    saved = re.findall(r"save(?:fig)?\(\"(.+?)\"\)", code)
    assert [path for path in saved if not Path(path).exists()] == []
