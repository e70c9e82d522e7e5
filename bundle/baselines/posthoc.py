"""Post-hoc attribution: what each pixel of a scan contributes to a class logit of a trained classifier."""

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from monai.data import Dataset
from monai.networks.utils import eval_mode
from torch import Tensor, nn

from bundle.data.scans import without_metadata


class PostHoc:
    """A method of captum (https://captum.ai) and the classifier that it explains.

    With a seed, every scan is explained alone and with the same random draws, so that its map depends neither on the batch that
    it comes in nor on that batch's size.

    Args:
        method: class of captum, or of `bundle.baselines`, that is made with the network.
        network: classifier, from images (B, C, H, W[, D]) to class logits (B, K).
        seed: seed of the draws; None for a method without draws.
        **arguments: arguments of the method's `attribute`.
    """

    def __init__(self, method: Callable[[nn.Module], Any], network: nn.Module, seed: int | None = None, **arguments: Any) -> None:
        self.method, self.network, self.seed, self.arguments = method(network), network, seed, arguments

    def attribute(self, image: Tensor, target: Tensor) -> Tensor:
        """Explain the logit of a class of each scan.

        Args:
            image: scans, intensities in [-1, 1], shape (B, C, H, W[, D]).
            target: class that is explained, shape (B,).

        Returns:
            Maps, signed where the method is, of the shape of `image`.

        Raises:
            ValueError: When `target` has not one class a scan.
        """
        if target.shape != image.shape[:1]:
            raise ValueError(f"target must be one class for each of {len(image)} scans, got shape {tuple(target.shape)}")
        with eval_mode(self.network), torch.enable_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # captum warns of each hook that it sets
            if self.seed is None:
                return self._attribute(image, target)
            maps = []
            for scan, label in zip(image.split(1), target.split(1), strict=True):
                with fix_draws(self.seed):
                    maps.append(self._attribute(scan, label))
            return torch.cat(maps)

    def _attribute(self, image: Tensor, target: Tensor) -> Tensor:
        leaf = image.detach().clone().requires_grad_()
        return self.method.attribute(leaf, target=target.to(image.device), **self.arguments).detach()


def choose_methods(names: Sequence[str], candidates: Mapping[str, Callable[[], Any]]) -> dict[str, Any]:
    """Make the chosen attribution methods.

    Args:
        names: which ones.
        candidates: makes a method, by its name.

    Returns:
        Methods by name, in the order of `names`.

    Raises:
        ValueError: When a name is unknown, or there is none.
    """
    if not names or not set(names) <= set(candidates):
        raise ValueError(f"methods must name some of {', '.join(candidates)}, got {list(names)}")
    return {name: candidates[name]() for name in names}


def draw_scans(dataset: Dataset, count: int, label: int = 0, seed: int = 0) -> Tensor:
    """Return scans of a class, drawn without replacement, shape (N, C, H, W[, D]).

    Args:
        dataset: items with `image`; its `data` are the entries of the data list.
        count: wanted scans; fewer when the class has fewer.
        label: the class.
        seed: seed of the draw.

    Raises:
        ValueError: When there is no scan of the class.
    """
    members = [index for index, row in enumerate(dataset.data) if int(row["label"]) == label]
    if not members:
        raise ValueError(f"the training split has no scan of class {label}, which gradient_shap compares with")
    drawn = np.random.default_rng(seed).permutation(members)[:count]
    return torch.stack([without_metadata(dataset[int(index)]["image"]).float() for index in drawn])


@contextmanager
def fix_draws(seed: int) -> Iterator[None]:
    """Seed NumPy and PyTorch inside the block, and restore both generators afterwards.

    Args:
        seed: the seed.
    """
    state = np.random.get_state()
    try:
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            np.random.seed(seed)  # captum draws from NumPy's global generator as well
            yield
    finally:
        np.random.set_state(state)
