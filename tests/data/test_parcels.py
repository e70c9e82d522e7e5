"""Parcels of a scan."""

import torch

from bundle.data.parcels import lesioned_parcels, select_parcels


def test_parcels_under_the_mask_are_lesioned_and_the_background_is_none() -> None:
    scan = {"parcel_map": torch.tensor([[0.0, 1.0, 2.0, 3.0]]), "mask": torch.tensor([[1.0, 1.0, 0.0, 1.0]])}
    assert lesioned_parcels(scan).tolist() == [1, 3]


def test_selected_parcels_are_marked_and_no_others() -> None:
    parcel_map = torch.tensor([[0.0, 1.0, 2.0, 3.0]])
    assert select_parcels(parcel_map, torch.tensor([1.0, 3.0])).tolist() == [[0, 1, 0, 1]]
    assert select_parcels(parcel_map, torch.tensor([])).sum() == 0
