import numpy as np
import pytest

from bundle.evaluation.faithfulness.realism import kernel_distance


def find_distance(first: np.ndarray, second: np.ndarray) -> float:
    return float(kernel_distance(first, second)(np.ones((1, len(first) + len(second))))[0])


def test_distance_equals_the_sums_over_pairs_of_different_scans():
    random = np.random.default_rng(0)
    first, second = random.normal(size=(5, 3)), random.normal(size=(4, 3))

    def kernel(x: np.ndarray, y: np.ndarray) -> float:
        return (x @ y / 3 + 1) ** 3

    own = [np.mean([kernel(a, b) for i, a in enumerate(s) for j, b in enumerate(s) if i != j]) for s in (first, second)]
    expected = sum(own) - 2 * np.mean([kernel(a, b) for a in first for b in second])
    assert find_distance(first, second) == pytest.approx(expected)


@pytest.mark.slow
def test_distance_of_samples_of_the_same_scans_is_zero_on_average_however_few_and_grows_with_their_difference():
    random = np.random.default_rng(1)
    near, far = (
        [find_distance(random.normal(size=(6, 4)), random.normal(shift, 1, size=(6, 4))) for _ in range(400)] for shift in (0, 1)
    )
    assert abs(np.mean(near)) < 4 * np.std(near) / 20 and np.mean(far) > 10 * np.std(near) / 20


def test_a_weight_of_two_counts_a_scan_twice_but_not_as_a_pair_with_itself():
    random = np.random.default_rng(2)
    first, second = random.normal(size=(4, 3)), random.normal(size=(4, 3))
    figure = kernel_distance(first, second)
    assert figure(np.full((2, 8), 3.0)) == pytest.approx([find_distance(first, second)] * 2)


def test_fewer_than_two_scans_have_no_distance():
    assert np.isnan(find_distance(np.ones((1, 3)), np.ones((4, 3))))
