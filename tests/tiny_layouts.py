"""Small folders in the layouts of real cohorts, with tiny scans."""

import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from bundle.files import write_nifti

Visit = tuple[str, int, str]  # PTID without _, months, diagnosis
STABLE = [(f"{i:03d}S{1000 + i}", months, dx) for i in range(16) for months in (0, 12) for dx in ["MCI" if i < 8 else "AD"]]
CONTROLS = [(f"02{i}S0001", 0, "CN") for i in range(3)]
CONVERTING = ((0, "MCI"), (6, "MCI"), (24, "Dementia"), (36, "AD"))
CONVERTERS = [(f"03{i}S0001", months, dx) for i in range(4) for months, dx in CONVERTING]
VISITS = [*STABLE, *CONTROLS, *CONVERTERS]  # eight stable participants of each class, three controls, four converters


def write_table(path: Path, header: str, *rows: str) -> Path:
    """Write a TSV or CSV, by its name."""
    separator = "," if path.suffix == ".csv" else "\t"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(separator.join(line.split()) for line in (header, *rows)) + "\n")
    return path


class TinyLayouts:
    """Writes folders of scans of 8 x 8 x 8 voxels, each scan another one.

    Args:
        folder: where they go.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.generator = np.random.default_rng(0)

    def make_scan(self, path: Path) -> Path:
        """Write a scan."""
        write_nifti(path, self.generator.normal(100, 10, (8, 8, 8)).astype(np.float32), np.diag([20.0, 20, 20, 1]))
        return path

    def make_zip(self, path: Path, *names: str) -> Path:
        """Write an archive that holds scans under the given names."""
        path.parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(path, "w") as archive:
            for name in names:
                archive.write(self.make_scan(self.folder / "to_pack.nii.gz"), name)
        return path

    def make_bids(self, visits: Sequence[Visit], name: str = "bids", scans: bool = True) -> Path:
        """Write a BIDS folder of visits; age 70 at the first visit, sexes alternate."""
        folder = self.folder / name
        subjects = list(dict.fromkeys(subject for subject, _, _ in visits))
        sexes = [f"sub-ADNI{subject} {'FM'[index % 2]}" for index, subject in enumerate(subjects)]
        write_table(folder / "participants.tsv", "participant_id sex", *sexes)
        for subject in subjects:
            own = [(f"ses-M{months:03d}", 70 + months / 12, dx) for who, months, dx in visits if who == subject]
            person = f"sub-ADNI{subject}"
            rows = [f"{session} {age} {diagnosis}" for session, age, diagnosis in own]
            write_table(folder / person / f"{person}_sessions.tsv", "session_id age diagnosis", *rows)
            for session, _, _ in own if scans else ():
                self.make_scan(folder / person / session / "anat" / f"{person}_{session}_T1w.nii.gz")
        return folder

    def make_caps(self, visits: Sequence[Visit], name: str = "caps", crops: Sequence[str] = ("desc-Crop_", "")) -> Path:
        """Write scans of visits, cropped and uncropped, as Clinica's t1-linear does; without labels."""
        for person, months, _ in visits:
            session = f"sub-ADNI{person}/ses-M{months:03d}"
            for crop in crops:
                file = f"{session.replace('/', '_')}_space-MNI152NLin2009cSym_{crop}res-1x1x1_T1w.nii.gz"
                self.make_scan(self.folder / name / "subjects" / session / "t1_linear" / file)
        return self.folder / name

    def make_ukbiobank(self, ages: Sequence[int], name: str = "ukb") -> list[str]:
        """Write an archive a participant and a table of ages at imaging; return the participants."""
        people = [str(1000001 + index) for index in range(len(ages))]
        for person in people:
            self.make_zip(self.folder / name / "bulk" / f"{person}_20252_2_0.zip", "T1/T1.nii.gz", "T1/T1_brain.nii.gz")
        rows = [f"{person} {index % 2} {age - 9} {age} NA" for index, (person, age) in enumerate(zip(people, ages, strict=True))]
        write_table(self.folder / name / "ukb12345.csv", "eid 31-0.0 21003-0.0 21003-2.0 21003-3.0", *rows)
        return people

    def make_hcp(self, count: int, name: str = "hcp") -> list[str]:
        """Write both contrasts and a brain mask of each participant; return the participants."""
        people = [str(100307 + index) for index in range(count)]
        for person in people:
            for scan in ("T1w_restore_brain", "T2w_restore_brain", "brainmask_fs"):
                self.make_scan(self.folder / name / person / "MNINonLinear" / f"{scan}.nii.gz")
        return people
