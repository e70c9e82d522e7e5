"""The form of BIDS apps: which sessions are explained, that runs apart give what one gives, and the table of all."""

import csv
import json
import re
import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from bids_validation import list_errors
from documentation import ROOT
from processes import run_python
from tiny_results import make_row, write_results, write_scan
from tiny_scans import TINY, make_affine, save_scan
from tiny_trained_network import build_trained_network

from bundle.command_line import bids_app, main
from bundle.data.tables import read_table
from bundle.inference.results import Results
from bundle.viewer import Pages

SESSIONS = ("sub-01/ses-M00", "sub-01/ses-M12", "sub-02")


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """A BIDS dataset: a participant with two sessions, one without, and one whose session has no T1-weighted scan."""
    folder = tmp_path / "bids"
    for seed, place in enumerate(SESSIONS):
        save_scan(folder / place / "anat" / f"{place.replace('/', '_')}_T1w.nii.gz", (24, 28, 20), make_affine(), seed)
    save_scan(folder / "sub-03" / "anat" / "sub-03_T2w.nii.gz", (8, 8, 8), make_affine())
    (folder / "sub-01" / "ses-M24" / "func").mkdir(parents=True)
    (folder / "dataset_description.json").write_text(json.dumps({"Name": "tiny", "BIDSVersion": "1.9.0"}))
    return folder


def list_printed(capsys: pytest.CaptureFixture[str], *words: object) -> list[str]:
    """Return the sessions whose commands are printed."""
    assert main([*map(str, words), "--print"]) == 0
    lines = capsys.readouterr().out.splitlines()
    return [line.partition("--output_dir ")[2].split()[0].partition("maps/")[2] for line in lines]


def test_labels_choose_sessions(dataset: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = (dataset, dataset.parent / "maps", "participant")
    assert list_printed(capsys, *words) == list(SESSIONS)
    assert list_printed(capsys, *words, "--participant-label", "sub-01") == list(SESSIONS[:2])
    assert list_printed(capsys, *words, "--participant_label", "02", "01", "--session-label", "M12") == [SESSIONS[1]]
    assert list_printed(capsys, *words, "--set", "scan_suffix=T2w") == ["sub-03"]
    assert not (dataset.parent / "maps").exists()


def test_a_dataset_without_description_is_taken_where_that_is_wanted(dataset: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (dataset / "dataset_description.json").unlink()
    words = (dataset, dataset.parent / "maps", "participant")
    assert main([*map(str, words)]) == 2
    assert "has no dataset_description.json with Name and BIDSVersion: accepted is a BIDS dataset" in capsys.readouterr().err
    assert list_printed(capsys, *words, "--skip-bids-validation") == list(SESSIONS)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("{} maps participant --participant-label 07", "--participant-label sub-07: not in .*, which has 3, sub-01 to sub-03"),
        ("{} maps participant --session-label M36", "--session-label ses-M36: no such session"),
        ("{} maps participant --participant-label 03", "has no anat/*_T1w.* of these participants; another contrast"),
        ("{} maps participant --n-procs 0", "--n-procs/--n-cpus: accepted is a whole number of at least 1, got 0"),
        ("{} maps participant --network other", "--network: accepted are lesions, conversion, ageing"),
        ("{} maps participant --set num_sampels=2", "has no key num_sampels; did you mean num_samples?"),
        ("{} maps participants", "argument level: invalid choice: 'participants' (choose from 'participant', 'group')"),
        ("{} maps group", "OUTPUT_DIR maps holds no results of these participants: run the level participant first"),
        ("{}/nowhere maps participant", "nowhere does not exist: accepted is the folder of a BIDS dataset"),
        ("{}/sub-01 maps participant --skip-bids-validation", "has no folder sub-*: accepted is a BIDS dataset"),
    ],
)
def test_an_error_is_one_sentence(words: str, message: str, dataset: Path, capsys: pytest.CaptureFixture[str]) -> None:
    try:
        status = main([word.format(dataset) for word in words.split()])
    except SystemExit as ended:
        status = ended.code  # type: ignore[assignment]
    error = capsys.readouterr().err
    assert status == 2 and len(error.splitlines()) == 1
    assert all(part in error for part in message.removeprefix("argument ").split(".*, ")), error


def read_files(folder: Path) -> dict[str, bytes]:
    """Return the files of a folder, without what the runs printed."""
    paths = [path for path in folder.rglob("*") if path.is_file() and path.parent.name != "logs"]
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


