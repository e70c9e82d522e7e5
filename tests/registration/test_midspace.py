import numpy as np
import pytest

from bundle.data.geometry import list_voxels, to_world
from bundle.registration.midspace import Grid, match, meet, place_halfway_grid, resample


@pytest.mark.parametrize("interpolation", ["linear", "cubic"])
def test_intensities_stay_where_they_are_in_the_world(motion: np.ndarray, interpolation: str) -> None:
    affine = np.array([[-2.0, 0, 0, 30], [0, 0, 3.0, -40], [0, 2.5, 0, -20], [0, 0, 0, 1]])
    ramp = np.array([1.0, -2.0, 3.0])
    values = 300 + np.tensordot(ramp, to_world(affine, list_voxels((30, 32, 28))), 1)
    grid = Grid((4, 5, 6), np.diag([3.0, 3.0, 3.0, 1.0]))
    places = to_world(motion @ grid.affine, list_voxels(grid.shape))
    np.testing.assert_allclose(
        resample(values, affine, grid, motion, interpolation), 300 + np.tensordot(ramp, places, 1), rtol=1e-4
    )


def test_grid_half_way_holds_both_brains(phantom, motion: np.ndarray) -> None:
    scans = phantom.scan(), phantom.scan(motion, spacing=5.0, turn=15)
    meeting = meet(*scans, motion, 25.0)
    for scan, way in zip(scans, (meeting.to_earlier, meeting.to_later), strict=True):
        there = resample(scan.brain, scan.affine, meeting.grid, way, "linear").sum() * 4.0**3
        assert there == pytest.approx(scan.brain.sum() * np.abs(np.linalg.det(scan.affine)), rel=0.01)
    assert np.allclose(meeting.grid.affine[:3, :3], 4 * np.eye(3))


def test_brains_far_from_each_other_are_refused(phantom, move) -> None:
    with pytest.raises(ValueError, match="the brains of the scans do not overlap"):
        meet(phantom.scan(), phantom.scan(), move((0.0, 0.0, 0.0), (400.0, 0.0, 0.0)), None)


def test_matched_scans_have_the_same_intensities(phantom) -> None:
    scans = phantom.scan(), phantom.scan(gain=1.25, bias=0.1)
    earlier, later = match(*scans, meet(*scans, np.eye(4), 25.0))
    inside = scans[0].brain
    assert np.abs(later.values[inside] / earlier.values[inside] - 1).mean() < 0.01
    assert np.abs(scans[1].values[inside] / scans[0].values[inside] - 1).mean() > 0.2


def test_grid_does_not_depend_on_the_order_of_the_scans(phantom, motion: np.ndarray) -> None:
    scans, ways = [phantom.scan(), phantom.scan(turn=10)], [motion, np.linalg.inv(motion)]
    one, other = place_halfway_grid(scans, ways), place_halfway_grid(scans[::-1], ways[::-1])
    assert one.shape == other.shape
    np.testing.assert_array_equal(one.affine, other.affine)
