"""The squares data: smoothed noise, and the same noise with a square."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bundle.simulation.cohort import check_numbers, plan_subjects
from bundle.simulation.deformations import sample_smooth_noise
from bundle.simulation.paired_states import PairedStates, list_files
from bundle.simulation.storage import SubjectFiles, is_written, write_cohort
from bundle.workers import Workers

SUBTYPES = {"low-corner": 0.3, "high-corner": 0.7}  # centre of the square as a fraction of the image's size
EDGE = 0.2  # of the image's size
JITTER = 0.05  # largest shift of the square per axis, of the image's size
NOISE_SIGMA = 0.022  # of the image's size: 2.5 voxels of 112
LEVEL, NOISE_DEVIATION, SQUARE_CHANGE = 500.0, 100.0, 300.0  # scanner units


def simulate_squares_cohort(
    dataset_dir: str | Path,
    spatial_size: Sequence[int] = (32, 32),
    num_train: int = 64,
    num_validation: int = 16,
    num_test: int = 16,
    seed: int = 0,
    workers: Workers | None = None,
) -> Path:
    """Write the squares data, or find it already written.

    Class 0 is smoothed noise; class 1 is such noise with a square near one of two opposite corners, shifted at random.
    The table has the columns of the lesion cohort; `parcels` names the corner.

    Source: after Baumgartner et al., CVPR 2018, Sec. 4.1 (https://arxiv.org/abs/1711.08998).

    Args:
        dataset_dir: Folder of the cohort.
        spatial_size: Size of the images, H, W[, D].
        num_train: Number of training subjects, half of them with a square.
        num_validation: Number of validation subjects.
        num_test: Number of test subjects.
        seed: Determines all subjects.
        workers: Where subjects are simulated; None for as many threads of this process as there are cores.

    Returns:
        The folder of the cohort.

    Raises:
        ValueError: When the folder holds a cohort with other settings, or a number or size is impossible.
    """
    dataset_dir = Path(dataset_dir)
    numbers = check_numbers(num_train, num_validation, num_test)
    if len(spatial_size) not in (2, 3) or min(spatial_size) < 8:
        raise ValueError(f"spatial_size must have 2 or 3 entries of at least 8, got {list(spatial_size)}")
    settings = {"simulation": "squares", "version": 1, "spatial_size": list(spatial_size), "numbers": numbers,
                "seed": seed}  # fmt: skip
    if not is_written(dataset_dir, settings):

        def simulate(row: dict) -> SubjectFiles:
            return list_files(row, simulate_squares(spatial_size, row["seed"]), list(SUBTYPES))

        write_cohort(dataset_dir, plan_subjects(plan_square, numbers, seed), simulate, settings, workers=workers)
    return dataset_dir


def plan_square(split: str, _anatomies: Sequence[str], key: tuple[int, int, int]) -> dict[str, Any]:
    """Draw a subject's row: labels alternate, the corner and the seed are drawn."""
    random = np.random.default_rng(key)
    corner = list(SUBTYPES)[int(random.integers(len(SUBTYPES)))]
    return {
        "label": key[-1] % 2, "split": split, "anatomy": "noise", "seed": int(random.integers(2**31)), "parcels": corner,
    }  # fmt: skip


def simulate_squares(spatial_size: Sequence[int], seed: int) -> PairedStates:
    """Simulate noise on H, W[, D] voxels and the effect of a square in either corner, labels 1 and 2 of the parcel map."""
    generator = torch.Generator().manual_seed(seed)
    sizes = np.array(spatial_size)
    sigma = NOISE_SIGMA * float(sizes.mean())
    noise = sample_smooth_noise(spatial_size, 1, sigma, generator)[0, 0].numpy()
    parcel_map = np.zeros(spatial_size, dtype=np.uint8)
    for label, centre in enumerate(SUBTYPES.values(), start=1):
        shift = JITTER * (2 * torch.rand(len(sizes), generator=generator).numpy() - 1)
        lowest = np.round(sizes * (centre + shift - EDGE / 2)).astype(int)
        edges = np.round(sizes * EDGE).astype(int)
        parcel_map[tuple(slice(start, start + edge) for start, edge in zip(lowest, edges, strict=True))] = label
    control = (LEVEL + NOISE_DEVIATION * noise).clip(min=1).astype(np.float32)
    effect = SQUARE_CHANGE * (parcel_map > 0).astype(np.float32)
    shape = [*spatial_size, 1][:3]
    brain_mask = np.ones(shape, dtype=np.uint8)
    return PairedStates(control.reshape(shape), effect.reshape(shape), parcel_map.reshape(shape), brain_mask, np.eye(4))
