"""From a scan of any grid to the network's grid and back."""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import InvertibleTransform, MapTransform
from monai.utils import ensure_tuple_rep
from nibabel.orientations import io_orientation

from bundle.data.geometry import (
    VERTICAL,
    list_voxels,
    resample,
    sample_at,
    to_voxels,
    to_world,
    vertical_axis,
    voxels_on_plane,
)
from bundle.data.headers import WARNINGS_KEY
from bundle.data.scans import name_of

BRAIN_HEIGHT = 10.0  # mm, world z of the middle of a brain in MNI space
MAX_OFFSET = 35.0  # mm, by which the middle of a brain, or a slice, may lie elsewhere


class ResampleToGrid(InvertibleTransform):
    """Bring a scan to the network's grid in one interpolation, the brain in the middle; the inverse brings maps back.

    A network of two dimensions takes an axial slice: of a volume the plane at world z = `plane`, level in the world even
    when the volume is oblique; of a file that is a single slice, of shape (H, W) or (H, W, 1), that slice. A network of
    three dimensions takes the volume. The middle of the brain is the centre of mass of the voxels that are not zero. The
    grid is shifted by less than a voxel so that it starts on a voxel of the scan: a scan with the spacing of the grid is
    cropped and padded but not interpolated. Where the grid is coarser than the scan, several samples are averaged.

    The inverse returns a map with the scan's shape and affine. Outside the grid it is zero. In a volume of which one
    plane was taken, each column of voxels carries the map in the voxel nearest to the plane, and is zero elsewhere.

    Args:
        spatial_size: voxels of the network's grid along left-right, posterior-anterior[, inferior-superior].
        pixdim: edge of its voxels in mm.
        plane: world z of the axial slice in mm, for volumes and two dimensions; None where volumes are not accepted.
        mode: "bilinear" or "nearest" (masks and label maps).

    Raises:
        ValueError: When `spatial_size` is not two or three sizes, `pixdim` does not fit it, a plane is no number, or given in 3D.
    """

    def __init__(
        self,
        spatial_size: Sequence[int],
        pixdim: float | Sequence[float],
        plane: float | None = None,
        mode: str = "bilinear",
    ) -> None:
        self.spatial_size = tuple(spatial_size)
        self.plane = plane
        self.mode = mode
        if len(self.spatial_size) not in (2, 3):
            raise ValueError(f"spatial_size must be two or three sizes, got {list(spatial_size)}")
        if plane is not None and not isinstance(plane, int | float):
            raise ValueError(f"plane must be a number (mm), got {plane!r}")
        if plane is not None and len(self.spatial_size) == 3:
            raise ValueError(f"plane must be null when spatial_size has three sizes, got {plane}")
        self.pixdim = ensure_tuple_rep(pixdim, len(self.spatial_size))
        if min(self.pixdim) <= 0:
            raise ValueError(f"pixdim must be positive (mm), got {pixdim}")

    def __call__(self, image: MetaTensor, reference: MetaTensor | None = None, mode: str | None = None) -> MetaTensor:
        """Resample one scan.

        Args:
            image: Scan of shape (1, H, W[, D]).
            reference: Scan on the same voxels in which the brain is found; None for `image` itself.
            mode: Replaces the mode of the transform.

        Returns:
            Shape (1, *spatial_size); its affine stays three-dimensional.

        Raises:
            ValueError: When the scan has no such plane, is not axial, or has another grid than `reference`.
        """
        anchor = image if reference is None else reference
        _check_same_grid(image, anchor)
        affine = _affine_of(image)
        try:
            new_affine = self._place(affine, _as_volume(anchor)[0], name_of(anchor))
        except ValueError as error:  # a doubtful header is likely to be why
            raise ValueError("; ".join([str(error), *anchor.meta.get(WARNINGS_KEY, [])])) from error
        new_shape = (*self.spatial_size, 1)[:3]
        values = resample(_as_volume(image), affine, new_affine, new_shape, mode or self.mode)
        output = MetaTensor(torch.from_numpy(values).view(1, *self.spatial_size).to(image.dtype), meta=dict(image.meta))
        output.applied_operations = list(image.applied_operations)
        output.affine = torch.from_numpy(new_affine)
        if anchor is image and (doubt := self._doubt_height(affine, _as_volume(image)[0], name_of(image))):
            output.meta[WARNINGS_KEY] = [*image.meta.get(WARNINGS_KEY, []), doubt]
        extra = {"affine": image.affine.clone(), "mode": mode or self.mode}
        return self.push_transform(output, orig_size=tuple(image.shape[1:]), extra_info=extra)

    def inverse(self, data: MetaTensor) -> MetaTensor:
        """Bring a map on the network's grid back to the grid of the scan that it belongs to.

        Args:
            data: Shape (C, *spatial_size), with the trace of the scan.

        Returns:
            Shape (C, H, W[, D]) and affine of the scan.
        """
        operation = self.pop_transform(data)
        shape = tuple(int(size) for size in operation["orig_size"])
        affine, mode = torch.as_tensor(operation["extra_info"]["affine"]), operation["extra_info"]["mode"]
        values = self._restore(_as_volume(data), _affine_of(data), affine.numpy(), (*shape, 1)[:3], mode)
        restored = torch.from_numpy(values).view(-1, *shape).to(data.dtype)
        output = MetaTensor(restored, meta=dict(data.meta), applied_operations=data.applied_operations)
        output.affine = torch.as_tensor(operation["extra_info"].get("written_affine", affine))
        return output

    def _place(self, affine: np.ndarray, anchor: np.ndarray, name: str) -> np.ndarray:
        """Return the affine of the network's grid around the brain in `anchor`, shape (X, Y, Z)."""
        shape, axis = anchor.shape, vertical_axis(affine)
        directions = np.diag([*self.pixdim, 1.0][:3])
        voxels, level = None, None  # all voxels, or those of a plane and its world z
        takes_volumes = len(self.spatial_size) == 3
        if 1 in shape and (takes_volumes or shape[axis] != 1):
            accepted = "a volume with more than one voxel along each axis"
            accepted += ", as the network takes volumes" if takes_volumes else ", or an axial slice (H, W) or (H, W, 1)"
            raise ValueError(f"{name} has shape {tuple(shape)}: accepted is {accepted}")
        if not takes_volumes and shape[axis] == 1:
            directions = _directions_in_slice(affine, self.pixdim)
        elif not takes_volumes:
            level = self._level(affine, shape, name)
            voxels = voxels_on_plane(affine, shape, level)
        centre = to_world(affine, _centre_of_brain(anchor, voxels, name))
        half = np.array([(size - 1) / 2 for size in (*self.spatial_size, 1)][:3])
        start = to_world(affine, np.round(to_voxels(affine, centre - directions @ half), 0))
        if level is not None:
            start[VERTICAL] = level
        placed = np.eye(4)
        placed[:3, :3], placed[:3, 3] = directions, start
        return placed

    def _doubt_height(self, affine: np.ndarray, image: np.ndarray, name: str) -> str | None:
        """Doubt a slice that lies far from the plane, or a brain whose middle does not lie where it does in MNI space."""
        if self.plane is None:
            return None
        height = float(to_world(affine, _centre_of_brain(image, None, name))[VERTICAL])
        single = image.shape[vertical_axis(affine)] == 1
        if abs(height - (self.plane if single else BRAIN_HEIGHT)) <= MAX_OFFSET:
            return None
        if single:
            return (
                f"height of the slice: by its header it lies at z = {height:.0f} mm, the network takes those at {self.plane:g} mm"
            )
        return (
            f"height of the brain: by its header the middle lies at z = {height:.0f} mm, in MNI space near {BRAIN_HEIGHT:g} mm:"
            f" the slice at {self.plane:g} mm is of another part; give the header the right origin, or --prepare True"
        )

    def _level(self, affine: np.ndarray, shape: Sequence[int], name: str) -> float:
        """Return the world z of the plane, which must cross the volume."""
        if self.plane is None:
            raise ValueError(f"{name} is a volume: this network takes single axial slices, or give plane (world z in mm)")
        if voxels_on_plane(affine, shape, self.plane).shape[1] == 0:
            corners = to_world(affine, list_voxels((2, 2, 2)) * (np.array(shape) - 1).reshape(3, 1, 1, 1))[VERTICAL]
            raise ValueError(
                f"{name} has no axial slice at plane = {self.plane:g} mm: it covers z = {corners.min():g} to {corners.max():g} mm"
            )
        return self.plane

    def _restore(
        self, values: np.ndarray, affine: np.ndarray, new_affine: np.ndarray, new_shape: tuple[int, ...], mode: str
    ) -> np.ndarray:
        """Return a map (C, X, Y, Z) on the scan's grid."""
        if len(self.spatial_size) == 3 or new_shape[vertical_axis(new_affine)] == 1:
            return resample(values, affine, new_affine, new_shape, mode)
        voxels = voxels_on_plane(new_affine, new_shape, float(affine[VERTICAL, 3]))
        positions = to_voxels(affine, to_world(new_affine, voxels))
        positions[2] = 0
        restored = np.zeros((values.shape[0], *new_shape))
        restored[:, *voxels] = sample_at(values, positions, mode)
        return restored


