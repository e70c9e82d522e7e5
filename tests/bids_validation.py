"""BIDS datasets for tests, and the official validator, which works without a network."""

import json
import subprocess
import sys
from pathlib import Path

from tiny_scans import make_affine, save_scan

SCANS = (  # of a participant with two sessions, of which one has two scans, and of one without sessions
    "sub-01/ses-M00/anat/sub-01_ses-M00_T1w",
    "sub-01/ses-M12/anat/sub-01_ses-M12_run-1_T1w",
    "sub-01/ses-M12/anat/sub-01_ses-M12_run-2_T1w",
    "sub-02/anat/sub-02_T1w",
)
DESCRIPTION = {"Name": "tiny", "BIDSVersion": "1.9.0"}


def save_dataset(folder: Path, names: tuple[str, ...] = SCANS, shape: tuple[int, ...] = (20, 22, 14)) -> Path:
    """Save a BIDS dataset of tiny scans; return its folder."""
    for seed, name in enumerate(names):
        save_scan(folder / f"{name}.nii.gz", shape, make_affine((2.0, 2.2, 2.4)), seed)
    (folder / "dataset_description.json").write_text(json.dumps(DESCRIPTION))
    return folder


def list_errors(folder: Path) -> list[str]:
    """Return what the validator calls an error in a dataset: code and file."""
    command = [str(Path(sys.executable).with_name("bids-validator-deno")), str(folder), "--format", "json"]
    answer = json.loads(subprocess.run(command, capture_output=True, text=True, check=False).stdout)
    assert answer["summary"]["totalFiles"] > 0
    issues = [issue for issue in answer["issues"]["issues"] if issue["severity"] == "error"]
    return [f"{issue['code']} {issue.get('subCode', '')} {issue.get('location', '')}" for issue in issues]
