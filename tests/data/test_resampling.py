"""From the grid of a scan to that of the network and back."""

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from monai.transforms import Compose, Invertd
from nibabel.affines import apply_affine
from nibabel.orientations import axcodes2ornt, inv_ornt_aff, io_orientation, ornt_transform

from bundle.data import ResampleToGrid, ResampleToGridd
from bundle.data.geometry import list_voxels, to_world


def _affine(voxel_sizes: Sequence[float] = (2.0, 2.0, 2.0), angle: float = 0.0) -> np.ndarray:
    cosine, sine = np.cos(angle), np.sin(angle)
    about_x = np.array([[1, 0, 0], [0, cosine, -sine], [0, sine, cosine]])
    about_y = np.array([[cosine, 0, sine], [0, 1, 0], [-sine, 0, cosine]])
    affine = np.eye(4)
    affine[:3, :3] = about_x @ about_y @ np.diag(voxel_sizes)
    affine[:3, 3] = (-31.0, -37.0, -20.0)
    return affine


def _scan(array: np.ndarray, affine: np.ndarray) -> MetaTensor:
    return MetaTensor(torch.from_numpy(array.astype(np.float32))[None], affine=torch.from_numpy(affine))


def _ramp(shape: tuple[int, ...], affine: np.ndarray) -> MetaTensor:
    """Return a scan whose intensity is a linear function of the place in the world, at least 1."""
    x, y, z = to_world(affine, list_voxels((*shape, 1)[:3]))
    return _scan((300 + x - 2 * y + 3 * z).reshape(shape), affine)


def _places(image: MetaTensor) -> np.ndarray:
    """Return the world coordinates of the voxels of a network input, shape (3, ...)."""
    return to_world(image.affine.numpy(), list_voxels((*image.shape[1:], 1)[:3])).reshape(3, *image.shape[1:])


