"""Intensities of scan and network, and standardised quantities."""

import numpy as np
import pytest
import torch
from monai.data import MetaTensor

from bundle.data import RestoreIntensitiesd, ScaleForegroundd, StandardiseValued


def _scan(spatial_dims: int) -> MetaTensor:
    image = torch.zeros(1, *[20] * spatial_dims)
    image[(0, *[slice(4, 16)] * spatial_dims)] = 200 + 800 * torch.rand([12] * spatial_dims)
    return MetaTensor(image)


def _scale(image: MetaTensor, **settings: float) -> MetaTensor:
    return ScaleForegroundd("image", **settings)({"image": image})["image"]


def test_background_becomes_minus_one_and_the_percentile_one(spatial_dims: int) -> None:
    image = _scan(spatial_dims)
    scaled = _scale(image, percentile=90)
    assert (scaled[image == 0] == -1).all()
    assert scaled.min() == -1
    assert scaled.max() == 1
    high = np.percentile(image[image != 0].numpy(), 90)
    below = (image > 0) & (image < high)
    np.testing.assert_allclose(scaled[below].numpy(), 2 * image[below].numpy() / high - 1, atol=1e-6)


def test_field_of_view_and_scanner_gain_have_no_influence(spatial_dims: int) -> None:
    image = _scan(spatial_dims)
    small = image[(slice(None), *[slice(3, 17)] * spatial_dims)]
    scaled = _scale(image)
    torch.testing.assert_close(
        _scale(MetaTensor(small * 3)).as_tensor(),
        scaled[(slice(None), *[slice(3, 17)] * spatial_dims)].as_tensor(),
    )


def test_scans_with_negative_intensities_keep_their_background_below() -> None:
    image = MetaTensor(torch.randn(1, 50, 50))
    image[:, :10] = 0
    scaled = _scale(image)
    assert (scaled[:, :10] == -1).all()
    assert scaled[:, 10:].median().abs() < 0.2


def test_restoring_undoes_scaling(spatial_dims: int) -> None:
    image = _scan(spatial_dims)
    item = ScaleForegroundd("image", percentile=100)({"image": image})
    item["translated"] = item["image"].clone()
    restored = RestoreIntensitiesd("translated")(item)["translated"]
    torch.testing.assert_close(restored.as_tensor(), image.as_tensor(), atol=1e-3, rtol=1e-6)


def test_absent_foreground_is_refused() -> None:
    image = MetaTensor(torch.zeros(1, 4, 4), meta={"filename_or_obj": "scan.nii"})
    with pytest.raises(ValueError, match=r"scan\.nii has no intensities above 0"):
        _scale(image)
    with pytest.raises(ValueError, match="percentile must be above 50 and at most 100, got 50"):
        ScaleForegroundd("image", 50)


def test_headroom_leaves_room_above_the_percentile(spatial_dims: int) -> None:
    values = torch.arange(1.0, 1 + 4**spatial_dims).view(1, *[4] * spatial_dims)
    scaled = _scale(MetaTensor(values), percentile=100, headroom=2)
    torch.testing.assert_close(scaled.as_tensor().max(), torch.tensor(0.0))
    torch.testing.assert_close(scaled.as_tensor(), values / values.max() - 1)


def test_headroom_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match=r"headroom must be at least 1, got 0\.5"):
        ScaleForegroundd("image", headroom=0.5)


def test_mean_becomes_zero_and_scale_one() -> None:
    standardise = StandardiseValued("age", mean=60.0, scale=10.0)
    assert standardise({"age": 60.0})["value"] == 0
    assert standardise({"age": 75})["value"] == 1.5


def test_a_scan_without_the_quantity_has_no_value_where_that_is_allowed() -> None:
    assert "value" not in StandardiseValued("age", 60.0, 10.0, allow_missing_keys=True)({"label": 1})
    with pytest.raises(KeyError, match="age"):
        StandardiseValued("age", 60.0, 10.0)({"label": 1})


def test_impossible_settings_are_refused() -> None:
    with pytest.raises(ValueError, match="a scale above 0 are accepted, got the keys .* and the scale 0"):
        StandardiseValued("age", 60.0, 0.0)
