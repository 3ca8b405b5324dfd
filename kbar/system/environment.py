"""Detects what a stream leads to: a terminal, a notebook or neither."""

from __future__ import annotations

import os
import sys
import threading
from typing import IO, Any, Literal

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


def cell() -> object:
    """What tells the running cell of a notebook from others; None for threads of its own, and where there are none."""
    shell = _shell()
    if shell is None or threading.current_thread() is not threading.main_thread():
        return None
    return getattr(shell, "execution_count", None)


def _in_notebook() -> bool:
    return "IPKernelApp" in getattr(_shell(), "config", {})


def _shell() -> Any:
    """IPython's shell, None if there is none."""
    # A kernel has imported IPython long before; importing it here would only cost time.
    ipython = sys.modules.get("IPython")
    return ipython.get_ipython() if ipython is not None and hasattr(ipython, "get_ipython") else None