def _blob(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    array = np.zeros(shape)
    inner = tuple(slice(5, -3) if size > 8 else slice(None) for size in shape)
    array[inner] = np.random.default_rng(seed).uniform(1, 2, array[inner].shape)
    return array


@pytest.mark.parametrize("shape", [(40, 44), (40, 44, 1), (40, 44, 30)])
def test_scan_with_the_spacing_of_the_grid_is_copied(shape: tuple[int, ...]) -> None:
    array = _blob(shape)
    sizes, plane = ((48, 48), -20.0 + 2 * 12) if len(shape) == 3 and shape[2] > 1 else ((48, 48), None)
    output = ResampleToGrid(sizes, 2.0, plane)(_scan(array, _affine()))
    taken = array[:, :, 12] if plane is not None else array.reshape(40, 44)
    np.testing.assert_array_equal(np.sort(output.numpy().ravel())[-taken.size :], np.sort(taken.ravel().astype(np.float32)))
    volume = ResampleToGrid((48, 48, 48), 2.0)(_scan(_blob((40, 44, 30)), _affine()))
    assert np.count_nonzero(volume) == np.count_nonzero(_blob((40, 44, 30)))


@pytest.mark.parametrize("shape", [(40, 44), (40, 44, 1), (40, 44, 30)])
def test_brain_is_in_the_middle(shape: tuple[int, ...]) -> None:
    output = ResampleToGrid((48, 52), 2.0, plane=0.0)(_scan(_blob(shape), _affine()))
    np.testing.assert_allclose(np.argwhere(output[0].numpy() > 0).mean(axis=0), (23.5, 25.5), atol=0.51)


@pytest.mark.parametrize(("shift", "doubtful"), [(0.0, False), (30.0, False), (-50.0, True), (60.0, True)])
@pytest.mark.parametrize("depth", [1, 30])
def test_a_slice_at_another_height_carries_a_warning(depth: int, shift: float, doubtful: bool) -> None:
    affine = _affine((2.0, 2.0, 6.0 if depth > 1 else 2.0))
    scan = _scan(_blob((40, 44, depth)), affine)
    middle = float(affine[2, 3] + affine[2, 2] * np.argwhere(_blob((40, 44, depth)))[:, 2].mean())
    affine[2, 3] += (15.0 if depth == 1 else 10.0) - middle + shift
    scan.affine = torch.from_numpy(affine)
    resample = ResampleToGridd(["image", "mask"], (48, 52), 2.0, plane=15.0)
    item = resample({"image": scan, "mask": scan.clone()})
    kind = "height of the slice" if depth == 1 else "height of the brain"
    assert [sentence.split(":")[0] for sentence in item["image"].meta.get("warnings", [])] == [kind] * doubtful
    volume = ResampleToGrid((48, 48, 48), 2.0)(scan) if depth > 1 else scan  # networks of volumes take the brain where it lies
    assert "warnings" not in volume.meta


@pytest.mark.parametrize("angle", [0.0, 0.15])
@pytest.mark.parametrize("voxel_sizes", [(1.0, 1.0, 1.0), (1.3, 0.9, 3.1), (3.0, 2.5, 2.0)])
@pytest.mark.parametrize("spatial_dims", [2, 3])
def test_values_stay_where_they_are_in_the_world(spatial_dims: int, voxel_sizes: tuple[float, ...], angle: float) -> None:
    image = _ramp((60, 64, 40), _affine(voxel_sizes, angle))
    plane = float(image.affine[2] @ torch.tensor([29.5, 31.5, 19.5, 1.0], dtype=torch.float64))
    output = ResampleToGrid((8,) * spatial_dims, 2.0, plane if spatial_dims == 2 else None)(image)
    x, y, z = _places(output)
    np.testing.assert_allclose(output[0].numpy(), 300 + x - 2 * y + 3 * z, rtol=1e-5)
    if spatial_dims == 2:
        np.testing.assert_allclose(z, plane)


def test_oblique_slice_is_taken_in_its_own_plane() -> None:
    image = _ramp((60, 64, 1), _affine((1.3, 0.9, 3.1), 0.3))
    output = ResampleToGrid((8, 8), 2.0)(image)
    x, y, z = _places(output)
    np.testing.assert_allclose(output[0].numpy(), 300 + x - 2 * y + 3 * z, rtol=1e-5)


@pytest.mark.parametrize("codes", ["LAS", "LPS", "SAR", "PIR"])
def test_order_of_storage_has_no_influence(codes: str) -> None:
    array, affine = _blob((40, 44, 30)), _affine((1.5, 1.5, 2.0), 0.1)
    change = ornt_transform(io_orientation(affine), axcodes2ornt(codes))
    stored = array
    for axis in np.flatnonzero(change[:, 1] < 0):
        stored = np.flip(stored, axis)
    stored = np.ascontiguousarray(stored.transpose(np.argsort(change[:, 0])))
    other = _scan(stored, affine @ inv_ornt_aff(change, array.shape))
    for transform in (ResampleToGrid((32, 32), 2.0, 5.0), ResampleToGrid((32, 32, 32), 2.0)):
        expected, output = transform(_scan(array, affine)), transform(other)
        torch.testing.assert_close(output.affine, expected.affine)
        torch.testing.assert_close(output.as_tensor(), expected.as_tensor())
        restored = transform.inverse(output)
        assert restored.shape[1:] == stored.shape
        np.testing.assert_array_equal(restored.affine.numpy(), other.affine.numpy())


def test_slice_of_a_volume_is_the_same_as_the_slice_alone() -> None:
    array, affine = _blob((40, 44, 30)), _affine((1.5, 1.2, 2.0))
    transform = ResampleToGrid((32, 32), 2.0, plane=-20.0 + 2 * 9)
    lifted = affine.copy()
    lifted[2, 3] = -2.0
    torch.testing.assert_close(
        transform(_scan(array, affine)).as_tensor(), transform(_scan(array[:, :, 9:10], lifted)).as_tensor()
    )


def test_fine_scans_are_averaged() -> None:
    noise = np.random.default_rng(0).normal(100, 10, (80, 80, 1))
    output = ResampleToGrid((16, 16), 2.0)(_scan(noise, _affine((0.5, 0.5, 2.0))))
    assert output.std() < 4  # 16 voxels in each: 10 / 4 = 2.5, somewhat correlated by interpolation
    assert abs(output.mean() - 100) < 1


@pytest.mark.parametrize(
    ("shape", "angle", "spatial_size", "plane"),
    [
        ((40, 44), 0.0, (48, 48), None),
        ((40, 44, 1), 0.0, (48, 48), None),
        ((40, 44, 1), 0.3, (48, 48), None),
        ((40, 44, 30), 0.0, (48, 48), 5.0),
        ((40, 44, 30), 0.2, (48, 48), 5.0),
        ((40, 44, 30), 0.2, (48, 48, 48), None),
    ],
)
def test_map_comes_back_with_shape_affine_and_place(
    shape: tuple[int, ...], angle: float, spatial_size: tuple[int, ...], plane: float | None
) -> None:
    affine = _affine((1.7, 1.9, 2.3), angle)
    image = _scan(_blob(shape), affine)
    preprocessing = Compose([ResampleToGridd("image", spatial_size, 2.0, plane)])
    item = preprocessing({"image": image})
    x, y, _ = _places(item["image"])
    item["pred"] = MetaTensor(torch.from_numpy(300 + x - 2 * y)[None].float())
    restored = Invertd("pred", preprocessing, "image", nearest_interp=False)(item)["pred"]
    assert restored.shape == image.shape
    np.testing.assert_array_equal(restored.affine.numpy(), affine)
    x, y, _ = apply_affine(affine, np.moveaxis(list_voxels((*shape, 1)[:3]), 0, -1)).transpose(3, 0, 1, 2)
    inside = (image[0].numpy() > 0).reshape(x.shape) & (restored[0].numpy() > 0).reshape(x.shape)
    values = restored[0].numpy().reshape(x.shape)
    np.testing.assert_allclose(values[inside], (300 + x - 2 * y)[inside], rtol=2e-3)
    assert inside.any()


def test_map_in_a_volume_has_one_voxel_a_column() -> None:
    affine = _affine((1.7, 1.9, 2.3), 0.2)
    transform = ResampleToGrid((64, 64), 2.0, plane=5.0)
    output = transform(_scan(_blob((40, 44, 30)) + 1, affine))
    restored = transform.inverse(output * 0 + 1)[0].numpy()
    assert (np.count_nonzero(restored, axis=2) <= 1).all()
    heights = to_world(affine, np.argwhere(restored > 0).T)[2]
    assert np.abs(heights - 5).max() < 2.3 / 2
    assert np.count_nonzero(restored) > 1000


def test_several_channels_come_back() -> None:
    transform = ResampleToGrid((48, 48), 2.0)
    output = transform(_scan(_blob((40, 44)), _affine()))
    stack = MetaTensor(torch.cat([output, 2 * output]), meta=output.meta, applied_operations=output.applied_operations)
    restored = transform.inverse(stack)
    assert restored.shape == (2, 40, 44)
    np.testing.assert_array_equal(restored[0].numpy(), _blob((40, 44)).astype(np.float32))
    np.testing.assert_array_equal(restored[1].numpy(), 2 * restored[0].numpy())


def test_mask_follows_the_scan() -> None:
    affine = _affine((1.7, 1.9, 2.3))
    array = _blob((40, 44, 30))
    item = ResampleToGridd(["image", "mask"], (48, 48), 2.0, 5.0, mode=["bilinear", "nearest"])(
        {"image": _scan(array, affine), "mask": _scan(array > 1.5, affine), "image_path": "ignored"}
    )
    assert set(np.unique(item["mask"])) == {0, 1}
    torch.testing.assert_close(item["mask"].affine, item["image"].affine)
    assert item["image"][item["mask"] == 1].mean() > item["image"][item["mask"] == 0].mean()


@pytest.mark.parametrize(
    ("shape", "spatial_size", "plane", "message"),
    [
        ((20, 20, 10), (16, 16), 200.0, r"no axial slice at plane = 200 mm: it covers z = -20 to -2 mm"),
        ((20, 20, 10), (16, 16), None, "is a volume: this network takes single axial slices, or give plane"),
        ((20, 1, 20), (16, 16), 0.0, r"has shape \(20, 1, 20\): accepted is a volume .*, or an axial slice \(H, W\)"),
        ((20, 20, 1), (16, 16, 16), None, r"has shape \(20, 20, 1\): accepted is a volume with more than one voxel along"),
        ((20, 20), (16, 16, 16), None, r"has shape \(20, 20, 1\)"),
    ],
)
def test_scan_of_another_kind_is_refused(
    shape: tuple[int, ...], spatial_size: tuple[int, ...], plane: float | None, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        ResampleToGrid(spatial_size, 2.0, plane)(_scan(np.ones(shape), _affine()))


def test_empty_slice_is_refused() -> None:
    array = np.zeros((20, 20, 10))
    array[5:15, 5:15, :4] = 1
    with pytest.raises(ValueError, match="shows no brain in the slice that the network takes"):
        ResampleToGrid((16, 16), 2.0, plane=-4.0)(_scan(array, _affine()))


def test_mask_on_another_grid_is_refused() -> None:
    transform = ResampleToGridd(["image", "mask"], (16, 16), 2.0)
    image = _scan(np.ones((20, 20)), _affine())
    for other in (_scan(np.ones((20, 21)), _affine()), _scan(np.ones((20, 20)), _affine((2.0, 2.1, 2.0)))):
        with pytest.raises(ValueError, match="shape and affine must be equal"):
            transform({"image": image, "mask": other})


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (([16], 2.0), "spatial_size must be two or three sizes"),
        (([16, 16], 2.0, "top"), r"plane must be a number \(mm\), got 'top'"),
        (([16, 16, 16], 2.0, 5.0), "plane must be null when spatial_size has three sizes, got 5"),
        (([16, 16], -1.0), "pixdim must be positive"),
        (([16, 16], [1.0, 1.0, 1.0]), "length"),
    ],
)
def test_wrong_setting_is_refused(settings: tuple, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ResampleToGrid(*settings)
