"""Attributes that sampled maps are made with."""

import torch
from monai.data import Dataset
from torch import Tensor

from bundle.attribution import draw_attributes
from bundle.attribution.augmentation import ONE_VIEW, Viewing
from bundle.evaluation.encoding import encode_attributes
from bundle.networks import ICAM

PRIOR, BANK = "prior", "bank"
DRAWS = (PRIOR, BANK)


def draw_for_class(
    kind: str,
    network: ICAM,
    train: Dataset,
    label: int,
    num_samples: int,
    threshold: float = 0.5,
    seed: int = 0,
    device: torch.device | str = "cpu",
    batch_size: int = 8,
    viewing: Viewing = ONE_VIEW,
) -> Tensor:
    """Draw attributes of a class.

    The paper draws from the prior N(0, I), given the class that the latent classifier tells ("prior"). Attributes of scans do not
    fill that half-space: "bank" takes the attribute means of as many training scans of the class, drawn without replacement as
    far as there are enough of them, which are draws from what scans of the class are encoded to (ours).

    Source: Bass et al., NeurIPS 2020, Sec. 3.2 (https://arxiv.org/abs/2006.08287); aggregate posterior in place of the prior:
    Tomczak and Welling, AISTATS 2018 (https://arxiv.org/abs/1705.07120).

    Args:
        kind: "prior" or "bank".
        network: trained network, on `device`.
        train: scans of the training split, transformed; its `data` are the entries of the data list.
        label: the class.
        num_samples: number of draws, N.
        threshold: class probability that a draw from the prior exceeds.
        seed: seed of the draws.
        device: where to compute.
        batch_size: scans encoded at once.
        viewing: of training scans their mirror images are encoded where it has a `mirror_axis`.

    Returns:
        Attributes of shape (N, 1, H/16, W/16[, D/16]).

    Raises:
        ValueError: When `kind` is unknown, the class cannot be drawn, or the training split has no scan of it.
    """
    check_draws(kind)
    if kind == PRIOR:
        return draw_attributes(network, [label], num_samples, threshold, seed)[label]
    members = torch.tensor([i for i, row in enumerate(train.data) if int(row["label"]) == label])
    if not len(members):
        raise ValueError(f"the training split has no scan of class {label}, whose attributes draws={BANK} takes")
    generator = torch.Generator().manual_seed(seed + label)
    rounds = -(-num_samples // len(members))
    order = torch.cat([torch.randperm(len(members), generator=generator) for _ in range(rounds)])[:num_samples]
    return encode_attributes(network, train, members[order].tolist(), device, batch_size, viewing)


def check_draws(kind: str) -> None:
    """Refuse an unknown way to draw attributes.

    Args:
        kind: the way.

    Raises:
        ValueError: When it is unknown.
    """
    if kind not in DRAWS:
        raise ValueError(f"draws must be one of {', '.join(DRAWS)}, got {kind!r}")
