import numpy as np
import pytest

from bundle.registration import Registration
from bundle.registration.transforms import measure_motion

CENTRE = np.array([5.0, -8.0, 3.0])
FAST = {"levels": (8.0, 4.0)}


@pytest.mark.parametrize("transform", ["rigid", "affine"])
def test_known_motion_is_found(phantom, motion: np.ndarray, transform: str) -> None:
    scans = phantom.scan(noise=15), phantom.scan(motion, noise=15, gain=1.2, seed=1)
    left = measure_motion(np.linalg.inv(motion) @ Registration(transform, **FAST).align(*scans), CENTRE)
    assert left.translation < 0.2 and left.rotation < 0.2 and abs(left.scale - 1) < 0.005


@pytest.mark.slow
def test_known_scale_is_found_by_an_affine_transform_and_not_by_a_rigid_one(phantom) -> None:
    grown = np.diag([1.04, 1.04, 1.04, 1.0])
    scans = phantom.scan(), phantom.scan(grown)
    assert measure_motion(Registration("affine", **FAST).align(*scans), CENTRE).scale == pytest.approx(1.04, abs=0.006)
    assert measure_motion(Registration("rigid", **FAST).align(*scans), CENTRE).scale == pytest.approx(1)


def test_grids_of_other_spacing_and_direction_are_understood(phantom, motion: np.ndarray) -> None:
    scans = phantom.scan(), phantom.scan(motion, spacing=np.array([3.5, 4.0, 5.0]), turn=20)
    left = measure_motion(np.linalg.inv(motion) @ Registration("rigid", **FAST).align(*scans), CENTRE)
    assert left.translation < 0.2 and left.rotation < 0.2


def test_swapped_scans_have_the_inverse_transform(phantom, motion: np.ndarray) -> None:
    scans = phantom.scan(noise=15), phantom.scan(motion, noise=15, seed=1)
    registration = Registration("rigid", levels=(8.0,))
    there, back = registration.align_symmetrically(*scans), registration.align_symmetrically(*scans[::-1])
    np.testing.assert_allclose(there @ back, np.eye(4), atol=1e-8)
    np.testing.assert_allclose(there, registration.align_symmetrically(*scans), atol=1e-6)


def test_what_is_outside_the_masks_has_no_influence(phantom, motion: np.ndarray) -> None:
    scans = [phantom.scan(), phantom.scan(motion)]
    expected = Registration("rigid", levels=(8.0,)).align(*scans)
    scans[1] = scans[1]._replace(values=np.where(scans[1].brain, scans[1].values, 5000).astype(np.float32))
    np.testing.assert_allclose(Registration("rigid", levels=(8.0,)).align(*scans), expected, atol=1e-6)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"transform": "elastic"}, "transform must be one of rigid, affine, got 'elastic'"),
        ({"levels": ()}, "levels must be voxel sizes in mm from coarse to fine"),
        ({"sampling": 0.0}, "sampling must be a share of the voxels"),
    ],
)
def test_wrong_setting_is_refused(settings: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Registration(**settings)
