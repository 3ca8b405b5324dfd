"""Warnings about kbar's own failures."""

from __future__ import annotations

import contextlib
import functools
import io
import logging
import os
import signal
import sys
import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kbar import KbarWarning
from kbar.system.warnings import begin_run, failure, from_signal, text_of, warn

from ..helpers import run_python

TWO_WARNINGS = "from kbar.system.warnings import flush, warn; warn('one'); warn('two'); warn('one')\n"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("flags", "written"),
    [
        ([], "kbar:0: KbarWarning: one\nkbar:0: KbarWarning: two\n"),
        (["-u"], "kbar:0: KbarWarning: one\nkbar:0: KbarWarning: two\n"),
        (["-W", "error"], "KbarWarning: one\nKbarWarning: two\n"),
        (["-W", "ignore:one"], "kbar:0: KbarWarning: two\n"),
        (["-W", "ignore:::kbar"], ""),
        (["-W", "ignore::UserWarning"], ""),
        (["-W", "ignore::RuntimeWarning"], "kbar:0: KbarWarning: one\nkbar:0: KbarWarning: two\n"),
        (["-W", "error", "-W", "ignore:one"], "KbarWarning: two\n"),
    ],
)
def test_each_warning_is_written_once_as_filters_say(flags: list[str], written: str) -> None:
    shown = run_python(TWO_WARNINGS, flags=flags)
    assert (shown.returncode, shown.stderr, shown.stdout) == (0, written, "")


def test_a_new_run_warns_again() -> None:
    with pytest.warns(KbarWarning) as shown:
        warn("one")
        warn("one")
        begin_run()
        warn("one")
    assert [str(warning.message) for warning in shown] == ["one", "one"]


@pytest.mark.slow
def test_a_warning_follows_what_was_printed_before() -> None:
    code = "import sys; print('printed ', end='', file=sys.stderr)\n" + TWO_WARNINGS
    assert run_python(code).stderr.startswith("printed kbar:0: KbarWarning: one\n")


@pytest.mark.slow
@pytest.mark.parametrize("flags", [[], ["-u"], ["-W", "error"]], ids=str)
def test_a_full_disk_does_not_change_the_exit_code(flags: list[str]) -> None:
    with open("/dev/full", "w") as full:
        assert run_python(TWO_WARNINGS, flags=flags, stdout=full, stderr=full).returncode == 0


@pytest.mark.slow
@pytest.mark.parametrize("stand_in", ["", "class Terminal(io.TextIOWrapper):\n    def isatty(self): return True\n"])
def test_a_closed_pipe_does_not_change_the_exit_code(stand_in: str) -> None:
    write = closed_pipe()
    code = "import io, sys\n" + stand_in
    if stand_in:
        code += "sys.stderr = Terminal(open(2, 'wb', closefd=False))\n"
    assert run_python(code + TWO_WARNINGS, stderr=write).returncode == 0
    os.close(write)


@pytest.mark.slow
def test_a_warning_that_could_not_be_written_is_written_later() -> None:
    code = (
        """
import os, sys
aside, full = os.dup(2), os.open("/dev/full", os.O_WRONLY)
os.dup2(full, 2)
"""
        + TWO_WARNINGS
    )
    one, two, three = (f"kbar:0: KbarWarning: {text}\n" for text in ("one", "two", "three"))
    assert run_python(code + "os.dup2(aside, 2)").stderr == one + two, "at the end of the program"
    assert run_python(code + "os.dup2(aside, 2); warn('three')").stderr == one + two + three
    assert run_python(code + "os.dup2(aside, 2); flush(); os._exit(0)").stderr == one + two


