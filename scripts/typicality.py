"""Share of test scans that a shipped network finds unlike those of its training, as they are and changed on the network's grid.

Run: python scripts/typicality.py data/lesions [--checkpoint conversion] [--overlays "['volumes','conversion']"]
"""

import math
from collections.abc import Callable, Sequence

import fire
import numpy as np
import pandas as pd
import torch
from monai.bundle import ConfigParser
from scipy.ndimage import gaussian_filter, shift
from skimage import data
from skimage.color import rgb2gray
from skimage.transform import resize

import bundle
from bundle.attribution.encoded_scans import EncodedScans
from bundle.attribution.typicality import find_typicality
from bundle.data import datalist
from bundle.data.intensities import BACKGROUND
from bundle.evaluation.split import name_splits
from bundle.overlays import find_overlay

LEVEL = 0.05
FWHM = 2 * math.sqrt(2 * math.log(2))  # of a Gaussian, in standard deviations
PHOTOGRAPHS = ("astronaut", "camera", "coins", "moon", "brick", "grass", "gravel", "chelsea", "coffee", "rocket")


def list_changes(pixdim: float) -> dict[str, Callable[[np.ndarray], np.ndarray]]:
    """Return what is done to scans, by name.

    Args:
        pixdim: edge of a voxel, mm.
    """
    random = np.random.default_rng(0)

    def inside(scan: np.ndarray, changed: np.ndarray) -> np.ndarray:
        return np.where(scan > BACKGROUND, changed, scan)

    return {
        "as they are": lambda scan: scan,
        "contrast inverted": lambda scan: inside(scan, -scan),
        "back to front": lambda scan: np.flip(scan, 1),
        "smoothed by 8 mm FWHM": lambda scan: gaussian_filter(scan, 8 / FWHM / pixdim),
        "smoothed by 4 mm FWHM": lambda scan: gaussian_filter(scan, 4 / FWHM / pixdim),
        "0.3 added inside the brain": lambda scan: inside(scan, scan + 0.3),
        "0.3 added everywhere": lambda scan: scan + 0.3,
        "moved by 20 mm": lambda scan: shift(scan, 20 / pixdim, order=1, cval=BACKGROUND),
        "moved by 10 mm": lambda scan: shift(scan, 10 / pixdim, order=1, cval=BACKGROUND),
        "noise of standard deviation 0.2": lambda scan: scan + 0.2 * random.standard_normal(scan.shape),
    }


def read_photographs(size: Sequence[int]) -> np.ndarray:
    """Return photographs on a grid, intensities in [-1, 1], shape (N, H, W)."""
    images = [getattr(data, name)() for name in PHOTOGRAPHS]
    grey = [rgb2gray(image) if image.ndim == 3 else image / 255 for image in images]
    return np.stack([2 * resize(image, size) - 1 for image in grey])


def main(dataset_dir: str, checkpoint: str = "lesions", overlays: Sequence[str] = ()) -> None:
    """Print the shares, tab-separated, by anatomies that the training has and has not."""
    parser = ConfigParser()
    parser.read_config(["configs/train.yaml", *map(str, map(find_overlay, overlays))])
    parser["dataset_dir"] = parser["cohort"] = dataset_dir
    manifest = parser.get_parsed_content("manifest")
    scans, training = (datalist(manifest, split) for split in ("test", "train"))
    preprocess, network = parser.get_parsed_content("preprocessing"), bundle.load(checkpoint, device="cpu").network
    images = np.stack([preprocess({"image": scan["image"]})["image"][0].numpy() for scan in scans])
    splits = np.array(name_splits(scans, training))

    def flag(batch: np.ndarray) -> np.ndarray:
        parts = torch.from_numpy(np.ascontiguousarray(batch, dtype=np.float32))[:, None].split(16)
        return np.concatenate([find_typicality(EncodedScans(network, part))[0].numpy() <= LEVEL for part in parts])

    rows = []
    for name, change in list_changes(float(parser.get_parsed_content("pixdim"))).items():
        flagged = flag(np.stack([change(image) for image in images]))
        rows.append({"scans": name, **{split: flagged[splits == split].mean() for split in np.unique(splits)}})
    if images.ndim == 3:
        rows.append({"scans": "photographs", splits[0]: flag(read_photographs(images.shape[1:])).mean()})
    print(pd.DataFrame(rows).to_csv(sep="\t", index=False, float_format="%.2f", na_rep="n/a"), end="")


if __name__ == "__main__":
    fire.Fire(main)
