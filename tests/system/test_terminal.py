"""Whole processes on a real pseudo-terminal: what is left there, however they end."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from kbar.testing import VirtualTerminal

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent.parent
RENDERERS = ("rich", "tqdm")

FIT = """
import os, signal, sys, time
import keras, numpy as np, kbar
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs begin by ignoring it
class Trouble(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        time.sleep(0.01)
        if len(self.model.history.epoch) == 1 and batch == 20:
            {trouble}
x = np.ones((200, 4), "float32")
model = keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(1)])
model.compile("sgd", "mse")
def fit(trouble):
    model.fit(x, x[:, :1], batch_size=4, epochs=3, verbose=0, callbacks=[*trouble, kbar.ProgressBar()])
{then}
"""


@pytest.mark.parametrize("renderer", RENDERERS)
def test_the_demo_moves_and_leaves_a_clean_terminal(renderer: str) -> None:
    terminal = VirtualTerminal(100, 20)
    seen: list[str] = []
    command = [sys.executable, "-m", "kbar", "demo", "--renderer", renderer, "--epochs", "2", "--seconds", "1.0"]
    assert terminal.run(command, on_change=lambda _: seen.append(terminal.text)) == 0
    assert len(set(seen)) > 10
    assert any("validation" in text and "epoch 2" in text for text in seen)
    lines = terminal.text.splitlines()
    assert [line.split("  ")[0] for line in lines] == ["epoch 1/2", "epoch 2/2", "fit"]
    assert (terminal.screen.cursor.x, terminal.screen.cursor.y) == (0, 3)
    assert not terminal.screen.cursor.hidden


def test_the_demo_in_a_pipe_writes_plain_lines() -> None:
    command = [sys.executable, "-m", "kbar", "demo", "--epochs", "2", "--seconds", "0.2"]
    shown = subprocess.run(command, check=True, capture_output=True, text=True)
    assert len(shown.stdout.splitlines()) == 4
    assert shown.stdout.replace("\n", "").isprintable()
    assert shown.stderr == ""


def test_the_demo_refuses_a_renderer_there_is_not() -> None:
    command = [sys.executable, "-m", "kbar", "demo", "--renderer", "nonsense"]
    shown = subprocess.run(command, check=False, capture_output=True, text=True)
    assert shown.returncode == 2
    assert "got 'nonsense'" in shown.stderr
    assert "Traceback" not in shown.stderr


@pytest.mark.parametrize("renderer", RENDERERS)
@pytest.mark.parametrize(
    ("trouble", "then", "code", "ends"),
    [
        # The bar comes last: of the step in which another callback raises it has not heard.
        ("raise RuntimeError('boom')", "fit([Trouble()])", 1, "failed at 20/50"),
        ("os.kill(os.getpid(), signal.SIGINT)", "fit([Trouble()])", -2, "interrupted at 20/50"),
        ("sys.exit(3)", "fit([Trouble()])", 3, "failed at 20/50"),
        ("self.model.stop_training = True", "fit([Trouble()])", 0, "stopped at 21/50"),
        ("raise RuntimeError('boom')", "try: fit([Trouble()])\nexcept RuntimeError: fit([])", 0, "failed at 20/50"),
    ],
)
def test_however_a_fit_ends_its_last_state_stays_true(
    renderer: str, trouble: str, then: str, code: int, ends: str
) -> None:
    """And the exit code is what it would have been."""
    terminal = VirtualTerminal(100, 60)
    program = FIT.format(trouble=trouble, then=then)
    assert terminal.run([sys.executable, "-c", program], env={"KBAR_RENDERER": renderer}) == code
    assert ends in terminal.text
    assert not terminal.screen.cursor.hidden
    if then.endswith("fit([])"):
        assert terminal.text.splitlines()[-1].startswith("fit")
        assert "100%  3/3" in terminal.text.splitlines()[-1]
        assert terminal.text.count("epoch 3/3") == 1
