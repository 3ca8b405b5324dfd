"""Owns how kbar tells of its own failures: once a run, and never as an exception in the run."""

from __future__ import annotations

import contextlib
import itertools
import os
import select
import sys
import traceback
import warnings
from types import FrameType
from typing import IO

_told: set[str] = set()


class KbarWarning(UserWarning):
    """Something about the display that the run did not notice and that somebody should."""


def warn(text: str) -> None:
    """Tells `text` as a `KbarWarning`, once a run; printed where warnings are made errors."""
    if text in _told:
        return
    _told.add(text)
    if not _is_read(sys.stderr):
        return
    try:
        warnings.warn_explicit(text, KbarWarning, "kbar", 0)  # whose line it is helps nobody
    except KbarWarning:  # -W error is about the user's code; a display is no reason to end a run
        with contextlib.suppress(Exception):
            sys.stderr.write(f"KbarWarning: {text}\n")
    except Exception:  # there is nobody to tell it to
        return


def _is_read(stream: IO[str] | None) -> bool:
    """Whether somebody is at the other end, and has space: what is not taken would hold up the interpreter's end."""
    try:
        poll = select.poll()
        poll.register(stream.fileno(), select.POLLOUT)  # type: ignore[union-attr]  # None is what except is for
        return [event for _, event in poll.poll(0)] == [select.POLLOUT]
    except Exception:  # no descriptor, or no such way to ask
        return stream is not None


def from_signal(error: BaseException) -> bool:
    """Whether the handler of a signal has raised `error`, which then is the user's wherever it is caught.

    It is the one who is called with the very frame that it interrupts.
    """
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    return any(_is_given(handler, interrupted) for interrupted, handler in itertools.pairwise(frames))


def _is_given(called: FrameType, frame: FrameType) -> bool:
    values = list(called.f_locals.values())
    return any(v is frame or (isinstance(v, tuple) and any(x is frame for x in v)) for v in values)


def said(value: object) -> str:
    """`value` as text; a broken `__str__` is the user's, and no reason to lose a line."""
    if isinstance(value, str):
        return value
    try:
        return str(value)
    except Exception as error:
        if from_signal(error):
            raise
        return f"<{type(value).__name__}>"


def forget() -> None:
    """A new run begins: what was told of the last one is news again."""
    _told.clear()


def failure(what: str, error: BaseException) -> None:
    """Tells that `what` failed with `error`, and where.

    Raises:
        BaseException: `error` itself, where `KBAR_DEBUG` is set in the environment, or a signal's
            handler has raised it, which is somebody else's and happened to be called just then.
    """
    if os.environ.get("KBAR_DEBUG") not in (None, "", "0") or from_signal(error):
        raise error
    at = traceback.extract_tb(error.__traceback__)[-1:]
    where = f" ({at[0].filename}:{at[0].lineno})" if at else ""
    why = "".join(c if c.isprintable() else " " for c in said(error)[:500])
    warn(f"{what}: {type(error).__name__}: {why}{where}. The run goes on.")
