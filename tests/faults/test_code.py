"""Code of others that a training runs through, or runs beside: iterators, exceptions, threads, signals, streams."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

import kbar

from .conftest import ALL, BARS, Trials, read_all, read_slowly

pytestmark = pytest.mark.slow


class BeginsAnew:
    """An iterator as many tutorials have it, which starts over whenever it is asked for an iterator."""

    def __iter__(self) -> BeginsAnew:
        self.n = 0
        return self

    def __next__(self) -> int:
        if self.n == 20_000:
            raise StopIteration
        self.n += 1
        return self.n


class Data:
    """Its iterator has no iterator of its own, which a `for` never asks for."""

    class Items:
        n = 0

        def __next__(self) -> int:
            if self.n == 20_000:
                raise StopIteration
            self.n += 1
            return self.n

    def __iter__(self) -> Any:
        return self.Items()


@pytest.mark.parametrize("items", [BeginsAnew(), Data()], ids=["begins anew", "no iterator"])
def test_iterators_give_what_they_give_without_a_bar(items: Any) -> None:
    assert list(kbar.track(items, renderer="none")) == list(range(1, 20_001))


def test_items_of_a_loop_that_is_left_are_let_go_of() -> None:
    lock = threading.Lock()

    def items() -> Iterator[int]:
        with lock:
            yield from range(9)

    for _ in kbar.track(items(), renderer="none"):
        assert lock.locked()
        break
    assert not lock.locked()


def test_a_loop_that_is_left_at_once_is_not_interrupted(trials: Trials) -> None:
    ended = trials.on_a_terminal("pass", "rich", first="import kbar\nfor _ in kbar.track(range(9)): break")
    assert "stopped at 0/9" in ended.text, ended.text


@pytest.mark.parametrize("exceptions", ["None", "3", "property(lambda self: 1 / 0)"])
def test_an_exception_that_calls_something_else_its_exceptions(trials: Trials, renderer: str, exceptions: str) -> None:
    first = f"class Odd(Exception): exceptions = {exceptions}"
    trouble = """
                    try:
                        for n in kbar.track(range(10), label="inner"):
                            if n == 3: raise Odd("boom")
                    except Odd:
                        time.sleep(0.2)
                        with kbar.stage("tidy", total=1) as stage: stage.advance()
"""
    ended = trials.on_a_terminal(trouble.strip(), renderer, first=first)
    assert (ended.code, ended.steps) == (0, ALL), ended.text


def test_a_stream_that_hands_what_it_is_given_to_a_log(trials: Trials, renderer: str) -> None:
    """Whose handler writes to the terminal that has the bars: no frame comes back as a print."""
    first = """
logging.basicConfig(level=20, format="LOG %(message)s")
class ToLog:
    encoding = "utf-8"
    def write(self, text):
        for line in text.rstrip().splitlines(): logging.info(line)
        return len(text)
    def flush(self): pass
    def isatty(self): return True
sys.stdout = ToLog()
"""
    ended = trials.on_a_terminal("print('printed')", renderer, first=first, size=(100, 400))
    assert (ended.code, ended.steps) == (0, ALL)
    assert ended.whole < ended.seconds + 5.0
    assert "printed" in ended.text


def test_a_stream_whose_descriptor_nobody_can_ask_for(trials: Trials, renderer: str) -> None:
    first = """
class Odd(io.StringIO):
    def fileno(self): raise NotImplementedError
sys.stderr = Odd()
"""
    ended = trials.on_a_terminal("pass", renderer, first=first, options="{'metrics': ['nothing']}")
    assert (ended.code, ended.steps) == (0, ALL), ended.text


def test_threads_that_somebody_kills(trials: Trials, renderer: str) -> None:
    """Bars go on, prints appear, streams are given back."""
    trouble = """
                    import ctypes
                    for thread in threading.enumerate():
                        if thread is not threading.main_thread():
                            ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident), ctypes.py_object(SystemExit))
                    print("printed")
"""
    then = "assert sys.stdout is sys.__stdout__"
    ended = trials.on_a_terminal(trouble.strip(), renderer, then=then, size=(200, 40))
    assert (ended.code, ended.steps) == (0, ALL), ended.text
    assert ended.text.splitlines().count("printed") == 1
    assert "3/3" in ended.text.splitlines()[-1] or "given up" in ended.text, "if it was killed within the renderer"


@pytest.mark.parametrize("renderer", BARS)
def test_streams_that_are_given_back_late_do_not_pile_up(trials: Trials, renderer: str) -> None:
    then = """
