"""Files of tiny images with headers as they should not be."""

import struct
from pathlib import Path

import nibabel
import numpy as np

PLACES = {  # byte and type of fields of a NIfTI header
    "pixdim": (76, "8f"), "xyzt_units": (123, "B"), "qform_code": (252, "h"), "sform_code": (254, "h"),
    "quatern": (256, "3f"), "qoffset": (268, "3f"), "srow": (280, "12f"),
}  # fmt: skip


def write_header(path: Path, affine: np.ndarray | None = None, **fields: object) -> Path:
    """Write an image with both forms, and then other values into its header, which nibabel would keep consistent."""
    affine = np.diag([2.0, 2.0, 3.0, 1.0]) if affine is None else affine
    image = nibabel.Nifti1Image(np.arange(24, dtype=np.float32).reshape(4, 3, 2), affine)
    image.set_sform(affine, 1)
    image.set_qform(affine, 1)
    raw = bytearray(image.to_bytes())
    for name, values in fields.items():
        struct.pack_into("<" + PLACES[name][1], raw, PLACES[name][0], *np.atleast_1d(values))
    path.write_bytes(raw)
    return path
