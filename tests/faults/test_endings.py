"""Every way out of a training: what is left on the terminal, in the process and for the next one."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import BARS, Trials

pytestmark = pytest.mark.slow


INTERRUPT = "os.kill(os.getpid(), signal.SIGINT)"

# What a process is to be like again after a training, and the next training in it.
SAME_AGAIN = """
assert sys.stdout is sys.__stdout__ and sys.stderr is sys.__stderr__
until = time.monotonic() + 2
while threading.active_count() > 1 and time.monotonic() < until: time.sleep(0.01)
assert threading.active_count() == 1, threading.enumerate()
assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
print("now another")
with kbar.loop(1, label="again") as loop:
    for epoch in loop.epochs():
        for i in epoch.steps(range(5)): time.sleep(0.01)
"""


def caught(program: list[str]) -> list[str]:
    """The same program, in which somebody catches what ends the training, and goes on."""
    code = program[-1].replace(
        "\nfinally:\n", "\nexcept BaseException as error:\n    print('caught', type(error).__name__)\nfinally:\n"
    )
    return [*program[:-1], code]


@pytest.mark.parametrize(
    ("trouble", "code", "steps", "ends"),
    [
        ("raise RuntimeError('boom')", 1, 43, "failed at 1"),
        (INTERRUPT, -signal.SIGINT, 43, "interrupted at 1"),
        ("sys.exit(3)", 3, 43, "stopped at 1"),
        ("raise SystemExit", 0, 43, "stopped at 1"),
        ("raise GeneratorExit", 1, 43, "stopped at 1"),
        ("break", 0, 79, "3/3"),
        ("threading.Timer(0.1, lambda: 1 / 0).start()", 0, 99, "3/3"),
        ("warnings.warn('careful')", 0, 99, "3/3"),
    ],
)
def test_what_the_training_raises_arrives_unchanged(
    trials: Trials, renderer: str, trouble: str, code: int, steps: int, ends: str
) -> None:
    """With the exit code the process would have had, and the last line true and marked."""
    ended = trials.on_a_terminal(trouble, renderer, size=(200, 40))
    assert (ended.code, ended.steps) == (code, steps)
    assert ends in ended.text
    assert ended.terminal
    assert not ended.terminal.screen.cursor.hidden


@pytest.mark.parametrize("renderer", BARS)
@pytest.mark.parametrize("trouble", ["raise RuntimeError('boom')", INTERRUPT, "sys.exit(3)", "pass"])
def test_what_is_caught_leaves_all_as_before_and_the_next_training_draws(
    trials: Trials, renderer: str, trouble: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    make = trials.program
    monkeypatch.setattr(trials, "program", lambda *a, **k: caught(make(*a, **k)))
    ended = trials.on_a_terminal(trouble, renderer, then=SAME_AGAIN, size=(100, 40))
    assert ended.code == 0, ended.text
    lines = ended.text.splitlines()
    assert lines[lines.index("now another") + 1 :][-1].startswith("again")
    assert "100%" in lines[-1]
    if trouble != "pass":
        assert any(line.startswith("caught ") for line in lines)


@pytest.mark.parametrize("renderer", BARS)
@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP", "SIGKILL"])
def test_a_signal_that_kills_leaves_a_usable_terminal(trials: Trials, renderer: str, name: str) -> None:
    ended = trials.on_a_terminal(f"time.sleep(0.3); os.kill(os.getpid(), signal.{name})", renderer)
    assert ended.code == -getattr(signal, name)
    assert ended.terminal
    screen = ended.terminal.screen
    assert not screen.cursor.hidden
    assert screen.margins is None
    assert "epoch 2" in ended.text


@pytest.mark.parametrize("renderer", BARS)
@pytest.mark.parametrize(
    "trouble",
    [
        "threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGINT)).start()\n                    while True: print('x' * 70) or time.sleep(0.001)",
        "threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGINT)).start()\n                    while True: kbar.stage('inner', total=1).__enter__().advance()",
        "threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGINT)).start()\n                    threading.Timer(0.06, os.kill, (os.getpid(), signal.SIGINT)).start()\n                    while True: epoch.log(loss=1.0)",
    ],
    ids=["in a print", "in kbar", "twice"],
)
def test_ctrl_c_at_any_moment(trials: Trials, renderer: str, trouble: str) -> None:
    ended = trials.on_a_terminal(trouble, renderer)
    assert ended.code == -signal.SIGINT, ended.text
    assert "KeyboardInterrupt" in ended.text
    assert ended.terminal
    assert not ended.terminal.screen.cursor.hidden


@pytest.mark.parametrize("renderer", BARS)
def test_an_interpreter_that_ends_without_the_training_having_ended(trials: Trials, renderer: str) -> None:
    """A loop that is left open in a thread of its own, when the program is over."""
    program = """
