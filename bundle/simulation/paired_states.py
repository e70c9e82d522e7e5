"""A subject in its control and its disease state, and the files in which it is written."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from bundle.simulation.storage import SubjectFiles


class PairedStates(NamedTuple):
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


def list_files(row: dict, subject: PairedStates, parcel_names: Sequence[str]) -> SubjectFiles:
    """Name the files of a subject; `image` is the state of its label, and only diseased subjects have a mask.

    The row of the plan has participant_id, label and parcels; `parcel_names` are those of the labels 1, 2, ... of the parcel map.
    """
    name, diseased = row["participant_id"], row["label"] == 1
    lesion = select_parcels(subject.parcel_map, row["parcels"], parcel_names)
    arrays = {
        "control_image": ("desc-control_T2w", subject.control),
        "disease_image": ("desc-disease_T2w", subject.control + subject.effect * lesion),
        "parcel_map": ("desc-parcels_dseg", subject.parcel_map),
        "effect": ("desc-effect_T2w", subject.effect),
        "brain_mask": ("desc-brain_mask", subject.brain_mask),
    }
    paths = {column: f"{name}/anat/{name}_{suffix}.nii.gz" for column, (suffix, _) in arrays.items()}
    images = {paths[column]: array for column, (_, array) in arrays.items()}
    mask = f"{name}/anat/{name}_desc-lesion_mask.nii.gz" if diseased else None
    if mask is not None:
        images[mask] = lesion.astype(np.uint8)
    columns: dict[str, Any] = {"image": paths["disease_image" if diseased else "control_image"], "mask": mask, **paths}
    return SubjectFiles(columns, [], images, {}, subject.affine)


def select_parcels(parcel_map: np.ndarray, parcels: str, parcel_names: Sequence[str]) -> np.ndarray:
    """Mark the voxels of a set of parcels, such as `MT+OP1`, in a label map of any shape.

    `parcel_names` are the names of the labels 1, 2, ... of the map; an unknown one is a `ValueError`.
    """
    names = parcels.split("+")
    if not set(names) <= set(parcel_names):
        raise ValueError(f"parcels must be of {', '.join(parcel_names)} joined by '+', got {parcels}")
    return np.isin(parcel_map, [list(parcel_names).index(name) + 1 for name in names])
