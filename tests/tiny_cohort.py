"""A tiny cohort in memory and a tiny untrained network."""

from collections.abc import Callable
from typing import Any

import pytest
import threadpoolctl
import torch
from monai.data import Dataset

from bundle.networks import ICAM, AttributeEncoder, ContentEncoder, Generator

torch.set_num_threads(1)  # the arrays are tiny
threadpoolctl.threadpool_limits(1)

SIZES = {2: (16, 32), 3: (16, 16, 32)}


class TinyCohort:
    """Noise with a bright parcel in class 1; entries name files that are not there, images come from memory."""

    def __init__(self, spatial_dims: int, num_test: int = 8, num_train: int = 4, seed: int = 0) -> None:
        self.size = SIZES[spatial_dims]
        self.generator = torch.Generator().manual_seed(seed)
        self.images: dict[str, dict[str, torch.Tensor]] = {}
        train = [self.add(f"train-{i}", i % 2, "one") for i in range(num_train)]
        test = [self.add(f"test-{i}", i % 2, "one" if i < num_test // 2 else "two") for i in range(num_test)]
        self.train, self.test = (Dataset(rows, self.load) for rows in (train, test))

    def add(self, name: str, label: int, anatomy: str) -> dict[str, Any]:
        parcel_map = torch.zeros(1, *self.size)
        start = int(torch.randint(2, 6, (), generator=self.generator))
        parcel_map[:, start : start + 4, 2:6] = 1
        parcel_map[:, start : start + 4, 8:12] = 2
        effect = 500 * (parcel_map > 0) * (0.5 + torch.rand(parcel_map.shape, generator=self.generator))
        both = bool(torch.randint(2, (), generator=self.generator))
        mask = (parcel_map == 1) | ((parcel_map == 2) & both)
        image = -0.5 + 0.1 * torch.rand(parcel_map.shape, generator=self.generator)
        brain_mask = torch.ones(1, *self.size)
        brain_mask[:, :, 24:] = 0
        image = torch.where(brain_mask > 0, image + label * effect * mask / 1000, -1.0)
        images = {"image": image, "brain_mask": brain_mask, "effect": effect, "parcel_map": parcel_map}
        if label:
            images["mask"] = mask.float()
        self.images[name] = images
        row = {"participant_id": name, "label": label, "anatomy": anatomy}
        return row | {key: f"{name}_{key}.nii.gz" for key in images}

    def load(self, row: dict[str, Any]) -> dict[str, Any]:
        return row | {key: image for key, image in self.images[row["participant_id"]].items() if key in row}

    def drop(self, *columns: str) -> "TinyCohort":
        for dataset in (self.train, self.test):
            dataset.data = [{key: value for key, value in row.items() if key not in columns} for row in dataset.data]
        return self


def build_network(spatial_dims: int, num_classes: int = 2, classification: bool = True) -> ICAM:
    torch.manual_seed(0)
    content_encoder = ContentEncoder(spatial_dims, channels=2, num_blocks=1)
    size = SIZES[spatial_dims]
    attribute_encoder = AttributeEncoder(spatial_dims, size, num_classes, channels=2, classification=classification)
    generator = Generator(spatial_dims, content_encoder.out_channels, attribute_channels=4, num_blocks=1)
    return ICAM(content_encoder, attribute_encoder, generator)


@pytest.fixture
def make_cohort() -> Callable[..., TinyCohort]:
    return TinyCohort


@pytest.fixture
def make_network() -> Callable[..., ICAM]:
    return build_network
