import pytest
import torch

from bundle.evaluation.ground_truth.changes import Changes, find_changes, find_phenotype
from bundle.evaluation.known_scans import Scan
from tests.tiny_evaluation import make_scan

PARCEL_MAP = torch.tensor([[[0.0, 1, 2], [1, 2, 0]]])
EFFECT = torch.tensor([[[0.0, 10, 20], [30, 40, 0]]])
CONTROL = make_scan(0, effect=EFFECT, parcel_map=PARCEL_MAP, unit=0.01)
DISEASED = CONTROL._replace(label=1, mask=(PARCEL_MAP == 1).float())


def in_volume(scan: Scan, spatial_dims: int) -> Scan:
    """Return the scan, in three dimensions with a last axis of two equal slices."""
    double = {key: torch.stack([value] * 2, -1) for key, value in scan._asdict().items() if isinstance(value, torch.Tensor)}
    return scan if spatial_dims == 2 else scan._replace(**double)


@pytest.mark.parametrize("spatial_dims", [2, 3])
def test_adding_disease_has_one_change_a_phenotype_in_network_intensity(spatial_dims):
    changes = find_changes(in_volume(CONTROL, spatial_dims), 1, {(1,): 0.25, (1, 2): 0.75})
    first, second = changes.images if spatial_dims == 2 else changes.images[..., 0]
    torch.testing.assert_close(first, torch.tensor([[[0, 0.1, 0], [0.3, 0, 0]]]))
    torch.testing.assert_close(second, torch.tensor([[[0, 0.1, 0.2], [0.3, 0.4, 0]]]))
    assert changes.shares.tolist() == [0.25, 0.75]


def test_removing_disease_is_the_own_change_with_the_other_sign():
    changes = find_changes(DISEASED, 0, {})
    torch.testing.assert_close(changes.images, torch.tensor([[[[0, -0.1, 0], [-0.3, 0, 0]]]]))


def test_a_disease_map_is_a_change_towards_its_class_alone_and_turns_its_sign_towards_health():
    later = DISEASED._replace(disease_map=EFFECT, changed_label=0)
    torch.testing.assert_close(find_changes(later, 0, {}).images[0], -0.01 * EFFECT)
    earlier = CONTROL._replace(disease_map=EFFECT, changed_label=1)
    torch.testing.assert_close(find_changes(earlier, 1, {}).images[0], 0.01 * EFFECT)
    assert find_changes(earlier, 2, {}) is None


def test_a_change_ends_where_intensities_end():
    changes = find_changes(CONTROL._replace(image=torch.full((1, 2, 3), 0.8)), 1, {(1, 2): 1.0})
    torch.testing.assert_close(changes.images[0], torch.tensor([[[0, 0.1, 0.2], [0.2, 0.2, 0]]]))


@pytest.mark.parametrize("absent", ["unit", "effect", "parcel_map"])
def test_what_is_unknown_is_none(absent):
    assert find_changes(CONTROL._replace(**{absent: None}), 1, {(1,): 1.0}) is None
    assert find_changes(CONTROL, 1, {}) is None


def test_mean_spread_and_error_are_those_by_hand():
    changes = Changes(torch.tensor([0.0, 1]).view(2, 1, 1, 1), torch.tensor([0.75, 0.25]))
    assert changes.mean().item() == 0.25
    assert changes.spread().item() == pytest.approx((0.25 * 0.75) ** 0.5)
    assert changes.error(torch.full((1, 1, 1), 0.5)).item() == 0.5


def test_phenotype_is_the_set_of_parcels_under_the_mask():
    assert find_phenotype(DISEASED) == (1,)
