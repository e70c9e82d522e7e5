"""One simulated person in several states: the same brain and scanner, other volumes of its regions."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch

from bundle.simulation.appearance import NOISE_RANGE, T1_LEVELS, Appearance, draw_appearance, mix_tissues, render
from bundle.simulation.atrophy import compute_pullback, follow_pullback
from bundle.simulation.brains import BRAIN, STRUCTURE, TISSUE, Brain
from bundle.simulation.deformations import (
    compute_jacobian_determinant,
    draw_deformation,
    make_affine,
    make_grid,
    read_nearest,
    sample_at,
    sample_smooth_noise,
)
from bundle.simulation.regions import REGIONS

CENTRE = (0.0, -17.0, 6.0)  # mm: centre of the brain and of the field of view
SIZE_OF_TEMPLATE = 0.94  # edge of a brain relative to its template; MNI templates are larger than most brains
BRAIN_EXTENT = (138, 172, 149)  # mm: box around `CENTRE` that holds every anatomy at that size, before it is deformed
SCALES = ((18.0, 3.4), (8.0, 1.35))  # mm: smoothing of a velocity field and its root mean square length
AFFINE_DEVIATION = 0.02
AFFINE_SHIFT = 1.0  # mm
TYPICAL_VOLUMES = {"lateral-ventricle": 9500.0, "hippocampus": 3900.0, "amygdala": 1500.0}  # mm3, a side, at the template's size
SMALLEST_JACOBIAN = 0.2
MAX_DRAWS = 100
SESSION_BIAS_SIGMA = 50.0  # mm
SESSION_BIAS_DEVIATION = 0.01


class State(NamedTuple):
    """A state before the scanner adds its noise.

    Attributes:
        image: Noise-free scan, scanner units, zero outside the brain, shape (H, W, D), float32.
        regions: Label map with the labels of `REGIONS`, shape (H, W, D), uint8.
        volumes: Volume of each region in mm3, shape (R,).
    """

    image: np.ndarray
    regions: np.ndarray
    volumes: np.ndarray


class Person(NamedTuple):
    """A person whose brain fits into the field of view, in several states.

    Attributes:
        course: Log volume ratios of all states that there could be, shape (K, R).
        states: One for each wanted one.
        brain_mask: Brain and the fluid around it, the same in all states, shape (H, W, D), uint8.
        affine: Voxel to world matrix in mm (RAS), shape (4, 4).
        noise_level: Standard deviation of the scanner's noise, scanner units.
        random: Source of further randomness.
        generator: Source of further randomness of tensors.
    """

    course: np.ndarray
    states: list[State]
    brain_mask: np.ndarray
    affine: np.ndarray
    noise_level: float
    random: np.random.Generator
    generator: torch.Generator


def check_field_of_view(spatial_size: Sequence[int], voxel_size: float) -> None:
    """Refuse a field of view that does not hold the brain of a typical person with a voxel around it: a `ValueError`.

    `spatial_size` is H, W, D; `voxel_size` is in mm.
    """
    if len(spatial_size) != 3:
        raise ValueError(f"spatial_size must have 3 entries (whole brains), got {list(spatial_size)}")
    least, extents = [extent + 2 * voxel_size for extent in BRAIN_EXTENT], [size * voxel_size for size in spatial_size]
    if voxel_size <= 0 or any(extent < needed for extent, needed in zip(extents, least, strict=True)):
        shown, needed = (" x ".join(f"{length:g}" for length in lengths) for lengths in (extents, least))
        raise ValueError(
            f"the field of view, {shown} mm, does not hold a brain: simulated_cohort#spatial_size (image_size) "
            f"times simulated_cohort#voxel_size (pixdim), {list(spatial_size)} times {voxel_size:g} mm, must be at least "
            f"{needed} mm"
        )


def draw_person(
    brain: Brain,
    draw_course: Callable[[np.random.Generator], np.ndarray],
    wanted: Sequence[int],
    spatial_size: Sequence[int],
    voxel_size: float,
    seed: int,
) -> Person:
    """Draw persons until the brain of one is in the field of view and squeezed nowhere; a `ValueError` when no draw fits.

    Args:
        brain: Anatomy to start from.
        draw_course: Draws the log volume ratios of all states that there could be, shape (K, R).
        wanted: Indices of the states that are simulated.
        spatial_size: Size of the images, H, W, D.
        voxel_size: Edge of a voxel in mm.
        seed: Determines the person.
    """
    for attempt in range(MAX_DRAWS):
        random = np.random.default_rng([seed, attempt])
        generator = torch.Generator().manual_seed(int(random.integers(2**31)))
        course = draw_course(random)
        drawn = _draw_states(brain, course[list(wanted)], spatial_size, voxel_size, generator)
        if drawn is not None:
            states, brain_mask, noise_level = drawn
            affine = make_affine(spatial_size, voxel_size, CENTRE)
            return Person(course, states, brain_mask, affine, noise_level, random, generator)
    raise ValueError(
        f"{brain.name} does not fit into {list(spatial_size)} voxels of {voxel_size:g} mm: enlarge simulated_cohort#spatial_size"
        " (image_size) or simulated_cohort#voxel_size (pixdim)"
    )


def _draw_states(
    brain: Brain, changes: np.ndarray, spatial_size: Sequence[int], voxel_size: float, generator: torch.Generator
) -> tuple[list[State], np.ndarray, float] | None:
    """Draw states of given log volume ratios, (S, R), brain mask and noise; None when it does not fit or is squeezed too much.

    Every state is sampled once from the anatomy, through the person's own deformation and the flow that changes the regions.
    """
    positions = _draw_positions(spatial_size, voxel_size, generator)
    appearance = draw_appearance(tuple(spatial_size), voxel_size, generator, T1_LEVELS)
    noise_level = float(appearance.noise.std().clamp(*NOISE_RANGE))
    brain_mask = _sample(brain, positions, BRAIN) >= 0.5
    if brain_mask.sum() > brain_mask[..., 1:-1, 1:-1, 1:-1].sum():  # it touches the border
        return None
    states = []
    for change in changes + _compute_offset(brain):
        moved = follow_pullback(compute_pullback(brain.atrophy, change), positions)
        jacobian = compute_jacobian_determinant(moved / voxel_size - make_grid(spatial_size))[brain_mask[:, 0]]
        if jacobian.min() < SMALLEST_JACOBIAN:
            return None
        states.append(_render_state(brain, moved, brain_mask, appearance, voxel_size))
    return states, brain_mask[0, 0].numpy().astype(np.uint8), noise_level


def _compute_offset(brain: Brain) -> np.ndarray:
    """Compute the log volume ratios that bring an anatomy's structures to `TYPICAL_VOLUMES`, zero for lobes, shape (R,)."""
    # One anatomy may have half the ventricles of another: so they differ as persons do.
    own = brain.atrophy.volumes
    typical = np.array(
        [TYPICAL_VOLUMES.get(region.split("-", 1)[1], volume) for region, volume in zip(REGIONS, own, strict=True)]
    )
    return np.log(typical / own)


