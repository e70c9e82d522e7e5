"""Augmentation of a batch, beside MONAI's transforms of single scans."""

from typing import Any

import numpy as np
import pytest
import torch
from monai.transforms import AdjustContrast, Affine, Flip

from bundle.training import BatchAugmentation


def test_without_changes_scans_stay_as_they_are(image: torch.Tensor) -> None:
    still = BatchAugmentation(0, 0.0, 0.0, 0.0, 0.0, gamma_probability=0.0, noise_probability=0.0)
    changed = still.apply(image, still.draw([1, 2, 3, 4], image.ndim - 2))
    torch.testing.assert_close(changed, image, rtol=1e-6, atol=1e-6)


def test_changes_are_those_of_monais_transforms(image: torch.Tensor) -> None:
    augmentation = BatchAugmentation(
        1, 0.5, rotation=0.3, scaling=0.2, translation=3.0, gamma_probability=1.0, noise_probability=0
    )
    changes = augmentation.draw([5, 6, 7, 8], image.ndim - 2)
    assert 0 < changes.flips.sum() < 4
    for scan, changed, flip, position, gamma in zip(image, augmentation.apply(image, changes), *changes[:3], strict=True):
        expected = Flip(1)(scan) if flip else scan
        expected = Affine(affine=position.numpy(), padding_mode="border", image_only=True)(expected)
        torch.testing.assert_close(changed, AdjustContrast(float(gamma))(expected).as_tensor(), rtol=1e-4, atol=1e-4)


def test_draws_of_a_scan_depend_on_its_seed_alone(image: torch.Tensor) -> None:
    augmentation = BatchAugmentation()
    batch = {"image": image, "label": torch.tensor([0, 0, 1, 1]), "seed": torch.tensor([9, 8, 7, 6]), "name": "left out"}
    whole = augmentation(batch)
    assert list(whole) == ["image", "label"] and not torch.equal(whole["image"], image)
    part = augmentation({key: batch[key][1:3] for key in ("image", "label", "seed")})
    assert torch.equal(part["image"], whole["image"][1:3])


def test_draws_keep_to_their_ranges_and_shares() -> None:
    changes = BatchAugmentation(0, 0.3, 0.0, [0.1, 0.0, 0.0], 2.0, (0.5, 2.0), 0.4, 0.1, 0.6).draw(range(2000), 3)
    shifts, sizes = changes.positions[:, :3, 3].numpy(), changes.positions.diagonal(dim1=1, dim2=2)[:, :3].numpy()
    assert np.abs(shifts).max() <= 2 and np.allclose(shifts.std(axis=0), 2 / np.sqrt(3), rtol=0.05)
    assert np.allclose(sizes.std(axis=0), [0.1 / np.sqrt(3), 0, 0], rtol=0.05)
    for found, share in ((changes.flips, 0.3), (changes.gammas != 1, 0.4), (changes.noises > 0, 0.6)):
        assert found.float().mean().item() == pytest.approx(share, abs=0.04)
    assert changes.gammas.min() >= 0.5 and changes.gammas.max() <= 2 and changes.noises.max() <= 0.1


def test_noise_has_the_deviation_that_was_drawn() -> None:
    augmentation = BatchAugmentation(0, 0.0, 0.0, 0.0, 0.0, gamma_probability=0.0, noise=0.5, noise_probability=1.0)
    changes = augmentation.draw([3, 4], 2)
    noise = augmentation.apply(torch.zeros(2, 1, 128, 128), changes)
    torch.testing.assert_close(noise.flatten(1).std(dim=1), changes.noises, rtol=0.03, atol=0)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"flip_probability": 1.5}, "flip_probability must be 0 to 1, got 1.5"),
        ({"noise": -0.1}, "noise must be at least 0, got -0.1"),
        ({"scaling": 1.0}, "scaling must be at least 0 and below 1, got 1.0"),
        ({"gamma": [1.2, 0.8]}, r"gamma must be two numbers above 0, the smaller first, got \[1.2, 0.8\]"),
    ],
)
def test_settings_without_sense_are_refused(settings: dict, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        BatchAugmentation(**settings)
    with pytest.raises(ValueError, match=r"scans with 3 axes must be one number or 3, got \[0.1, 0.0\]"):
        BatchAugmentation(scaling=[0.1, 0.0]).draw([1], 3)


def test_nothing_waits_for_the_device(image: torch.Tensor, monkeypatch: pytest.MonkeyPatch) -> None:
    augmentation = BatchAugmentation(0, 0.5, 0.1, 0.1, 2.0, noise_probability=0.0)
    changes, build, move = augmentation.draw(range(len(image)), image.ndim - 2), torch.tensor, torch.Tensor.to

    def build_here(*values: Any, device: Any = None, **settings: Any) -> torch.Tensor:
        assert device is None or torch.device(device).type == "cpu", "numbers that are built on a device wait for it"
        return build(*values, **settings)

    def move_on(tensor: torch.Tensor, *to: Any, non_blocking: bool = False, **settings: Any) -> torch.Tensor:
        assert non_blocking or not {str(each) for each in to} & {"meta"}
        return move(tensor, *to, non_blocking=non_blocking, **settings)

    monkeypatch.setattr(torch, "tensor", build_here)
    monkeypatch.setattr(torch.Tensor, "to", move_on)
    assert augmentation.apply(torch.empty_like(image, device="meta"), changes).shape == image.shape