for n in range(50):
    with kbar.stage("s", total=1, leave="none"):
        redirected = contextlib.redirect_stdout(io.StringIO())
        redirected.__enter__()
    redirected.__exit__(None, None, None)
assert sys.stdout is sys.__stdout__ and "write" not in vars(sys.stdout.buffer)
with kbar.stage("s", total=1, leave="none"):
    with contextlib.nullcontext(sys.stdout) as out: print("printed", file=out)
"""
    ended = trials.on_a_terminal("pass", renderer, then=then)
    assert (ended.code, ended.steps) == (0, ALL), ended.text
    assert "printed" in ended.text.splitlines()


def test_a_signal_that_is_blocked_stays_so(trials: Trials, renderer: str) -> None:
    trouble = """
                    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
                    os.kill(os.getpid(), signal.SIGTERM)
                    time.sleep(0.2)
                    assert signal.sigtimedwait({signal.SIGTERM}, 0)
                    signal.pthread_sigmask(signal.SIG_SETMASK, before)
"""
    ended = trials.on_a_terminal(trouble.strip(), renderer)
    assert (ended.code, ended.steps) == (0, ALL), ended.text


def test_a_helper_that_is_forked_off_keeps_no_pipe_open(trials: Trials, renderer: str) -> None:
    trouble = """
                    if os.fork() == 0:
                        null = os.open(os.devnull, os.O_RDWR)
                        for n in range(3): os.dup2(null, n)
                        time.sleep(40)
                        os._exit(0)
"""
    began = time.monotonic()
    process = trials.started(trouble.strip(), renderer, stdout=subprocess.PIPE)
    assert process.stdout
    process.stdout.read()
    assert time.monotonic() < began + 30  # the helper is there for longer
    assert process.wait() == 0


@pytest.mark.parametrize("renderer", BARS)
@pytest.mark.parametrize("variable", ["TQDM_POSITION=3", "TQDM_DELAY=5", "TQDM_GUI=1"])
def test_variables_that_are_about_the_users_own_bars(trials: Trials, renderer: str, variable: str) -> None:
    ended = trials.on_a_terminal("pass", renderer, env=dict([variable.split("=")]))
    assert (ended.code, ended.steps) == (0, ALL)
    assert [line.split("  ")[0] for line in ended.text.splitlines()] == ["epoch 1/3", "epoch 2/3", "epoch 3/3", "fit"]


@pytest.mark.parametrize("renderer", BARS)
def test_a_thread_that_prints_faster_than_the_terminal_reads(trials: Trials, renderer: str) -> None:
    """The end comes nevertheless."""
    first = """
over = False
def chatter():
    while not over: print("x" * 70)
thread = threading.Thread(target=chatter)
thread.start()
"""
    process, master = trials.unread("pass", renderer, first=first, then="over = True; thread.join()")
    read_slowly(master, 4096, 0.002)
    ended = trials.ended(process.wait(), "")
    assert (ended.code, ended.steps) == (0, ALL)
    assert ended.seconds < 10


@pytest.mark.parametrize("renderer", BARS)
def test_what_was_printed_is_there_once_a_stopped_terminal_reads_again(trials: Trials, renderer: str) -> None:
    """A print waits for that, as it would without bars; what comes later is in its order below."""
    first = """
os.set_blocking(1, False)
for n in range(200):  # until the kernel has nowhere left to move it to
    time.sleep(0.001)
    with contextlib.suppress(BlockingIOError):
        while True: os.write(1, b"." * (1000 if n < 100 else 1))
os.set_blocking(1, True)
"""
    process, master = trials.unread(
        "print('printed'); raise RuntimeError('why')", renderer, size=(120, 40), first=first
    )
    time.sleep(2.5)
    assert process.poll() is None
    text = read_all(master)
    assert process.wait(20) == 1
    shown = text().decode(errors="replace")
    os.close(master)
    assert shown.index("printed") < shown.rindex("failed at 1/3") < shown.index("why")
