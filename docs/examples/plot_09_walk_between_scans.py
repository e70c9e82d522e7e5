"""
Walk between two scans
======================

What happens between a control and a diseased scan? The content stays, the attribute moves in steps from one to the
other.
"""

# %%
# Two simulated scans, one of each class.

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
control, diseased = (cohort / table[table["label"] == label].iloc[0]["image"] for label in (0, 1))

# %%
# Seven steps, with the probability of the class of each.

output = Path(tempfile.mkdtemp())
command = [sys.executable, "-m", "monai.bundle", "run", "interpolation", "--config_file", str(bundle.CONFIGS / "inference.yaml")]
keys = {"checkpoint": bundle.MODELS / "model.pt", "source_scan": control, "target_scan": diseased, "output_dir": output}
for key, value in keys.items():
    command += [f"--{key}", str(value)]
subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
print(*sorted(path.name for path in output.iterdir()), sep="\n")

# %%
# Left in the pictures is left in the brain.

figure, axis = plt.subplots(figsize=(14, 3), layout="constrained")
axis.imshow(plt.imread(next(output.glob("*_interpolation.png"))))
axis.set_axis_off()

# %%
# The last step has the attribute of the diseased scan. The change to it is the *exemplar map*, with that scan as
# reference. Inference gives it with ``reference_scan``, as the last picture.

network = bundle.load("lesions")
figure = network.explain(control, num_samples=10, reference_scan=str(diseased)).plot()
