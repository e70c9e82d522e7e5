"""Scans that a network was trained on are found again, and no others."""

import pytest
import torch
from monai.data import MetaTensor
from torch import nn

from bundle.checkpoints import save_network
from bundle.data import MarkTrainingScansd, RecordScansd
from bundle.data.signatures import SCANS, SEEN, compute_signature, find_known

SIZES = {2: (16, 32), 3: (16, 16, 32)}


@pytest.fixture(params=[2, 3])
def scans(request: pytest.FixtureRequest) -> list[torch.Tensor]:
    """Scans of one person: noise of 0.02 on the same brain."""
    generator = torch.Generator().manual_seed(0)
    size = (1, *SIZES[request.param])
    brain = torch.rand(size, generator=generator) * 2 - 1
    return [(brain + 0.02 * torch.randn(size, generator=generator)).clamp(-1, 1) for _ in range(4)]


def test_training_scans_alone_are_marked(scans, tmp_path) -> None:
    record = RecordScansd("image")
    for scan in (*scans[:3], scans[0]):
        assert torch.equal(record({"image": scan, "label": 1})["image"], scan)
    assert record.list_signatures().shape == (3, 3 ** (scans[0].ndim - 1))
    save_network(tmp_path / "model.pt", nn.Linear(1, 1), {SCANS: record.list_signatures()})
    mark = MarkTrainingScansd("image", tmp_path / "model.pt")
    for scan, known in ((scans[1], True), (scans[1] + 1e-7, True), (scans[3], False), (scans[1].flip(1), False)):
        marked = mark({"image": MetaTensor(scan, meta={"warnings": ["no orientation"]})})["image"].meta["warnings"]
        assert marked == ["no orientation", SEEN] if known else marked == ["no orientation"]


def test_the_record_does_not_depend_on_the_order(scans) -> None:
    one, other = RecordScansd("image"), RecordScansd("image")
    for first, second in zip(scans, scans[::-1], strict=True):
        one({"image": first}), other({"image": second})
    assert torch.equal(one.list_signatures(), other.list_signatures())


def test_a_checkpoint_without_signatures_marks_nothing(scans, tmp_path) -> None:
    save_network(tmp_path / "model.pt", nn.Linear(1, 1))
    assert "warnings" not in MarkTrainingScansd("image", tmp_path / "model.pt")({"image": MetaTensor(scans[0])})["image"].meta


def test_signatures_of_another_dimension_are_not_compared(scans) -> None:
    signature = compute_signature(scans[0])
    assert not find_known(signature, torch.zeros(2, len(signature) + 1)) and not find_known(signature, torch.zeros(0))
