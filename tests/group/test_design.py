"""Directions, groups and covariates."""

import numpy as np
import pytest

from bundle.group import Design, ExplainedScan
from bundle.inference.results import Results

RESULTS = Results("folder", ["MCI", "AD"])


def make_scan(name: str, direction: tuple[int, int] = (0, 1), **facts: str) -> ExplainedScan:
    row = {"name": name, "scan": f"/{name}.nii.gz", "predicted_class": str(direction[0]), "target_class": str(direction[1])}
    return ExplainedScan(RESULTS, row, {**row, **facts})


def make_scans(**columns: str) -> list[ExplainedScan]:
    """Return a scan for each letter of the columns."""
    count = len(next(iter(columns.values())))
    return [make_scan(f"sub-{i}", **{name: letters[i] for name, letters in columns.items()}) for i in range(count)]


def test_each_direction_is_a_mean_in_words() -> None:
    scans = [make_scan(f"sub-{i}", direction) for i, direction in enumerate([(0, 1)] * 3 + [(1, 0)] * 4 + [(1, 1)] * 2)]
    comparisons = [item for item in Design().list_comparisons(scans) if item.is_mean]
    assert [(item.key, item.title, len(item.members)) for item in comparisons] == [
        ("0-to-1", "MCI to AD", 3), ("1-to-0", "AD to MCI", 4), ("1-to-1", "AD as AD", 2),
    ]  # fmt: skip
    assert comparisons[0].red == "brighter as AD" and comparisons[1].blue == "darker as MCI"
    assert [item.note for item in comparisons] == ["", "", "fewer than 3 scans"]


def test_maps_of_opposite_directions_are_not_compared_unless_it_is_asked_for() -> None:
    scans = [make_scan(f"sub-{i}", direction) for i, direction in enumerate([(0, 1)] * 3 + [(1, 0)] * 3)]
    assert all(item.is_mean for item in Design().list_comparisons(scans))


def test_covariates_are_centred_orthonormal_and_one_column_a_category_less_one() -> None:
    scans = make_scans(sex="FMFMFM", age="567895", site="112233")
    by_number = Design(["sex", "F", "M"], ["age", "site"]).list_comparisons(scans)[1].covariates
    by_category = Design(["sex", "F", "M"], ["age"]).list_comparisons(scans)[1].covariates
    assert by_number.shape == (6, 2) and by_category.shape == (6, 1)
    np.testing.assert_allclose(by_number.T @ by_number, np.eye(2), atol=1e-12)
    np.testing.assert_allclose(by_number.sum(axis=0), 0, atol=1e-12)
    ages = np.array([5.0, 6, 7, 8, 9, 5])
    assert abs(np.corrcoef(by_category[:, 0], ages)[0, 1]) == pytest.approx(1)
    assert Design(["sex", "F", "M"], ["site"], ["site"]).list_comparisons(scans)[1].covariates.shape == (6, 2)


@pytest.mark.parametrize(("columns", "value"), [({"age": "5555"}, "5"), ({"sex": "FFFF"}, "F")])
def test_a_covariate_that_is_the_same_for_all_is_refused(columns: dict[str, str], value: str) -> None:
    (name,) = columns
    with pytest.raises(ValueError, match=f"covariate {name} is {value} for all 4 scans, .*: leave it out of covariates"):
        Design(covariates=[name]).check(make_scans(**columns))


def test_a_covariate_that_is_the_same_for_the_groups_alone_is_refused() -> None:
    scans = make_scans(diagnosis="AABBC", sex="FFFFM")
    with pytest.raises(ValueError, match="covariate sex is F for all 4 scans"):
        Design(["diagnosis", "A", "B"], ["sex"]).check(scans)


def test_a_test_that_a_covariate_drops_out_of_is_named() -> None:
    scans = [make_scan(f"sub-{i}", (i // 4, 1 - i // 4), sex="FFFFFMFM"[i]) for i in range(8)]
    design = Design(covariates=["sex"])
    design.check(scans)
    comparisons = design.list_comparisons(scans)
    assert [item.covariates.shape[1] for item in comparisons] == [0, 1]
    (text,) = design.describe(scans, comparisons)
    assert text.endswith("; not in MCI to AD, where it is the same for all scans)")


def test_maps_towards_the_class_that_a_scan_has_are_explained() -> None:
    scans = [make_scan(f"sub-{i}", (i // 3, 1)) for i in range(6)]
    remarks = [item.remark for item in Design().list_comparisons(scans)]
    assert remarks[0] == remarks[2] == "" and remarks[1].startswith("Scans that the network takes for AD, translated to AD as")


def test_too_many_columns_leave_a_test_out_and_say_so() -> None:
    comparison = Design(covariates=["site"]).list_comparisons(make_scans(site="abcd"))[0]
    assert comparison.note == "4 scans are too few for 3 columns of covariates"


@pytest.mark.parametrize(
    ("design", "columns", "message"),
    [
        (Design(["sex", "F", "X"]), {"sex": "FFMM"}, r"groups: sex is never X: it has F \(2\), M \(2\)"),
        (Design(["gender", "F", "M"]), {"sex": "FFMM"}, "the column gender is neither in participants nor in predictions.csv"),
        (Design(covariates=["age"]), {"age": "56?7"}, "covariate age is a number for some scans, and [?] for sub-2"),
    ],
)
def test_columns_that_do_not_fit_are_refused(design: Design, columns: dict[str, str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        design.check(make_scans(**columns))


def test_missing_covariates_are_refused_with_the_scans_that_lack_them() -> None:
    scans = [make_scan("sub-1", age="50"), make_scan("sub-2"), make_scan("sub-3")]
    with pytest.raises(ValueError, match="covariate age is missing for sub-2, sub-3: give it"):
        Design(covariates=["age"]).check(scans)


def test_covariates_that_are_the_group_are_refused() -> None:
    scans = make_scans(sex="FFFMMM", site="aaabbb")
    with pytest.raises(ValueError, match="the covariates say already who is in which group"):
        Design(["sex", "F", "M"], ["site"]).list_comparisons(scans)


def test_two_scans_of_a_person_in_one_test_are_refused() -> None:
    scans = [make_scan(name) for name in ("sub-1_ses-a", "sub-1_ses-b", "sub-2", "sub-3")]
    with pytest.raises(
        ValueError, match="1 has 2 scans in the test MCI to AD, sub-1_ses-a, sub-1_ses-b: accepted is one scan a person"
    ):
        Design().list_comparisons(scans)


@pytest.mark.parametrize("groups", [["sex"], ["sex", "F"], ["sex", "F", "F"], "sex"])
def test_groups_are_a_column_and_two_values(groups: list[str]) -> None:
    with pytest.raises(ValueError, match="groups must be a column and two values of it"):
        Design(groups)


def test_categories_are_covariates() -> None:
    with pytest.raises(ValueError, match="categories must be among covariates, age, got site"):
        Design(covariates=["age"], categories=["site"])
