"""An inference that is cut off goes on where it stopped."""

import multiprocessing
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from filelock import FileLock
from monai.bundle import ConfigParser
from tiny_scans import make_affine, run, save_checkpoint, save_scan

import bundle.inference.explained_scans as module
from bundle.data import LoadScan
from bundle.inference.predictions import LOCK, RECORD, TABLE
from bundle.inference.table import ScanTable

Make = Callable[..., ConfigParser]


def save_scans(folder: Path, count: int, shape: tuple[int, ...] = (20, 22, 1)) -> list[Path]:
    return [save_scan(folder / f"scan-{number:02}.nii.gz", shape, make_affine(), number) for number in range(count)]


def run_killed(parser: ConfigParser, log: Path, deadly: tuple[str, int] | None = None) -> None:
    """Run an inference in a process that kills itself at the n-th call of something; note which scans it writes and reads."""

    def work() -> None:
        torch.set_num_threads(1)
        append, read, nifti = ScanTable.append, LoadScan.__call__, module.write_nifti
        counts = dict.fromkeys(("row", "half", "file"), 0)

        def die(place: str) -> bool:
            counts[place] += 1
            return deadly == (place, counts[place])

        def note(kind: str, name: object) -> None:
            with log.open("a") as file:
                file.write(f"{kind} {Path(str(name)).name.removesuffix('.nii.gz')}\n")

        def append_row(table: ScanTable, row: dict[str, Any]) -> None:
            if die("half"):
                with table.path.open("a") as file:
                    file.write(table._format(row)[:-9])
                os.kill(os.getpid(), signal.SIGKILL)
            append(table, row)
            note("row", row["name"])
            if die("row"):
                os.kill(os.getpid(), signal.SIGKILL)

        def write_file(path: Path, *args: Any) -> None:
            if die("file"):
                path.with_name(f".partial-1-{path.name}").write_bytes(b"half")
                os.kill(os.getpid(), signal.SIGKILL)
            nifti(path, *args)

        def read_scan(load: LoadScan, path: str) -> Any:
            note("read", path)
            return read(load, path)

        module.write_nifti = write_file  # type: ignore[assignment]
        ScanTable.append, LoadScan.__call__ = append_row, read_scan  # type: ignore[assignment,method-assign]
        run(parser)

    process = multiprocessing.get_context("fork").Process(target=work)
    process.start()
    process.join()
    assert process.exitcode == (-signal.SIGKILL if deadly else 0)


