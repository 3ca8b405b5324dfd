"""While somebody is asked something on the terminal, bars keep still and time does not count."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from .session import Session, sessions

__all__ = ["sessions"]
pytestmark = pytest.mark.slow

Start = Callable[..., Session]

# Thirty steps, about a second; `asks` comes in the midst.
LOOP = """
import os, subprocess, sys, threading, time
{first}
import kbar
with kbar.loop(1, label="fit", capture={capture}, log_file={log!r}) as loop:
    for epoch in loop.epochs():
        for i in epoch.steps(range(30)):
            time.sleep(0.03)
            if i == 10:
                {asks}
            if i == 20:
                print("gone on")
"""
ASKS = {
    "input": ("", "print('got', input('Name: '))"),
    "input with line editing": ("import readline", "print('got', input('Name: '))"),
    "readline": ("", "print('Name: ', end='', flush=True); print('got', sys.stdin.readline().strip())"),
    "reading in C": ("", "print('Name: ', end='', flush=True); print('got', next(iter(sys.stdin)).strip())"),
    "input that was imported before": ("from builtins import input as ask", "print('got', ask('Name: '))"),
    "getpass": ("import getpass", "print('got', getpass.getpass('Name: '))"),
    "rich": ("from rich.prompt import Prompt", "print('got', Prompt.ask('Name'))"),
    "prompt_toolkit": ("from prompt_toolkit import prompt", "print('got', prompt('Name: '))"),
    "pause": ("", "with kbar.pause(): subprocess.run('printf \"Name: \"; read x; echo got $x', shell=True)"),
}
SETTINGS = [("rich", True), ("tqdm", False)]


def elapsed(log: Path) -> float:
    """Seconds that the run took, as its log has it."""
    return float(json.loads(log.read_text().splitlines()[-1])["elapsed"])


@pytest.mark.parametrize(("renderer", "capture"), SETTINGS)
@pytest.mark.parametrize("how", ASKS)
def test_a_prompt_stays_visible_and_its_time_does_not_count(
    sessions: Start, tmp_path: Path, how: str, renderer: str, capture: bool
) -> None:
    first, asks = ASKS[how]
    log = tmp_path / "run.jsonl"
    session = sessions(
        LOOP.format(first=first, asks=asks, capture=capture, log=str(log)), env={"KBAR_RENDERER": renderer}
    )
    session.wait_for("Name:")
    session.read(0.5)
    drawn = session.read(2.0)
    assert "fit" not in drawn  # bars keep still
    session.type("ye")
    session.read(0.2)
    session.type("\x7fes")
    session.read(0.2)
    if how != "getpass":
        assert any(line.rstrip() == "Name: yes" for line in session.lines), session.text
    session.type("\n")
    session.wait_for("got yes")
    session.wait_for(lambda: session.lines[-1].startswith("epoch 1 "))
    assert session.end() == 0
    assert [line.split(" ")[0] for line in session.lines][-4:] == ["got", "gone", "epoch", "fit"], session.text
    assert elapsed(log) < 2.5, session.text


@pytest.mark.parametrize(("renderer", "capture"), SETTINGS)
def test_a_debugger_has_the_terminal_to_itself(sessions: Start, tmp_path: Path, renderer: str, capture: bool) -> None:
    asks = "breakpoint()"
    log = tmp_path / "run.jsonl"
    session = sessions(LOOP.format(first="", asks=asks, capture=capture, log=str(log)), env={"KBAR_RENDERER": renderer})
    session.wait_for("(Pdb)")
    assert "fit" not in session.read(1.0)
    session.type("p i + 100\n")
    session.wait_for("110")
    assert "fit" not in session.read(1.0)
    session.type("c\n")
    assert session.end() == 0
    assert session.lines[-1].startswith("fit")
    assert elapsed(log) < 2.0


EDITOR = """
import sys, termios, tty
before = termios.tcgetattr(0)
tty.setraw(0)
sys.stdout.write("\\x1b[2J\\x1b[HEDITOR"); sys.stdout.flush()
sys.stdin.read(1)
sys.stdout.write("\\x1b[2J\\x1b[H"); sys.stdout.flush()
termios.tcsetattr(0, termios.TCSANOW, before)
"""


@pytest.mark.parametrize(("renderer", "capture"), SETTINGS)
def test_an_editor_has_the_screen_to_itself(sessions: Start, tmp_path: Path, renderer: str, capture: bool) -> None:
    """Or a pager, or whatever else changes the terminal's mode."""
    log = tmp_path / "run.jsonl"
    asks = f"subprocess.run([sys.executable, '-c', {EDITOR!r}])"
    session = sessions(LOOP.format(first="", asks=asks, capture=capture, log=str(log)), env={"KBAR_RENDERER": renderer})
    session.wait_for("EDITOR")
    session.read(2.0)
    assert session.text == "EDITOR"
    session.type("q")
    assert session.end() == 0
    assert [line.split(" ")[0] for line in session.lines] == ["gone", "epoch", "fit"], session.text
    assert elapsed(log) < 2.5


