"""Error of the disease maps of pairs: simulated converters and repeat scans in two positions, against the exact change.

Usage: python scripts/pair_maps.py [--seed 200] [--people 10] [--transform affine] [--smoothing 2] [--shrinkage 2]

Voxels of 2.5 mm. Between its scans a head turns by up to 5 degrees and moves by up to 5 mm. The later scan has a bias field of 5%
and a gain of 0.8 to 1.25. Both have noise of 1.7% of white matter. A repeat scan is the later scan without the change. The
figures are those inside the brain on the grid of the earlier scan. A person takes a minute of one core.
"""

import argparse

import numpy as np
import pandas as pd
import torch
from nibabel.affines import voxel_sizes
from scipy.spatial.transform import Rotation

from bundle.data.geometry import Grid, transform_volume
from bundle.registration import Registration, Volume, subtract_scans
from bundle.registration.differences import smooth_inside
from bundle.registration.transforms import halve
from bundle.simulation.anatomies import list_anatomies
from bundle.simulation.appearance import BIAS_DEVIATION, BIAS_SIGMA, T1_LEVELS
from bundle.simulation.brains import prepare_brain
from bundle.simulation.conversion import draw_course
from bundle.simulation.deformations import make_affine, sample_smooth_noise
from bundle.simulation.persons import CENTRE, Person, draw_person

SIZE, VOXEL_SIZE, FINENESS = (64, 80, 64), 2.5, 2  # voxels of the scans, mm, and voxels of the head along the edge of one
ANGLE, SHIFT, GAINS = 5.0, 5.0, (0.8, 1.25)  # largest, degrees; largest, mm; range
NOISE = 0.017 * T1_LEVELS[2]  # standard deviation, scanner units


def scan(person: Person, state: int, matrix: np.ndarray) -> Volume:
    """Scan a state of a head that was moved by a matrix in mm, shape (4, 4), without noise."""
    size = tuple(FINENESS * edge for edge in SIZE)
    grid = Grid(size, make_affine(size, VOXEL_SIZE / FINENESS, CENTRE))
    parts = [
        transform_volume(values, person.affine, grid, np.linalg.inv(matrix), mode)
        for values, mode in ((person.states[state].image, "bicubic"), (person.brain_mask, "bilinear"))
    ]
    blocks = [edge for pair in zip(SIZE, (FINENESS,) * 3, strict=True) for edge in pair]
    image, brain = (part.reshape(blocks).mean((1, 3, 5)) for part in parts)  # each (64, 80, 64)
    return Volume(image.clip(0) * (brain >= 0.5), make_affine(SIZE, VOXEL_SIZE, CENTRE), brain >= 0.5)


def draw_motion(random: np.random.Generator) -> np.ndarray:
    """Draw a rotation about the centre of the head and a shift, mm, shape (4, 4)."""
    axis, way = (vector / np.linalg.norm(vector) for vector in random.normal(size=(2, 3)))
    motion, about = np.eye(4), np.eye(4)
    about[:3, 3] = CENTRE
    motion[:3, :3] = Rotation.from_rotvec(axis * np.radians(random.uniform(0, ANGLE))).as_matrix()
    motion[:3, 3] = way * random.uniform(0, SHIFT)
    return about @ motion @ np.linalg.inv(about)


def disturb(clean: Volume, field: np.ndarray | float, random: np.random.Generator) -> Volume:
    """Multiply a scan by a field of gain and bias, and add noise."""
    noise = NOISE * np.mean(field) * random.standard_normal(SIZE)
    return clean._replace(values=((clean.values * field + noise).clip(1) * clean.brain).astype(np.float32))


def simulate(seed: int) -> tuple[list[Volume], list[Volume]]:
    """Return both states in the position of the earlier scan without noise, and three scans: earlier, repeated, converted."""
    random = np.random.default_rng(seed)
    brain = prepare_brain(str(random.choice(list_anatomies())), VOXEL_SIZE / FINENESS)
    size = [FINENESS * edge for edge in SIZE]
    person = draw_person(brain, lambda own: draw_course(2, own), [0, 1], size, VOXEL_SIZE / FINENESS, int(random.integers(2**31)))
    half = halve(draw_motion(random))
    bias = sample_smooth_noise(SIZE, 1, BIAS_SIGMA / VOXEL_SIZE, torch.Generator().manual_seed(seed))[0, 0].numpy()
    field = np.exp(random.uniform(*np.log(GAINS)) + BIAS_DEVIATION * bias)
    states = [scan(person, state, np.linalg.inv(half)) for state in (0, 1)]
    later = [disturb(scan(person, state, half), field, random) for state in (0, 1)]
    return states, [disturb(states[0], 1.0, random), *later]


def measure(seed: int, registration: Registration, smoothing: float, shrinkage: float) -> dict[str, float]:
    """Return the figures of one person, drawn with a seed."""
    (before, after), (earlier, *later) = simulate(seed)
    settings = {"smoothing": smoothing, "shrinkage": shrinkage}
    repeat, change = (subtract_scans(earlier, scan, registration, **settings).on_earlier[before.brain] for scan in later)
    exact = after.values - before.values
    smooth = smooth_inside(exact, before.brain, smoothing / voxel_sizes(before.affine))[before.brain]
    return {
        "correlation": np.corrcoef(change, smooth)[0, 1],
        "correlation, unsmoothed": np.corrcoef(change, exact[before.brain])[0, 1],
        "slope": change @ smooth / (smooth @ smooth),
        "converter": np.abs(change).mean(),
        "repeat": np.abs(repeat).mean(),
        "exact": np.abs(smooth).mean(),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Error of the disease maps of simulated pairs.")
    parser.add_argument("--seed", type=int, default=200, help="of the first person; the next has the next")
    parser.add_argument("--people", type=int, default=10, help="number of converters")
    parser.add_argument("--transform", default="affine", help="rigid or affine")
    parser.add_argument("--smoothing", type=float, default=2.0, help="standard deviation, mm")
    parser.add_argument("--shrinkage", type=float, default=2.0, help="multiple of the noise power; 0 for none")
    options = parser.parse_args()
    torch.set_num_threads(1)
    seeds = range(options.seed, options.seed + options.people)
    settings = (Registration(options.transform), options.smoothing, options.shrinkage)
    table = pd.DataFrame([measure(seed, *settings) for seed in seeds], index=pd.Index(seeds, name="seed"))
    print(table.to_string(float_format="%.3f"))
    print(table.agg(["mean", "min", "max"]).to_string(float_format="%.3f"))
    print(f"repeat scans keep {table['repeat'].mean() / table['converter'].mean():.3f} of the converters' mean absolute map")
