"""Trained networks from Python: scans in, classes and attribution maps out, with the numbers of `configs/inference.yaml`."""

import copy
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import torch
from monai.bundle import ConfigParser
from monai.data import decollate_batch
from monai.utils.enums import CommonKeys as Keys

from bundle import CONFIGS, MODELS, SHIPPED
from bundle.checkpoints import read_class_names
from bundle.data.formats import strip_suffix
from bundle.data.scans import open_scan
from bundle.errors import find_cause
from bundle.explanation import Explanation
from bundle.guards import read_configs, suggest
from bundle.inference.datasets import FAILURE, attempt
from bundle.inference.explained_scans import list_warnings
from bundle.networks import ICAM
from bundle.overlays import find_overlay
from bundle.renaming import is_path, quote

SETTINGS = (  # keys of `configs/inference.yaml` that a call may change beside its arguments
    "target_value", "reference_scan", "mirror_axis", "shift", "seed", "threshold", "reference", "chunk_size", "calibration",
    "interval_level", "split", "scan_suffix", "num_workers", "scheduler", "bias_correction", "brain_extraction", "registration",
    "limits", "colour_limit", "planes",
)  # fmt: skip
Scan = str | Path | nibabel.spatialimages.SpatialImage | tuple[np.ndarray, np.ndarray]


