import pytest

from bundle.benchmark.checks import check_plan, check_rival
from tests.benchmark.conftest import MEASURES, METHODS

PLAN = {"methods": METHODS, "measures": MEASURES, "seeds": [0, 1], "published": {"Ours": {"plus": 0.3}}}


def change(**entry):
    """Return the methods with other entries of one of them."""
    return {"methods": {**METHODS, "ours": {**METHODS["ours"], **entry}}}


def test_a_plan_as_it_should_be_is_accepted():
    check_plan(**PLAN)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"seeds": []}, "seeds must be a list of one or more different whole numbers"),
        ({"seeds": [0, 0]}, "seeds must be a list of one or more different whole numbers"),
        ({"seeds": 3}, "seeds must be a list of one or more different whole numbers"),
        ({"seeds": ["a"]}, "seeds#0 must be a whole number"),
        ({"published": {"Ours": {"plus": "0.3"}}}, "published#Ours#plus must be a number"),
        ({"published": {"Ours": {"pluss": 0.3}}}, "published#Ours must be a mapping with any of accuracy, minus and plus"),
        ({"measures": {"maps": {"base": "configs/evaluate.yaml"}}}, "measures#maps must be a mapping with entry and base"),
        (change(measure=["maps"]), "methods#ours must be .* and seeds .*'measure' was unexpected"),
        (change(overlays="my.yaml"), "methods#ours#overlays must be a list of config files"),
        (change(seeds=[-1]), "methods#ours#seeds#0 must be a whole number of at least 0"),
        (change(options={"seed": 3}), "methods#ours#options must be without keys that the benchmark sets: seed, ckpt_dir"),
        ({"budget": {"ckpt_dir": "x"}}, "budget must be without keys that the benchmark sets"),
        ({"budget": [1]}, "budget must be a mapping from keys of the configs to values"),
        ({"measures": {**MEASURES, "training": MEASURES["maps"]}}, "measures must be named neither train nor training"),
        ({"methods": {**METHODS, "../x": {}}}, "methods must be named by letters, digits"),
        ({"methods": {1: {}}}, "methods must be named by letters, digits"),
        ({"methods": {}}, "methods must be a mapping from names of methods"),
        ({"cohort_files": "my.yaml"}, "cohort_files must be a list of config files"),
        ({"only": "ours"}, "only must be a list of methods, or null for all"),
        ({"only": []}, "only must be a list of methods, or null for all"),
        ({"num_jobs": "2"}, "num_jobs must be a whole number of at least 1"),
        ({"level": 95}, "level must be a number above 0 and below 1"),
        (change(rows={"Ours": "maps"}), "methods#ours#rows#Ours must be MEASURE/NAME"),
        (change(measures=["map"]), "the method ours asks for the measure map; known are maps"),
        (change(rows={"Ours": "map/image"}), "the row Ours is of map, which is not among the measures of ours: maps"),
        (change(rows={"Ours": "maps/*"}), "the row Ours is of many methods, maps/\\*: its title needs {}"),
        (change(rows={"{}, theirs": "maps/*"}), "two rows have the title {}, theirs"),
    ],
)
def test_mistakes_are_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        check_plan(**(PLAN | wrong))


def test_unknown_rival_is_refused():
    assert check_rival("Ours", METHODS) == "Ours"
    with pytest.raises(ValueError, match="rival must be the title of a row, one of Ours, got 'Yours'"):
        check_rival("Yours", METHODS)
