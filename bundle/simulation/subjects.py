"""One simulated subject: an anatomy, warped, rendered, and lesioned."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch.nn import functional

from bundle.simulation.anatomies import Anatomy
from bundle.simulation.appearance import SHARPNESS_SIGMA, draw_appearance, mix_tissues, render, sharpen
from bundle.simulation.deformations import draw_deformation, make_grid, sample_at
from bundle.simulation.lesions import LEAST_CHANGE, Lesions, compute_weights, have_effect

SCALES = ((18.0, 4.0), (8.0, 1.6))  # mm: smoothing of a velocity field and its root mean square length
AFFINE_SHIFT = 2.0  # mm
PLANE_RANGE = (13.0, 16.5)  # mm: height of an axial slice that crosses all parcels
TILT_DEVIATION = 0.02  # radians, per axis
CENTRE = (0.0, -18.0, 8.0)  # mm: centre of the field of view
FINENESS = {2: 2, 3: 1}  # samples per voxel along each axis; volumes are sampled once to take a second, not ten
MAX_DRAWS = 200


class Subject(NamedTuple):
    """A simulated subject without and with all lesions.

    Attributes:
        control: Control state, scanner units, zero outside the brain, shape (H, W, D), float32; D is 1 for a slice.
        effect: Change by lesioning all parcels, shape (H, W, D), float32.
        parcel_map: Label map of the parcels, shape (H, W, D), uint8.
        brain_mask: Shape (H, W, D), uint8.
        affine: Voxel to world matrix in mm (RAS), shape (4, 4).
    """

    control: np.ndarray
    effect: np.ndarray
    parcel_map: np.ndarray
    brain_mask: np.ndarray
    affine: np.ndarray


def simulate_subject(anatomy: Anatomy, spatial_size: Sequence[int], voxel_size: float, seed: int) -> Subject:
    """Simulate a subject on an axial slice (two sizes) or in a volume (three sizes).

    Everything is sampled once from the anatomy: the slice is fixed in the anatomy's space and bent inside its plane.
    Draws in which a parcel is too small or would hardly change are drawn again, whichever parcels the subject's
    disease has, so that the label and the set of parcels tell nothing about the anatomy.

    Args:
        anatomy: Brain to start from.
        spatial_size: Size of the image, H, W[, D].
        voxel_size: Edge of a voxel in mm.
        seed: Determines the subject.

    Returns:
        The subject.

    Raises:
        ValueError: When no draw shows all parcels.
    """
    generator = torch.Generator().manual_seed(seed)
    for _ in range(MAX_DRAWS):
        positions, affine = _draw_positions(spatial_size, voxel_size, generator)
        sampled = _sample_anatomy(anatomy, positions)
        scan, lesions, brain_mask = _render_states(*sampled, voxel_size, generator)
        if have_effect(lesions, voxel_size):
            shape = [*spatial_size, 1][:3]
            control, effect, parcel_map, mask = (
                tensor.reshape(shape).numpy() for tensor in (scan, lesions.effect, lesions.parcel_map, brain_mask)
            )
            return Subject(control, effect, parcel_map, mask, affine)
    raise ValueError(
        f"{anatomy.name} shows not all parcels in {list(spatial_size)} voxels of {voxel_size:g} mm: enlarge the field of view"
        " (simulated_cohort#spatial_size or image_size) or take smaller voxels (simulated_cohort#voxel_size or pixdim)"
    )


def _draw_positions(
    spatial_size: Sequence[int], voxel_size: float, generator: torch.Generator
) -> tuple[torch.Tensor, np.ndarray]:
    """Draw where in the template each fine voxel of the subject lies.

    Returns:
        Template coordinates in mm, shape (1, 3, H * F, W * F, D * F or 1), and the affine of the subject's image.
    """
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
    affine = np.diag([voxel_size, voxel_size, voxel_size, 1.0])
    half = np.array([*spatial_size, 1][:3]) / 2 - 0.5
    affine[:3, 3] = centre.numpy() - half * voxel_size
    return offsets + centre.reshape(1, 3, 1, 1, 1), affine


def _sample_anatomy(anatomy: Anatomy, positions: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Read tissues, brain mask and parcels at template coordinates.

    Args:
        anatomy: Brain to read from.
        positions: Template coordinates in mm, shape (1, 3, H * F, W * F, D * F or 1).

    Returns:
        Tissue fractions (1, 3, ...), brain mask (1, 1, ...) and label map (1, 1, ...) on the fine grid, where the last
        axis of a slice is dropped.
    """
    voxels = positions - torch.tensor(anatomy.origin).reshape(1, 3, 1, 1, 1)
    tissues = sample_at(torch.from_numpy(anatomy.tissues)[None], voxels, padding_mode="border")
    limits = torch.tensor(anatomy.parcels.shape).reshape(3, 1, 1, 1) - 1
    nearest = tuple(voxels[0].round().long().clamp(torch.zeros_like(limits), limits))
    brain = torch.from_numpy(anatomy.brain_mask)[nearest][None, None].float()
    parcels = torch.from_numpy(anatomy.parcels)[nearest][None, None]
    if brain.shape[-1] == 1:
        tissues, brain, parcels = tissues[..., 0], brain[..., 0], parcels[..., 0]
    return tissues, brain, parcels


def _render_states(
    tissues: torch.Tensor, brain: torch.Tensor, parcels: torch.Tensor, voxel_size: float, generator: torch.Generator
) -> tuple[torch.Tensor, Lesions, torch.Tensor]:
    """Render the control state and the effect of all lesions.

    Args:
        tissues: Tissue fractions on the fine grid, shape (1, 3, H * F, W * F[, D * F]).
        brain: Brain mask on the fine grid.
        parcels: Label map on the fine grid.
        voxel_size: Edge of a voxel of the image in mm.
        generator: Source of randomness.

    Returns:
        Control state, lesions, and brain mask, each (1, 1, H, W[, D]).
    """
    spatial_dims = brain.ndim - 2
    fineness = FINENESS[spatial_dims]
    pool = {2: functional.avg_pool2d, 3: functional.avg_pool3d}[spatial_dims]
    brain_mask = pool(brain, fineness) >= 0.5
    appearance = draw_appearance(tuple(brain_mask.shape[2:]), voxel_size, generator)
    mixed = mix_tissues(pool(tissues, fineness), appearance.levels)
    control = sharpen(mixed, appearance.sharpness, SHARPNESS_SIGMA / voxel_size)
    parcel_map, weight = compute_weights(parcels, voxel_size, fineness)
    lesioned = control + weight * (appearance.levels[0] - control).clamp(min=0)
    effect = render(lesioned, appearance) - render(control, appearance)
    changed = brain_mask & (effect >= LEAST_CHANGE)
    lesions = Lesions(parcel_map * changed, effect * changed)
    scan = (render(control, appearance) + appearance.noise).clamp(min=1) * brain_mask  # brain voxels stay above 0
    return scan, lesions, brain_mask.to(torch.uint8)