class TrainedNetwork:
    """A trained network with the preprocessing that it was trained with.

    Args:
        configs: `inference.yaml` and the overlays that the network was trained with.
        changes: keys of these configs with other values.

    Raises:
        FileNotFoundError: When there is no such checkpoint.
        ValueError: When the checkpoint fits another architecture.
    """

    def __init__(self, configs: Sequence[str | Path], changes: dict[str, Any]) -> None:
        self._config, self.changes = read_configs([str(path) for path in configs]).get(), changes
        self.network: ICAM = _get(self._parse({}), "network")
        self.class_names: list[str] = read_class_names(changes["checkpoint"])  # in order; empty where the file has none

    def __repr__(self) -> str:
        encoder = self.network.attribute_encoder
        named = f" ({', '.join(f'{i} {name}' for i, name in enumerate(self.class_names))})" if self.class_names else ""
        grid = tuple(encoder.image_size)
        return f"TrainedNetwork({encoder.num_classes} classes{named}, grid {grid}, {self.changes['checkpoint']})"

    def explain(
        self, scan: Scan, num_samples: int = 50, target: int | str | None = None, prepare: bool = False, **settings: Any
    ) -> Explanation:
        """Classify a scan and explain it by translation to another class.

        Source: Bass et al., NeurIPS 2020, Sec. 3.2 (https://arxiv.org/abs/2006.08287).

        Args:
            scan: file, nibabel image, or array of shape (H, W[, D]) with its affine (4, 4) in mm.
            num_samples: attributes drawn for the maps.
            target: class that the scan is translated to, number or name; None for the most likely one that is not the
                predicted one.
            prepare: whether the scan is a whole head, which is brought to the network's space first; maps lie on its own grid.
            settings: other keys of `configs/inference.yaml`, those of `SETTINGS`, such as `reference_scan`, `target_value`,
                `mirror_axis`, `shift`, `seed` or `calibration`.

        Returns:
            Classes and maps.

        Raises:
            FileNotFoundError: When there is no such file.
            ValueError: When the scan is not what the network takes, or a setting is not accepted.
        """
        if isinstance(scan, str | Path) and Path(scan).is_dir():
            raise ValueError(f"{scan} is a folder: explain takes one scan, explain_folder all scans of a folder")
        image = open_scan(Path(scan).expanduser()) if isinstance(scan, str | Path) else _as_image(scan)
        with tempfile.TemporaryDirectory() as folder:
            path, shown = _as_file(scan, Path(folder)), str(scan) if isinstance(scan, str | Path) else "the scan"
            if "reference_scan" in settings:
                settings |= {"reference_scan": _as_file(settings["reference_scan"], Path(folder, "reference"))}
            parser = self._choose(num_samples, target, prepare, settings, path, folder)
            item = next(self._explain_all(parser))
            if FAILURE in item:
                raise ValueError(item[FAILURE].replace(str(path), shown))
            _warn(item, path, shown)
            return Explanation(item, image, _get(parser, "overview"))

    def explain_folder(
        self, folder: str | Path, num_samples: int = 50, target: int | str | None = None, prepare: bool = False, **settings: Any
    ) -> Iterator[Explanation]:
        """Explain the scans of a folder or table one by one; a scan that fails is left out with a warning that says why.

        Settings and folder are checked at once, a scan when it is reached.

        Args:
            folder: folder of scans at any depth, or a table with the column `image`.
            num_samples: as in `explain`.
            target: as in `explain`.
            prepare: as in `explain`.
            settings: as in `explain`; `split` chooses rows of the table.

        Returns:
            Iterator over the classes and maps of each scan.

        Raises:
            FileNotFoundError: When there is no such folder.
            ValueError: When it holds no scan, or a setting is not accepted.
        """
        output = tempfile.TemporaryDirectory()
        parser = self._choose(num_samples, target, prepare, settings, Path(folder).expanduser(), output.name)
        if not prepare:  # which takes long
            _get(parser, "dataset")
        return self._explain_folder(parser, output)

    def _explain_folder(self, parser: ConfigParser, output: tempfile.TemporaryDirectory) -> Iterator[Explanation]:
        """Yield the explanations of all scans; `output` is removed in the end."""
        overview = _get(parser, "overview")
        with output:
            for item in self._explain_all(parser):
                if FAILURE in item:
                    warnings.warn(f"{item['scan']} is left out: {item[FAILURE]}", stacklevel=2)
                else:
                    _warn(item, item["scan"], item["scan"])
                    yield Explanation(item, open_scan(item["scan"]), overview)

    def _explain_all(self, parser: ConfigParser) -> Iterator[dict[str, Any]]:
        """Yield every scan of the config after its postprocessing, or with the reason of its failure."""
        dataset, inferer, postprocessing = (_get(parser, key) for key in ("dataset", "inferer", "postprocessing"))
        device = torch.device(_get(parser, "device"))
        for item in (dataset[index] for index in range(len(dataset))):
            if FAILURE not in item:
                image = item[Keys.IMAGE].as_tensor().unsqueeze(0).to(device)
                item = attempt(postprocessing, {**item, Keys.PRED: decollate_batch(inferer(image, self.network))[0]})
            yield item

    def _choose(
        self, num_samples: int, target: int | str | None, prepare: bool, settings: dict[str, Any], scans: str | Path, folder: str
    ) -> ConfigParser:
        """Return the configs with the settings of one call, which are checked; the network is not loaded again."""
        if not isinstance(prepare, bool):
            raise ValueError(f"prepare must be True or False, got {prepare!r}")
        for key in settings:
            if key.split("#")[0] not in SETTINGS:
                hint = suggest(key, (*SETTINGS, "num_samples", "target", "prepare"))
                raise ValueError(f"{key} is no setting of an explanation: accepted are {', '.join(SETTINGS)}{hint}")
        chosen = {"num_samples": num_samples, "target": target, "prepare": prepare, **settings}
        chosen |= {"dataset_dir": scans, "output_dir": folder}
        texts = {key: quote(_expand(key, value)) for key, value in chosen.items() if isinstance(value, str | Path)}  # and no code
        return self._parse({**chosen, **texts, "network": self.network})

    def _parse(self, settings: dict[str, Any]) -> ConfigParser:
        """Return the configs with changed keys."""
        parser = ConfigParser(copy.deepcopy(self._config))
        names = {key: quote(value) for key, value in self.changes.items() if is_path(key) and isinstance(value, str | Path)}
        parser.update({**self.changes, **names, **settings})
        return parser


