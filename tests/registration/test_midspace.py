import numpy as np
import pytest

from bundle.data.geometry import transform_volume
from bundle.registration.midspace import match_intensities, place_midspace_grid, resample_to_midspace


def test_grid_in_midspace_holds_both_brains(phantom, motion: np.ndarray) -> None:
    scans = phantom.scan(), phantom.scan(motion, spacing=5.0, turn=15)
    midspace = resample_to_midspace(*scans, motion, 25.0)
    for scan, matrix in zip(scans, (midspace.to_earlier, midspace.to_later), strict=True):
        there = transform_volume(scan.brain, scan.affine, midspace.grid, matrix, "bilinear").sum() * 4.0**3
        assert there == pytest.approx(scan.brain.sum() * np.abs(np.linalg.det(scan.affine)), rel=0.01)
    assert np.allclose(midspace.grid.affine[:3, :3], 4 * np.eye(3))


def test_brains_far_from_each_other_are_refused(phantom, move) -> None:
    with pytest.raises(ValueError, match="the brains of the scans do not overlap"):
        resample_to_midspace(phantom.scan(), phantom.scan(), move((0.0, 0.0, 0.0), (400.0, 0.0, 0.0)), None)


def test_matched_scans_have_the_same_intensities(phantom) -> None:
    scans = phantom.scan(), phantom.scan(gain=1.25, bias=0.1)
    earlier, later = match_intensities(*scans, resample_to_midspace(*scans, np.eye(4), 25.0))
    inside = scans[0].brain
    assert np.abs(later.values[inside] / earlier.values[inside] - 1).mean() < 0.01
    assert np.abs(scans[1].values[inside] / scans[0].values[inside] - 1).mean() > 0.2


def test_grid_does_not_depend_on_the_order_of_the_scans(phantom, motion: np.ndarray) -> None:
    scans, matrices = [phantom.scan(), phantom.scan(turn=10)], [motion, np.linalg.inv(motion)]
    one, other = place_midspace_grid(scans, matrices), place_midspace_grid(scans[::-1], matrices[::-1])
    assert one.shape == other.shape
    np.testing.assert_array_equal(one.affine, other.affine)
