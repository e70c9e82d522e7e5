"""Small folders in the layouts of real cohorts, with tiny scans."""

import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from bundle.files import write_nifti

MakeScan = Callable[[Path], Path]
ADNIMERGE = "RID,PTID,VISCODE,EXAMDATE,EXAMDATE_bl,AGE,PTGENDER,DX_bl,DX,MMSE,FLDSTRENG"


@pytest.fixture
def make_scan() -> MakeScan:
    """Write a scan of 8 x 8 x 8 voxels, each time another one."""
    generator = np.random.default_rng(0)

    def make(path: Path) -> Path:
        write_nifti(path, generator.normal(100, 10, (8, 8, 8)).astype(np.float32), np.diag([20.0, 20, 20, 1]))
        return path

    return make


@pytest.fixture
def write_table() -> Callable[..., Path]:
    """Write a TSV or CSV, by its name."""

    def write(path: Path, header: str, *rows: str) -> Path:
        separator = "," if path.suffix == ".csv" else "\t"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(separator.join(line.split()) for line in (header, *rows)) + "\n")
        return path

    return write


@pytest.fixture
def make_zip(make_scan: MakeScan, tmp_path: Path) -> Callable[..., Path]:
    """Write an archive that holds scans under the given names."""

    def make(path: Path, *names: str) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(path, "w") as archive:
            for name in names:
                archive.write(make_scan(tmp_path / "to_pack.nii.gz"), name)
        return path

    return make


@pytest.fixture
def make_bids(make_scan: MakeScan, write_table: Callable[..., Path], tmp_path: Path) -> Callable[..., Path]:
    """Write a BIDS folder of visits: (PTID without _, months, diagnosis); age 70 at the first visit, sexes alternate."""

    def make(visits: Sequence[tuple[str, int, str]], name: str = "bids", scans: bool = True) -> Path:
        folder = tmp_path / name
        subjects = list(dict.fromkeys(subject for subject, _, _ in visits))
        sexes = [f"sub-ADNI{subject} {'FM'[index % 2]}" for index, subject in enumerate(subjects)]
        write_table(folder / "participants.tsv", "participant_id sex", *sexes)
        for subject in subjects:
            own = [(f"ses-M{months:03d}", 70 + months / 12, dx) for who, months, dx in visits if who == subject]
            person = f"sub-ADNI{subject}"
            rows = [f"{session} {age} {diagnosis}" for session, age, diagnosis in own]
            write_table(folder / person / f"{person}_sessions.tsv", "session_id age diagnosis", *rows)
            for session, _, _ in own if scans else ():
                make_scan(folder / person / session / "anat" / f"{person}_{session}_T1w.nii.gz")
        return folder

    return make


@pytest.fixture
def visits() -> list[tuple[str, int, str]]:
    """Eight stable participants of each class with two visits each, three controls, and four converters."""
    stable = [(f"{i:03d}S{1000 + i}", months, dx) for i in range(16) for months in (0, 12) for dx in ["MCI" if i < 8 else "AD"]]
    controls = [(f"02{i}S0001", 0, "CN") for i in range(3)]
    converting = ((0, "MCI"), (6, "MCI"), (24, "Dementia"), (36, "AD"))
    converters = [(f"03{i}S0001", months, dx) for i in range(4) for months, dx in converting]
    return [*stable, *controls, *converters]


@pytest.fixture
def write_adnimerge() -> Callable[..., Path]:
    """Write ADNIMERGE.csv of visits, as of `make_bids`, at 3 T; age 68.5 at the first visit."""

    def write(path: Path, visits: Sequence[tuple[str, int, str]]) -> Path:
        lines = [ADNIMERGE]
        for person, months, diagnosis in visits:
            code, day = f"m{months:02d}" if months else "bl", f"{2010 + months // 12}-0{1 + months % 12}-15"
            state = "Dementia" if diagnosis == "AD" else diagnosis
            lines.append(f"1,{person.replace('S', '_S_')},{code},{day},2010-01-15,68.5,Female,LMCI,{state},25,3 Tesla MRI")
        path.write_text("\n".join(lines) + "\n")
        return path

    return write
