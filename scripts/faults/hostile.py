"""Files made to get code run, or results written where they do not belong; and very large folders."""

import os
import pickle
import time
import zipfile
from pathlib import Path

from bundle.inference import find_scans
from bundle.preprocessing.sources import find_raw_scans
from faults.kills import Row
from faults.runs import RAW, call, explain, run

MANY = 20_000  # files


class Trap:
    """When it is unpickled, a file is made."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        return Path.touch, (self.path,)


def open_trapped_checkpoint(inputs: Path, folder: Path) -> Row:
    """Explain scans with a checkpoint that makes a file when it is unpickled, plain and in torch's zip.

    Args:
        inputs: what `make_inputs` made.
        folder: where the checkpoint is written.
    """
    sprung, problems = folder / "sprung", []
    plain, zipped = folder / "plain.pt", folder / "zipped.pt"
    plain.write_bytes(pickle.dumps({"model": Trap(sprung)}))
    with zipfile.ZipFile(zipped, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps({"model": Trap(sprung)}, protocol=2))
        archive.writestr("archive/version", "3\n")
        archive.writestr("archive/../../sprung", "")
    for path in (plain, zipped):
        ending = call(lambda path=path: explain(inputs, folder / "maps", checkpoint=path), folder / "trap.log")  # type: ignore[misc]
        if ending.status == 0 or not ending.is_sentence:
            problems.append(ending.reason)
    if sprung.exists() or (folder.parent / "sprung").exists():
        problems.append("its code was run")
    return Row("checkpoint with code", "inference", 2, 2 - len(problems), problems[0] if problems else "refused in one sentence")


def follow_hostile_table(inputs: Path, folder: Path) -> Row:
    """Explain and prepare the scans of tables whose names and paths lead out of the folder; nothing may be written elsewhere.

    Args:
        inputs: what `make_inputs` made.
        folder: where tables and results go.
    """
    problems, tried = [], 0
    for number, name in enumerate(("../../out", "/tmp/out", "sub-1/../../../out", "..", "sub-\n1", "x" * 300)):
        cohort = folder / f"cohort-{number}"
        cohort.mkdir(parents=True)
        scan, head = inputs / "scans" / "sub-00_T1w.nii.gz", inputs / "heads" / "sub-00_T1w.nii.gz"
        (cohort / "link.nii.gz").symlink_to(scan)
        for kind, image, work in (("maps", scan, explain), ("prepared", head, _prepare)):
            rows = [[name, name, str(path)] for path in (image, os.path.relpath(image, cohort), "link.nii.gz")]
            quoted = ["\t".join(f'"{cell}"' for cell in row) for row in rows[: 3 if kind == "maps" else 1]]
            (cohort / "participants.tsv").write_text("\n".join(["participant_id\tsession_id\timage", *quoted, ""]))
            before = _list_files(folder)
            output = folder / f"{kind}-{number}"
            ending = call(
                lambda work=work, cohort=cohort, output=output: work(inputs, output, dataset_dir=cohort),  # type: ignore[misc]
                folder.parent / "hostile.log",
            )
            tried += 1
            strays = [path for path in _list_files(folder) - before if output not in (path, *path.parents)]
            if strays or not ending.is_sentence:
                problems.append(f"{name[:20]!r}: {strays[:1] or ending.reason}")
    return Row("table with names and paths out of the folder", "inference, preparation", tried, tried - len(problems),
               problems[0] if problems else "nothing written outside output_dir")  # fmt: skip


def list_many(folder: Path, number: int = MANY) -> Row:
    """List the scans of a folder of many files, of which half are scans.

    Args:
        folder: where they are made.
        number: of files.
    """
    for index in range(number // 2):
        person = folder / f"{index % 100:03d}"
        person.mkdir(parents=True, exist_ok=True)
        for name in (f"{index}.nii", f"{index}.json"):
            (person / name).touch()
    begin = time.monotonic()
    found = [len(find_scans(folder)), len(find_raw_scans(folder))]
    seconds = time.monotonic() - begin
    good = sum(count == number // 2 for count in found)
    return Row(
        f"folder of {number:,} files", "inference, preparation", 2, good, f"{found[0]:,} scans listed; {seconds / 2:.1f} s each"
    )


def _prepare(_inputs: Path, output: Path, dataset_dir: Path) -> None:
    run("run", ["prepare"], dataset_dir=dataset_dir, output_dir=output, **RAW)


def _list_files(folder: Path) -> set[Path]:
    """Return the files below a folder, and those of temporary folders beside it."""
    return {path for top in (folder.parent, Path("/tmp")) for path in top.glob("out*")} | set(folder.rglob("*"))
