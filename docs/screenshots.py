"""Make the pictures of pages in the documentation: explain a brain by a shipped network, and open its pages in Chromium.

Usage: python docs/screenshots.py [FOLDER]. FOLDER keeps scans and pages; without it they go to a temporary one. Sizes of the pages
and seconds until the first picture are printed.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import nibabel
import numpy as np
from nilearn.datasets import load_mni152_brain_mask, load_mni152_template

ROOT = Path(__file__).parents[1]
IMAGES = ROOT / "docs" / "images"
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--hide-scrollbars",
)
NOISE = 0.03  # standard deviation, share of the template's range
PICTURES = {  # name: page, its end of the address, and width and height of the window in pixels
    "viewer": ("one_page.html", "", 1200, 900),
    "viewer_phone": ("one_page.html", "", 420, 1500),
    "viewer_page": ("one_page.html", "", 1200, 2000),
    "cohort_page": ("index.html", "", 1200, 560),
    "cohort_phone": ("index.html", "", 420, 900),
}


def write_scans(folder: Path) -> None:
    """Write two brains of 2 mm with noise, of which the second lies 4 mm to the front.

    Args:
        folder: where to; made when absent.
    """
    template, mask = load_mni152_template(resolution=2), load_mni152_brain_mask(resolution=2)
    folder.mkdir(parents=True, exist_ok=True)
    for seed, name in enumerate(("one", "two")):
        noise = np.random.default_rng(seed).normal(0, NOISE, template.shape)
        values = ((template.get_fdata() + noise).clip(0.01) * 1000 * mask.get_fdata()).astype(np.float32)
        nibabel.save(nibabel.Nifti1Image(np.roll(values, 2 * seed, axis=1), template.affine), folder / f"{name}.nii.gz")


def explain(scans: Path, output: Path, num_samples: int) -> None:
    """Explain the scans by the shipped network "conversion".

    Args:
        scans: their folder.
        output: where maps and pages go.
        num_samples: draws of the maps.
    """
    configs = "['configs/inference.yaml','configs/volumes.yaml','configs/conversion.yaml']"
    command = [sys.executable, "-m", "monai.bundle", "run", "--config_file", configs, "--num_samples", str(num_samples)]
    paths = ["--dataset_dir", str(scans), "--output_dir", str(output)]
    subprocess.run([*command, *paths], cwd=ROOT, check=True)


def photograph(page: Path, end: str, width: int, height: int, picture: Path) -> float:
    """Save what Chromium shows of a page.

    Args:
        page: its file.
        end: of its address.
        width: of the window, pixels.
        height: likewise.
        picture: file to write.

    Returns:
        Seconds from the start of Chromium until the picture was written.
    """
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        raise SystemExit("there is no Chromium on this machine: apt-get install chromium")
    with tempfile.TemporaryDirectory() as profile:
        window = [f"--window-size={width},{height}", "--virtual-time-budget=20000", f"--user-data-dir={profile}"]
        started = time.perf_counter()
        address = page.absolute().as_uri() + end
        subprocess.run([chromium, *FLAGS, *window, f"--screenshot={picture}", address], check=True, capture_output=True)
        return time.perf_counter() - started


def main() -> None:
    """Make all pictures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--num_samples", type=int, default=50)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.folder or Path(temporary)
        write_scans(folder / "scans")
        explain(folder / "scans", folder / "maps", arguments.num_samples)
        for page in sorted((folder / "maps").glob("*.html")):
            print(f"{page.name}: {page.stat().st_size / 1e6:.2f} MB")
        for name, (page_name, end, width, height) in PICTURES.items():
            seconds = photograph(folder / "maps" / page_name, end, width, height, IMAGES / f"{name}.png")
            print(f"{name}.png: {seconds:.1f} s")
        shutil.copyfile(folder / "maps" / "one_overview.png", IMAGES / "overview.png")


if __name__ == "__main__":
    main()