def read_files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.slow
@pytest.mark.parametrize(("spatial_dims", "count"), [(2, 12), (3, 4)])
def test_a_killed_inference_goes_on_to_the_same_bytes_and_takes_no_scan_twice(
    spatial_dims: int, count: int, make_parser: Make, tmp_path: Path
) -> None:
    save_scans(tmp_path / "scans", count, (20, 22, 1) if spatial_dims == 2 else (20, 22, 18))
    log, cut = tmp_path / "log", {"output_dir": str(tmp_path / "cut")}
    make_parser(spatial_dims)
    for deadly in [("row", count // 4), ("file", 2), ("half", count // 4), None]:
        run_killed(make_parser(spatial_dims, **cut), log, deadly)
    done = [line for line in log.read_text().splitlines() if line.startswith("row")]
    assert len(done) == len(set(done)) == count
    reads = [line for line in log.read_text().splitlines() if line.startswith("read")]
    assert len(reads) == count + 2  # those that were in work when the process was killed a second and a third time
    run(make_parser(spatial_dims))
    assert read_files(tmp_path / "cut") == read_files(tmp_path / "output")


def run_again(make_parser: Make, **keys: Any) -> list[str]:
    """Run an inference anew and return the names of the scans that are read."""
    names: list[str] = []
    read = LoadScan.__call__

    def note(load: LoadScan, path: str) -> Any:
        names.append(Path(path).name.removesuffix(".nii.gz"))
        return read(load, path)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LoadScan, "__call__", note)
        run(make_parser(**keys))
    return names


@pytest.mark.slow
def test_only_scans_that_changed_or_lack_a_file_are_done_again(make_parser: Make, tmp_path: Path) -> None:
    scans = save_scans(tmp_path / "scans", 3)
    run(make_parser())
    before = read_files(tmp_path / "output")
    assert run_again(make_parser) == []
    assert read_files(tmp_path / "output") == before
    (tmp_path / "output" / "scan-01_translated.nii.gz").unlink()
    assert run_again(make_parser) == ["scan-01"]
    assert read_files(tmp_path / "output") == before
    save_scan(scans[2], (20, 22, 1), make_affine(), seed=9)
    assert run_again(make_parser) == ["scan-02"]
    assert read_files(tmp_path / "output") != before
    assert run_again(make_parser, overviews=True) == ["scan-00", "scan-01", "scan-02"]  # which have no picture
    assert run_again(make_parser) == []


@pytest.mark.parametrize("seconds", [-1e6, 0, 1e6])
def test_a_scan_that_is_replaced_is_done_again_whatever_its_age(seconds: float, make_parser: Make, tmp_path: Path) -> None:
    scan, other = save_scans(tmp_path / "scans", 2)
    run(make_parser(dataset_dir=str(scan)))
    before, time = read_files(tmp_path / "output"), scan.stat().st_mtime + seconds
    scan.write_bytes(other.read_bytes())
    os.utime(scan, (time, time))
    assert run_again(make_parser, dataset_dir=str(scan)) == ["scan-00"]
    assert read_files(tmp_path / "output")["scan-00_fa_mean.nii.gz"] != before["scan-00_fa_mean.nii.gz"]
    assert run_again(make_parser, dataset_dir=str(scan)) == []


def test_a_new_scan_takes_its_place_in_the_table(make_parser: Make, tmp_path: Path) -> None:
    save_scans(tmp_path / "scans", 2)
    run(make_parser())
    save_scan(tmp_path / "scans" / "new.nii.gz", (20, 22, 1), make_affine(), 7)
    assert run_again(make_parser) == ["new"]
    assert pd.read_csv(tmp_path / "output" / TABLE)["name"].tolist() == ["new", "scan-00", "scan-01"]


def test_failed_scans_are_tried_again_and_leave_no_old_map(make_parser: Make, tmp_path: Path) -> None:
    scans = save_scans(tmp_path / "scans", 2)
    run(make_parser())
    scans[0].write_bytes(b"no image")
    with pytest.raises(SystemExit, match="1 of 2 scans failed"):
        run(make_parser())
    assert not list((tmp_path / "output").glob("scan-00*"))
    save_scans(tmp_path / "scans", 1)
    assert run_again(make_parser) == ["scan-00"]
    assert pd.read_csv(tmp_path / "output" / TABLE)["status"].tolist() == ["done", "done"]


@pytest.mark.parametrize(
    ("key", "value"),
    [("seed", 1), ("target", 1), ("num_samples", 5), ("plane", 4.0)],
)
def test_other_settings_are_refused_by_name_until_the_results_are_to_be_replaced(
    key: str, value: Any, make_parser: Make, tmp_path: Path
) -> None:
    save_scans(tmp_path / "scans", 1)
    run(make_parser())
    before = read_files(tmp_path / "output")
    with pytest.raises(RuntimeError) as caught:
        run(make_parser(**{key: value}))
    assert f"of a run with other {key}: give another output_dir, or --resume False" in str(caught.value.__cause__)
    assert read_files(tmp_path / "output") == before
    run(make_parser(**{key: value}, resume=False))
    assert run_again(make_parser, **{key: value}) == []


def test_other_weights_and_another_reference_scan_are_refused_whatever_their_paths(make_parser: Make, tmp_path: Path) -> None:
    scans = save_scans(tmp_path / "scans", 2)
    parser = make_parser()
    (tmp_path / "copy.pt").write_bytes((tmp_path / "model.pt").read_bytes())
    (tmp_path / "copy.nii.gz").write_bytes(scans[0].read_bytes())
    run(make_parser(reference_scan=str(scans[0])))
    same = {"checkpoint": str(tmp_path / "copy.pt"), "reference_scan": str(tmp_path / "copy.nii.gz")}
    assert run_again(make_parser, **same) == ["copy"]  # the reference scan alone
    save_checkpoint(parser, tmp_path / "copy.pt", std=0.2)
    with pytest.raises(RuntimeError) as caught:
        run(make_parser(**{**same, "reference_scan": str(scans[1])}))
    assert "other weights, reference_scan: " in str(caught.value.__cause__)


def test_what_changes_no_result_may_change(make_parser: Make, tmp_path: Path) -> None:
    save_scans(tmp_path / "scans", 2)
    run(make_parser())
    assert run_again(make_parser, chunk_size=2, num_workers=0, device="cpu") == []


def test_a_run_of_which_nothing_was_done_binds_no_other(make_parser: Make, tmp_path: Path) -> None:
    scans = save_scans(tmp_path / "scans", 1)
    scans[0].write_bytes(b"no image")
    with pytest.raises(SystemExit):
        run(make_parser())
    save_scans(tmp_path / "scans", 1)
    run(make_parser(seed=1))


def test_a_table_without_its_settings_is_not_gone_on_with(make_parser: Make, tmp_path: Path) -> None:
    save_scans(tmp_path / "scans", 1)
    run(make_parser())
    (tmp_path / "output" / RECORD).unlink()
    with pytest.raises(RuntimeError) as caught:
        run(make_parser())
    assert f"{TABLE} is there without the {RECORD} that says how it was made" in str(caught.value.__cause__)


def test_scans_of_another_folder_are_kept_in_the_table_with_their_maps(make_parser: Make, tmp_path: Path) -> None:
    for name in "ab":
        save_scan(tmp_path / name / f"{name}.nii.gz", (20, 22, 1), make_affine())
        run(make_parser(dataset_dir=str(tmp_path / name)))
    assert pd.read_csv(tmp_path / "output" / TABLE)["name"].tolist() == ["b", "a"]
    assert len(list((tmp_path / "output").glob("*_fa_mean.nii.gz"))) == 2


def test_a_scan_of_another_folder_does_not_replace_one_of_the_same_name(make_parser: Make, tmp_path: Path) -> None:
    first, second = (save_scan(tmp_path / name / "s.nii.gz", (20, 22, 1), make_affine(), seed) for seed, name in enumerate("ab"))
    run(make_parser(dataset_dir=str(first)))
    before = read_files(tmp_path / "output")
    with pytest.raises(RuntimeError) as caught:
        run(make_parser(dataset_dir=str(second)))
    message = str(caught.value.__cause__)
    assert f"holds the maps of {first}, and {second} would replace them" in message and "give another output_dir" in message
    assert read_files(tmp_path / "output") == before
    run(make_parser(dataset_dir=str(second), resume=False))
    assert read_files(tmp_path / "output") != before


def test_a_second_run_in_one_folder_is_refused(make_parser: Make, tmp_path: Path) -> None:
    save_scans(tmp_path / "scans", 1)
    (tmp_path / "output").mkdir()
    with FileLock(tmp_path / "output" / LOCK), pytest.raises(RuntimeError) as caught:
        run(make_parser())
    assert "output is being written by another process: wait until it has ended, or give another output_dir" in str(
        caught.value.__cause__
    )
    run(make_parser())
    assert not (tmp_path / "output" / LOCK).exists()


def doubt_scans(monkeypatch: pytest.MonkeyPatch, name: str, warnings: list[str]) -> None:
    """Give scans whose path has a name in it warnings when they are read."""
    read = LoadScan.__call__

    def doubt(load: LoadScan, path: str) -> Any:
        image = read(load, path)
        if name in str(path):
            image.meta["warnings"] = list(warnings)
        return image

    monkeypatch.setattr(LoadScan, "__call__", doubt)


def test_warnings_of_a_scan_stand_in_its_row_and_in_the_log(
    make_parser: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    save_scans(tmp_path / "scans", 2)
    doubt_scans(monkeypatch, "scan-01", ["no orientation", "a large brain"])
    run(make_parser(check_brains=False))
    table = pd.read_csv(tmp_path / "output" / TABLE)
    assert table["warning"].isna().tolist() == [True, False] and table["warning"][1] == "no orientation; a large brain"
    assert "scan-01.nii.gz: a large brain" in caplog.text
    caplog.clear()
    assert run_again(make_parser, check_brains=False) == []
    assert "1 of 2 scans carry a warning" in caplog.text and "no orientation; a large brain" in caplog.text


def test_a_warning_that_scans_share_is_logged_once_and_counted(
    make_parser: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    save_scans(tmp_path / "scans", 3)
    doubt_scans(monkeypatch, "scan-", ["no orientation"])
    run(make_parser(check_brains=False))
    messages = [record.getMessage() for record in caplog.records]
    assert sum(message.endswith("nii.gz: no orientation") and "carry" not in message for message in messages) == 1
    assert "3 of 3 scans: no orientation" in messages


@pytest.mark.slow
@pytest.mark.parametrize("spatial_dims", [2, 3])
def test_a_scan_whose_name_is_not_utf8_is_explained(spatial_dims: int, make_parser: Make, tmp_path: Path) -> None:
    scans = save_scans(tmp_path / "scans", 2, (20, 22, 12))
    scans[0].rename(scans[0].with_name("M\udcfcller.nii.gz"))
    run(make_parser(spatial_dims, overviews=True))
    table = pd.read_csv(tmp_path / "output" / TABLE)
    assert table["name"].tolist() == [r"M\xfcller", "scan-01"] and set(table["status"]) == {"done"}
    assert (tmp_path / "output" / "M\udcfcller_fa_mean.nii.gz").is_file()
    assert run_again(make_parser, spatial_dims=spatial_dims, overviews=True) == []
