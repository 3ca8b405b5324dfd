"""Real trainings beside what records them, and a check that each line was printed and recorded once, and whole."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from kbar.testing import VirtualTerminal

PLACES = ("terminal", "pipe")
STEPS = 20  # of an epoch; there are two

# `line(kind)` is the text to print in a step. Each training also has a log file, and a logger of its own.
PROGRAM = """
import contextlib, io, json, logging, os, sys, time, warnings
import numpy as np, keras
folder = {folder!r}
logger = logging.getLogger("training")
logger.setLevel(logging.INFO)
logger.addHandler(logging.FileHandler(os.path.join(folder, "logger.log")))
{first}
import kbar
model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
model.compile("sgd", "mse")
x, y = np.zeros((80, 4)), np.zeros((80, 1))
class Says(keras.callbacks.Callback):
    n = 0
    def on_train_batch_end(self, batch, logs=None):
        time.sleep(0.01)
        line = lambda kind: f"{{kind}} {{now}} {{self.n}}."
        {says}
        self.n += 1
for now in {renderers!r}:
    log_file = os.path.join(folder, "run.log")
    bar = kbar.ProgressBar(renderer=[now, kbar.LogRenderer(logger)], log_file=log_file)
    model.fit(x, y, batch_size=4, epochs=2, verbose=0, callbacks=[bar, Says(), *{callbacks}])
    print("fitted", now)
{then}
print("over")
"""


@dataclass
class Trained:
    """What became of a program.

    Attributes:
        text: what it wrote, or what the terminal shows at last.
        renderers: those of its trainings, in their order.
        first: the first step of each in which it has printed.
    """

    text: str
    renderers: tuple[str, ...]
    first: int = 0

    def has_each_once(self, *kinds: str, text: str | None = None, before: str = "", after: str = "") -> None:
        """Check that each line of each kind is there once, and nothing else in the same row.

        Args:
            kinds: the names that were given to `line`.
            text: where to look; the program's own output by default.
            before, after: patterns of what else is in the row.
        """
        whole = self.text if text is None else text
        for kind in kinds:
            expected = [f"{kind} {now} {n}." for now in self.renderers for n in range(self.first, 2 * STEPS)]
            assert re.findall(rf"{kind} \w+ \d+\.", whole) == expected, whole
            rows = [row.rstrip() for row in whole.splitlines()]
            found = [match[1] for row in rows if (match := re.fullmatch(rf"{before}({kind} \w+ \d+\.){after}", row))]
            assert found == expected, whole

    def has_each_epoch_once(self, text: str, renderers: Sequence[str] | None = None) -> None:
        """Check that kbar's lines are in `text` as whole rows, one for each epoch of these trainings, and no frames."""
        assert not re.search(r"\x1b[78DM]|\x1b\[\d*[KJABG]|\r", text), repr(text)
        expected = ["1", "2"] * len(self.renderers if renderers is None else renderers)
        pattern = r"(?:\S+ fit epoch (\d)/2 done \d+/\d+ .*|epoch (\d)/2 .*)"
        found = [match[1] or match[2] for row in text.splitlines() if (match := re.fullmatch(pattern, row.rstrip()))]
        assert found == expected, text
        assert len(re.findall(r"epoch \d/2", text)) == len(expected), text


class Trainings:
    """Runs programs that train with a bar of rich, one of tqdm and log lines, one after the other."""

    def __init__(self, folder: Path, place: str) -> None:
        self.folder, self.place = folder, place

    def run(self, says: str, *, first: str = "", then: str = "", callbacks: str = "[]") -> Trained:
        """Run such a program; check how it ended, and what kbar wrote to its screen, its log file and its logger.

        Args:
            says: statements that are run in each step, in one line.
            first: what comes before the bars are made.
            then: what comes after the trainings.
            callbacks: more of them, as an expression.
        """
        renderers = ("rich", "tqdm", "log")
        code = PROGRAM.format(
            folder=str(self.folder), renderers=renderers, says=says, first=first, then=then, callbacks=callbacks
        )
        status, text = self._run([sys.executable, "-c", code])
        trained = Trained(text, renderers)
        assert (status, text.splitlines()[-1]) == (0, "over"), text
        assert [row for row in text.splitlines() if row.startswith("fitted")] == [f"fitted {now}" for now in renderers]
        assert "KbarWarning" not in text, text
        for name in ("run.log", "logger.log"):
            log = (self.folder / name).read_text()
            rows = [row for row in log.splitlines() if not re.search(r"fit (epoch \d/2 \w+|begins|done)", row)]
            assert (rows, len(re.findall(r"fit epoch \d/2 done 20/20", log))) == ([], 2 * len(renderers)), log
        return trained

    def read(self, pattern: str) -> str:
        """The text of the one file below the folder that has this name."""
        (path,) = self.folder.rglob(pattern)
        return path.read_text()

    def _run(self, command: list[str]) -> tuple[int, str]:
        env = {"PYTHONUNBUFFERED": "", "TF_CPP_MIN_LOG_LEVEL": "3", "TMPDIR": str(self.folder)}
        if self.place == "terminal":
            terminal = VirtualTerminal(140, 1500)
            status = terminal.run(command, env=env)
            return status, terminal.text
        both = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        if self.place == "pipe":
            ended = subprocess.run(command, check=False, env={**os.environ, **env}, text=True, **both)
            return ended.returncode, ended.stdout
        with (self.folder / "output.txt").open("w+") as file:
            both["stdout"] = file.fileno()
            status = subprocess.run(command, check=False, env={**os.environ, **env}, **both).returncode
            file.seek(0)
            return status, file.read()


@pytest.fixture(params=PLACES)
def trainings(request: pytest.FixtureRequest, tmp_path: Path) -> Trainings:
    return Trainings(tmp_path, request.param)
