"""Make the pictures of pages in the documentation: of a brain, a group and a class, by the shipped networks, in Chromium.

Usage: python docs/screenshots.py [FOLDER] [--only PICTURE ...]. FOLDER keeps scans and pages, which are not made again;
without it they go to a temporary one. Sizes of pages and seconds until the first picture are printed.
"""

import argparse
import asyncio
import base64
import json
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pandas as pd
from nilearn.datasets import load_mni152_brain_mask, load_mni152_template
from tornado.websocket import websocket_connect

from bundle.simulation import ConversionStudy, LesionStudy, simulate_cohort

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
NUM_PERSONS, NUM_SLICES = 24, 40  # of the group, half of them in each class, and of the phenotypes
PICTURES = {  # name: page, width and height of the window in pixels, and what is done before
    "viewer": ("maps/one_page.html", 1200, 1000, ""),
    "viewer_draws": ("maps/one_page.html", 1200, 1000, "document.querySelector('[data-draw]').click(); scrollTo(0, 700)"),
    "viewer_phone": ("maps/one_page.html", 420, 1500, ""),
    "cohort_page": ("maps/index.html", 1200, 560, ""),
    "cohort_phone": ("maps/index.html", 420, 900, ""),
    "group_page": ("group/index.html", 1200, 1440, ""),
    "phenotypes_page": ("phenotypes/phenotypes.html", 1200, 1010, ""),
}
READY = "document.readyState === 'complete' && (document.body.dataset.ready || !('run' in document.body.dataset))"


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


def simulate_persons(folder: Path) -> Path:
    """Simulate volumes of persons who converted, and return a table with one scan of each, by turns before and after."""
    cohort = simulate_cohort(folder, ConversionStudy(), (64, 80, 64), 2.5, 0, 0, 40)
    table = pd.read_csv(cohort / "manifest.tsv", sep="\t")
    converters = table[table.groupby("participant_id")["label"].transform("nunique") == 2]
    turns = pd.factorize(converters["participant_id"])[0] % 2
    converters[converters["label"] == turns].head(NUM_PERSONS).to_csv(cohort / "one_scan_each.tsv", sep="\t", index=False)
    return cohort / "one_scan_each.tsv"


def run(file: Path, *words: str | int | Path) -> None:
    """Run `icam` with words, unless the file that it writes is there."""
    if not file.is_file():
        subprocess.run([sys.executable, "-m", "bundle", *map(str, words)], cwd=ROOT, check=True)


def make_pages(folder: Path, kinds: set[str], num_samples: int) -> None:
    """Make pages.

    Args:
        folder: of scans and pages.
        kinds: `maps` of two brains, `group` and `phenotypes`: folders of the pages.
        num_samples: draws of the maps of the two brains.
    """
    own = ["--network", "conversion", "--samples"]
    if "maps" in kinds:
        write_scans(folder / "scans")
        run(folder / "maps" / "index.html", "explain", folder / "scans", *own, num_samples, "--output", folder / "maps")
    if "group" in kinds:
        table, persons = simulate_persons(folder / "conversion"), folder / "persons"
        run(persons / "predictions.csv", "explain", table, *own, 5, "--output", persons, "--set", "pages=False")
        run(folder / "group" / "index.html", "group", persons, "--smoothing", 6, "--output", folder / "group")
    if "phenotypes" in kinds:
        cohort, output = folder / "lesions", folder / "phenotypes"
        simulate_cohort(cohort, LesionStudy(), (96, 112), 2.0, 0, 0, NUM_SLICES)
        run(output / "phenotypes.html", "phenotypes", cohort, "--output", output)


class Browser:
    """A headless Chromium that is led by its debugging protocol, as no other way waits until WebGL has drawn.

    Args:
        folder: for its profile.
    """

    def __init__(self, folder: Path) -> None:
        chromium = shutil.which("chromium") or shutil.which("google-chrome")
        if chromium is None:
            raise SystemExit("there is no Chromium on this machine: apt-get install chromium")
        command = [chromium, *FLAGS, "--remote-debugging-port=0", f"--user-data-dir={folder}", "about:blank"]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        assert self.process.stderr is not None
        line = next(line for line in self.process.stderr if "DevTools listening on" in line)
        with urllib.request.urlopen(f"http://{line.split('ws://')[1].split('/')[0]}/json/list") as answer:
            pages = [each for each in json.load(answer) if each["type"] == "page"]
        self.loop, self.count = asyncio.new_event_loop(), 0
        asyncio.set_event_loop(self.loop)
        self.socket = self.loop.run_until_complete(websocket_connect(pages[0]["webSocketDebuggerUrl"]))

    def send(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send a command, and return its answer."""
        self.count += 1
        message = json.dumps({"id": self.count, "method": method, "params": parameters})
        self.loop.run_until_complete(self.socket.write_message(message))
        while True:
            answer = json.loads(self.loop.run_until_complete(self.socket.read_message()) or "{}")
            if answer.get("id") == self.count:
                return dict(answer["result"])

    def run(self, script: str) -> Any:
        """Return the value of an expression in the page."""
        return self.send("Runtime.evaluate", expression=script, returnByValue=True)["result"].get("value")

    def photograph(self, page: Path, width: int, height: int, picture: Path, action: str = "") -> str:
        """Save a picture of a page, when it says that it is ready.

        Args:
            page: its file.
            width: of the window, pixels.
            height: likewise.
            picture: file to write.
            action: script that runs before.

        Returns:
            Milliseconds from the start of the page until its first picture; empty for a page that has none.
        """
        self.send("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        self.send("Page.navigate", url=page.absolute().as_uri())
        while not self.run(READY):
            time.sleep(0.5)
        self.run(action or "0")
        time.sleep(5)  # until what was chosen is drawn
        picture.write_bytes(base64.b64decode(self.send("Page.captureScreenshot", format="png")["data"]))
        return str(self.run("document.body.dataset.milliseconds") or "")

    def close(self) -> None:
        """End Chromium."""
        self.process.terminate()
        self.process.wait()


def main() -> None:
    """Make all pictures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--num_samples", type=int, default=50)
    parser.add_argument("--only", nargs="+", choices=PICTURES, default=list(PICTURES), help="pictures to make")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.folder or Path(temporary)
        wanted = {name: PICTURES[name] for name in arguments.only}
        pages = sorted({page for page, *_ in wanted.values()})
        make_pages(folder, {page.partition("/")[0] for page in pages}, arguments.num_samples)
        for page in (folder / name for name in pages):
            print(f"{page.relative_to(folder)}: {page.stat().st_size / 1e6:.2f} MB", flush=True)
        browser = Browser(Path(temporary) / "profile")
        try:
            for name, (page_name, width, height, action) in wanted.items():
                first = browser.photograph(folder / page_name, width, height, IMAGES / f"{name}.png", action)
                print(f"{name}.png" + (f": first picture after {first} ms" if first else ""), flush=True)
        finally:
            browser.close()
        if any(page.startswith("maps/") for page in pages):
            shutil.copyfile(folder / "maps" / "one_overview.png", IMAGES / "overview.png")


if __name__ == "__main__":
    main()
