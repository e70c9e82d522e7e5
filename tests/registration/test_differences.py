import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from bundle.data.geometry import list_voxels, to_world
from bundle.registration import Registration, Volume, subtract_scans
from bundle.registration.differences import smooth_difference, smooth_inside
from bundle.registration.transforms import measure_motion
from bundle.simulation.anatomies import load_anatomy
from bundle.simulation.deformations import integrate_velocity, make_grid, sample_at

FAST = {"registration": Registration("rigid", levels=(8.0, 4.0))}
DROP = -400.0  # scanner units, in the middle of what changes


def correlate(first: np.ndarray, second: np.ndarray, inside: np.ndarray) -> float:
    return float(np.corrcoef(first[inside], second[inside])[0, 1])


@pytest.fixture(scope="module")
def converter(phantom, motion: np.ndarray):
    """A pair that lies, and is coded, differently, and its difference."""
    scans = phantom.scan(noise=8), phantom.scan(motion, change=DROP, noise=10, turn=10, gain=1.2, bias=0.1, seed=1)
    return scans, subtract_scans(*scans, **FAST)


def test_change_is_found_on_both_grids_in_the_units_of_each_scan(phantom, motion: np.ndarray, converter) -> None:
    (earlier, later), difference = converter
    exact = phantom.scan(change=DROP).values - phantom.scan().values
    assert correlate(difference.on_earlier, exact, earlier.brain) > 0.9
    settings = {"turn": 10, "gain": 1.2, "bias": 0.1}
    exact_later = phantom.scan(motion, change=DROP, **settings).values - phantom.scan(motion, **settings).values
    assert correlate(difference.on_later, exact_later, later.brain) > 0.9
    for found, true in ((difference.on_earlier, exact), (difference.on_later, exact_later)):
        strong = true < true.min() / 2
        assert found[strong].mean() / true[strong].mean() == pytest.approx(1, abs=0.15)


def test_diagnostics_say_what_was_done(motion: np.ndarray, converter) -> None:
    _, difference = converter
    diagnostics, true = difference.diagnostics, measure_motion(motion, np.array([5.0, -8.0, 3.0]))
    assert diagnostics.correlation > 0.95 > diagnostics.correlation_before
    assert diagnostics.gain == pytest.approx(1.2, rel=0.05)
    assert diagnostics.rotation == pytest.approx(true.rotation, abs=0.2)
    assert diagnostics.translation == pytest.approx(true.translation, abs=0.2)
    assert diagnostics.scale == pytest.approx(1)
    assert difference.midspace.shape == (3, *difference.grid.shape)


@pytest.mark.slow
def test_repeat_scans_have_nearly_no_difference(phantom, motion: np.ndarray, converter) -> None:
    scans = phantom.scan(noise=15), phantom.scan(motion, noise=18, turn=10, gain=1.2, bias=0.1, seed=1)
    repeat, converted = (item.on_earlier for item in (subtract_scans(*scans, smoothing=4.0, **FAST), converter[1]))
    changed = converted < converted.min() / 2
    assert np.abs(repeat[changed]).mean() < 0.05 * np.abs(converted[changed]).mean()


@pytest.mark.slow
def test_repeat_scans_keep_less_than_a_fifth_of_a_map_that_is_shrunk(phantom, motion: np.ndarray) -> None:
    settings = {"smoothing": 4.0, "shrinkage": 2.0, **FAST}
    later = (phantom.scan(motion, change=change, noise=18, turn=10, gain=1.2, bias=0.1, seed=1) for change in (0, DROP))
    repeat, converted = (subtract_scans(phantom.scan(noise=15), scan, **settings).on_earlier for scan in later)
    assert np.abs(repeat).mean() < 0.2 * np.abs(converted).mean()


@pytest.mark.slow
def test_a_scan_and_itself_have_no_difference(phantom) -> None:
    scan = phantom.scan(noise=15)
    difference = subtract_scans(scan, scan, **FAST)
    assert np.abs(difference.on_earlier).max() < 1e-3
    np.testing.assert_allclose(difference.transform, np.eye(4), atol=1e-9)


@pytest.mark.slow
def test_swapped_scans_have_the_negative_difference(converter) -> None:
    scans, difference = converter
    swapped = subtract_scans(*scans[::-1], **FAST)
    largest = np.abs(difference.on_earlier).max()
    for one, other in ((swapped.on_later, difference.on_earlier), (swapped.on_earlier, difference.on_later)):
        assert np.mean(np.abs(one + other) > 1e-3 * largest) < 1e-3  # voxels on the edge of a mask may fall on either side


