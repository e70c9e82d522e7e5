"""NRRD files as images of nibabel."""

from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk  # noqa: N813 (its own documentation's name)
from nibabel.spatialimages import SpatialImage

TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])  # from ITK's world (LPS)
SPACE = "NRRD_space"  # key of the file's world; absent where it names none


class Voxels:
    """The intensities of a file, which are read when an array is made of them.

    Args:
        reader: reader that has the header.
    """

    def __init__(self, reader: sitk.ImageFileReader) -> None:
        size, components = reader.GetSize(), reader.GetNumberOfComponents()
        kind = sitk.GetArrayViewFromImage(sitk.Image([1] * len(size), reader.GetPixelIDValue(), components)).dtype
        self.reader, self.dtype = reader, kind
        self.shape = (*size, *([components] if components > 1 else []))
        self.ndim = len(self.shape)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """Return the intensities, shape (X, Y, Z)."""
        return np.asarray(sitk.GetArrayFromImage(self.reader.Execute()).T, dtype=dtype)


def open_nrrd(path: str | Path) -> SpatialImage:
    """Read the header of an NRRD file.

    Args:
        path: Its name.

    Returns:
        An image whose voxels are read when they are needed. `extra["oriented"]` says whether the file names its world.

    Raises:
        RuntimeError: When it is none.
    """
    reader = sitk.ImageFileReader()
    reader.SetImageIO("NrrdImageIO")
    reader.SetFileName(str(path))
    reader.ReadImageInformation()
    axes, used = len(reader.GetSize()), min(len(reader.GetSize()), 3)
    affine = np.eye(4)
    affine[:used, :used] = (np.reshape(reader.GetDirection(), (axes, axes)) * reader.GetSpacing())[:used, :used]
    affine[:used, 3] = reader.GetOrigin()[:used]
    voxels: Any = Voxels(reader)
    return SpatialImage(voxels, TO_RAS @ affine, extra={"oriented": reader.HasMetaDataKey(SPACE)})