def test_a_thread_that_waits_for_a_key_hides_no_bars(sessions: Start, tmp_path: Path) -> None:
    asks = "threading.Thread(target=input, args=('Enter stops: ',), daemon=True).start()"
    log = tmp_path / "run.jsonl"
    session = sessions(LOOP.format(first="", asks=asks, capture=True, log=str(log)), env={"KBAR_RENDERER": "rich"})
    session.wait_for("Enter stops:")
    session.wait_for(lambda: session.lines[-1].startswith("epoch 1 "))
    assert session.end() == 0


FIT = """
import keras, numpy as np, time, kbar
model = keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(1)])
model.compile("sgd", "mse")
x = np.ones((20, 4), "float32")
ask = keras.callbacks.LambdaCallback(
    on_train_batch_end=lambda batch, logs: time.sleep(0.05),
    on_epoch_end=lambda epoch, logs: epoch == 0 and print("got", input("Continue? ")),
)
model.fit(x, x[:, :1], batch_size=2, epochs=2, verbose=0, callbacks=[ask, kbar.ProgressBar()])
"""


@pytest.mark.parametrize("renderer", ["rich", "tqdm"])
def test_a_callback_of_a_fit_may_ask(sessions: Start, renderer: str) -> None:
    session = sessions(FIT, env={"KBAR_RENDERER": renderer})
    session.wait_for("Continue?")
    assert "fit" not in session.read(1.0)
    session.type("yes\n")
    assert session.end() == 0
    ends = [line.split(" ")[0] for line in session.lines]
    assert ends[-5:] == ["Continue?", "got", "epoch", "epoch", "fit"], session.text


# A shell in small: the program begins in the background, and is brought to the foreground when a line is typed.
SHELL = """
import os, signal, subprocess, sys
signal.signal(signal.SIGTTOU, signal.SIG_IGN)
program = subprocess.Popen(
    [sys.executable, "-c", {code!r}],
    preexec_fn=lambda: (os.setpgid(0, 0), signal.signal(signal.SIGTTOU, signal.SIG_DFL)),
)
print("shell")
if {foreground}:
    input()
    os.tcsetpgrp(0, program.pid)
sys.exit(program.wait())
"""
IN_BACKGROUND = """
import time, kbar
with kbar.loop(3, label="fit", log_file={log!r}) as loop:
    for epoch in loop.epochs():
        for i in epoch.steps(range(20)):
            time.sleep(0.05)
"""


@pytest.mark.parametrize("renderer", ["rich", "tqdm"])
def test_a_program_in_the_background_draws_nothing_until_it_is_in_front(
    sessions: Start, tmp_path: Path, renderer: str
) -> None:
    log = tmp_path / "run.jsonl"
    code = IN_BACKGROUND.format(log=str(log))
    session = sessions(SHELL.format(code=code, foreground=True), env={"KBAR_RENDERER": renderer})
    session.wait_for(lambda: log.exists() and '"event":"end"' in log.read_text())
    session.read(0.3)
    assert session.text == "shell"
    session.type("\n")
    session.wait_for("fit ")
    assert session.end() == 0
    assert [line.split(" ")[0] for line in session.lines] == ["shell", "epoch", "epoch", "epoch", "fit"]


@pytest.mark.parametrize("renderer", ["rich", "tqdm"])
def test_a_run_that_ends_in_the_background_leaves_plain_lines(sessions: Start, tmp_path: Path, renderer: str) -> None:
    code = IN_BACKGROUND.format(log=str(tmp_path / "run.jsonl"))
    session = sessions(SHELL.format(code=code, foreground=False), env={"KBAR_RENDERER": renderer, "NO_COLOR": "1"})
    assert session.end() == 0
    assert [line.split(" ")[0] for line in session.lines] == ["shell", "epoch", "epoch", "epoch", "fit"]
    written = "".join(session.received).replace("\x1b[1m", "").replace("\x1b[0m", "")
    assert "\x1b" not in written
