"""Trained weights in files, and what the files hold beside them.

What a network was trained for stands in the metadata that PyTorch keeps with a state_dict. A file of weights alone, as MONAI's
model zoo wants it, has it too, and whoever loads the weights need not know of it.
"""

import hashlib
import logging
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from bundle.files import load_tensors, save_tensors

ABOUT = "about"  # key in the metadata of a state_dict, which else has the names of modules
SETTINGS = "scan_settings"  # of what is kept beside the weights: how the network saw scans while it was trained

VALIDATION = "validation"  # of the same: `right` of `scans` validation scans, of which `largest` are of one class

CHOICES = ("plane",)  # settings of the scans that may differ from those of the training, with a warning

LATER_PARTS = {  # of networks that files of earlier versions lack, and what is said then
    "erasure.": "",
    "typicality.": "",
    "distributions.": "%s has no distributions of its classes: attributes are drawn from N(0, I), until the run id"
    " completion of evaluate.yaml has fitted some",
}

logger = logging.getLogger(__name__)
Network = TypeVar("Network", bound=nn.Module)
PREFIXES = ("module.", "_orig_mod.")  # of DataParallel, and of torch.compile


def save_network(path: str | Path, network: nn.Module, about: Mapping[str, Any] | None = None) -> None:
    """Save the weights of a network as {"model": state_dict}, completely or not at all.

    Args:
        path: final name of the file.
        network: the network.
        about: what is kept beside the weights, tensors and plain values: `class_names`, `cohort`, `scan_settings`, ...

    Raises:
        OSError: When the file cannot be written.
    """
    save_tensors(path, {"model": add_about(network.state_dict(), about or {})})


def add_about(weights: Any, about: Mapping[str, Any]) -> Any:
    """Return a state_dict of a module that holds plain values beside its weights."""
    weights._metadata[ABOUT] = dict(about)
    return weights


def read_about(path: str | Path) -> dict[str, Any]:
    """Read what a file holds beside the weights; empty of files of earlier versions and of other programs.

    Args:
        path: file of a trained network.

    Raises:
        FileNotFoundError: When there is no such file.
        ValueError: When it is no checkpoint.
    """
    return find_about(read_weights(Path(path), "cpu"))


def find_about(weights: Any) -> dict[str, Any]:
    """Return what a state_dict holds beside its weights; empty where it holds nothing else."""
    return dict(getattr(weights, "_metadata", {}).get(ABOUT, {}))


def read_class_names(path: str | Path) -> list[str]:
    """Read the names of a network's classes, in their order; empty where the file has none."""
    return [str(name) for name in read_about(path).get("class_names", [])]


def find_class(path: str | Path, label: int | str | None, key: str = "target") -> int | None:
    """Return the number of a class that is given by number or name; the case of letters does not matter.

    Args:
        path: file of a trained network.
        label: number, which stays as it is, or name; None for none.
        key: what the class is called in the message.

    Raises:
        ValueError: When no class, or more than one, has the name.
    """
    if not isinstance(label, str):
        return label
    names = read_class_names(path)
    found = [number for number, name in enumerate(names) if name == label] or [
        number for number, name in enumerate(names) if name.lower() == label.lower()
    ]
    if len(found) == 1:
        return found[0]
    if not names:
        raise ValueError(f"{key} must be the number of a class, as {path} has no names of classes, got {label}")
    accepted = ", ".join(f"{name} or {number}" for number, name in enumerate(names))
    raise ValueError(f"{key} must be a class: accepted are {accepted}, got {label}")


def load_network(
    network: Network,
    path: str | Path,
    device: torch.device | str = "cpu",
    scan_settings: Mapping[str, Any] | None = None,
) -> Network:
    """Load weights into a network: all of them, and nothing but tensors is unpickled.

    The prefix of weights that a parallel or compiled network has saved is taken off.

    Args:
        network: network of the checkpoint's architecture.
        path: file that holds {"model": state_dict}, or a state_dict.
        device: where the network goes.
        scan_settings: keys of the config that decide how the network sees a scan, such as `pixdim`; None to check none.

    Returns:
        The same network, on `device`, in evaluation mode.

    Raises:
        FileNotFoundError: When there is no such file.
        ValueError: When there is no such device, the file is no checkpoint, its weights are those of another architecture, or
            some are NaN or infinite, or the network was trained with other settings of the scans.
    """
    check_device(device)
    weights = read_weights(Path(path), device)
    for part in [part for part in LATER_PARTS if not any(name.startswith(part) for name in weights)]:
        own = {name: value for name, value in network.state_dict().items() if name.startswith(part)}
        weights |= own  # which change nothing
        if own and LATER_PARTS[part]:
            logger.warning(LATER_PARTS[part], path)
    shapes = [{name: tuple(weight.shape) for name, weight in state.items()} for state in (weights, network.state_dict())]
    found, accepted = (dict(sorted(side.items() - other.items())) for side, other in (shapes, shapes[::-1]))
    if differing := sorted(found.keys() | accepted.keys()):
        name, classes = differing[0], [count for shape in shapes for count in shape.get("class_attributes", ())[:1]]
        key = f", such as --num_classes {classes[0]}" if len(set(classes)) > 1 else ""
        raise ValueError(
            f"{path} fits another architecture than the config's: {len(differing)} weights differ, such as {name} of shape"
            f" {found.get(name, 'none')}, accepted is {accepted.get(name, 'none')}; give the config that it was trained"
            f" with{key}"
        )
    _check_settings(path, scan_settings or {}, find_about(weights).get(SETTINGS, {}))
    network.load_state_dict(weights, strict=True)
    return network.to(device).eval()


