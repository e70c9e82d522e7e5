"""Walks of a scan to another class or age."""

import numpy as np
from tiny_results import make_row

from bundle.viewer.walks import make_walks


def test_each_step_says_class_or_age() -> None:
    images = {"translated_steps": np.zeros((2, 2, 1, 3)), "translated_value_steps": np.zeros((2, 2, 1, 5))}
    to_class, to_age = make_walks(images, make_row("a", "a.nii", predicted_age="70"), ["healthy", "ill"], 60.0)
    assert to_class.title == "Class: from this scan (ill) to healthy"
    assert to_class.texts[1] == "step 2 of 3, 50% of the way to the mean of healthy"
    assert to_age.title == "Age: from 70.0 to 60 years"
    assert [text.partition(", ")[2] for text in to_age.texts] == [f"{age:.1f} years" for age in (70, 67.5, 65, 62.5, 60)]


def test_a_scan_without_walks_has_none() -> None:
    assert make_walks({}, make_row("a", "a.nii"), []) == []
