"""Which place of a scan a page shows first, and its plane as a small picture."""

import base64
import io

import numpy as np
from nibabel.orientations import apply_orientation, io_orientation
from PIL import Image

from bundle.inference.overview import find_strongest
from bundle.viewer.colours import colour_signed

HEIGHT = 56  # pixels of a small picture
PLANES = ("sagittal", "coronal", "axial")  # by the axis that runs across them


def find_plane(shape: tuple[int, ...], affine: np.ndarray) -> str | None:
    """Return which plane an image of one slice shows; None for a volume."""
    across = [axis for axis, size in enumerate(shape) if size == 1]
    return PLANES[int(io_orientation(affine)[across[-1], 0])] if across else None


def find_axes(affine: np.ndarray) -> list[list[int]]:
    """Return for the directions right, anterior and superior the axis of the voxels that runs along it, and 1 or -1."""
    directions = io_orientation(affine)
    return [[int(axis), int(directions[axis, 1])] for axis in directions[:, 0].argsort()]


def draw_thumbnail(
    scan: np.ndarray,
    values: np.ndarray,
    affine: np.ndarray,
    limit: float,
    threshold: float,
    guide: np.ndarray | None = None,
    height: int = HEIGHT,
) -> str:
    """Return the plane of a scan in which a map is strongest, with a map on top, as a picture (a data URI).

    Anterior is up, or superior in other planes than the axial one, and left is on the left.

    Args:
        scan: intensities, shape (H, W, D).
        values: the map, of the same shape.
        affine: voxel to world matrix in mm (RAS), shape (4, 4).
        limit: magnitude at which the colours end.
        threshold: magnitude from which the map is drawn.
        guide: map that decides the plane, of the same shape; None for `values`.
        height: of the picture, pixels.
    """
    directions = io_orientation(affine)
    scan, values = apply_orientation(scan, directions), apply_orientation(values, directions)
    across = PLANES.index(find_plane(scan.shape, np.eye(4)) or "axial")
    place = find_strongest(values if guide is None else apply_orientation(guide, directions))[across]
    plane, shown = (np.rot90(image.take(place, across)) for image in (scan, values))
    grey = 255 * (plane / (np.percentile(plane[plane > 0], 99.5) if (plane > 0).any() else 1.0)).clip(0, 1)
    pixels = np.where((np.abs(shown) >= threshold)[..., None], colour_signed(shown, limit), grey[..., None])
    sizes = np.linalg.norm(affine[:3, :3], axis=0)[directions[:, 0].argsort()]  # mm along right, anterior, superior
    wide, high = (size * length for size, length in zip(np.delete(sizes, across), plane.shape[::-1], strict=True))
    width = int(np.clip(round(height * wide / high), 8, 4 * height))
    picture = Image.fromarray(pixels.round().astype(np.uint8)).resize((width, height), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    picture.save(buffer, format="webp", quality=55, method=6)
    return "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode()
