"""The process's display: its end, its forks, and what replaces it in tests."""

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

# At the interpreter's end, seconds for which metrics that a device still computes, and lines of files, are waited for
# at most. A thread that comes back from a device's library to an interpreter that is gone aborts the process.
_LONGEST_WAIT = 60.0

_display: Display | None = None


def current() -> Display:
    """The process's display."""
    global _display
    if _display is None:
        _display = Display()
        atexit.register(_at_exit)
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=_after_fork)
    return _display


def install(display: Display) -> Display:
    """Make `display` the process's; return the one it replaces. For tests."""
    global _display
    previous, _display = current(), display
    return previous


def pause() -> AbstractContextManager[None]:
    """Hide all bars until the `with` block is left, and let its time count neither into rates nor into remaining times.

    `input`, debuggers, password prompts, pagers and editors pause the bars by themselves. This is for what else asks
    on the terminal or draws there.
    """
    return current().pause()


def _at_exit() -> None:
    display = current()
    raised = getattr(sys, "last_value", None)  # what the interpreter is ending by, if by anything
    display.close("stopped" if raised is None else outcome_of(raised))
    display.targets.release_streams()
    until = time.monotonic() + _LONGEST_WAIT
    for target in list(display.targets):
        while target.must_finish and time.monotonic() < until:
            time.sleep(0.01)


def _after_fork() -> None:
    """Fall silent in a forked child: it has neither the threads that draw nor a share in the screen."""
    close_all()
    forget_outputs()
    parent = current()
    parent.targets.release_streams()
    child = Display()
    child.targets.silent = parent.targets.silent or any(target.renderer.screen for target in parent.targets)
    install(child)
    scope.leave_all()
