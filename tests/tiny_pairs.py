"""A tiny cohort of two scans a participant, or of ages, and a network that is known to be right on it."""

from typing import Any

import numpy as np
import torch
from monai.data import Dataset
from torch import Tensor, nn

from bundle.networks import ICAM, AttributeEncoder

SIZES = {2: (16, 32), 3: (16, 16, 32)}  # voxels along each axis
LOSS = -1.2  # intensity that a state of 1 adds in the rim of the ventricles
GAIN = 500  # scanner units of an intensity of 1
AGES = (45.0, 80.0)  # years at the states 0 and 1
VALUE_MEAN, VALUE_SCALE = 62.5, 10.0


def expand_like(values: Tensor, image: Tensor) -> Tensor:
    """Return values (B,) with as many axes as images (B, C, H, W[, D])."""
    return values.view(-1, *[1] * (image.ndim - 1))


def mark(spatial_dims: int, *ranges: tuple[int, int]) -> Tensor:
    """Mark a box; axes beyond the given ranges repeat the last one. Shape (1, H, W[, D])."""
    box = torch.zeros(1, *SIZES[spatial_dims])
    box[:, *(slice(*ranges[min(axis, len(ranges) - 1)]) for axis in range(spatial_dims))] = 1
    return box


def draw_rim(spatial_dims: int) -> Tensor:
    """Mark where ventricles grow, shape (1, H, W[, D])."""
    return mark(spatial_dims, (5, 7), (10, 11), (6, 10)) + mark(spatial_dims, (9, 11), (10, 11), (6, 10))


def draw_regions(spatial_dims: int) -> Tensor:
    """Label the ventricles, shape (1, H, W[, D])."""
    return mark(spatial_dims, (5, 7), (6, 10)) + 2 * mark(spatial_dims, (9, 11), (6, 10))


class TinyPairs:
    """Brains with ventricles that grow with a state in [0, 1]; class k of K is around k / (K - 1).

    Training participants have one scan; test participants are converters and repeats, two scans each, or have one scan and a
    wanted age.
    """

    def __init__(
        self, spatial_dims: int, num_classes: int = 2, converters: int = 6, repeats: int = 4, aged: int = 0, seed: int = 0
    ) -> None:
        self.spatial_dims, self.num_classes = spatial_dims, num_classes
        self.random = np.random.default_rng(seed)
        self.images: dict[str, dict[str, Tensor]] = {}
        train = [self.add(f"train-{i}", i % num_classes, self.draw_state(i % num_classes)) for i in range(3 * num_classes)]
        test = []
        for i in range(converters):
            first = i % (num_classes - 1)
            test += self.add_pair(f"converter-{i}", (first, first + 1))
        for i in range(repeats):
            test += self.add_pair(f"repeat-{i}", (i % num_classes,) * 2)
        for i in range(aged):
            test += [self.add_aged(f"aged-{i}", i % 2)]
        self.train, self.test = (Dataset(rows, self.load) for rows in (train, test))

    def draw_state(self, label: int) -> float:
        return float(np.clip(label / (self.num_classes - 1) + self.random.uniform(-0.2, 0.2), 0, 1))

    def add_pair(self, name: str, labels: tuple[int, int]) -> list[dict[str, Any]]:
        states = [self.draw_state(label) for label in labels]
        if labels[0] == labels[1]:
            states[1] = states[0]
        change = states[1] - states[0]
        rows = [self.add(name, *scan, f"M{i}", change) for i, scan in enumerate(zip(labels, states, strict=True))]
        return [row | {"pair": other["session_id"]} for row, other in zip(rows, rows[::-1], strict=True)]

    def add_aged(self, name: str, label: int) -> dict[str, Any]:
        state, wanted = self.draw_state(label), self.draw_state(1 - label)
        row = self.add(name, label, state, "M0", abs(wanted - state))
        return row | {"target_age": float(np.interp(wanted, [0, 1], AGES))}

    def add(self, name: str, label: int, state: float, session: str = "M0", change: float | None = None) -> dict[str, Any]:
        brain, rim, regions = mark(self.spatial_dims, (2, 14)), draw_rim(self.spatial_dims), draw_regions(self.spatial_dims)
        tissue = 0.1 * brain + 0.5 * mark(self.spatial_dims, (3, 13))  # a rind of grey matter around white matter
        tissue[regions > 0] = -0.6
        noise = torch.from_numpy(np.random.default_rng(len(name)).normal(0, 0.02, tissue.shape)).float()
        image = torch.where(brain > 0, tissue + noise * (rim == 0) + LOSS * state * rim, torch.tensor(-1.0))
        images = {"image": image, "brain_mask": brain, "regions": regions}
        if change is not None:
            images["disease_map"] = GAIN * LOSS * change * rim
        self.images[f"{name}_{session}"] = images
        about = {"participant_id": name, "session_id": session, "label": label, "anatomy": "one"}
        return about | {"age": float(np.interp(state, [0, 1], AGES))} | {key: f"{name}_{session}_{key}.nii.gz" for key in images}

    def load(self, row: dict[str, Any]) -> dict[str, Any]:
        images = self.images[f"{row['participant_id']}_{row['session_id']}"]
        return row | {key: image for key, image in images.items() if key in row}


class StateEncoder(AttributeEncoder):
    """Read the state of a tiny brain from its image; the class is the nearest, the value the standardised age."""

    def __init__(self, spatial_dims: int, num_classes: int, regression: bool) -> None:
        super().__init__(spatial_dims, SIZES[spatial_dims], num_classes, channels=1, regression=regression)
        self.register_buffer("rim", draw_rim(spatial_dims))
        centres = torch.linspace(0, 1, num_classes)
        count = self.classifier.in_features  # the state is the mean of the attribute
        self.classifier.weight.data = 40 * centres[:, None].expand(-1, count).clone() / count
        self.classifier.bias.data = -20 * centres**2
        if self.regressor is not None:
            self.regressor.weight.data.fill_((AGES[1] - AGES[0]) / VALUE_SCALE / count)
            self.regressor.bias.data.fill_((AGES[0] - VALUE_MEAN) / VALUE_SCALE)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        state = ((image * self.rim).flatten(1).sum(1) / self.rim.sum() - 0.6) / LOSS
        mean = expand_like(state, image).expand(-1, *self.latent_shape)
        return mean, torch.zeros_like(mean)


class StatelessEncoder(nn.Module):
    """Return the image at the state 0."""

    def __init__(self, rim: Tensor) -> None:
        super().__init__()
        self.register_buffer("rim", rim)

    def forward(self, image: Tensor, attribute: Tensor) -> Tensor:
        return image - expand_like(attribute.flatten(1).mean(1), image) * LOSS * self.rim


class StateGenerator(nn.Module):
    """Add a state to an image at the state 0."""

    def __init__(self, rim: Tensor) -> None:
        super().__init__()
        self.register_buffer("rim", rim)

    def forward(self, content: Tensor, attribute: Tensor, labels: Tensor | None = None) -> Tensor:
        images = torch.cat([content] * (len(attribute) // len(content)))
        return images + expand_like(attribute.flatten(1).mean(1), images) * LOSS * self.rim


def build_known_network(spatial_dims: int, num_classes: int = 2, regression: bool = False) -> ICAM:
    """Build a network whose reconstruction is exact and whose translations give a scan the state of an attribute."""
    states, rim = StateEncoder(spatial_dims, num_classes, regression), draw_rim(spatial_dims)
    return ICAM(StatelessEncoder(rim), states, StateGenerator(rim))  # type: ignore[arg-type]