def redirect(
    image: MetaTensor, affine: np.ndarray, shape: Sequence[int], transform: np.ndarray, meta: Mapping[str, Any] | None = None
) -> MetaTensor:
    """Redirect the inverse of `ResampleToGrid` to the grid of another scan of the same head, in one interpolation as before.

    Args:
        image: Scan on the network's grid.
        affine: Voxel to world matrix of the other scan in mm (RAS), shape (4, 4).
        shape: Its voxels along each axis.
        transform: Matrix from world points of the other scan to those of `image`, mm, shape (4, 4).
        meta: Metadata of the result; None for those of `image`.

    Returns:
        The same scan with another trace.

    Raises:
        ValueError: When the scan did not go through `ResampleToGrid`.
    """
    operations = [dict(operation) for operation in image.applied_operations]
    own = [operation for operation in operations if operation["class"] == ResampleToGrid.__name__]
    if not own:
        raise ValueError(f"{name_of(image)} carries no trace of ResampleToGrid: its maps cannot be brought to another grid")
    matrices = {"affine": torch.from_numpy(transform @ affine), "written_affine": torch.from_numpy(affine)}
    own[-1] |= {"orig_size": tuple(shape), "extra_info": {**own[-1]["extra_info"], **matrices}}
    return MetaTensor(image.as_tensor(), meta=dict(image.meta if meta is None else meta), applied_operations=operations)


