"""The app that MONAI Label serves: every bundle in its folder `model`.

MONAI Label looks for `main.py` in the folder of an app; scripts/serving/layout.py puts it there.
"""

import os
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from fastapi import HTTPException
from monailabel.interfaces.app import MONAILabelApp
from monailabel.interfaces.exception import MONAILabelException
from monailabel.interfaces.tasks.infer_v2 import InferType
from monailabel.tasks.infer.bundle import BundleInferTask
from monailabel.utils.others.generic import device_map

from bundle.files import write_nifti
from bundle.inference.explained_scans import list_warnings, take_array

BAD_REQUEST, SERVER_ERROR = 400, 500
SETTINGS = ("device", "map", "num_samples", "target")


class ExplanationTask(BundleInferTask):
    """Classify a scan and answer with the map that the request names, on the scan's own grid.

    MONAI Label's own writer loses the affine of files of two axes and changes a sheared one; ours keeps both.

    Args:
        path: folder of the bundle.
        conf: settings of the app.
    """

    def __init__(self, path: str, conf: dict[str, str]) -> None:
        super().__init__(path, conf, type=InferType.OTHERS, add_post_restore=False, load_strict=True)
        self._config.pop("model_filename")  # by which a request chooses the file of the weights

    def pre_transforms(self, data: dict[str, Any]) -> Sequence[Callable]:  # type: ignore[override]
        """Check a request, and return the preprocessing.

        Args:
            data: The request; a list in place of one value stands for its first, as in the options of viewers.

        Returns:
            Transforms that take items with the key `image`.

        Raises:
            ValueError: When a setting is not what is accepted.
        """
        for key in ("device", *self.displayable_configs):
            data[key] = _take_first(data[key])
        _check_choice("device", data["device"], ["cpu", *device_map().values()])  # nothing unknown gets into a config, of which
        _check_choice("map", data["map"], self.config()["map"])  # MONAI evaluates the texts that begin with $
        _check_number("num_samples", data["num_samples"], 2, self.bundle_config["max_samples"])
        if data["target"] is not None:
            _check_number("target", data["target"], 0, self.bundle_config["num_classes"] - 1)
        return super().pre_transforms(data)

    def writer(self, data: dict[str, Any], extension: str | None = None, dtype: str | None = None) -> tuple[str, dict[str, Any]]:
        """Write the map that was asked for.

        Args:
            data: Item after the postprocessing.
            extension: Unused; maps are `.nii.gz`.
            dtype: Unused; maps are float32.

        Returns:
            Path of the map, and classes, probabilities and, where the scan is doubtful, warnings.
        """
        images = {**data, "fa_mean": data["pred"]}
        image = images[data["map"]]
        handle, path = tempfile.mkstemp(suffix=".nii.gz")  # MONAI Label removes it when it is sent
        os.close(handle)
        write_nifti(path, *take_array(image))
        doubtful = {"warnings": warnings} if (warnings := list_warnings(data)) else {}
        return path, {**data["result"], "map": data["map"], **doubtful}

    def _get_network(self, device: str, data: dict[str, Any] | None) -> Any:
        """Return the network with its weights; MONAI Label's own method goes on without them when their file is gone."""
        if self.get_path() is None:
            raise RuntimeError("the weights of the model are gone from the server: start it again")
        return super()._get_network(device, data)


class ExplanationApp(MONAILabelApp):
    """All models of the app; what is wrong with a request is answered in one sentence.

    Args:
        app_dir: folder of the app.
        studies: folder of scans that requests may name instead of sending one.
        conf: settings of the app.
    """

    def __init__(self, app_dir: str, studies: str, conf: dict[str, str]) -> None:
        super().__init__(app_dir, studies, conf, name="ICAM", description="Classes and feature attribution maps of brain scans")

    def init_infers(self) -> dict[str, ExplanationTask]:
        """Return the models under their names."""
        folders = sorted((Path(self.app_dir) / "model").iterdir())
        return {folder.name: ExplanationTask(str(folder), self.conf) for folder in folders}

    def infer(self, request: dict[str, Any], datastore: Any = None) -> dict[str, Any]:
        """Explain the scan of a request.

        Args:
            request: Model, image and settings.
            datastore: Where images are that were not sent; None for the studies of the app.

        Returns:
            Path of the map and the rest of the answer.

        Raises:
            HTTPException: When the request is wrong (400), or something else is (500).
        """
        try:
            _check_choice("model", request["model"], list(self._infers))
            for key in request.keys() - {"model", "image"}:
                _check_choice("a setting", key, SETTINGS)
            if not isinstance(_take_first(request.get("device")), str | None):
                raise ValueError(f"device must be the name of one, got {request['device']!r}")
            if not Path(request["image"]).is_file() and not self.datastore().get_image_uri(request["image"]):
                raise ValueError(f"{request['image']} is no scan of the server: send a file")
            return super().infer(request, datastore)
        except Exception as error:
            wrong = isinstance(error, ValueError | OSError | MONAILabelException)
            answer = HTTPException(BAD_REQUEST if wrong else SERVER_ERROR, _describe(error, request["image"]))
            _forget(request["image"])
            raise answer from error


def _take_first(value: Any) -> Any:
    """Return the first of a list, None of an empty one, and anything else as it is."""
    return next(iter(value), None) if isinstance(value, list) else value


def _forget(image: str) -> None:
    """Remove a scan that was sent; MONAI Label does so after a success only."""
    if Path(image).parent == Path(tempfile.gettempdir()):
        Path(image).unlink(missing_ok=True)


def _describe(error: BaseException, image: str) -> str:
    """Return what went wrong in one line; a scan that was sent has a name here that its sender does not know."""
    text = " ".join((getattr(error, "msg", None) or str(error)).split()) or type(error).__name__
    return text.replace(image, "the scan") if Path(image).is_file() else text


def _check_choice(name: str, value: Any, choices: Sequence[str]) -> None:
    """Refuse what is none of several texts."""
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(dict.fromkeys(choices))}, got {value!r}")


def _check_number(name: str, value: Any, least: int, most: int) -> None:
    """Refuse what is no whole number of a range."""
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise ValueError(f"{name} must be a whole number, {least} to {most}, got {value!r}")
