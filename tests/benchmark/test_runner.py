import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from threading import Thread
from types import SimpleNamespace

import pytest
from processes import PythonProcess

from bundle.benchmark import runner as runner_module
from bundle.benchmark.plan import Run, Step
from bundle.benchmark.runner import Runner

CONFIG = """
path: none
ok: True
checks:
  - "$open(@path, 'a').write('run')"
  - "$0 if @ok else int('no number')"
"""

SLOW = """
path: none
checks:
  - "$__import__('signal').signal(15, lambda *_: (__import__('time').sleep(2), __import__('os')._exit(1)))"
  - "$open(@path, 'w').write('started')"
  - "$__import__('time').sleep(600)"
"""


@pytest.fixture
def step(tmp_path):
    """Return a maker of steps, each a real run of a small config that appends to a file."""
    (tmp_path / "config.yaml").write_text(CONFIG)

    def make(name, ok=True):
        options = {"path": str(tmp_path / "runs.txt"), "ok": ok}
        step = Step(name, "checks", (str(tmp_path / "config.yaml"),), options, tmp_path / "run")
        return step._replace(folder=tmp_path / name)

    return make


def fork(command, cwd, stdout, env, **_):
    """Start a step without the imports of MONAI."""
    return PythonProcess(command[command.index("-m") :], cwd, Path(stdout.name), **env)


@pytest.fixture
def runner(tmp_path, monkeypatch):
    """A runner whose root has the logging config that commands name."""
    monkeypatch.setattr(runner_module, "subprocess", SimpleNamespace(Popen=fork, STDOUT=None))
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "logging.conf").write_text(
        "[loggers]\nkeys=root\n[handlers]\nkeys=\n[formatters]\nkeys=\n[logger_root]\nhandlers=\n"
    )
    return Runner(tmp_path, num_jobs=2)


@pytest.mark.slow
def test_step_is_run_once_and_recorded_and_a_change_of_its_config_is_named(tmp_path, step, runner, caplog):
    run = Run("method", 0, (step("training"),))
    assert runner.run([run]) == []
    config = tmp_path / "config.yaml"
    config.write_text("# a comment\n" + CONFIG)
    assert runner.run([run]) == []
    assert "has changed" not in caplog.text
    config.write_text(CONFIG + "more: 1\n")
    assert runner.run([run]) == []
    assert f"{config} has changed since it was used" in caplog.text
    assert (tmp_path / "runs.txt").read_text() == "run"
    assert json.loads(run.steps[0].record.read_text())["arguments"] == run.steps[0].command()[1:]


@pytest.mark.slow
def test_failed_step_is_named_its_followers_are_left_and_other_runs_done(tmp_path, step, runner):
    bad, follower, good = step("bad", ok=False), step("follower"), step("good")
    failures = runner.run([Run("first", 3, (bad, follower)), Run("second", 3, (good,))])
    assert len(failures) == 1
    assert failures[0].startswith("first, seed 3: bad failed")
    assert "no number" in failures[0]
    assert good.record.is_file()
    assert not bad.record.exists()
    assert not follower.record.exists()


@pytest.mark.slow
def test_measures_of_another_training_do_not_count(tmp_path, step, runner):
    training, measure = step("training"), step("maps")
    run = Run("method", 0, (training, measure))
    measure.write_record()  # the training has none
    runner.run([run])
    assert (tmp_path / "runs.txt").read_text() == "run" * 2


@pytest.mark.slow
def test_a_step_that_ends_without_its_results_fails_and_costs_no_measure(tmp_path, step, runner):
    training, measure = step("training")._replace(results="model.pt"), step("maps")
    measure.write_record()
    failures = runner.run([Run("method", 0, (training, measure))])
    assert f"it ended without {training.results}: remove the folder {training.folder}" in failures[0]
    assert measure.record.is_file() and not training.record.exists()


@pytest.mark.slow
def test_a_launcher_comes_before_each_command(step, runner, monkeypatch):
    commands = []
    monkeypatch.setattr(
        runner_module.subprocess, "Popen", lambda command, **rest: commands.append(command) or fork(command, **rest)
    )
    runner.launcher = ["srun", "--ntasks=1"]
    training = step("training")
    assert runner.run([Run("method", 0, (training,))]) == []
    assert commands == [["srun", "--ntasks=1", *training.command()]]


BENCHMARK = """
import sys
from pathlib import Path
from bundle.benchmark.plan import Run, Step
from bundle.benchmark.runner import Runner

folder = Path(sys.argv[1])
step = Step("slow", "checks", (str(folder / "slow.yaml"),), {"path": str(folder / "started.txt")}, folder / "run")
Runner(folder).run([Run("method", 0, (step,))])
"""


@pytest.mark.slow
@pytest.mark.timeout(120)
@pytest.mark.skipif(sys.platform != "linux", reason="other systems send no signal to a process whose parent has ended")
def test_a_step_ends_with_a_benchmark_that_is_killed(tmp_path, runner):
    (tmp_path / "slow.yaml").write_text(SLOW)
    process = subprocess.Popen([sys.executable, "-c", BENCHMARK, str(tmp_path)])
    while not (tmp_path / "started.txt").is_file():
        time.sleep(0.1)
    children = [pid for file in Path(f"/proc/{process.pid}/task").glob("*/children") for pid in file.read_text().split()]
    process.kill()
    process.wait()
    assert children
    while any(Path("/proc", pid).exists() for pid in children):  # until the time is over
        time.sleep(0.1)


def test_config_files_that_are_absent_are_refused(tmp_path, runs):
    with pytest.raises(ValueError, match="the training of ours names configs/train.yaml, which does not exist"):
        Runner(tmp_path).run(runs)


def test_entry_points_that_are_absent_are_refused(tmp_path, runs):
    (tmp_path / "configs").mkdir()
    for name in ("train", "evaluate"):
        (tmp_path / "configs" / f"{name}.yaml").write_text("training: []\n")
    with pytest.raises(ValueError, match="the maps of ours names the entry evaluation, which no config has"):
        Runner(tmp_path).run(runs)


def test_number_of_jobs_is_checked(tmp_path):
    for wrong in (0, "2"):
        with pytest.raises(ValueError, match="num_jobs must be a whole number of at least 1"):
            Runner(tmp_path, wrong)


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_two_interruptions_end_what_runs_and_start_nothing_more(tmp_path, step, runner):
    (tmp_path / "slow.yaml").write_text(SLOW)
    started = tmp_path / "started.txt"
    endless = Step("endless", "checks", (str(tmp_path / "slow.yaml"),), {"path": str(started)}, tmp_path / "endless")
    follower = step("follower")

    def interrupt():
        while not started.is_file():
            time.sleep(0.1)
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.5)  # while the step ends
        os.kill(os.getpid(), signal.SIGINT)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # in the background a shell has it ignored
    try:
        Thread(target=interrupt, daemon=True).start()
        with pytest.raises(KeyboardInterrupt):
            runner.run([Run("first", 0, (endless, follower))])
    finally:
        signal.signal(signal.SIGINT, before)
    assert runner.processes == set()
    assert not endless.record.exists()
    assert not follower.folder.exists()