class ResampleToGridd(MapTransform, InvertibleTransform):
    """Dictionary version of `ResampleToGrid`; the brain is found in the image of the first key that an item has.

    Args:
        keys: keys of images on the same voxels, such as a scan and its masks.
        spatial_size: as in `ResampleToGrid`.
        pixdim: as in `ResampleToGrid`.
        plane: as in `ResampleToGrid`.
        mode: "bilinear" or "nearest", for all keys or one a key.
        allow_missing_keys: whether keys may be absent.
    """

    def __init__(
        self,
        keys: KeysCollection,
        spatial_size: Sequence[int],
        pixdim: float | Sequence[float],
        plane: float | None = None,
        mode: str | Sequence[str] = "bilinear",
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        self.modes = ensure_tuple_rep(mode, len(self.keys))
        self.resample = ResampleToGrid(spatial_size, pixdim, plane)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Return `data` with the images of all keys on the network's grid, shape (1, *spatial_size)."""
        item = dict(data)
        reference = next((item[key] for key in self.key_iterator(item)), None)
        for key, mode in self.key_iterator(item, self.modes):
            item[key] = self.resample(item[key], reference, mode)
        return item

    def inverse(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Return `data` with the images of all keys, which carry the trace of this transform, on the grids of their scans."""
        item = dict(data)
        for key in self.key_iterator(item):
            item[key] = self.resample.inverse(item[key])
        return item


def _check_same_grid(image: MetaTensor, reference: MetaTensor) -> None:
    """Refuse images whose voxels do not lie where those of the reference lie."""
    if image.shape[1:] != reference.shape[1:] or not torch.allclose(image.affine, reference.affine, atol=1e-3):
        raise ValueError(
            f"{name_of(image)} has another grid (shape {tuple(image.shape[1:])}) than {name_of(reference)}"
            f" (shape {tuple(reference.shape[1:])}): shape and affine must be equal"
        )


def _as_volume(image: MetaTensor) -> np.ndarray:
    """Return an image (C, H, W[, D]) as an array with three spatial axes."""
    array = image.as_tensor().cpu().numpy()
    return array.reshape(array.shape[0], *(*array.shape[1:], 1)[:3])


def _affine_of(image: MetaTensor) -> np.ndarray:
    """Return the voxel to world matrix of an image, double precision."""
    return image.affine.numpy().astype(np.float64)


def _directions_in_slice(affine: np.ndarray, pixdim: Sequence[float]) -> np.ndarray:
    """Return a 3x3 matrix of steps in mm: to the right and to the front inside a slice, and across it."""
    axes, signs = io_orientation(affine).T
    columns = [affine[:3, :3][:, axes == world].ravel() * signs[axes == world] for world in range(3)]
    steps = [column / np.linalg.norm(column) * size for column, size in zip(columns, pixdim, strict=False)]
    return np.stack([*steps, columns[VERTICAL]], axis=1)


def _centre_of_brain(image: np.ndarray, voxels: np.ndarray | None, name: str) -> np.ndarray:
    """Return the centre of mass, in voxel coordinates (3,), of those `voxels` (3, N), or of all, that are not zero."""
    brain = np.zeros(image.shape, dtype=bool)
    where = (...,) if voxels is None else tuple(voxels)
    brain[where] = image[where] != 0
    counts = [brain.sum(axis=tuple({0, 1, 2} - {axis})) for axis in range(3)]  # of voxels, at each position along an axis
    if not counts[0].any():
        raise ValueError(f"{name} shows no brain in the slice that the network takes: all its voxels are zero")
    return np.array([count @ np.arange(len(count)) / count.sum() for count in counts])
