"""
Train on your own table
=======================

A folder with scans and a table is all that a training needs. Here the scans are squares in noise and the training
takes seconds, too short to learn anything: what counts is the way.
"""

# %%
# Scans of a cohort of one's own. Class 1 has a bright square near one of two corners.

import subprocess
import sys
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd

import bundle
from bundle.simulation import simulate_squares_cohort

folder = Path(tempfile.mkdtemp())
cohort = simulate_squares_cohort(folder / "my_cohort", spatial_size=(32, 32), num_train=32, num_validation=8, num_test=12)
(cohort / "dataset_description.json").unlink()  # from here on it is like any other folder

# %%
# The table, ``participants.tsv``: four columns are required, ``mask`` is for cohorts with known lesions. Paths are
# relative to the table.

table = pd.read_csv(cohort / "participants.tsv", sep="\t")[["participant_id", "label", "split", "image", "mask"]]
table.to_csv(cohort / "participants.tsv", sep="\t", index=False, na_rep="n/a")
print(table.groupby("split").head(2).to_string(index=False))

# %%
# An overlay of a few lines says what differs from ``train.yaml``: the grid, the scale of intensities, and a short
# training.

overlay = folder / "mine.yaml"
overlay.write_text(
    """
image_size: [32, 32]   # pixels, multiples of 16
pixdim: 1.0            # mm
percentile: 60         # the squares are the brightest part: a scale by the brightest would show the class
headroom: 1.8
max_epochs: 3
epoch_length: 8        # iterations
warmup_iterations: 4
"""
)


def run(name, *configs, **keys):
    """Run an entry point of the bundle, as on the command line."""
    files = [str(bundle.CONFIGS / config) if isinstance(config, str) else str(config) for config in configs]
    command = [sys.executable, "-m", "monai.bundle", "run", *([name] if name else []), "--config_file", str(files)]
    for key, value in keys.items():
        command += [f"--{key}", str(value)]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


run("training", "train.yaml", overlay, dataset_dir=cohort, output_dir=folder / "output")
history = pd.read_csv(folder / "output" / "train" / "train.csv")
print(history[["epoch", "seconds", "reconstruction_l1", "val_ncc", "val_accuracy"]].round(3).to_string(index=False))

# %%
# On the command line this is
#
# .. code-block:: bash
#
#    python -m monai.bundle run training --config_file "['configs/train.yaml','mine.yaml']" \
#      --dataset_dir my_cohort --output_dir output
#
# Figures of the test split:

checkpoint = folder / "output" / "train" / "model.pt"
keys = {"dataset_dir": cohort, "output_dir": folder / "output", "checkpoint": checkpoint, "num_samples": 4, "num_resamples": 100}
run("evaluation", "train.yaml", "evaluate.yaml", overlay, **keys)
metrics = pd.read_csv(folder / "output" / "eval" / "metrics.csv")
shown = metrics.query("metric in ('accuracy', 'ncc_image') and method in ('classifier', 'exemplar_reconstruction', 'image')")
print(
    shown[["split", "protocol", "method", "direction", "metric", "mean", "ci_low", "ci_high", "n"]]
    .round(2)
    .to_string(index=False)
)

# %%
# The trained network explains scans, with the overlay that it was trained with.

network = bundle.load(checkpoint, overlays=[overlay])
scan = cohort / table.query("split == 'test' and label == 1").iloc[0]["image"]
figure = network.explain(scan, num_samples=4).plot()

# %%
# And how it learnt.

figure, axis = plt.subplots(figsize=(5, 3), layout="constrained")
axis.plot(history["epoch"], history["reconstruction_l1"], "o-")
axis.set(title="Training", xlabel="epoch", ylabel="reconstruction L1 (network intensity)", xticks=history["epoch"])
