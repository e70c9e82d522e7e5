import shutil
from pathlib import Path

import pytest

from bundle.benchmark.plan import check_files, choose_runs, plan_runs, read_record
from tests.benchmark.conftest import MEASURES, METHODS, record_stage


def test_first_stage_trains_with_the_seed_and_the_budget(tmp_path):
    run = plan_runs(METHODS, MEASURES, [7], tmp_path, training={"max_epochs": 2})[0]
    assert run.stages[0].entry == "training"
    assert run.stages[0].options["seed"] == 7
    assert run.stages[0].options["max_epochs"] == 2


def test_measures_have_the_weights_of_their_training_and_not_its_seed(tmp_path):
    run = plan_runs(METHODS, MEASURES, [7], tmp_path)[0]
    assert run.stages[1].options["checkpoint"] == str(Path(run.stages[0].options["ckpt_dir"]) / "model.pt")
    assert "seed" not in run.stages[1].options


def test_all_methods_of_a_seed_come_before_the_next_seed(tmp_path):
    order = [(run.method, run.seed) for run in plan_runs(METHODS, MEASURES, [0, 1], tmp_path)]
    assert order == [("ours", 0), ("theirs", 0), ("ours", 1), ("theirs", 1)]


def test_method_with_seeds_of_its_own_comes_first(tmp_path):
    methods = {**METHODS, "judge": {"seeds": [1000]}}
    order = [(run.method, run.seed) for run in plan_runs(methods, MEASURES, [0], tmp_path)]
    assert order == [("judge", 1000), ("ours", 0), ("theirs", 0)]


def test_files_are_the_first_then_the_cohort_then_the_measure_then_the_method(tmp_path):
    measures = {"maps": {**MEASURES["maps"], "files": ["of_measure.yaml"]}}
    methods = {"ours": {"measures": ["maps"], "overlays": ["of_method.yaml"], "training": ["of_training.yaml"]}}
    run = plan_runs(methods, measures, [0], tmp_path, cohort_files=["of_cohort.yaml"])[0]
    assert run.stages[0].files == ("configs/train.yaml", "of_cohort.yaml", "of_training.yaml", "of_method.yaml")
    assert run.stages[1].files == ("configs/evaluate.yaml", "of_cohort.yaml", "of_measure.yaml", "of_method.yaml")


def test_options_of_a_method_overrule_the_budget(tmp_path):
    runs = plan_runs(METHODS, MEASURES, [0], tmp_path, training={"max_epochs": 2})
    assert runs[1].stages[0].options["max_epochs"] == 3


def test_record_of_other_settings_is_refused(tmp_path):
    stage = plan_runs(METHODS, MEASURES, [0], tmp_path)[0].stages[0]
    assert read_record(stage) is None
    record_stage(stage)
    assert read_record(stage)["commit"] == "abc"
    other = plan_runs(METHODS, MEASURES, [0], tmp_path, training={"max_epochs": 9})[0].stages[0]
    with pytest.raises(ValueError, match=r"training.json is of a training with other settings"):
        read_record(other)


def test_only_some_methods_are_run_and_those_with_seeds_of_their_own(tmp_path):
    methods = {"a": {}, "b": {}, "judge": {"seeds": [7]}}
    runs = plan_runs(methods, {}, [0, 1], tmp_path)
    assert [(run.method, run.seed) for run in choose_runs(runs, methods, ["b"])] == [("judge", 7), ("b", 0), ("b", 1)]
    assert choose_runs(runs, methods, None) == runs


def test_only_must_name_methods(tmp_path):
    with pytest.raises(ValueError, match="only has c; known methods are a, b"):
        choose_runs([], {"a": {}, "b": {}}, ["a", "c"])


def test_only_must_be_a_list(tmp_path):
    for wrong in ("a", []):
        with pytest.raises(ValueError, match="only must be a list of methods"):
            choose_runs([], {"a": {}}, wrong)


def test_record_that_cannot_be_read_counts_as_none(finished):
    stage = finished[0].stages[1]
    for text in ("{", "{}"):
        stage.record.write_text(text)
        assert read_record(stage) is None


def test_a_measure_with_other_settings_does_not_cost_the_training(finished):
    stage = finished[0].stages[1]._replace(files=("other.yaml",))
    with pytest.raises(ValueError, match="remove that file to have it measured again, the training stays"):
        read_record(stage)


def test_config_files_that_are_absent_are_refused(tmp_path, runs):
    with pytest.raises(ValueError, match="the training of ours names configs/train.yaml, which does not exist"):
        check_files(runs[0].stages, tmp_path)


def test_a_stage_without_its_results_is_not_done(finished):
    training, measure = finished[0].stages
    training.results.unlink()
    shutil.rmtree(measure.results / "eval")
    assert read_record(training) is None and read_record(measure) is None


def test_entry_points_that_are_absent_are_refused(tmp_path, runs):
    (tmp_path / "configs").mkdir()
    for name in ("train", "evaluate"):
        (tmp_path / "configs" / f"{name}.yaml").write_text("training: []\n")
    with pytest.raises(ValueError, match="the maps of ours names the entry evaluation, which no config has"):
        check_files(runs[0].stages, tmp_path)
