"""By how much the mean scans of two classes show the mean change, region by region, without the principal components of persons.

Of a simulated cohort of volumes with two classes, whose exact change is known: slope of the difference of the mean scans of the
training split on the mean exact change of the other splits (1: all of it, 0: hidden by chance), both without the components, and
the share of the squared mean change that is left without them.
Run: python scripts/mean_scans.py data/conversion [--numbers "[0,3,10,20,40,100]"]
"""

from collections.abc import Sequence

import fire
import nibabel
import numpy as np
import pandas as pd
from scipy.ndimage import binary_dilation
from skimage.measure import block_reduce

from bundle.data import read_manifest
from bundle.simulation.regions import REGIONS, STRUCTURES

FACTOR = 2  # edge of the blocks over which scans are averaged, voxels
PERCENTILE = 99.5  # of the foreground, that becomes intensity 1
REACH = 1  # voxels from a region within which its change is seen
SHARE = 0.3  # of the persons, who have the region in a block


def read(path: str) -> np.ndarray:
    """Read an image of a cohort, shape (X, Y, Z)."""
    return np.asarray(nibabel.nifti1.load(path).get_fdata(), dtype=np.float32)


def average(image: np.ndarray) -> np.ndarray:
    """Return the means over blocks of voxels."""
    return block_reduce(image, FACTOR, np.mean)


def find_scale(scan: np.ndarray) -> float:
    """Return network intensities per intensity of a scan."""
    return 2 / float(np.percentile(scan[scan > 0], PERCENTILE))


def main(dataset_dir: str, numbers: int | Sequence[int] = (0, 3, 10, 20, 40, 100)) -> None:
    """Print the share that is left, the correlation over the whole image, and the slopes, means of both sides, tab-separated."""
    counts: list[int] = np.atleast_1d(np.asarray(numbers)).tolist()
    manifest = read_manifest(dataset_dir, num_classes=2)
    training = manifest[manifest.split == "train"]
    known = manifest[(manifest.split != "train") & (manifest.label == 0)]
    scans = [read(name) for name in training.image]
    blocks = np.stack([average(np.clip(scan * find_scale(scan) - 1, -1, 1)) for scan in scans])
    blocks = np.concatenate([blocks, blocks[:, ::-1]])  # mirrored as well, as training sees them
    if max(counts) > len(blocks) - 2 or min(counts) < 0:
        raise SystemExit(f"numbers must be 0 to {len(blocks) - 2}, as many as scans and their mirror images allow, got {counts}")
    labels, images = np.tile(training.label, 2), blocks.reshape(len(blocks), -1)
    means = np.stack([images[labels == label].mean(0) for label in (0, 1)])
    difference, deviations = means[1] - means[0], images - means[labels]
    changes = [average(read(row.disease_map) * find_scale(read(row.image))) for row in known.itertuples()]
    change = np.mean([each for each in changes if each.any()], axis=0)
    change = ((change + change[::-1]) / 2).ravel()
    maps = [read(name) for name in manifest[manifest.split == "validation"].regions]
    variances, weights = np.linalg.eigh(deviations @ deviations.T)
    components = (deviations.T @ weights[:, ::-1][:, : max(counts)]) / np.sqrt(variances[::-1][: max(counts)])
    inside = {}
    for structure in STRUCTURES:
        sides = [index + 1 for index, name in enumerate(REGIONS) if name.endswith(structure)]
        present = np.mean([average(binary_dilation(np.isin(each, sides), iterations=REACH)) for each in maps], axis=0)
        inside[structure] = present.ravel() > SHARE
    rows = []
    for number in counts:
        left = [image - components[:, :number] @ (components[:, :number].T @ image) for image in (difference, change)]
        row = {"num_confounds": number, "left": left[1] @ left[1] / (change @ change), "correlation": np.corrcoef(*left)[0, 1]}
        for structure, region in inside.items():
            found, true = (image[region] for image in left)
            row[structure] = (found @ true) / (true @ true)
        rows.append(row)
    print(pd.DataFrame(rows).round(2).to_csv(sep="\t", index=False), end="")


if __name__ == "__main__":
    fire.Fire(main)
