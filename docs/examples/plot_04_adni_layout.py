"""
A cohort in ADNI's layout
=========================

Who of a BIDS folder of ADNI would be trained, validated and tested on, and who is left out and why? Nothing is
trained before this is clear. The folder is made up here: noise instead of scans, with the tables that ADNI's BIDS
folders have.
"""

# %%
# Stable participants with mild cognitive impairment (MCI) or Alzheimer's disease (AD), converters, and a healthy one.

import subprocess
import sys
import tempfile
from pathlib import Path

import nibabel
import numpy as np
import pandas as pd

import bundle

folder = Path(tempfile.mkdtemp())
bids = folder / "adni_bids"
random = np.random.default_rng(0)


def write_scan(path):
    path.parent.mkdir(parents=True)
    voxels = random.normal(100, 10, (16, 16, 16)).astype(np.float32)
    voxels[:2] = 0  # background
    nibabel.save(nibabel.Nifti1Image(voxels, np.diag([8.0, 8.0, 8.0, 1.0])), path)


courses = {f"{i:03d}S0001": [diagnosis] * 2 for i, diagnosis in enumerate(["MCI"] * 4 + ["AD"] * 4)}
courses |= {f"{i:03d}S0002": ["MCI", "AD"] for i in range(6)} | {"900S0001": ["CN", "CN"]}
people = []
for name, diagnoses in courses.items():
    participant = f"sub-ADNI{name}"
    sessions = [f"ses-M{24 * i:03d}" for i in range(len(diagnoses))]
    for session in sessions:
        write_scan(bids / participant / session / "anat" / f"{participant}_{session}_T1w.nii.gz")
    age = random.uniform(60, 85)
    visits = pd.DataFrame(
        {"session_id": sessions, "diagnosis": diagnoses, "age": [round(age + 2 * i, 1) for i in range(len(sessions))]}
    )
    visits.to_csv(bids / participant / f"{participant}_sessions.tsv", sep="\t", index=False)
    people.append({"participant_id": participant, "sex": random.choice(["F", "M"])})
pd.DataFrame(people).to_csv(bids / "participants.tsv", sep="\t", index=False)

# %%
# The overlay ``data/adni.yaml`` reads it. On the command line:
#
# .. code-block:: bash
#
#    python -m monai.bundle run listing --config_file "['configs/train.yaml','configs/data/adni.yaml']" \
#      --dataset_dir adni_bids --output_dir output

configs = str([str(bundle.CONFIGS / "train.yaml"), str(bundle.CONFIGS / "data" / "adni.yaml")])
command = [sys.executable, "-m", "monai.bundle", "run", "listing", "--config_file", configs]
command += ["--dataset_dir", str(bids), "--output_dir", str(folder / "output"), "--manifest#splitting#fractions", "[0.4,0.3,0.3]"]
listing = subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
print(listing.stderr)

# %%
# Converters alone are validated and tested on, as in the paper. Their two scans name each other in the column
# ``pair``.

manifest = pd.read_csv(folder / "output" / "manifest.tsv", sep="\t")
print(manifest[["participant_id", "session_id", "label", "split", "pair"]].to_string(index=False))

# %%
# Whoever is excluded has a reason.

exclusions = pd.read_csv(folder / "output" / "manifest_exclusions.tsv", sep="\t")
print(exclusions.iloc[:, -1].value_counts().to_string())

# %%
# The written table is a cohort: ``--dataset_dir output`` trains on exactly these scans and
# splits.