def load(checkpoint: str | Path = "lesions", overlays: Sequence[str | Path] = (), device: str | None = None) -> TrainedNetwork:
    """Load a trained network.

    Args:
        checkpoint: network that comes with the bundle, "lesions" (axial slices), "conversion" or "ageing" (volumes), or the file
            of a trained network, such as `output/train/model.pt`.
        overlays: config files that a network of yours was trained with, beside `train.yaml`, in their order; their names are
            enough for those of the bundle, such as "volumes".
        device: where to compute, such as "cpu"; None for the GPU if there is one.

    Returns:
        The network, ready to explain scans.

    Raises:
        FileNotFoundError: When there is no such network or overlay.
        ValueError: When the checkpoint is a folder or fits another architecture than the configs', or there is no such device.
    """
    if not isinstance(checkpoint, str | Path):
        raise ValueError(f"checkpoint must be the name of a network or a file, got {checkpoint!r}")
    if isinstance(overlays, str | Path):
        raise ValueError(f"overlays must be a list, such as ['volumes'], got {overlays!r}")
    file, own = SHIPPED.get(str(checkpoint), (checkpoint, ()))
    path = MODELS / file if str(checkpoint) in SHIPPED else Path(file).expanduser()
    if not path.exists():
        raise FileNotFoundError(f"checkpoint {checkpoint} does not exist: give a file, or one of {', '.join(SHIPPED)}")
    changes: dict[str, Any] = {"checkpoint": str(path)} | ({} if device is None else {"device": device})
    return TrainedNetwork([CONFIGS / "inference.yaml", *map(find_overlay, overlays or own)], changes)


def _warn(item: dict[str, Any], path: str | Path, name: str) -> None:
    """Pass on what is doubtful about a scan, which is called `name`."""
    for sentence in list_warnings(item):
        warnings.warn(f"{name}: {sentence.replace(str(path), name)}", stacklevel=3)


def _expand(key: str, value: str | Path) -> str | Path:
    """Return the value of a setting, with the home folder in place of ~ where it is a path."""
    return Path(value).expanduser() if is_path(key) else value


def _as_file(scan: Scan, folder: Path) -> Path:
    """Return the file of a scan; an image in memory is written to one, so that all scans are read in the same way."""
    if isinstance(scan, str | Path):
        return Path(scan).expanduser()
    image = _as_image(scan)
    name = Path(image.get_filename() or "scan.nii").name
    path = folder / f"{strip_suffix(name)}.nii"
    folder.mkdir(exist_ok=True)
    nibabel.save(nibabel.Nifti1Image.from_image(image), path)
    return path


def _as_image(scan: Any) -> nibabel.spatialimages.SpatialImage:
    """Return an image in memory as an image of nibabel."""
    if isinstance(scan, nibabel.spatialimages.SpatialImage):
        return scan
    if not isinstance(scan, tuple) or len(scan) != 2:
        raise ValueError(f"scan must be a NIfTI file, a nibabel image, or (array, affine), got {type(scan).__name__}")
    array, affine = np.asarray(scan[0]), np.asarray(scan[1])
    if affine.shape != (4, 4) or not np.issubdtype(affine.dtype, np.number):
        raise ValueError(f"the affine must be a 4x4 matrix from voxels to mm, got shape {affine.shape} of {affine.dtype}")
    if not np.isfinite(affine).all() or np.linalg.matrix_rank(affine) < 4:
        raise ValueError(f"the affine must have an inverse, got {affine.tolist()}")
    if not np.issubdtype(array.dtype, np.number) or np.iscomplexobj(array):
        raise ValueError(f"the array must hold real numbers, got {array.dtype}")
    return nibabel.Nifti1Image(array if array.dtype in (np.float32, np.float64) else array.astype(np.float32), affine)


def _get(parser: ConfigParser, key: str) -> Any:
    """Return a part of the config; what is wrong with the input is raised without what MONAI wraps around it."""
    try:
        return parser.get_parsed_content(key)
    except RuntimeError as error:
        cause = find_cause(error)
        raise (cause if isinstance(cause, ValueError | OSError) else error) from None
