import numpy as np
import pytest

from bundle.evaluation.cautions import doubt_predictions


@pytest.mark.parametrize(("right", "doubted"), [(10, True), (14, True), (19, False)])
def test_a_classifier_at_chance_is_named_with_its_scans_and_interval(right, doubted):
    labels = np.arange(20) % 2
    predicted = np.where(np.arange(20) < right, labels, 1 - labels)
    found = doubt_predictions(labels, predicted, "seen")
    assert len(found) == doubted
    if right == 10:
        start = "The classifier is not shown to be better than chance on its 20 test scans (seen anatomies): 10 are right"
        assert found[0].startswith(f"{start} (50%, 95% interval 27% to 73%), and 50% would be by")  # Clopper-Pearson


def test_chance_is_the_share_of_the_most_frequent_class():
    labels = np.array([0] * 18 + [1] * 2)
    assert "20 test scans: 18 are right" in doubt_predictions(labels, np.zeros(20, int), "test")[0]


def test_of_a_network_without_classes_nothing_is_said():
    assert doubt_predictions(np.array([0, 1]), np.array([]), "test") == []
