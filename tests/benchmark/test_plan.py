import shutil
from pathlib import Path

import pytest

from bundle.benchmark import Plan
from tests.benchmark.conftest import MEASURES, METHODS, record_step


def test_the_first_step_trains_with_the_seed_and_the_budget(tmp_path):
    run = Plan(METHODS, MEASURES, [7], tmp_path, budget={"max_epochs": 2}).runs[0]
    assert run.steps[0].entry == "training"
    assert run.steps[0].options["seed"] == 7
    assert run.steps[0].options["max_epochs"] == 2


def test_measures_have_the_weights_of_their_training_and_not_its_seed(tmp_path):
    run = Plan(METHODS, MEASURES, [7], tmp_path).runs[0]
    assert run.steps[1].options["checkpoint"] == str(Path(run.steps[0].options["ckpt_dir"]) / "model.pt")
    assert "seed" not in run.steps[1].options


def test_all_methods_of_a_seed_come_before_the_next_seed(tmp_path):
    order = [(run.method, run.seed) for run in Plan(METHODS, MEASURES, [0, 1], tmp_path).runs]
    assert order == [("ours", 0), ("theirs", 0), ("ours", 1), ("theirs", 1)]


def test_method_with_seeds_of_its_own_comes_first(tmp_path):
    methods = {**METHODS, "classifier": {"seeds": [1000]}}
    order = [(run.method, run.seed) for run in Plan(methods, MEASURES, [0], tmp_path).runs]
    assert order == [("classifier", 1000), ("ours", 0), ("theirs", 0)]


def test_files_are_the_first_then_the_cohort_then_the_measure_then_the_method(tmp_path):
    measures = {"maps": {**MEASURES["maps"], "files": ["of_measure.yaml"]}}
    methods = {"ours": {"measures": ["maps"], "overlays": ["of_method.yaml"], "training": ["of_training.yaml"]}}
    run = Plan(methods, measures, [0], tmp_path, cohort_files=["of_cohort.yaml"]).runs[0]
    assert run.steps[0].files == ("configs/train.yaml", "of_cohort.yaml", "of_training.yaml", "of_method.yaml")
    first = ("configs/train.yaml", "configs/evaluate.yaml")
    assert run.steps[1].files == (*first, "of_cohort.yaml", "of_measure.yaml", "of_method.yaml")


def test_options_of_a_method_overrule_the_budget(tmp_path):
    runs = Plan(METHODS, MEASURES, [0], tmp_path, budget={"max_epochs": 2}).runs
    assert runs[1].steps[0].options["max_epochs"] == 3


def test_record_of_other_settings_is_refused(tmp_path):
    step = Plan(METHODS, MEASURES, [0], tmp_path).runs[0].steps[0]
    assert step.read_record() is None
    record_step(step)
    assert step.read_record()["commit"] == "abc"
    other = Plan(METHODS, MEASURES, [0], tmp_path, budget={"max_epochs": 9}).runs[0].steps[0]
    with pytest.raises(ValueError, match=r"training.json is of a training with other settings"):
        other.read_record()


def test_only_some_methods_are_run_and_those_with_seeds_of_their_own(tmp_path):
    methods = {"a": {}, "b": {}, "classifier": {"seeds": [7]}}
    wanted = Plan(methods, {}, [0, 1], tmp_path, only=["b"]).wanted
    assert [(run.method, run.seed) for run in wanted] == [("classifier", 7), ("b", 0), ("b", 1)]
    everything = Plan(methods, {}, [0, 1], tmp_path)
    assert everything.wanted == everything.runs


def test_record_that_cannot_be_read_counts_as_none(finished):
    step = finished[0].steps[1]
    for text in ("{", "{}"):
        step.record.write_text(text)
        assert step.read_record() is None


def test_a_measure_with_other_settings_does_not_cost_the_training(finished):
    step = finished[0].steps[1]._replace(files=("other.yaml",))
    with pytest.raises(ValueError, match="remove that file to have it measured again, the training stays"):
        step.read_record()


def test_a_step_without_its_results_is_not_done(finished):
    training, measure = finished[0].steps
    training.find_results()[0].unlink()
    shutil.rmtree(measure.find_results()[0].parent)
    assert training.read_record() is None and measure.read_record() is None


def change(**entry):
    """Return the methods with other entries of one of them."""
    return {"methods": {**METHODS, "ours": {**METHODS["ours"], **entry}}}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"seeds": []}, "seeds must be a list of one or more different whole numbers"),
        ({"seeds": [0, 0]}, "seeds must be a list of one or more different whole numbers"),
        ({"seeds": 3}, "seeds must be a list of one or more different whole numbers"),
        ({"seeds": ["a"]}, "seeds#0 must be a whole number"),
        ({"measures": {"maps": {"base": ["a.yaml"]}}}, "measures#maps must be a mapping with entry and base"),
        ({"measures": {"maps": {"entry": "evaluation", "base": "a.yaml"}}}, "measures#maps#base must be a list of config files"),
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
        ({"only": ["ours", "yours"]}, "only has yours; known methods are ours, theirs"),
        (change(rows={"Ours": "maps"}), "methods#ours#rows#Ours must be MEASURE/NAME"),
        (change(measures=["map"]), "the method ours has the measure map; known are maps"),
        (change(rows={"Ours": "map/image"}), "the row Ours is of map, which is not among the measures of ours: maps"),
        (change(rows={"Ours": "maps/*"}), "the row Ours is of many methods, maps/\\*: its title needs {}"),
        (change(rows={"{}, theirs": "maps/*"}), "two rows have the title {}, theirs"),
    ],
)
def test_mistakes_are_refused(tmp_path, wrong, message):
    with pytest.raises(ValueError, match=message):
        Plan(**({"methods": METHODS, "measures": MEASURES, "seeds": [0, 1], "output_dir": tmp_path} | wrong))
