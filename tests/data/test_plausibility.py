"""Whether an image looks like a brain without skull."""

import re
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pytest

import bundle.simulation
from bundle.data.plausibility import find_doubts, find_odd_intensities, measure_volume

EDGE = 4.0  # mm
AFFINE = np.diag([EDGE, EDGE, EDGE, 1.0])
RANDOM = np.random.default_rng(0)


def make_brain(spatial_dims: int) -> np.ndarray:
    """Return an ellipsoid of 1200 ml, or an ellipse of 180 cm2, of noisy tissue in a field of view of 200 mm."""
    radii = (60, 75, 64)[:spatial_dims]
    axes = np.meshgrid(*[(np.arange(50) - 24.5) * EDGE] * spatial_dims, indexing="ij")
    inside = sum((axis / radius) ** 2 for axis, radius in zip(axes, radii, strict=True)) < 1
    return np.float32(inside * RANDOM.normal(600, 60, inside.shape))


def test_a_brain_raises_no_doubt(spatial_dims: int) -> None:
    brain = make_brain(spatial_dims)
    assert find_doubts(brain, AFFINE) == []
    assert find_doubts(np.rint(brain), AFFINE) == []  # as scanners store it
    assert find_doubts(brain - 20 * (brain == 0) * (RANDOM.random(brain.shape) < 0.02), AFFINE) == []  # splines overshoot


def test_a_brain_that_fills_its_box_raises_no_doubt(spatial_dims: int) -> None:
    brain = make_brain(spatial_dims)
    box = tuple(slice(where.min(), where.max() + 1) for where in np.nonzero(brain))
    assert find_doubts(brain[box], AFFINE) == []


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        (lambda brain: brain + np.abs(RANDOM.normal(3, 2, brain.shape)), "background is not zero"),
        (lambda brain: (brain - brain.mean()) / brain.std(), "background is not zero"),
        (lambda brain: (brain - brain.mean()) / brain.std(), "intensities are negative"),
        (lambda brain: np.where(brain != 0, (brain - 600) / 60, 0), "intensities are negative"),
        (lambda brain: (brain > 0).astype(np.float32), "intensities are labels"),
        (lambda brain: (1 + np.arange(50) // 5 % 3) * (brain > 0), "intensities are labels"),
    ],
)
def test_what_is_no_brain_is_named(spatial_dims: int, change: Callable[[np.ndarray], np.ndarray], kind: str) -> None:
    assert kind in [doubt.split(":")[0] for doubt in find_doubts(change(make_brain(spatial_dims)), AFFINE)]


@pytest.mark.parametrize("background", [10.0, -1000.0, -1024.0])
def test_a_background_that_is_not_zero_makes_no_labels_of_a_scan(spatial_dims: int, background: float) -> None:
    brain = np.rint(make_brain(spatial_dims))
    for scan in (brain + background, np.where(brain == 0, background, brain)):
        kinds = [doubt.split(":")[0] for doubt in find_doubts(np.float32(scan), AFFINE)]
        assert "background is not zero" in kinds and "intensities are labels" not in kinds


@pytest.mark.parametrize(("scale", "doubtful"), [(0.5, True), (0.85, True), (0.9, False), (1.2, False), (1.3, True), (1.5, True)])
def test_volumes_of_brains_are_kept_to_loosely(scale: float, doubtful: bool) -> None:
    doubts = find_doubts(make_brain(3), np.diag([*[EDGE * scale] * 3, 1.0]))
    assert [doubt.split(":")[0] for doubt in doubts] == ["volume is no brain's"] * doubtful


@pytest.mark.parametrize("shape", [(50, 50), (50, 1, 50), (50, 50, 1)])
def test_a_slice_larger_than_a_brain_is_named(shape: tuple[int, ...]) -> None:
    brain = make_brain(2).reshape(shape)
    assert find_doubts(brain, AFFINE) == []
    (doubt,) = find_doubts(brain, np.diag([1.6 * EDGE] * 3 + [1.0]))
    assert doubt.startswith("area is no brain's: 36") and "expected are 10 to 350 cm2" in doubt


def test_voxel_sizes_in_centimetres_are_named(spatial_dims: int) -> None:
    (doubt,) = find_doubts(make_brain(spatial_dims), np.diag([EDGE / 10] * 3 + [1.0]))
    kind = {2: "area is no brain's: 1 cm2", 3: "volume is no brain's: 1 ml"}[spatial_dims]
    assert doubt.startswith(kind) and doubt.endswith("are read as mm, so multiply them by 10")


@pytest.mark.parametrize(
    ("turn", "sentence"),
    [
        (np.diag([1.0, 1.0, 1.0]), None),
        (np.diag([-1.0, 1.0, 1.0]), None),  # left and right are not told apart by shape
        (np.array([[1.0, 0.0, 0.0], [0.0, 0.98, -0.2], [0.0, 0.2, 0.98]]), None),  # a head that nods by 12 degrees, or looks up
        (np.array([[1.0, 0.0, 0.0], [0.0, 0.98, 0.2], [0.0, -0.2, 0.98]]), None),
        (np.diag([1.0, 1.0, -1.0]), "orientation: .* shaped as one that lies upside down.* or of a head that is tilted"),
        (np.diag([1.0, -1.0, 1.0]), "orientation: .* shaped as one that lies back to front.* or of a head that is tilted"),
        (np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]]), r"orientation: .* 0\.79 times as long .* by 90 degrees"),
        (np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]), r"orientation: .* 0\.83 times as long .* by 90 degrees"),
    ],
)
def test_a_brain_that_does_not_lie_upright_by_its_header_is_named(turn: np.ndarray, sentence: str | None) -> None:
    scan = nibabel.load(Path(bundle.simulation.__file__).parent / "colin27" / "ch2bet.nii.gz")
    header, voxels = np.eye(4), np.float32(scan.dataobj)[::2, ::2, ::2]
    header[:3, :3] = turn @ scan.affine[:3, :3] * 2
    for order in (slice(None), slice(None, None, -1)):  # however the voxels are stored
        stored = header @ np.diag([1.0, 1.0, order.step or 1, 1.0])
        doubts = find_doubts(voxels[..., order], stored)
        assert len(doubts) == (sentence is not None) and all(re.match(sentence or "", doubt) for doubt in doubts), doubts


@pytest.mark.parametrize("angle", [-40, -35, -15, 15, 25, 40])
def test_of_a_tilted_head_nothing_is_said_but_that_it_may_be_tilted(angle: int) -> None:
    scan = nibabel.load(Path(bundle.simulation.__file__).parent / "colin27" / "ch2bet.nii.gz")
    cosine, sine = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    header = np.eye(4)
    header[:3, :3] = np.array([[1, 0, 0], [0, cosine, -sine], [0, sine, cosine]]) @ scan.affine[:3, :3] * 3
    doubts = find_doubts(np.float32(scan.dataobj)[::3, ::3, ::3], header)
    assert len(doubts) == (abs(angle) > 20)
    assert all("or of a head that is tilted by 20 degrees or more; bring it upright" in doubt for doubt in doubts)


def test_volume_is_in_millilitres() -> None:
    assert measure_volume(np.ones((10, 10, 10)), np.diag([1.0, 2.0, -3.0, 1.0])) == pytest.approx(6.0)


def test_intensities_of_a_whole_head_are_no_doubt() -> None:
    assert find_odd_intensities(RANDOM.integers(0, 900, (20, 20, 20)).astype(np.float32)) == []