@pytest.mark.slow
def test_difference_is_zero_outside_the_masks(phantom, converter) -> None:
    (earlier, later), difference = converter
    assert not difference.on_earlier[~earlier.brain].any() and not difference.on_later[~later.brain].any()
    left = to_world(earlier.affine, list_voxels(earlier.values.shape))[0] < 5.0
    half = subtract_scans(earlier._replace(brain=earlier.brain & left), later, **FAST)
    assert not half.on_earlier[~left].any() and half.on_earlier[left & earlier.brain].any()
    assert np.count_nonzero(half.on_later) < 0.6 * np.count_nonzero(difference.on_later)


def test_smoothing_is_a_gaussian_that_reads_the_inside_only() -> None:
    inside = np.zeros((12, 12, 12), dtype=bool)
    inside[2:-2, 2:-2, 2:-2] = True
    np.testing.assert_allclose(smooth_inside(np.where(inside, 3.0, 100.0), inside, 1.5), 3.0 * inside, rtol=1e-5)
    np.testing.assert_array_equal(smooth_inside(np.ones(inside.shape), inside, 0.0), inside)


SIZES = pytest.mark.parametrize("size", [(96, 96), (32, 36, 32)])


@SIZES
def test_noise_alone_leaves_nearly_nothing(size: tuple[int, ...]) -> None:
    noise, inside = np.random.default_rng(0).normal(0, 20, size), np.ones(size, dtype=bool)
    smooth, shrunk = (smooth_difference(noise, inside, 0.8, 2.0, shrinkage) for shrinkage in (0, 2))
    assert np.abs(shrunk).mean() < 0.1 * np.abs(smooth).mean()


@SIZES
def test_change_is_kept_and_lies_nearer_to_the_exact_one(size: tuple[int, ...]) -> None:
    places = np.stack(np.meshgrid(*map(np.arange, size), indexing="ij")) - np.reshape(size, (-1, *[1] * len(size))) / 2
    exact = -80 * np.exp(-(places**2).sum(0) / (2 * 3.0**2))
    noisy, inside = exact + np.random.default_rng(0).normal(0, 20, size), np.ones(size, dtype=bool)
    smooth, shrunk = (smooth_difference(noisy, inside, 0.8, 2.0, shrinkage) for shrinkage in (0, 2))
    strong = exact < exact.min() / 2
    assert shrunk[strong].mean() / smooth[strong].mean() == pytest.approx(1, abs=0.1)
    assert np.square(shrunk - exact).mean() < 0.5 * np.square(smooth - exact).mean()
    assert correlate(shrunk, exact, inside) > correlate(smooth, exact, inside)


