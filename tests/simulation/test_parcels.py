"""Lesions lie inside their parcels and change them visibly."""

import numpy as np
import pytest
import torch

from bundle.simulation.parcels import compute_weights, have_effect, soften

both_dimensions = pytest.mark.parametrize("spatial_dims", [2, 3])


def make_blocks(spatial_dims: int, size: int = 16, edge: int = 8) -> torch.Tensor:
    """Make a label map with a block of each of the four parcels along the first axis."""
    parcels = torch.zeros(1, 1, 4 * size, *[size] * (spatial_dims - 1), dtype=torch.uint8)
    for label in range(1, 5):
        start = (label - 1) * size + (size - edge) // 2
        inside = [slice((size - edge) // 2, (size + edge) // 2)] * (spatial_dims - 1)
        parcels[(0, 0, slice(start, start + edge), *inside)] = label
    return parcels


@both_dimensions
def test_soft_parcel_lies_inside_the_hard_one_and_is_full_within(spatial_dims: int) -> None:
    parcel = make_blocks(spatial_dims)[0, 0].numpy() == 1
    weight = soften(parcel, voxel_size=1.0, edge_width=1.0)
    assert np.all(weight[~parcel] == 0) and np.all(weight[parcel] >= 0.5)
    assert weight[(8,) * spatial_dims] == 1


@both_dimensions
def test_weights_are_averaged_inside_the_parcels(spatial_dims: int) -> None:
    parcels = make_blocks(spatial_dims)
    parcel_map, weight = compute_weights(parcels, voxel_size=2.0, factor=2)
    expected = parcels[(..., *[slice(None, None, 2)] * spatial_dims)]
    assert torch.equal(parcel_map, expected)
    assert torch.all(weight[parcel_map == 0] == 0) and torch.all(weight[parcel_map > 0] > 0.4)


@both_dimensions
def test_parcels_must_be_large_and_change_enough(spatial_dims: int) -> None:
    parcel_map = make_blocks(spatial_dims, size=6, edge=4)
    strong, weak = 300.0 * (parcel_map > 0), 50.0 * (parcel_map > 0)
    assert have_effect(parcel_map, strong, voxel_size=2.0)
    assert not have_effect(parcel_map, weak, voxel_size=2.0)
    assert not have_effect(parcel_map, strong, voxel_size=1.0)
    without_one = torch.where(parcel_map == 3, 0, parcel_map)
    assert not have_effect(without_one, strong, voxel_size=2.0)
