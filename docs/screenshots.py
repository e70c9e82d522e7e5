"""Make the pictures of pages in the documentation: explain a brain by a shipped network, and open its pages in Chromium.

Usage: python docs/screenshots.py [FOLDER]. FOLDER keeps scans and pages; without it they go to a temporary one. Sizes of pages
and seconds until the first picture are printed.
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
from nilearn.datasets import load_mni152_brain_mask, load_mni152_template
from tornado.websocket import websocket_connect

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
PICTURES = {  # name: page, width and height of the window in pixels, and what is done before
    "viewer": ("one_page.html", 1200, 1000, ""),
    "viewer_draws": ("one_page.html", 1200, 1000, "document.querySelector('[data-draw]').click(); scrollTo(0, 700)"),
    "viewer_phone": ("one_page.html", 420, 1500, ""),
    "cohort_page": ("index.html", 1200, 560, ""),
    "cohort_phone": ("index.html", 420, 900, ""),
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
        while not self.run("document.body && document.body.dataset.ready"):
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
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.folder or Path(temporary)
        write_scans(folder / "scans")
        explain(folder / "scans", folder / "maps", arguments.num_samples)
        for page in sorted((folder / "maps").glob("*.html")):
            print(f"{page.name}: {page.stat().st_size / 1e6:.2f} MB", flush=True)
        browser = Browser(Path(temporary) / "profile")
        try:
            for name, (page_name, width, height, action) in PICTURES.items():
                first = browser.photograph(folder / "maps" / page_name, width, height, IMAGES / f"{name}.png", action)
                print(f"{name}.png" + (f": first picture after {first} ms" if first else ""), flush=True)
        finally:
            browser.close()
        shutil.copyfile(folder / "maps" / "one_overview.png", IMAGES / "overview.png")


if __name__ == "__main__":
    main()