import threading, time, kbar
def train():
    for i in kbar.track(range(1000), label="fit"):
        time.sleep(0.01)
        if i == 20: begun.set()
begun = threading.Event()
threading.Thread(target=train, daemon=True).start()
begun.wait()
"""
    from kbar.testing import VirtualTerminal

    terminal = VirtualTerminal(80, 20)
    assert terminal.run([sys.executable, "-c", program], env={"KBAR_RENDERER": renderer}) == 0
    assert terminal.text.startswith("fit")
    assert "stopped at" in terminal.text
    assert not terminal.screen.cursor.hidden


def test_a_training_in_a_thread_and_one_in_a_task_of_asyncio(trials: Trials, renderer: str) -> None:
    program = """
import asyncio, threading, time, kbar
def train(label):
    with kbar.loop(2, label=label) as loop:
        for epoch in loop.epochs():
            for i in epoch.steps(range(20)): time.sleep(0.01)
async def atrain():
    async def items():
        for i in range(20):
            await asyncio.sleep(0.01)
            yield i
    async for i in kbar.track(items(), label="task"): pass
with kbar.stage("both"):
    threads = [threading.Thread(target=train, args=(name,)) for name in ("one", "two")]
    for thread in threads: thread.start()
    asyncio.run(atrain())
    for thread in threads: thread.join()
"""
    from kbar.testing import VirtualTerminal

    terminal = VirtualTerminal(160, 30)
    shown: list[str] = []

    def look(_: float) -> None:
        shown.extend(name for name in ("one", "two", "task") if re.search(rf"\b{name}\b", terminal.text))

    assert terminal.run([sys.executable, "-c", program], look, env={"KBAR_RENDERER": renderer}) == 0
    assert "Error" not in terminal.text
    assert "Warning" not in terminal.text
    assert {*shown} == {"one", "two", "task"}


@pytest.mark.parametrize("how", ["%run {path}", "exec(open({path!r}).read())"])
def test_in_ipython_a_cell_that_fails_leaves_the_prompt_as_it_was(tmp_path: Path, how: str) -> None:
    pytest.importorskip("IPython")
    path = tmp_path / "train.py"
    path.write_text(
        "import time, kbar\nwith kbar.loop(3, label='fit') as loop:\n    for e in loop.epochs():\n"
        "        for i in e.steps(range(20)):\n            time.sleep(0.01)\n            if e.index == 1 and i == 5: raise RuntimeError('boom')\n"
    )
    cells = tmp_path / "cells.ipy"
    cells.write_text(
        f"import sys\nbefore = sys.stdout\ntry:\n    get_ipython().run_cell({how.format(path=str(path))!r})\nexcept RuntimeError: pass\n"
        "import time; time.sleep(0.5)\nprint('same', sys.stdout is before)\n"
        "import kbar\nfor _ in kbar.track(range(30), label='again'): time.sleep(0.01)\n"
    )
    from kbar.testing import VirtualTerminal

    terminal = VirtualTerminal(100, 80)
    command = [sys.executable, "-m", "IPython", "--no-banner", "--colors=NoColor", str(cells)]
    code = terminal.run(command, env={"KBAR_RENDERER": "rich", "IPYTHONDIR": str(tmp_path)})
    assert code == 0
    assert "same True" in terminal.text
    assert "failed at 6/20" in terminal.text or "failed at 5/20" in terminal.text, terminal.text
    assert terminal.text.splitlines()[-1].startswith("again")


def test_under_pytests_own_capture(tmp_path: Path) -> None:
    """A test that trains, whatever pytest does with its output."""
    (tmp_path / "test_it.py").write_text(
        "import kbar\ndef test_it():\n    for _ in kbar.track(range(100)): pass\n    print('printed')\n    assert False\n"
    )
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)]
    shown = subprocess.run(
        command, check=False, capture_output=True, text=True, env={**os.environ, "KBAR_RENDERER": "auto"}
    )
    assert shown.returncode == 1
    assert "printed" in shown.stdout
    assert "KbarWarning" not in shown.stdout


def test_what_is_raised_for_somebody_to_see_ends_no_display(trials: Trials) -> None:
    """Not even that of the next run."""
    first = """
