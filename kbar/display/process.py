"""The one display of this process: how it is found, and what happens to it at exit and in forked children."""

from __future__ import annotations

import atexit
import os
import sys
import time
from contextlib import AbstractContextManager

from ..core.outcome import outcome_of
from ..system.descriptor import close_all
from ..system.terminal import forget_outputs
from . import scope
from .display import Display
from .pause import paused
from .target import Target
from .targets import PATIENCE

# Seconds by which the interpreter's exit is delayed at most, for metrics that a device still computes and for lines on
# their way into files. A thread that returns from a device's library after the exit aborts the process.
_LONGEST_WAIT = 60.0

_display: Display | None = None


def current() -> Display:
    """The display of this process."""
    global _display
    if _display is None:
        _display = Display()
        atexit.register(_at_exit)
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=_after_fork)
    return _display


def install(display: Display) -> Display:
    """Make `display` that of this process, and return the one before. For tests."""
    global _display
    previous, _display = current(), display
    scope.leave_all()  # what is still open belongs to the other one
    return previous


def pause() -> AbstractContextManager[None]:
    """Hide all bars until the `with` block is left, and let its time count neither into rates nor into remaining times.

    During `input`, debuggers, password prompts, pagers and editors the bars pause by themselves. Use this for anything
    else that asks or draws on the terminal.
    """
    return paused(current(), explicit=True)


def _at_exit() -> None:
    display = current()
    raised = getattr(sys, "last_value", None)  # the exception that ends the program, if there is one
    display.close("stopped" if raised is None else outcome_of(raised))
    display.targets.release_streams()
    until = time.monotonic() + _LONGEST_WAIT
    for target in list(display.targets):
        _let_finish(target, until)


def _let_finish(target: Target, until: float) -> None:
    """Wait, until that time at most, for metrics that are fetched and lines that are written, and for what follows."""
    patience = now = time.monotonic()
    while not target.is_closed and now < (until if target.must_finish else patience):
        if target.must_finish:
            patience = now + PATIENCE
        time.sleep(0.01)
        now = time.monotonic()


def _after_fork() -> None:
    """Draw nothing in a forked child: it has no threads that draw, and the screen belongs to its parent."""
    close_all()
    forget_outputs()
    parent = current()
    parent.targets.release_streams()
    child = Display()
    child.targets.silent = parent.targets.silent or any(target.renderer.screen for target in parent.targets)
    install(child)
    scope.leave_all()