@pytest.mark.slow
def test_a_pipe_that_is_not_read_holds_up_nothing() -> None:
    read, write = os.pipe()
    os.set_blocking(write, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(write, b"x" * 1000)
    os.set_blocking(write, True)
    assert run_python(TWO_WARNINGS, stderr=write).returncode == 0
    os.close(read)
    os.close(write)


def test_a_recorded_warning_needs_no_standard_error(monkeypatch: pytest.MonkeyPatch) -> None:
    with open(closed_pipe(), "w") as broken, pytest.warns(KbarWarning, match="one"):
        monkeypatch.setattr(sys, "stderr", broken)
        warn("one")
    with pytest.warns(KbarWarning, match="two"):
        monkeypatch.setattr(sys, "stderr", None)
        warn("two")


def test_a_stream_in_the_place_of_standard_error_gets_warnings(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        monkeypatch.setattr(warnings, "showwarning", shows_on_standard_error())
        warn("one")
    assert stream.getvalue() == "kbar:0: KbarWarning: one\n"


def shows_on_standard_error() -> Callable[..., None]:
    """`warnings.showwarning` as it is where pytest records nothing."""

    def showwarning(message: Warning, category: type[Warning], name: str, number: int, file: Any, line: str) -> None:
        file.write(f"{name}:{number}: {category.__name__}: {message}\n")

    showwarning.__module__ = "warnings"
    return showwarning


@pytest.mark.slow
def test_a_replaced_write_of_standard_error_gets_warnings() -> None:
    code = "import sys; texts = []; sys.stderr.write = texts.append\n" + TWO_WARNINGS + "print(len(texts))"
    shown = run_python(code)
    assert (shown.stdout, shown.stderr) == ("2\n", "")


def test_logging_gets_warnings_it_captures(caplog: pytest.LogCaptureFixture) -> None:
    logging.captureWarnings(True)
    try:
        warn("one")
    finally:
        logging.captureWarnings(False)
    assert "KbarWarning: one" in caplog.text


@pytest.fixture
def handled(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The warnings that a handler got, which warns itself and then fails."""
    texts: list[str] = []

    def handler(message: Warning, *_: Any) -> None:
        texts.append(str(message))
        warn("from the handler")
        raise ValueError("handler")

    monkeypatch.setattr(warnings, "showwarning", handler)
    return texts


def test_a_handler_that_fails_and_warns_itself_ends_nothing(handled: list[str]) -> None:
    warn("one")
    assert handled == ["one", "from the handler"]
    warn("two")
    assert handled == ["one", "from the handler", "two"]


def test_a_failure_says_what_why_and_where() -> None:
    with pytest.warns(KbarWarning) as shown:
        try:
            raise ValueError("bad \x1b[31m value")
        except ValueError as error:
            failure("drawing failed", error)
    text = str(shown[0].message)
    assert text.startswith(f"drawing failed: ValueError: bad  [31m value ({__file__}:")
    assert text.endswith("). The run goes on.")


def test_a_failure_is_raised_while_debugging(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KBAR_DEBUG", "1")
    with pytest.raises(ValueError, match="bad"):
        failure("drawing failed", ValueError("bad"))


class Stop(Exception):
    """What the handlers of signals below raise."""


class Handlers:
    """Handlers of a signal, in all shapes that Python takes."""

    def method(self, number: int, frame: object) -> None:
        raise Stop

    def __call__(self, number: int, frame: object) -> None:
        raise Stop

    def with_more(self, more: str, *_: object) -> None:
        raise Stop

    def removes_itself(self, number: int, frame: object) -> None:
        signal.signal(SIGNAL, signal.SIG_DFL)
        raise Stop


SIGNAL = getattr(signal, "SIGUSR1", signal.SIGTERM)


def on_signal(handler: Any) -> BaseException:
    """What `handler` raises."""
    previous = signal.signal(SIGNAL, handler)
    try:
        begin_run()
        with pytest.raises(Stop) as raised:
            signal.raise_signal(SIGNAL)
        return raised.value
    finally:
        signal.signal(SIGNAL, previous)


@pytest.mark.parametrize(
    "handler",
    [
        Handlers().method,
        Handlers(),
        functools.partial(Handlers().with_more, "more"),
        lambda *_: Handlers().method(1, None),
        Handlers().removes_itself,
    ],
    ids=["method", "instance", "partial", "function", "removes itself"],
)
def test_what_a_signals_handler_raises_is_recognised(handler: Any) -> None:
    error = on_signal(handler)
    assert from_signal(error)
    with pytest.raises(Stop):
        failure("drawing failed", error)


def test_what_is_raised_beside_a_handler_is_not_its_own() -> None:
    class Value:
        def __str__(self) -> str:
            frame = sys._getframe(1)  # as the handler of a signal is given one

            def inner(number: int, frame: object) -> None:
                raise Stop

            inner(2, frame)
            return ""

    assert text_of(Value()) == "<Value>"


@pytest.mark.parametrize("error", [RuntimeError, SystemExit])
def test_an_object_without_text_costs_only_that_text(error: type[BaseException]) -> None:
    assert text_of(Raises(error)) == "<Raises>"


def test_ctrl_c_in_an_objects_text_is_the_users() -> None:
    with pytest.raises(KeyboardInterrupt):
        text_of(Raises(KeyboardInterrupt))


class Raises:
    """An object whose text is an exception."""

    def __init__(self, error: type[BaseException]) -> None:
        self.error = error

    def __str__(self) -> str:
        raise self.error


def test_a_handler_runs_on_the_main_thread_only() -> None:
    error = on_signal(Handlers().method)
    found: list[bool] = []
    thread = threading.Thread(target=lambda: found.append(from_signal(error)))
    thread.start()
    thread.join()
    assert found == [False]


RUN = """
import io, os, sys
class Terminal(io.TextIOWrapper):
    def isatty(self): return True
{first}
import kbar
with kbar.stage("evaluate", total=3, metrics=["none such"]) as stage:
    for _ in range(3):
        stage.advance()
        stage.log(loss=0.5)
with open({path!r}, "w") as file: file.write("survived")
"""
STAND_INS = "sys.stdout, sys.stderr = (Terminal(open(fd, 'wb', closefd=False)) for fd in (1, 2))"


def full_disk() -> int:
    return os.open("/dev/full", os.O_WRONLY)


def closed_pipe() -> int:
    read, write = os.pipe()
    os.close(read)
    return write


@pytest.mark.slow
@pytest.mark.parametrize("renderer", ["rich", "tqdm", "log"])
@pytest.mark.parametrize(("output", "first"), [(full_disk, ""), (closed_pipe, STAND_INS)])
def test_a_run_that_survives_its_output_keeps_its_exit_code(
    renderer: str, output: Callable[[], int], first: str, tmp_path: Path
) -> None:
    stream, path = output(), tmp_path / "survived"
    env = {**os.environ, "KBAR_RENDERER": renderer}
    shown = run_python(RUN.format(first=first, path=str(path)), stdout=stream, stderr=stream, env=env)
    os.close(stream)
    assert (shown.returncode, path.read_text()) == (0, "survived")