def scan(state: State, person: Person, voxel_size: float) -> np.ndarray:
    """Scan a state of a person with voxels in mm: a small bias field and noise of this session.

    Returns:
        Scan in scanner units, zero outside the brain and at least 1 inside, shape (H, W, D), int16.
    """
    size = state.image.shape
    bias = torch.exp(SESSION_BIAS_DEVIATION * sample_smooth_noise(size, 1, SESSION_BIAS_SIGMA / voxel_size, person.generator))[
        0, 0
    ]
    noise = person.noise_level * torch.randn(size, generator=person.generator)
    return ((torch.from_numpy(state.image) * bias + noise).clamp(min=1).round().numpy() * person.brain_mask).astype(np.int16)


def _draw_positions(spatial_size: Sequence[int], voxel_size: float, generator: torch.Generator) -> torch.Tensor:
    """Draw where in the template each voxel lies, world coordinates in mm, shape (1, 3, H, W, D)."""
    scales = [(sigma / voxel_size, length / voxel_size) for sigma, length in SCALES]
    deformation = draw_deformation(spatial_size, scales, AFFINE_DEVIATION, AFFINE_SHIFT / voxel_size, generator=generator)
    middle = (torch.tensor(spatial_size) - 1).reshape(1, 3, 1, 1, 1) / 2
    offsets = (make_grid(spatial_size) + deformation - middle) * (voxel_size / SIZE_OF_TEMPLATE)
    return offsets + torch.tensor(CENTRE).reshape(1, 3, 1, 1, 1)


def _sample(brain: Brain, positions: torch.Tensor, channels: slice) -> torch.Tensor:
    """Sample channels of a brain at world coordinates, shape (1, C, ...)."""
    return sample_at(brain.channels[:, channels], positions - torch.tensor(brain.origin).reshape(1, 3, 1, 1, 1))


def _render_state(
    brain: Brain, positions: torch.Tensor, brain_mask: torch.Tensor, appearance: Appearance, voxel_size: float
) -> State:
    """Render a state without noise, and measure its regions; only voxels of the brain are sampled."""
    inside = brain_mask[0, 0]
    points = positions[:, :, inside][..., None, None]  # (1, 3, N, 1, 1)
    tissues = torch.zeros((1, 3, *inside.shape))
    tissues[:, 1:, inside] = _sample(brain, points, TISSUE)[..., 0, 0]
    tissues[:, 0] = 1 - tissues[:, 1:].sum(dim=1)
    image = render(mix_tissues(tissues, appearance, voxel_size), appearance) * brain_mask
    parts = _measure_parts(brain, points, tissues[0, 1:, inside].sum(dim=0))
    volumes = parts.double().sum(dim=1).numpy() * voxel_size**3
    largest, label = parts.max(dim=0)
    regions = torch.zeros(inside.shape, dtype=torch.uint8)
    regions[inside] = torch.where(largest >= 0.5, label + 1, 0).to(torch.uint8)
    return State(image[0, 0].numpy(), regions.numpy(), volumes)


def _measure_parts(brain: Brain, points: torch.Tensor, tissue: torch.Tensor) -> torch.Tensor:
    """Compute the part of each voxel that each region fills, shape (R, N); `tissue` is the part that is grey or white matter."""
    left = points[0, 0, :, 0, 0] < 0
    structures = _sample(brain, points, STRUCTURE)[0, ..., 0, 0]  # (3, N)
    sides = torch.stack([structures * left, structures * ~left], dim=1).flatten(0, 1)  # left and right of each structure
    lobes = read_nearest(brain.lobes, points[0, ..., 0, 0] - torch.tensor(brain.origin)[:, None])
    cortex = [tissue * (lobes == label) for label in range(len(sides) + 1, len(REGIONS) + 1)]
    return torch.cat([sides, torch.stack(cortex)])
