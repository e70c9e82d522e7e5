"""The lesion study: T2-weighted brains with and without cortical lesions."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from bundle.simulation.anatomies import PARCELS, Anatomy, load_anatomy
from bundle.simulation.appearance import draw_appearance, mix_tissues, render
from bundle.simulation.cohort import Study
from bundle.simulation.deformations import draw_deformation, make_affine, make_grid, read_nearest, sample_at
from bundle.simulation.paired_states import PairedStates, list_files
from bundle.simulation.parcels import LEAST_CHANGE, compute_weights, have_effect
from bundle.simulation.storage import SubjectFiles

CERTAIN_PARCEL = "MT"  # lesioned in every disease state; each other parcel with probability 0.5
SLICE_SLAB = (-5, 35)  # mm, all that an axial slice can touch
SCALES = ((18.0, 4.0), (8.0, 1.6))  # mm: smoothing of a velocity field and its root mean square length
AFFINE_SHIFT = 2.0  # mm
PLANE_RANGE = (13.0, 16.5)  # mm: height of an axial slice that crosses all parcels
TILT_DEVIATION = 0.02  # radians, per axis
CENTRE = (0.0, -18.0, 8.0)  # mm: centre of the field of view
FINENESS = {2: 2, 3: 1}  # samples per voxel along each axis; volumes are sampled once to take a second, not ten
MAX_DRAWS = 200


class LesionStudy(Study):
    """T2-weighted brains with and without lesions of random sets of cortical parcels, on axial slices or in volumes.

    Each subject has its own anatomy, appearance and set of parcels, and both of its states on disk; label 0 shows the
    control state, label 1 the disease state.

    Source: after the lesion experiment of Bass et al., NeurIPS 2020, Sec. 4.1 (https://arxiv.org/abs/2006.08287).
    """

    name = "lesions"

    def check_size(self, spatial_size: Sequence[int], voxel_size: float) -> None:
        """Refuse images with other than two or three sizes."""
        if len(spatial_size) not in (2, 3):
            raise ValueError(f"spatial_size must have 2 or 3 entries, got {list(spatial_size)}")

    def plan_subject(self, split: str, anatomies: Sequence[str], key: tuple[int, int, int]) -> dict[str, Any]:
        """Draw a subject's row: label, split, anatomy, seed and parcels.

        Labels alternate at random within successive pairs, so that every split is balanced; anatomy, parcels and seed are
        drawn without regard to the label.
        """
        seed, group, index = key
        flip = np.random.default_rng([seed, group, index // 2, 0]).integers(2)
        random = np.random.default_rng([seed, group, index, 1])
        parcels = [name for name in PARCELS if name == CERTAIN_PARCEL or random.random() < 0.5]
        return {
            "label": int(index % 2 == flip), "split": split, "anatomy": anatomies[int(random.integers(len(anatomies)))],
            "seed": int(random.integers(2**31)), "parcels": "+".join(parcels),
        }  # fmt: skip

    def simulate(self, row: dict, spatial_size: Sequence[int], voxel_size: float) -> SubjectFiles:
        """Simulate the subject of a row of the plan."""
        anatomy = load_anatomy(row["anatomy"], SLICE_SLAB if len(spatial_size) == 2 else None)
        return list_files(row, simulate_subject(anatomy, spatial_size, voxel_size, row["seed"]), list(PARCELS))


def simulate_subject(anatomy: Anatomy, spatial_size: Sequence[int], voxel_size: float, seed: int) -> PairedStates:
    """Simulate a subject on an axial slice (two sizes) or in a volume (three sizes), with an edge of a voxel in mm.

    Everything is sampled once from the anatomy: the slice is fixed in the anatomy's space and bent inside its plane.
    Draws in which a parcel is too small or would hardly change are drawn again, whichever parcels the subject's
    disease has, so that anatomy depends neither on the label nor on the set of parcels. Without a draw that
    shows all parcels, it raises a `ValueError`.
    """
    generator = torch.Generator().manual_seed(seed)
    for _ in range(MAX_DRAWS):
        positions, affine = _draw_positions(spatial_size, voxel_size, generator)
        sampled = _sample_anatomy(anatomy, positions)
        control, effect, parcel_map, brain_mask = _render_states(*sampled, voxel_size, generator)
        if have_effect(parcel_map, effect, voxel_size):
            images = [image.reshape([*spatial_size, 1][:3]).numpy() for image in (control, effect, parcel_map, brain_mask)]
            return PairedStates._make([*images, affine])
    raise ValueError(
        f"{anatomy.name} shows not all parcels in {list(spatial_size)} voxels of {voxel_size:g} mm: enlarge the field of view"
        " (simulated_cohort#spatial_size or image_size) or take smaller voxels (simulated_cohort#voxel_size or pixdim)"
    )


def _draw_positions(
    spatial_size: Sequence[int], voxel_size: float, generator: torch.Generator
) -> tuple[torch.Tensor, np.ndarray]:
    """Draw where in the template each fine voxel lies, in mm, shape (1, 3, H * F, W * F, D * F or 1), and the affine."""
    spatial_dims = len(spatial_size)
    centre = torch.tensor(CENTRE)
    if spatial_dims == 2:
        low, high = PLANE_RANGE
        centre[2] = low + (high - low) * torch.rand((), generator=generator)
    scales = [(sigma / voxel_size, length / voxel_size) for sigma, length in SCALES]
    deformation = draw_deformation(
        spatial_size, scales, affine_shift=AFFINE_SHIFT / voxel_size, generator=generator
    )  # (1, spatial_dims, H, W[, D])
    fineness = FINENESS[spatial_dims]
    fine = (make_grid([size * fineness for size in spatial_size]) + 0.5) / fineness - 0.5
    voxels = fine + sample_at(deformation, fine, padding_mode="border")
    middle = (torch.tensor(spatial_size) - 1).reshape(1, -1, *[1] * spatial_dims) / 2
    offsets = (voxels - middle) * voxel_size  # mm
    if spatial_dims == 2:
        tilts = TILT_DEVIATION * torch.randn(2, generator=generator)
        lift = torch.einsum("i,bi...->b...", tilts, offsets)[:, None]
        offsets = torch.cat([offsets, lift], dim=1)[..., None]  # (1, 3, H * F, W * F, 1)
    return offsets + centre.reshape(1, 3, 1, 1, 1), make_affine([*spatial_size, 1][:3], voxel_size, centre.tolist())


def _sample_anatomy(anatomy: Anatomy, positions: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Read tissues (1, 3, ...), brain mask (1, 1, ...) and parcels (1, 1, ...) on the fine grid; a slice has no last axis."""
    voxels = positions - torch.tensor(anatomy.origin).reshape(1, 3, 1, 1, 1)
    tissues = sample_at(torch.from_numpy(anatomy.tissues)[None], voxels, padding_mode="border")
    brain = read_nearest(torch.from_numpy(anatomy.brain_mask), voxels[0])[None, None].float()
    parcels = read_nearest(torch.from_numpy(anatomy.parcels), voxels[0])[None, None]
    if brain.shape[-1] == 1:
        tissues, brain, parcels = tissues[..., 0], brain[..., 0], parcels[..., 0]
    return tissues, brain, parcels


def _render_states(
    tissues: torch.Tensor, brain: torch.Tensor, parcels: torch.Tensor, voxel_size: float, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Render control state, effect of all lesions, parcel map and brain mask, each (1, 1, H, W[, D]), from the fine grid."""
    spatial_dims = brain.ndim - 2
    fineness = FINENESS[spatial_dims]
    pool = {2: functional.avg_pool2d, 3: functional.avg_pool3d}[spatial_dims]
    brain_mask = pool(brain, fineness) >= 0.5
    appearance = draw_appearance(tuple(brain_mask.shape[2:]), voxel_size, generator)
    control = mix_tissues(pool(tissues, fineness), appearance, voxel_size)
    parcel_map, weight = compute_weights(parcels, voxel_size, fineness)
    lesioned = control + weight * (appearance.levels[0] - control).clamp(min=0)
    effect = render(lesioned, appearance) - render(control, appearance)
    changed = brain_mask & (effect >= LEAST_CHANGE)
    scan = (render(control, appearance) + appearance.noise).clamp(min=1) * brain_mask  # brain voxels stay above 0
    return scan, effect * changed, parcel_map * changed, brain_mask.to(torch.uint8)
