"""What the preparation of a scan computes, on the MNI152 average as a scan of 1 mm."""

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from bundle.data.geometry import resample
from bundle.preprocessing.bias_correction import correct_bias
from bundle.preprocessing.template import load_template, register_to_template
from bundle.registration import subtract_scans
from bundle.registration.volumes import Volume

ANGLES, SHIFT = (7.0, -5.0, 9.0), (4.0, -3.0, 6.0)  # degrees about each axis, and mm, by which the head has moved
NOISE = 0.02  # standard deviation, of the largest intensity


def make_preparation(task: str) -> Callable[[], Any]:
    """Build a computation: "bias correction", "registration to the template", or "registration of a pair" of scans."""
    moved, still = _scan(ANGLES, SHIFT, 0), _scan((0, 0, 0), (0, 0, 0), 1)
    values, affine, brain = moved
    if task == "bias correction":
        return lambda: correct_bias(values, brain, np.ones(3))
    if task == "registration to the template":
        return lambda: register_to_template(values, affine)
    return lambda: subtract_scans(still, moved)


def _scan(angles: tuple[float, ...], shift: tuple[float, ...], seed: int) -> Volume:
    """Return the average brain, moved, with noise."""
    template = load_template()
    move = np.eye(4)
    move[:3, :3] = Rotation.from_euler("xyz", angles, degrees=True).as_matrix()
    move[:3, 3] = shift
    values = resample(template.image[None], move @ template.affine, template.affine, template.image.shape, exact=False)[0]
    noise = np.random.default_rng(seed).normal(0, NOISE * values.max(), values.shape).astype(np.float32)
    return Volume(np.where(values > 0, np.maximum(values + noise, 1), 0), template.affine, values > 0)
