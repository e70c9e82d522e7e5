"""
Explain a folder
================

Classes and maps of many scans, from Python and from the command line.
"""

# %%
# A folder with four simulated scans, two of each class.

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pandas as pd
from PIL import Image

import bundle
from bundle.simulation import LesionStudy, find_cohort, simulate_cohort


def simulate(dataset_dir):
    sizes = dict(num_train=8, num_validation=8, num_test=8, num_unseen=4)
    return simulate_cohort(dataset_dir=dataset_dir, study=LesionStudy(), spatial_size=(96, 112), voxel_size=2.0, seed=0, **sizes)


cohort = find_cohort(Path(tempfile.gettempdir()) / "icam-examples" / "lesions", simulate)
table = pd.read_csv(cohort / "participants.tsv", sep="\t").query("split == 'test'")
folder = Path(tempfile.mkdtemp())
scans = folder / "scans"
scans.mkdir()
for _, row in table.groupby("label").head(2).iterrows():
    shutil.copy(cohort / row["image"], scans / f"{row['participant_id']}_class-{row['label']}.nii.gz")

# %%
# From Python, scan by scan. A scan that cannot be read is left out with a warning.

network = bundle.load("lesions")
rows = []
for explanation in network.explain_folder(scans, num_samples=10):
    largest = abs(explanation.fa_mean.get_fdata()).max()
    rows.append((explanation.name, explanation.predicted_class, explanation.probabilities.max(), largest))
print(pd.DataFrame(rows, columns=["name", "predicted", "probability", "largest change"]).to_string(index=False))

# %%
# The same from the command line, with the same numbers. It writes NIfTI maps, a picture of each scan, and a table.

command = [sys.executable, "-m", "monai.bundle", "run", "--config_file", str(bundle.CONFIGS / "inference.yaml")]
keys = {
    "checkpoint": bundle.MODELS / "model.pt", "dataset_dir": scans, "output_dir": folder / "maps", "num_samples": 10,
}  # fmt: skip
for key, value in keys.items():
    command += [f"--{key}", str(value)]
subprocess.run(command, check=True, capture_output=True)
print(pd.read_csv(folder / "maps" / "predictions.csv").drop(columns="scan").to_string(index=False))
print(*sorted(path.name for path in (folder / "maps").iterdir()), sep="\n")

# %%
# One of the pictures. A control is given lesions: red, brighter after translation.

Image.open(sorted((folder / "maps").glob("*class-0_overview.png"))[0])
