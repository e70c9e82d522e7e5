"""Brain extraction."""

import numpy as np
import pytest
from raw_heads import load_head

from bundle.preprocessing import brain_extraction
from bundle.preprocessing.template import resample_template


@pytest.mark.slow
def test_the_brain_of_an_average_head_is_that_of_the_template() -> None:
    head = load_head()
    mask = brain_extraction.extract_brain(head.image)
    origin, edge = head.affine[:3, 3], float(abs(head.affine[0, 0]))
    flipped = head.affine[0, 0] < 0
    brain = mask[::-1] if flipped else mask
    start = origin - np.array([edge * (mask.shape[0] - 1) if flipped else 0, 0, 0])
    template = resample_template(mask.shape, edge, tuple(start.tolist())) > 0
    assert 2 * (brain & template).sum() / (brain.sum() + template.sum()) > 0.93


def test_a_scan_of_one_intensity_is_refused() -> None:
    with pytest.raises(ValueError, match="nearly all voxels have the same intensity"):
        brain_extraction.extract_brain(np.zeros((20, 20, 20)))


def test_other_networks_than_the_known_ones_are_not_run(monkeypatch: pytest.MonkeyPatch) -> None:
    brain_extraction.load_network.cache_clear()
    monkeypatch.setitem(brain_extraction.CHECKSUMS, "model.pt", "0" * 64)
    with pytest.raises(ValueError, match=r"is not the file of deepbet 1\.0\.2"):
        brain_extraction.load_network("model.pt")


def test_without_the_package_the_message_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    brain_extraction.load_network.cache_clear()
    monkeypatch.setattr(brain_extraction, "PACKAGE", "no-such-package")
    with pytest.raises(FileNotFoundError, match="set brain_extraction to False"):
        brain_extraction.load_network("bbox_model.pt")
