"""False positives and power of the tests of a group: on noise, on given maps with random groups, and on repeat scans.

Run: python scripts/group_power.py [--results_dir FOLDER] [--repeats_dir FOLDER] figures.csv
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.ndimage import gaussian_filter
from scipy.stats import binomtest

from bundle.group import Cohort, Correction, MapReader, run_test

SHAPE, WIDTH = (20, 22, 12), 1.5  # voxels; standard deviation of the Gaussian that smooths the noise, voxels
BLOCK = (slice(6, 11), slice(8, 13), slice(3, 8))  # where an effect is added
NUM_SCANS = 20  # of a mean, or of both groups
NUM_PERMUTATIONS, ALPHA = 99, 0.05
EFFECTS = (0.5, 1.0, 1.5, 2.0)  # Cohen's d in the block


def draw_noise(random: np.random.Generator) -> np.ndarray:
    """Return smooth noise of variance 1, shape (n, V)."""
    noise = gaussian_filter(random.normal(size=(NUM_SCANS, *SHAPE)), (0, WIDTH, WIDTH, WIDTH), mode="wrap")
    return (noise / noise.std()).reshape(NUM_SCANS, -1)


def find_significant(values: np.ndarray, tested: np.ndarray, method: str, seed: int, mask: np.ndarray) -> np.ndarray:
    """Return which voxels are significant, shape (V,), in a test without covariates.

    Args:
        values: maps, shape (n, V).
        tested: the regressor that is tested, shape (n,).
        method: of the correction.
        seed: of the permutations.
        mask: voxels that are tested, shape (X, Y, Z).
    """
    correction = Correction(method, NUM_PERMUTATIONS, ALPHA, seed)
    return run_test(values, tested, np.zeros((len(values), 0)), correction, mask).significant


def draw_groups(random: np.random.Generator, number: int) -> np.ndarray:
    """Return 1 for a random half of the scans, 0 for the others."""
    return random.permutation(np.arange(number) < number // 2).astype(float)


def count_null(method: str, kind: str, number: int, seed: int) -> list[bool]:
    """Return for each data set without effect whether a voxel was significant."""
    random, mask = np.random.default_rng(seed), np.ones(SHAPE, bool)
    found = []
    for place in range(number):
        tested = np.ones(NUM_SCANS) if kind == "mean" else draw_groups(random, NUM_SCANS)
        found.append(bool(find_significant(draw_noise(random), tested, method, seed + place, mask).any()))
    return found


def measure_power(method: str, effect: float, number: int, seed: int) -> tuple[list[bool], float]:
    """Return for each data set with an effect on the mean whether it was found, and the share of its voxels that were."""
    random, mask = np.random.default_rng(seed), np.ones(SHAPE, bool)
    block = np.zeros(SHAPE)
    block[BLOCK] = 1
    found, shares = [], []
    for place in range(number):
        maps = draw_noise(random) + effect * block.ravel()
        inside = find_significant(maps, np.ones(NUM_SCANS), method, place, mask)[block.ravel() > 0]
        found.append(bool(inside.any()))
        shares.append(inside.mean())
    return found, float(np.mean(shares))


def count_random_groups(folder: str, number: int, seed: int) -> Iterator[tuple[str, list[bool]]]:
    """Yield each direction of given maps, and for each random pair of groups whether a voxel was significant."""
    stack = MapReader().read(Cohort(folder).read())
    for direction in sorted({scan.direction for scan in stack.scans}):
        random = np.random.default_rng(seed)
        values = stack.values[[scan.direction == direction for scan in stack.scans]]
        found = []
        for place in range(number):
            found.append(bool(find_significant(values, draw_groups(random, len(values)), "max_t", place, stack.mask).any()))
        yield "{} to {}".format(*direction), found


def count_repeats(folder: str, number: int, seed: int) -> list[bool]:
    """Return for each draw of persons whether the maps of their two scans differed in a voxel.

    Args:
        folder: of an inference with one target class, of two scans of the same state a person.
        number: draws of `NUM_SCANS` persons, or of all but one where there are not more.
        seed: of the draws.
    """
    stack = MapReader().read(Cohort(folder).read())
    rows: dict[str, list[int]] = {}
    for row, scan in enumerate(stack.scans):
        rows.setdefault(scan.person, []).append(row)
    pairs = np.array([pair for pair in rows.values() if len(pair) == 2])  # in the order of the scans' names
    differences = stack.values[pairs[:, 1]] - stack.values[pairs[:, 0]]
    random, size = np.random.default_rng(seed), min(NUM_SCANS, len(pairs) - 1)
    found = []
    for place in range(number):
        chosen = differences[random.permutation(len(pairs))[:size]]
        found.append(bool(find_significant(chosen, np.ones(size), "max_t", place, stack.mask).any()))
    return found


def make_row(data: str, method: str, effect: float, found: list[bool], share: float | None = None) -> dict[str, object]:
    """Return a row of the table: share of data sets with a significant voxel, and its exact 95 % interval."""
    interval = binomtest(int(np.sum(found)), len(found)).proportion_ci()
    row = {"data": data, "correction": method, "effect": effect, "data_sets": len(found), "found": float(np.mean(found))}
    return row | {"ci_low": interval.low, "ci_high": interval.high, "share_of_voxels": share}


def main() -> None:
    """Measure all, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("output", type=Path, help="table to write, CSV")
    parser.add_argument("--results_dir", help="folder of an inference, whose maps get groups drawn at random")
    parser.add_argument("--repeats_dir", help="folder of an inference with `target`, of two scans of the same state a person")
    parser.add_argument("--number", type=int, default=200, help="data sets of a row; a quarter for tfce and for given maps")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    rows = []

    def add(row: dict[str, object]) -> None:
        rows.append(row)
        print(row, flush=True)
        pd.DataFrame(rows).to_csv(given.output, index=False, float_format="%.4g")

    if given.results_dir:
        for direction, found in count_random_groups(given.results_dir, given.number // 4, given.seed):
            add(make_row(f"maps {direction}, random groups", "max_t", 0.0, found))
    if given.repeats_dir:
        found = count_repeats(given.repeats_dir, given.number // 4, given.seed)
        add(make_row("second minus first of repeat scans", "max_t", 0.0, found))
    for method in ("max_t", "fdr", "tfce"):
        number = given.number // 4 if method == "tfce" else given.number
        for kind in ("mean", "groups"):
            add(make_row(f"noise, {kind}", method, 0.0, count_null(method, kind, number, given.seed)))
        for effect in EFFECTS if method != "tfce" else EFFECTS[1:2]:
            found, share = measure_power(method, effect, given.number // 4, given.seed)
            add(make_row("noise and an effect", method, effect, found, share))


if __name__ == "__main__":
    main()
