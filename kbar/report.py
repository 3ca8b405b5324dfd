"""Owns how kbar tells of its own failures: once a run, and never as an exception in the run."""

from __future__ import annotations

import sys
import traceback
import warnings

_told: set[str] = set()


class KbarWarning(UserWarning):
    """Something about the display that the run did not notice and that somebody should."""


def warn(text: str) -> None:
    """Tells `text` as a `KbarWarning`, once a run; printed where warnings are made errors."""
    if text in _told:
        return
    _told.add(text)
    try:
        warnings.warn_explicit(text, KbarWarning, "kbar", 0)  # whose line it is helps nobody
    except KbarWarning:  # -W error is about the user's code; a display is no reason to end a run
        sys.stderr.write(f"KbarWarning: {text}\n")


def forget() -> None:
    """A new run begins: what was told of the last one is news again."""
    _told.clear()


def failure(what: str, error: BaseException) -> None:
    """Tells that `what` failed with `error`, and where."""
    at = traceback.extract_tb(error.__traceback__)[-1:]
    where = f" ({at[0].filename}:{at[0].lineno})" if at else ""
    warn(f"{what}: {type(error).__name__}: {error}{where}. The run goes on.")
