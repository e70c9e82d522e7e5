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

import matplotlib.pyplot as plt
import pandas as pd

import bundle
from bundle.simulation import LesionStudy, simulate_cohort

cohort = simulate_cohort(
    Path(tempfile.gettempdir()) / "icam-examples" / "lesions", LesionStudy(),
    spatial_size=(96, 112), voxel_size=2.0, num_train=8, num_validation=8, num_test=8, num_unseen=4, seed=0,
)  # fmt: skip
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
subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
print(pd.read_csv(folder / "maps" / "predictions.csv").drop(columns="scan").to_string(index=False))
print(*sorted(path.name for path in (folder / "maps").iterdir()), sep="\n")

# %%
# One of the pictures. A control is given lesions: red, brighter after translation.

figure, axis = plt.subplots(figsize=(12, 4), layout="constrained")
axis.imshow(plt.imread(sorted((folder / "maps").glob("*class-0_overview.png"))[0]))
axis.set_axis_off()