def _check_settings(path: str | Path, given: Mapping[str, Any], trained: Mapping[str, Any]) -> None:
    """Refuse settings of the scans that are not those of the training, as far as the file has them; warn of `CHOICES`."""
    differing = [key for key, value in given.items() if key in trained and _merge_axes(value) != _merge_axes(trained[key])]
    for key in [key for key in differing if key in CHOICES]:
        differing.remove(key)
        sentence = "%s was trained with %s %s, and the config has %s: it has not learnt from such slices"
        logger.warning(sentence, path, key, trained[key], given[key])
    if differing:
        trained_with, found = (", ".join(f"{key} {values[key]}" for key in differing) for values in (trained, given))
        options = " ".join(f"--{key} {trained[key]}" for key in differing)
        raise ValueError(
            f"{path} was trained with {trained_with}, and the config has {found}: give the overlays that it was trained with,"
            f" or {options}"
        )


def _merge_axes(value: Any) -> Any:
    """Return the one number of a list of equal ones, such as [2.0, 2.0] mm; anything else as it is."""
    return value[0] if isinstance(value, list) and value and all(each == value[0] for each in value) else value


def check_device(device: torch.device | str) -> None:
    """Refuse a device that PyTorch has not here.

    Args:
        device: such as cpu or cuda:0.

    Raises:
        ValueError: When it is none of them.
    """
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        accepted = ["cpu", *(f"cuda:{index}" for index in range(torch.cuda.device_count()))]
        verb = "is" if len(accepted) == 1 else "are"
        raise ValueError(f"device {device} is not available: accepted here {verb} {', '.join(accepted)}") from error


def hash_weights(network: nn.Module) -> str:
    """Return the first 16 digits of the SHA-256 over all weights and buffers of a network.

    Args:
        network: the network, on any device.
    """
    digest = hashlib.sha256()
    for name, weight in network.state_dict().items():
        digest.update(name.encode())
        digest.update(weight.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]


def read_weights(path: Path, device: torch.device | str = "cpu") -> dict[str, Tensor]:
    """Return the state_dict in a file.

    Args:
        path: file of a trained network.
        device: where the weights go.

    Raises:
        FileNotFoundError: When there is no such file.
        ValueError: When it is no checkpoint, or some weights are NaN or infinite.
    """
    if path.is_dir():
        found = next(iter(sorted(path.glob("*.pt"))), "model.pt")
        raise ValueError(f"checkpoint {path} is a folder: give the file of a trained network, such as {path / found}")
    if not path.is_file():
        raise FileNotFoundError(f"checkpoint {path} does not exist: train first, or give the file of a trained network")
    accepted = 'accepted is a file saved by torch that holds {"model": state_dict}'
    content = load_tensors(path, device, accepted)
    weights = content.get("model", content) if isinstance(content, dict) else None
    if not isinstance(weights, dict) or not weights or not all(isinstance(item, Tensor) for item in weights.values()):
        raise ValueError(f"{path} holds no weights: {accepted}")
    metadata = getattr(weights, "_metadata", {})
    while prefix := next((each for each in PREFIXES if all(name.startswith(each) for name in weights)), None):
        weights = OrderedDict((name.removeprefix(prefix), weight) for name, weight in weights.items())
        weights._metadata = metadata  # type: ignore[attr-defined]  # as of state_dict
    if broken := [name for name, weight in weights.items() if not torch.isfinite(weight).all()]:
        raise ValueError(f"{path} holds NaN or infinite weights in {len(broken)} tensors, such as {broken[0]}: train anew")
    return weights
