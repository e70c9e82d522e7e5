"""What a run of inference does: in fields beside each image of a BIDS derivative, and in a paragraph to copy into a paper."""

import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined

from bundle import MODELS, SHIPPED
from bundle.cautions import list_cautions
from bundle.checkpoints import find_about, read_about, read_weights
from bundle.data.bids import SITES, write_text
from bundle.inference.overview import name_class
from bundle.records import PROGRAM, compute_fingerprint, compute_sha256, list_versions, read_record, read_version, write_record

CITATION, NETWORK = "CITATION.md", "network.json"
MAP = "network intensity (the range of a scan is 2)"
SCAN = "intensity of the scan"
IMAGES = {  # what an image is, and its unit
    "fa_mean": ("Attribution map towards {target}: mean over the draws of the translated scan minus {reference}", MAP),
    "fa_variance": ("Variance over draws and views of the attribution map towards {target}", f"square of {MAP}"),
    "fa_low": ("Lower end of the interval of the change of each voxel towards {target}", MAP),
    "fa_high": ("Upper end of the interval of the change of each voxel towards {target}", MAP),
    "translated": ("Scan translated to {target}, mean over the draws", SCAN),
    "fa_exemplar": ("Attribution map with the attribute of a reference scan, towards the class of that scan", MAP),
    "fa_value": ("Attribution map towards an age of {age} years", MAP),
    "translated_value": ("Scan translated to an age of {age} years", SCAN),
}
AGES, OTHERS = ("fa_value", "translated_value"), ("fa_exemplar",)  # that are not of the target class
SOURCES = {
    "mixture": "from the distribution of the target class, which was fitted to the training scans",
    "prior": "from the standard normal distribution",
}
TEMPLATE = Path(__file__).with_name("citation.md").read_text(encoding="utf-8")


def describe_network(path: str | Path) -> dict[str, str]:
    """Return name, version, SHA-256 and training cohort of the file of a network.

    Args:
        path: the file.

    Raises:
        FileNotFoundError: When there is no such file.
        ValueError: When it is no checkpoint.
    """
    path, about = Path(path), read_about(path)
    shipped = path.resolve().parent == MODELS.resolve()
    names = {file: name for name, (file, _) in SHIPPED.items()} if shipped else {}
    return {
        "Name": names.get(path.name, path.name),
        "Version": read_version() if shipped else f"epoch {about['epoch']}" if "epoch" in about else "unknown",
        "SHA256": compute_sha256(path),
        "TrainedOn": str(about.get("cohort") or "unknown"),
    }


def read_network(folder: str | Path) -> dict[str, Any]:
    """Return what `network.json` says of the network that has made the results in a folder; empty where there is none."""
    return read_record(Path(folder) / NETWORK, None) or {}


def name_network(model: Mapping[str, Any]) -> str:
    """Return a network in words, such as "conversion (0.2.0, SHA-256 9fc2...), trained on simulated conversion"."""
    trained = f", trained on {model['TrainedOn']}" if model["TrainedOn"] != "unknown" else ""
    return f"{model['Name']} ({model['Version']}, SHA-256 {model['SHA256']}){trained}"


def name_reference(settings: Mapping[str, Any]) -> str:
    """Return what is subtracted from a translated scan, by the settings of the inference."""
    return "the scan's own reconstruction" if settings["reference"] == "reconstruction" else "the scan"


class Methods:
    """Describes a run of inference.

    Args:
        checkpoint: file of the network.
        settings: what decides the results, those of `Predictions`.
        controls: sentence on the controls of z-scores; empty for none.

    Raises:
        FileNotFoundError: When there is no such file.
        ValueError: When it is no checkpoint.
    """

    def __init__(self, checkpoint: str | Path, settings: Mapping[str, Any], controls: str = "") -> None:
        self.settings, self.controls, weights = dict(settings), controls, read_weights(Path(checkpoint))
        about, means = find_about(weights), weights.get("distributions.means")
        if means is None or not means.any():  # the file has none, or they were never fitted
            self.settings["attribute_source"] = "prior"
        self.class_names = [str(name) for name in about.get("class_names", [])]
        self.model, self.cautions = describe_network(checkpoint), list_cautions(checkpoint)

    def describe(self, result: Mapping[str, Any], key: str) -> dict[str, Any]:
        """Return the fields of the sidecar of an image, without those that name other files.

        Args:
            result: classes of the scan.
            key: one of `bundle.data.discovery.IMAGES`.
        """
        text, unit = IMAGES[key]
        predicted, target = (self._class(result[name]) for name in ("predicted_class", "target_class"))
        aims = (
            {"TargetAge": self.settings.get("target_value")} if key in AGES else {} if key in OTHERS else {"TargetClass": target}
        )
        words = {"target": target["Name"], "age": self.settings.get("target_value"), "reference": name_reference(self.settings)}
        return {
            "Description": text.format(**words),
            "Units": unit,
            **aims,
            "PredictedClass": predicted,
            "Model": self.model,
            "Settings": self.settings,
            "Software": {PROGRAM: read_version(), "Python": platform.python_version(), **list_versions()},
        }

    def write(self, folder: str | Path) -> None:
        """Write `CITATION.md`.

        Args:
            folder: where to; made when absent.

        Raises:
            OSError: When it cannot be written.
        """
        settings, versions = self.settings, list_versions()
        target = settings.get("target")
        done = (settings.get("preparation") or {}) if settings.get("prepare") else {}
        steps = ["brain extraction by deepbet (Fisch et al., 2023)"] * bool(done.get("brain_extraction"))
        steps += ["correction of the bias field by N4 (Tustison et al., 2010)"] * bool(done.get("bias_correction"))
        steps += ["affine registration to MNI152 by SimpleITK"] * bool(done.get("registration"))
        steps += [f"resampling to {done.get('voxel_size')} mm"] * bool(done)
        views = ["mirror images"] * (settings.get("mirror_axis") is not None)
        views += [f"shifts by {settings['shift']} voxels"] * bool(settings["shift"])
        environment = Environment(trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True, undefined=StrictUndefined)
        text = environment.from_string(TEMPLATE).render(
            program=PROGRAM,
            version=read_version(),
            software=[(name, versions[key]) for key, (name, _) in SITES.items()],
            python=platform.python_version(),
            network=name_network(self.model),
            controls=self.controls,
            classes=[f"{label} {name}" for label, name in enumerate(self.class_names)],
            settings=settings,
            target=None if target is None else self._name(target),
            source=SOURCES.get(settings["attribute_source"], f"from the source {settings['attribute_source']}"),
            reference=name_reference(settings),
            done={"brain_extraction": False, "bias_correction": False, **done},
            steps=steps,
            views=views,
        )
        write_text(Path(folder) / CITATION, text)

    def write_network(self, folder: str | Path) -> None:
        """Write `network.json`: which network has made the results, and what its file gives reason to doubt.

        Args:
            folder: of the results.

        Raises:
            OSError: When it cannot be written.
        """
        content = {**self.model, "Classes": self.class_names, "Cautions": self.cautions}
        write_record(Path(folder) / NETWORK, compute_fingerprint(content), content)

    def _class(self, label: int) -> dict[str, Any]:
        return {"Label": label, "Name": self._name(label)}

    def _name(self, label: int) -> str:
        return name_class(label, self.class_names)
