"""Detects what a stream leads to: a terminal, a notebook or neither."""

from __future__ import annotations

import os
import sys
from typing import IO, Literal

from .descriptor import FileId, file_id

Surface = Literal["terminal", "notebook", "plain"]


def surface(stream: IO[str] | None) -> Surface:
    """What `stream` leads to: bars can be redrawn on a terminal and in a notebook, nowhere else."""
    if _in_notebook():
        return "notebook"
    if os.environ.get("TERM") in ("dumb", "unknown"):
        return "plain"
    try:
        return "terminal" if stream is not None and stream.isatty() else "plain"
    except Exception:  # only has write(), is closed, or is nobody knows what
        return "plain"


def place(stream: IO[str] | None) -> FileId | int | None:
    """The file that `stream` leads to; its own id where it does not say; None if it may be any terminal."""
    try:
        descriptor = stream.fileno()  # type: ignore[union-attr]  # None is what except is for
        return None if os.isatty(descriptor) and os.ttyname(descriptor) == "/dev/tty" else file_id(descriptor)
    except Exception:  # whatever it is
        return id(stream)


def _in_notebook() -> bool:
    # A kernel has imported IPython long before; importing it here would only cost time.
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None and hasattr(ipython, "get_ipython") else None
    return shell is not None and "IPKernelApp" in getattr(shell, "config", {})
