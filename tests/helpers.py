"""What several test modules share: renderers by name, recorders, views of what was drawn, and programs to run."""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from typing import Any

import kbar
from kbar.core.snapshot import StageView
from kbar.core.stage import Stage
from kbar.display.process import current
from kbar.options import Options
from kbar.testing import RecordingRenderer, VirtualTerminal

RENDERERS: dict[str, Callable[..., kbar.Renderer]] = {"rich": kbar.RichRenderer, "tqdm": kbar.TqdmRenderer}
"""The renderers of bars, by name."""


class Boom(Exception):
    """Something that goes wrong in the user's code."""


class Lines(RecordingRenderer):
    """A renderer that remembers what a log would write."""

    live = False

    @property
    def positions(self) -> list[int]:
        """The positions that its progress lines give."""
        return [e.stage.done for e in self.events if e.kind == "progress"]


def has(name: str) -> bool:
    """Whether the system has a device, a signal, a function of `os`, or a module."""
    if name.startswith("/"):
        return os.path.exists(name)
    if name.startswith("SIG"):
        return hasattr(signal, name)
    return hasattr(os, name) or (name in sys.stdlib_module_names and importlib.util.find_spec(name) is not None)


def begin(renderer: Any, label: str = "train", total: int | None = 100, **options: Any) -> Stage:
    """Begin a stage on the display of this process."""
    return current().begin(label, unit="step", total=total, options=Options(renderer, **options))


def ends(renderer: RecordingRenderer, label: str | None = None) -> list[tuple[str, int, int | None, str | None]]:
    """Label, position, total and outcome of each stage that ended, or of those with this label."""
    found = [e.stage for e in renderer.events if e.kind == "end"]
    return [(s.label, s.done, s.total, s.outcome) for s in found if label in (None, s.label)]


def epochs(renderer: RecordingRenderer) -> list[StageView]:
    """Each finished epoch."""
    return [e.epoch for e in renderer.events if e.epoch]


def views(renderer: RecordingRenderer, label: str) -> list[StageView]:
    """The stage as each frame showed it."""
    return [view for snapshot in renderer.snapshots for view in snapshot.stages if view.label == label]


def last(renderer: RecordingRenderer, label: str) -> StageView:
    """The stage as it was shown last."""
    return views(renderer, label)[-1]


def lines_of(terminal: VirtualTerminal) -> list[str]:
    """The lines on the screen that are not blank."""
    return [line for line in terminal.text.splitlines() if line]


def run_python(
    code: str, *arguments: object, flags: Sequence[str] = (), **options: Any
) -> subprocess.CompletedProcess[str]:
    """Run a Python program in a process of its own; its streams are read if `options` do not give others."""
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, **options}
    return subprocess.run([sys.executable, *flags, "-c", code, *map(str, arguments)], check=False, **options)