import kbar
class Bad(kbar.Renderer):
    captures = True
    def draw(self, snapshot): raise ValueError("bug")
with kbar.stage("bad", total=2, renderer=Bad()) as stage:
    time.sleep(0.3)
    print("printed")
    stage.advance(2)
"""
    ended = trials.on_a_terminal("pass", "rich", first=first, env={"KBAR_DEBUG": "1"}, size=(120, 60))
    assert (ended.code, ended.steps) == (0, 99)
    lines = ended.text.splitlines()
    assert "ValueError: bug" in lines
    assert lines.count("printed") == 1
    assert "3/3" in lines[-1]


def test_what_kbar_fails_by_is_raised_where_somebody_wants_to_see_it(trials: Trials) -> None:
    first = "os.environ['KBAR_DEBUG'] = '1'\nclass Odd:\n    def __getattr__(self, name): raise RuntimeError(name)"
    trouble = "from kbar.system.warnings import failure; failure('x', RuntimeError('boom'))"
    ended = trials.on_a_terminal(trouble, "rich", first=first)
    assert ended.code == 1
    assert "RuntimeError: boom" in ended.text


@pytest.mark.parametrize("flags", ["", "-W error"])
def test_a_renderer_that_fails_is_told_of_once_and_ends_nothing(trials: Trials, tmp_path: Path, flags: str) -> None:
    first = """
import kbar
class Bad(kbar.Renderer):
    def draw(self, snapshot): raise SystemExit('bad \\x1b[31m renderer')
"""
    command = trials.program("pass", first=first, options="{'renderer': Bad()}")
    shown = subprocess.run([command[0], *flags.split(), *command[1:]], check=False, capture_output=True, text=True)
    assert (shown.returncode, trials.ended(0, "").steps) == (0, 99)
    assert shown.stderr.count("KbarWarning") == 1
    assert "Bad is given up: SystemExit: bad" in shown.stderr
    assert "\x1b" not in shown.stderr


@pytest.mark.parametrize(
    ("error", "handler", "hooks"),
    [("LookupError", "handler", False), ("SystemExit(9)", "functools.partial(handler, 1)", False), ("ArithmeticError", "handler", True)],
)  # fmt: skip
def test_what_a_signal_handler_raises_arrives_wherever_it_runs(
    trials: Trials, error: str, handler: str, hooks: bool
) -> None:
    """In the midst of kbar's own code, too, and if it removes itself; it was installed before the training."""
    first = f"""
import functools
def handler(*_):
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    raise {error}
signal.signal(signal.SIGALRM, handler)
"""
    first += "import kbar\nkbar.track\n"  # Python swallows what is raised in some moments of an import
    call = "for _ in kbar.track(range(3)): pass"
    if hooks:
        first += """
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import keras, kbar
bar = kbar.ProgressBar("none")
bar.set_params({"epochs": 1, "steps": 10**9}); bar.on_train_begin(); bar.on_epoch_begin(0)
"""
        call = "bar.on_train_batch_end(5)"
    first += f"""
def wait(seconds):
    signal.signal(signal.SIGALRM, {handler})
    signal.setitimer(signal.ITIMER_REAL, seconds)
    until = time.monotonic() + 0.5
    while time.monotonic() < until:
        {call}
    return False
def arrives(seconds):  # some Pythons have places in a loop that no `except` around it covers
    try: return wait(seconds)
    except BaseException: return True
"""
    trouble = "steps -= sum(not arrives(0.0005 + n % 60 * 0.0001) for n in range(300))"
    ended = trials.on_a_terminal(trouble.strip(), "rich", first=first)
    assert (ended.code, ended.steps) == (0, 99), ended.text


@pytest.mark.parametrize(
    "stream", ["isatty = 5", "isatty = lambda self: 1 / 0", "fileno = lambda self: 'x'", "encoding = 7"]
)
def test_streams_that_are_odd(trials: Trials, renderer: str, stream: str) -> None:
    first = f"""
class Odd(io.StringIO):
    def isatty(self): return True
    {stream}
    def write(self, text): return os.write(1, text.encode())
sys.stdout = Odd()
class Handler(logging.StreamHandler):
    stream = property(lambda self: sys.__stderr__, lambda self, s: None)
logging.root.addHandler(Handler())
"""
    ended = trials.on_a_terminal("print('printed')", renderer, first=first, then="sys.stdout = sys.__stdout__")
    assert (ended.code, ended.steps) == (0, 99), ended.text
    assert "printed" in ended.text or "isatty" in stream, "which has bars on what does not seem to be a terminal"