@SIZES
def test_share_that_is_kept_is_that_of_wiener(size: tuple[int, ...]) -> None:
    """Smoothing leaves 50 of 50 +- 100 from voxel to voxel; the ratio of noise powers is that of a continuous Gaussian."""
    sigma, shrinkage = 1.5, 3.0
    image = 50.0 + 100.0 * (-1) ** np.indices(size).sum(0)
    squares, centre = (2 * np.sqrt(np.pi) * sigma) ** -len(size), (np.sqrt(2 * np.pi) * sigma) ** -len(size)
    kept = 1 - shrinkage * squares / (1 - 2 * centre + squares) * 100**2 / 50**2
    found = smooth_difference(image, np.ones(size, dtype=bool), sigma, 2.0, shrinkage)
    middle = tuple(slice(size // 3, -size // 3) for size in size)
    np.testing.assert_allclose(found[middle], 50 * max(kept, 0), rtol=2e-3)


@SIZES
def test_without_shrinkage_or_smoothing_nothing_is_shrunk(size: tuple[int, ...]) -> None:
    image, inside = np.random.default_rng(0).normal(0, 20, size), np.ones(size, dtype=bool)
    np.testing.assert_allclose(smooth_difference(image, inside, 0.8, 2.0, 0.0), gaussian_filter(image, 0.8), atol=1e-4)
    np.testing.assert_array_equal(smooth_difference(image, inside, 0.0, 2.0, 2.0), image)
    np.testing.assert_array_equal(smooth_difference(0 * image, inside, 0.8, 2.0, 2.0), 0 * image)


@SIZES
def test_shrinking_depends_on_neither_sign_nor_unit_nor_what_is_outside(size: tuple[int, ...]) -> None:
    image, inside = np.random.default_rng(0).normal(0, 20, size), np.ones(size, dtype=bool)
    inside[:8] = False
    shrunk = smooth_difference(image, inside, 0.8, 2.0, 1.0)
    assert shrunk.any() and not shrunk[~inside].any()
    np.testing.assert_allclose(smooth_difference(-3 * image, inside, 0.8, 2.0, 1.0), -3 * shrunk, atol=1e-4)
    np.testing.assert_array_equal(smooth_difference(np.where(inside, image, 999), inside, 0.8, 2.0, 1.0), shrunk)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"bias_sigma": 0.0}, "bias_sigma must be above 0 mm"),
        ({"smoothing": -1.0}, "smoothing must be 0 mm or more, got -1"),
        ({"shrinkage": -1.0}, "shrinkage must be 0 or more times the noise power, got -1"),
    ],
)
def test_wrong_setting_is_refused(phantom, settings: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        subtract_scans(phantom.scan(), phantom.scan(), **settings)


@pytest.mark.slow
@pytest.mark.parametrize("transform", ["rigid", "affine"])
def test_larger_ventricles_of_a_real_anatomy_are_found(move, transform: str) -> None:
    """The later scan is read from the 1 mm anatomy in another position: rotation 4.6 degrees, shift 4.4 mm, gain 1.2, noise."""
    matrix, smoothing = move((3.0, -2.0, 3.0), (3.0, -2.0, 2.5)), 2.0
    earlier, clean, exact_later = (scan_anatomy(*settings) for settings in ((np.eye(4), 0), (np.eye(4), 1), (matrix, 1)))
    exact = smooth_inside(clean.values - earlier.values, earlier.brain, smoothing / 2.5)
    random = np.random.default_rng(0)
    pair = [
        scan._replace(values=(np.clip(gain * scan.values + random.normal(0, 15, scan.values.shape), 1, None) * scan.brain))
        for scan, gain in ((earlier, 1.0), (exact_later, 1.2))
    ]
    difference = subtract_scans(*pair, registration=Registration(transform), smoothing=smoothing)
    assert correlate(difference.on_earlier, exact, earlier.brain) > 0.9


def scan_anatomy(matrix: np.ndarray, strength: float) -> Volume:
    """Scan the MNI average in another position at 2.5 mm, with ventricles pushed outwards by up to `strength` * 2.5 mm."""
    anatomy = load_anatomy("mni152-09a-sym")
    size, affine = (64, 80, 64), np.diag([2.5, 2.5, 2.5, 1.0])
    affine[:3, 3] = np.array([0, -18, 8]) - (np.array(size) - 1) / 2 * 2.5
    fine = (make_grid([2 * edge for edge in size]) + 0.5) / 2 - 0.5  # eight samples in each voxel
    points = torch.from_numpy(to_world(np.linalg.inv(matrix) @ affine, fine[0].double().numpy())).float()[None]
    velocity = torch.zeros_like(points)
    for place in ((-15, -25, 18), (15, -25, 18), (-10, 10, 12), (10, 10, 12)):
        way = points - torch.tensor(place).reshape(1, 3, 1, 1, 1)
        velocity -= strength * 2.5 * way / 12 * torch.exp(0.5 - way.square().sum(1, keepdim=True) / (2 * 12**2))
    moved = points + (velocity if not strength else integrate_along(velocity, matrix, affine))
    voxels = moved - torch.tensor(anatomy.origin).reshape(1, 3, 1, 1, 1)
    tissues = sample_at(torch.from_numpy(anatomy.tissues)[None], voxels, padding_mode="border")
    brain = sample_at(torch.from_numpy(anatomy.brain_mask)[None, None].float(), voxels)
    image = torch.einsum("bc...,c->b...", tissues, torch.tensor([250.0, 600.0, 900.0]))[None]
    image, brain = (torch.nn.functional.avg_pool3d(part, 2)[0, 0].numpy() for part in (image, brain))
    return Volume((image * (brain >= 0.5)).astype(np.float32), affine, brain >= 0.5)


def integrate_along(velocity: torch.Tensor, matrix: np.ndarray, affine: np.ndarray) -> torch.Tensor:
    """Return the displacement in mm of a velocity in the anatomy's directions on a turned grid of half the voxel size."""
    to_grid = torch.from_numpy(matrix[:3, :3] / (affine[0, 0] / 2)).float()
    moved = integrate_velocity(torch.einsum("ij,bj...->bi...", to_grid, velocity))
    return torch.einsum("ij,bj...->bi...", torch.linalg.inv(to_grid), moved)
