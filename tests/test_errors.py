"""How errors and Ctrl-C end a command."""

import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bundle import errors
from bundle.data import read_manifest
from bundle.errors import INTERRUPT_STATUS, INTERRUPTED, interrupt, show_error


def shown(capsys: pytest.CaptureFixture) -> str:
    show_error(*sys.exc_info())
    return capsys.readouterr().err


def test_an_error_of_input_is_one_sentence_however_it_is_wrapped(capsys: pytest.CaptureFixture) -> None:
    try:
        try:
            read_manifest("/nowhere")
        except FileNotFoundError as error:
            raise RuntimeError("Failed to instantiate component") from error
    except RuntimeError:
        output = shown(capsys)
    assert output.startswith("Error: dataset_dir /nowhere") and output.count("\n") == 1


def test_any_other_error_keeps_its_traceback(capsys: pytest.CaptureFixture) -> None:
    try:
        raise ValueError("not ours")
    except ValueError:
        assert "Traceback" in shown(capsys)


def test_the_traceback_can_be_shown(capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ICAM_TRACEBACK", "1")
    try:
        read_manifest("/nowhere")
    except FileNotFoundError:
        assert "Traceback" in shown(capsys)


def test_a_process_that_has_lost_another_ends_in_a_line(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture) -> None:
    monkeypatch.setattr(errors, "PAUSE", 0.0)
    monkeypatch.setattr(sys, "stderr", sys.stderr)
    for name, value in (("RANK", "1"), ("WORLD_SIZE", "2")):
        monkeypatch.setenv(name, value)
    for text, shown in (("gloo: Connection closed by peer [::1]", "Error: process 1 ends because"), ("other", "Traceback")):
        try:
            raise RuntimeError(text)
        except RuntimeError:
            show_error(*sys.exc_info())
        assert capfd.readouterr().err.startswith(shown)


@pytest.fixture
def own_handler() -> Iterator[None]:
    """Put pytest's handler of Ctrl-C back."""
    before = signal.getsignal(signal.SIGINT)
    yield
    signal.signal(signal.SIGINT, before)


def test_ctrl_c_ends_in_one_sentence_with_its_status(own_handler: None, capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit) as caught:
        try:
            interrupt()
        except KeyboardInterrupt:
            show_error(*sys.exc_info())
    assert caught.value.code == INTERRUPT_STATUS == 130
    assert capsys.readouterr().err.strip() == INTERRUPTED
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN  # a second one while it ends changes nothing


def test_a_second_ctrl_c_ends_what_the_first_one_did_not(own_handler: None, tmp_path: Path) -> None:
    def work() -> None:
        os.dup2(os.open(tmp_path / "log", os.O_CREAT | os.O_WRONLY), 2)
        sys.stderr = open(2, "w", closefd=False)  # noqa: SIM115
        signal.signal(signal.SIGINT, interrupt)
        for _ in range(2):
            try:
                os.kill(os.getpid(), signal.SIGINT)
            except KeyboardInterrupt:  # somebody's clean-up, which takes long
                continue
            time.sleep(60)

    process = multiprocessing.get_context("fork").Process(target=work)
    process.start()
    process.join(30)
    assert process.exitcode == INTERRUPT_STATUS
    assert (tmp_path / "log").read_text().strip() == INTERRUPTED
