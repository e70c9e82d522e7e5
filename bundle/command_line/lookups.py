"""Commands that run no config: what networks come with the bundle, and the page of a folder of results."""

import argparse
import os
import sys
import webbrowser
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from bundle import MODELS, SHIPPED

PAGES = (  # of commands, in the order that is looked for
    "index.html", "report/index.html", "eval/index.html", "phenotypes.html", "overview.html",
)  # fmt: skip
WRITERS = "icam explain, evaluate, phenotypes, report, prepare, group or benchmark"


class Lookup(NamedTuple):
    """A command that runs no config.

    Attributes:
        help: what it does, in a few words.
        description: the same in a few sentences.
        example: its arguments in an example.
        run: does it, with what is given, and returns the exit status.
    """

    help: str
    description: str
    example: str
    run: Callable[[argparse.Namespace], int]


def view(given: argparse.Namespace) -> int:
    """Open the page of a folder of results in the browser, and print where it is.

    Args:
        given: `results`, the folder or a page, and `print`, to open nothing.

    Returns:
        0.

    Raises:
        FileNotFoundError: When there is no such folder, or no page in it.
    """
    folder = Path(given.results).expanduser()
    if not folder.exists():
        raise FileNotFoundError(f"RESULTS {folder} does not exist: accepted is a folder that {WRITERS} has written")
    pages = [folder] if folder.suffix == ".html" else [folder / name for name in PAGES]
    page = next((page for page in pages if page.is_file()), None)
    if page is None:
        sessions = any(next(folder.glob(f"{place}/index.html"), None) for place in ("sub-*", "sub-*/ses-*"))
        hint = f"; icam BIDS_DIR {folder} group writes one of all participants" if sessions else ""
        raise FileNotFoundError(f"RESULTS {folder} has no page: accepted is a folder that {WRITERS} has written{hint}")
    print(page, flush=True)
    if not given.print and (sys.platform != "linux" or {"DISPLAY", "WAYLAND_DISPLAY", "BROWSER"} & os.environ.keys()):
        webbrowser.open(page.resolve().as_uri())
    return 0


def list_networks(given: argparse.Namespace) -> int:
    """Print the networks that come with the bundle: classes, grid and cohort of each, as their files and configs say.

    Args:
        given: nothing is read of it.

    Returns:
        0.
    """
    from bundle.checkpoints import VALIDATION, read_about  # they import PyTorch, which takes seconds
    from bundle.guards import read_configs
    from bundle.overlays import find_overlay

    for name, (file, overlays) in SHIPPED.items():
        about = read_about(MODELS / file)
        config = read_configs([str(find_overlay(each)) for each in ("inference", *overlays)])
        size, pixdim, counts = config["image_size"], config["pixdim"], about.get(VALIDATION) or {}
        shape = " x ".join(map(str, size))
        kind = f"axial slices at z = {config['plane']:g} mm" if len(size) == 2 else "volumes"
        classes = ", ".join(f"{label} {title}" for label, title in enumerate(about.get("class_names", [])))
        print(f"{name}\n  classes     {classes}{'; and the age' * bool(config['regression'])}")
        print(f"  scans       {kind} of {shape} voxels of {pixdim:g} mm, of brains without skull in MNI152 space")
        right = f"; {counts['right']} of {counts['scans']} validation scans right" if counts else ""
        print(f"  trained on  {about.get('cohort', 'unknown')}{right}")
        print(f"  file        {MODELS / file}\n")
    print("Warning: simulated scans alone. Of real scans the classes and maps of these networks say nothing.")
    print("Use: icam explain SCANS --network NAME")
    return 0


LOOKUPS: dict[str, Lookup] = {
    "networks": Lookup(
        "networks that come with the bundle",
        "List the networks that come with the bundle: classes, voxels, and what they were trained on.",
        "",
        list_networks,
    ),
    "view": Lookup(
        "open the page of results",
        "Open the page of a folder of results in the browser, and print where it is; without a display it is only printed.",
        "maps",
        view,
    ),
}
