"""Lay trained networks out as the folder of an app that MONAI Label serves.

Usage: python scripts/serving/layout.py APP [--model NAME CHECKPOINT [OVERLAY ...]] ...

Each model becomes a bundle, APP/model/NAME, with one config in which the overlays are merged. Without `--model` the networks that
come with the bundle are taken: `lesions` (axial slices), `conversion` and `ageing` (volumes).
"""

import argparse
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from monai.bundle import ConfigParser

from bundle import CONFIGS, MODELS, SHIPPED
from bundle.checkpoints import load_network
from bundle.guards import read_configs

ROOT = Path(__file__).resolve().parents[2]
NETWORKS: list[list[str | Path]] = [
    [name, MODELS / file, *(CONFIGS / f"{overlay}.yaml" for overlay in overlays)] for name, (file, overlays) in SHIPPED.items()
]
MARKER = ".icam-app"  # file by which an app is told from other folders


def merge_configs(overlays: Sequence[str | Path]) -> ConfigParser:
    """Merge the config of inference, overlays and configs/serving.yaml, the later ones winning.

    Args:
        overlays: Config files that the network was trained with.

    Returns:
        The merged config; its expressions are not evaluated.

    Raises:
        FileNotFoundError: When there is no such file.
        ValueError: When an overlay has a key that no config has.
    """
    for overlay in overlays:
        if not Path(overlay).is_file():
            raise FileNotFoundError(f"{overlay} does not exist: give the overlays that the network was trained with")
    files = [str(CONFIGS / "inference.yaml"), *map(str, overlays)]
    read_configs(files)
    parser = ConfigParser()
    parser.read_config([*files, str(CONFIGS / "serving.yaml")])
    return parser


def lay_out_model(folder: Path, checkpoint: str | Path, overlays: Sequence[str | Path] = ()) -> None:
    """Make the bundle of one network, after a look at whether its weights fit its config.

    Args:
        folder: Where it goes; its name is that of the model.
        checkpoint: Trained weights.
        overlays: Config files that the network was trained with.

    Raises:
        FileNotFoundError: When a file is absent.
        ValueError: When an overlay has an unknown key, or the weights are those of another network.
    """
    parser = merge_configs(overlays)
    load_network(parser.get_parsed_content("network_def"), checkpoint)
    (folder / "configs").mkdir(parents=True)
    (folder / "models").mkdir()
    (folder / "bundle").symlink_to(ROOT / "bundle")
    shutil.copyfile(checkpoint, folder / "models" / "model.pt")
    ConfigParser.export_config_file(parser.get(), str(folder / "configs" / "inference.json"), indent=4)
    metadata = json.loads((CONFIGS / "metadata.json").read_text())
    metadata["description"] = f"ICAM, {folder.name}: class of a brain scan, and feature attribution maps of what makes it so"
    for images in metadata["network_data_format"].values():
        for image in images.values():
            image["spatial_shape"] = parser.get_parsed_content("image_size")
    (folder / "configs" / "metadata.json").write_text(json.dumps(metadata, indent=4) + "\n")


def lay_out_app(app: str | Path, models: Sequence[Sequence[str | Path]] = NETWORKS) -> None:
    """Make the folder of the app; an earlier app is replaced when the new one is complete.

    Args:
        app: Folder to make.
        models: Name, checkpoint and overlays of each network.

    Raises:
        FileExistsError: When the folder holds something else than an app.
        FileNotFoundError: When a file is absent.
        ValueError: When a model has no checkpoint or no name of its own, or cannot be laid out.
    """
    names = [str(name) for name, *_ in models]
    if len(set(names)) < len(names) or any(len(model) < 2 or "/" in str(model[0]) for model in models):
        raise ValueError(f"--model takes a name of its own without / and a checkpoint, got {models}")
    app = Path(app).absolute()
    if app.exists() and not (app / MARKER).is_file() and (not app.is_dir() or any(app.iterdir())):
        raise FileExistsError(f"{app} is not empty and no app: give a new folder, an empty one or that of an earlier app")
    app.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{app.name}-", dir=app.parent) as temporary:
        folder = Path(temporary) / "app"
        _fill_app(folder, models)
        if app.exists():
            os.replace(app, Path(temporary) / "earlier")
        os.replace(folder, app)


def _fill_app(folder: Path, models: Sequence[Sequence[str | Path]]) -> None:
    """Write everything that an app has."""
    for part in ("studies", "temporary"):
        (folder / part).mkdir(parents=True)
    (folder / MARKER).touch()
    shutil.copyfile(Path(__file__).with_name("main.py"), folder / "main.py")
    for name, checkpoint, *overlays in models:
        lay_out_model(folder / "model" / str(name), checkpoint, overlays)


def main() -> None:
    """Read the command line and make the app."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("app", help="folder to make")
    parser.add_argument("--model", nargs="+", action="append", metavar="NAME CHECKPOINT OVERLAY", help="network to serve")
    arguments = parser.parse_args()
    try:
        lay_out_app(arguments.app, arguments.model or NETWORKS)
    except (OSError, ValueError) as error:
        sys.exit(f"Error: {error}")


if __name__ == "__main__":
    main()