@pytest.fixture
def forked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs are forked from a process that has imported MONAI, which takes seconds."""

    def run(words: list[str], stdout: Any, **_: Any) -> subprocess.CompletedProcess:
        done = run_python(words[1:], ROOT)
        stdout.write(done.stdout)
        return done

    monkeypatch.setattr(bids_app, "subprocess", SimpleNamespace(run=run, STDOUT=None))


@pytest.mark.slow
def test_participants_one_by_one_give_what_one_run_gives(
    dataset: Path, tmp_path: Path, forked: None, capsys: pytest.CaptureFixture[str]
) -> None:
    build_trained_network(tmp_path, 3)
    keys = {key.replace("::", "#"): value for key, value in TINY.items()} | {"spatial_dims": 3, "image_size": "[32,32,32]"}
    (tmp_path / "tiny.yaml").write_text("plane: null\ncheck_brains: false\n")
    options = [word for key, value in keys.items() for word in ("--set", f"{key}={value}")]
    options += ["--network", tmp_path / "model.pt", "--config", tmp_path / "tiny.yaml", "--device", "cpu"]

    def run(*words: object) -> tuple[int, str]:
        return main([*map(str, (dataset, tmp_path / "maps", *words))]), capsys.readouterr().out

    for label in ("01", "02"):
        status, text = run("participant", "--participant-label", label, *options)
        assert status == 0, text
    (tmp_path / "maps").rename(tmp_path / "apart")
    status, text = run("participant", "--participant-label", "01", "02", "--n-procs", "2", *options)
    assert status == 0 and "3 of 3 sessions are done" in text, text
    assert "sub-01 ses-M00 (1 of 3): explaining" in text and "sub-02 (3 of 3): done (" in text
    together = read_files(tmp_path / "maps")
    assert together == read_files(tmp_path / "apart") and len(together) == 3 * 15 + 2
    assert "sub-01/ses-M00/anat/sub-01_ses-M00_desc-faMean_T1w.nii.gz" in together

    assert run("group", "--participant-label", "01", "02")[0] == 0
    with (tmp_path / "maps" / "predictions.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["participant_id"], row["session_id"]) for row in rows] == [
        ("sub-01", "ses-M00"), ("sub-01", "ses-M12"), ("sub-02", "n/a"),
    ]  # fmt: skip
    results = Results(tmp_path / "maps")
    assert all(results.find_image(row, "fa_mean").is_file() for row in results.read_rows()) and len(results.read_rows()) == 3
    regions = read_table(tmp_path / "maps" / "regions.tsv")
    assert sorted(set(regions["name"])) == sorted(row["name"] for row in rows)
    assert set(regions["participant_id"]) == {"sub-01", "sub-02"}
    page = (tmp_path / "maps" / "index.html").read_text()
    links = set(re.findall(r'<a href="([^"]+)"', page))
    assert sum("_page.html" in link for link in links) == 3 and all((tmp_path / "maps" / link).is_file() for link in links)
    assert list_errors(tmp_path / "maps") == []

    (dataset / "sub-02" / "anat" / "sub-02_T1w.nii.gz").write_bytes(b"no image")
    status, text = run("participant", *options)
    assert status == 1 and "2 of 3 sessions are done" in text, text
    assert "sub-02 (3 of 3): exit status 1, see" in text and "the only scan failed" in text
    status, text = run("group")
    assert status == 1 and "3 scans of 2 participants, of which 1 failed" in text, text
    assert (
        sum(
            "_page.html" in link for link in set(re.findall(r'<a href="([^"]+)"', (tmp_path / "maps" / "index.html").read_text()))
        )
        == 2
    )


def write_session(dataset: Path, place: str, names: list[str], statuses: str = "done") -> Path:
    """Write what the run of a session leaves, with rows of some of its scans, and their regions."""
    output = dataset.parent / "maps" / place
    rows = [make_row(f"anat/{name}", dataset / place / "anat" / f"{name}.nii.gz", status=statuses) for name in names]
    output.parent.mkdir(parents=True, exist_ok=True)
    write_results(output.parent / "written", rows).rename(output)
    (output.parent / "written").rmdir()
    lines = [f"{row['name']}\tn/a\tn/a\tn/a\n" for row in rows if statuses == "done"]
    (output / "regions.tsv").write_text("name\tregion\tside\tmean\n" + "".join(lines))
    return output


def find_collected(dataset: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, set[str], str]:
    """Run the level group: its status, the scans in the tables, and its errors."""
    status, tables = main([str(dataset), str(dataset.parent / "maps"), "group"]), []
    for name, separator in (("predictions.csv", ","), ("regions.tsv", "\t")):
        with (dataset.parent / "maps" / name).open() as file:
            tables.append({row["name"] for row in csv.DictReader(file, delimiter=separator)})
    assert tables[0] == tables[1]
    return status, tables[0], capsys.readouterr().err


def test_a_session_counts_when_it_is_complete(dataset: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scan = "sub-01_ses-M00_T1w"
    save_scan(dataset / SESSIONS[0] / "anat" / "sub-01_ses-M00_desc-change_T1w.nii.gz", (8, 8, 8), make_affine())  # made from it
    runs = [f"sub-01_ses-M12_run-{number}_T1w" for number in (1, 2)]
    for name in runs:
        save_scan(dataset / SESSIONS[1] / "anat" / f"{name}.nii.gz", (8, 8, 8), make_affine())
    (dataset / SESSIONS[1] / "anat" / "sub-01_ses-M12_T1w.nii.gz").unlink()
    write_session(dataset, SESSIONS[0], [scan])
    killed, all_runs = write_session(dataset, SESSIONS[1], runs[:1]), [f"{SESSIONS[1]}/anat/{name}" for name in runs]
    status, names, error = find_collected(dataset, capsys)
    assert status == 1 and names == {f"{SESSIONS[0]}/anat/{scan}"}
    assert error.splitlines() == [
        "Error: 1 of 3 sessions have no results: sub-02",
        "Error: 1 of 3 sessions are not complete, and left out: sub-01/ses-M12",
    ]
    write_session(dataset, SESSIONS[2], ["sub-02_T1w"])
    shutil.rmtree(killed)
    complete = write_session(dataset, SESSIONS[1], runs)
    status, names, error = find_collected(dataset, capsys)
    assert status == 0 and names >= set(all_runs) and len(names) == 4 and error == ""
    (complete / "inference.lock").touch()  # it is being written, or was killed after the last scan
    assert find_collected(dataset, capsys)[:2] == (1, names - set(all_runs))
    (complete / "inference.lock").unlink()
    (complete / "regions.tsv").unlink()  # it was stopped before them
    assert find_collected(dataset, capsys)[:2] == (1, names - set(all_runs))
    for place in SESSIONS:
        (dataset.parent / "maps" / place / "inference.lock").touch()
    assert main([str(dataset), str(dataset.parent / "maps"), "group"]) == 2
    assert "holds no complete results of these participants" in capsys.readouterr().err


def test_sessions_without_results_are_named_or_counted(dataset: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(11, 17):
        save_scan(dataset / f"sub-{number}" / "anat" / f"sub-{number}_T1w.nii.gz", (8, 8, 8), make_affine())
    for place in SESSIONS:
        write_session(dataset, place, [f"{place.replace('/', '_')}_T1w"])
    status, _, error = find_collected(dataset, capsys)
    assert status == 1
    assert error == "Error: 6 of 9 sessions have no results: sub-11, sub-12, sub-13, sub-14, sub-15 and 1 more\n"


@pytest.mark.parametrize("status", [130, -2])
def test_a_session_that_is_stopped_is_named_in_one_word(
    status: int, dataset: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(words: list[str], stdout: Any, **_: Any) -> subprocess.CompletedProcess:
        return subprocess.CompletedProcess(words, status)

    monkeypatch.setattr(bids_app, "subprocess", SimpleNamespace(run=run, STDOUT=None))
    assert main([str(dataset), str(dataset.parent / "maps"), "participant", "--participant-label", "02"]) == 1
    assert "sub-02 (1 of 1): stopped (0 s)" in capsys.readouterr().out


def test_the_page_of_all_sessions_has_their_classes_cautions_links_and_ratings(tmp_path: Path) -> None:
    for name in ("sub-01/ses-M00", "sub-02"):
        folder = tmp_path / name
        pages = Pages(write_results(folder, [write_scan(folder, "anat/scan")]), ["healthy", "ill"], cautions=["look twice"])
        assert pages.write() is not None
    parts = ["sub-01/ses-M00/output", "sub-02/output"]
    bids_app.collect_pages(tmp_path, parts)
    text = (tmp_path / "index.html").read_text()
    assert text.count('<td data-label="class">ill</td>') == 2 and "look twice" in text
    assert set(re.findall(r'<a href="([^"]+)"', text)) == {f"./{part}/anat/scan_page.html" for part in parts}
    keys = [set(re.findall(r'data-key="([^"]+)"', (tmp_path / part / "index.html").read_text())) for part in parts]
    assert set(re.findall(r'data-key="([^"]+)"', text)) == keys[0] | keys[1]  # under which pages of scans keep them
    assert text.count('src="data:image') == 2
    for part in parts:
        (tmp_path / part / "index.html").unlink()
    bids_app.collect_pages(tmp_path, parts)
    assert not (tmp_path / "index.html").exists()
