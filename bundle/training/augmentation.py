"""Augmentation of training scans: a batch at once, on the device that trains."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from monai.transforms.utils import create_rotate, create_scale, create_translate
from torch import Tensor
from torch.nn import functional as F

from bundle.data.samplers import SEED
from bundle.data.scans import without_metadata

KEYS = ("image", "label", "value")


def move_batch(
    batchdata: Mapping[str, Tensor], device: torch.device | str | None = None, non_blocking: bool = True, **_: Any
) -> dict[str, Tensor]:
    """Return a batch on a device as it is; arguments as in `BatchAugmentation`."""
    return {key: without_metadata(batchdata[key]).to(device, non_blocking=non_blocking) for key in KEYS if key in batchdata}


class Changes(NamedTuple):
    """What is changed in the scans of a batch.

    Attributes:
        flips: whether each is mirrored, shape (B,).
        positions: homogeneous matrices from voxels of the result to voxels of the scan, relative to the middle, shape
            (B, d + 1, d + 1).
        gammas: exponents of the intensities between the least and the largest, shape (B,).
        noises: standard deviations of the noise, in units of intensity, shape (B,).
        seeds: seeds of the noise.
    """

    flips: Tensor
    positions: Tensor
    gammas: Tensor
    noises: Tensor
    seeds: list[int]


class BatchAugmentation:
    """Mirror, rotate, scale and shift scans at random, and change their contrast and noise.

    What is drawn for a scan depends on its seed alone, and so neither on the other scans of a batch, nor on processes or devices
    (but for the noise, as devices draw in their own way). Changes are those of MONAI's `RandFlip`, `RandAffine` (bilinear,
    border), `RandAdjustContrast` and `RandGaussianNoise`.

    Args:
        flip_axis: spatial axis along which scans are mirrored.
        flip_probability: share of scans that are.
        rotation: largest angle about each axis, radians.
        scaling: largest relative change of the size along each axis; one number for all, or one an axis.
        translation: largest shift along each axis, voxels; one number for all, or one an axis.
        gamma: least and largest exponent of the contrast.
        gamma_probability: share of scans whose contrast changes.
        noise: largest standard deviation of the noise, in units of intensity.
        noise_probability: share of scans with noise.

    Raises:
        ValueError: When a probability is not between 0 and 1, a size is below 0, or `gamma` is not two numbers above 0 in order.
    """

    def __init__(
        self,
        flip_axis: int = 0,
        flip_probability: float = 0.5,
        rotation: float = 0.05,
        scaling: float | Sequence[float] = 0.05,
        translation: float | Sequence[float] = 2.0,
        gamma: Sequence[float] = (0.85, 1.18),
        gamma_probability: float = 0.5,
        noise: float = 0.03,
        noise_probability: float = 0.5,
    ) -> None:
        for name, value in {"flip": flip_probability, "gamma": gamma_probability, "noise": noise_probability}.items():
            if not 0 <= value <= 1:
                raise ValueError(f"{name}_probability must be 0 to 1, got {value}")
        for name, size in {"rotation": rotation, "scaling": scaling, "translation": translation, "noise": noise}.items():
            if not all(0 <= number < (1 if name == "scaling" else float("inf")) for number in np.ravel(size)):
                raise ValueError(f"{name} must be at least 0{' and below 1' * (name == 'scaling')}, got {size}")
        if len(gamma) != 2 or not 0 < gamma[0] <= gamma[1]:
            raise ValueError(f"gamma must be two numbers above 0, the smaller first, got {list(gamma)}")
        self.flip_axis, self.flip_probability = flip_axis, flip_probability
        self.rotation, self.scaling, self.translation = rotation, scaling, translation
        self.gamma, self.gamma_probability = list(gamma), gamma_probability
        self.noise, self.noise_probability = noise, noise_probability

    def __call__(
        self, batchdata: Mapping[str, Tensor], device: torch.device | str | None = None, non_blocking: bool = True, **_: Any
    ) -> dict[str, Tensor]:
        """Return a batch on a device, with its scans changed: what MONAI's trainers take as `prepare_batch`.

        Args:
            batchdata: scans with the key `image`, shape (B, C, H, W[, D]); `label`, `value` if there is one, and `seed`, each of
                shape (B,).
            device: where they go.
            non_blocking: whether the processor goes on while they do.
        """
        changes = self.draw(batchdata[SEED].tolist(), batchdata["image"].ndim - 2)
        batch = move_batch(batchdata, device, non_blocking)
        return batch | {"image": self.apply(batch["image"], changes)}

    def draw(self, seeds: Sequence[int], spatial_dims: int) -> Changes:
        """Draw what is changed in scans.

        Args:
            seeds: one a scan.
            spatial_dims: 2 or 3.
        """
        rows = [self._draw_scan(np.random.default_rng(seed), spatial_dims) for seed in seeds]
        flips, positions, gammas, noises, noise_seeds = zip(*rows, strict=True)
        numbers = [torch.tensor(np.asarray(values), dtype=torch.float32) for values in (positions, gammas, noises)]
        return Changes(torch.tensor(flips), numbers[0], numbers[1], numbers[2], list(noise_seeds))

    def _draw_scan(self, random: np.random.Generator, dims: int) -> tuple[bool, np.ndarray, float, float, int]:
        flip = random.random() < self.flip_probability
        position = create_rotate(dims, random.uniform(-self.rotation, self.rotation, 1 if dims == 2 else 3).tolist())
        shifts, changes = random.uniform(-1, 1, (2, dims)) * [_spread(self.translation, dims), _spread(self.scaling, dims)]
        position = position @ create_translate(dims, shifts.tolist()) @ create_scale(dims, (1 + changes).tolist())
        gamma = random.uniform(self.gamma[0], self.gamma[1]) if random.random() < self.gamma_probability else 1.0
        noise = random.uniform(0, self.noise) if random.random() < self.noise_probability else 0.0
        return flip, np.asarray(position), gamma, noise, int(random.integers(2**31))

    def apply(self, image: Tensor, changes: Changes) -> Tensor:
        """Return changed scans.

        Args:
            image: scans, shape (B, C, H, W[, D]).
            changes: what is changed in each.
        """
        column = (-1, *[1] * (image.ndim - 1))
        parts = changes.flips, _find_theta(changes.positions, image.shape[2:]), changes.gammas
        flips, theta, gammas = (part.to(image.device, non_blocking=True) for part in parts)
        image = torch.where(flips.view(column), image.flip(2 + self.flip_axis), image)
        if self.rotation or np.any(self.scaling) or np.any(self.translation):
            image = _move(image, theta)
        least, largest = (values.view(column) for values in torch.aminmax(image.flatten(1), dim=1))
        span = (largest - least).clamp_min(1e-7)
        image = ((image - least) / span).pow(gammas.view(column)) * span + least
        for scan, noise, seed in zip(image, changes.noises.tolist(), changes.seeds, strict=True):
            if noise:
                scan += noise * _draw_noise(scan, seed)
        return image


def _spread(value: float | Sequence[float], dims: int) -> list[float]:
    numbers = np.ravel(value).tolist()
    if len(numbers) not in (1, dims):
        raise ValueError(f"scaling and translation of scans with {dims} axes must be one number or {dims}, got {numbers}")
    return numbers * (dims // len(numbers))


def _find_theta(positions: Tensor, shape: Sequence[int]) -> Tensor:
    """Return positions in units of half the size, axes from last to first as PyTorch has them, on their device."""
    sizes = torch.tensor(shape, device=positions.device)
    theta = positions[:, :-1].clone()
    theta[:, :, :-1] *= sizes / sizes[:, None]
    theta[:, :, -1] *= 2 / sizes
    return torch.cat([theta[:, :, :-1].flip(1, 2), theta[:, :, -1:].flip(1)], dim=2)


def _move(image: Tensor, theta: Tensor) -> Tensor:
    """Return scans at other positions, by linear interpolation; beyond the border they go on as they end."""
    grid = F.affine_grid(theta.to(image.dtype), list(image.shape), align_corners=False)
    return F.grid_sample(image, grid, padding_mode="border", align_corners=False)


def _draw_noise(like: Tensor, seed: int) -> Tensor:
    return torch.randn(like.shape, generator=torch.Generator(like.device).manual_seed(seed), device=like.device, dtype=like.dtype)
