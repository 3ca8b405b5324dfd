"""Detects what a stream leads to: a terminal, a notebook or neither. See docs/consoles.md for a table."""

from __future__ import annotations

import itertools
import os
import sys
import threading
from typing import IO, Any, Literal

from .descriptor import FileId, file_id, is_certain
from .portable import enable_escapes, is_console, names_no_terminal

Surface = Literal["terminal", "notebook", "plain"]

_CONSOLE: FileId = (0, 0)  # on Windows, each process has one at most


def surface(stream: IO[str] | None) -> Surface:
    """What `stream` leads to: bars can be redrawn on a terminal and in a notebook, nowhere else."""
    if _in_kernel():
        return "plain" if _shows_text_only() else "notebook"
    if os.environ.get("TERM") in ("dumb", "unknown") or _in_command_of_a_cell():
        return "plain"
    try:
        return "terminal" if stream is not None and stream.isatty() and understands_escapes(stream) else "plain"
    except Exception:  # it only has write(), is closed, or fails in some other way
        return "plain"


def understands_escapes(stream: IO[str]) -> bool:
    """Whether what `stream` leads to would understand escape sequences if it is a terminal."""
    try:
        number = stream.fileno()
    except Exception:  # an object of the user's, which shows text by its own means
        return True
    return enable_escapes(number)


def cell() -> object:
    """The number of the running cell of a notebook; None for threads, and where there are no cells."""
    if threading.current_thread() is not threading.main_thread():
        return None
    return getattr(shell(), "execution_count", None)


def shell() -> Any:
    """IPython's shell, None if there is none."""
    # Where there is a shell, IPython was imported long before; importing it here would only cost time.
    ipython = sys.modules.get("IPython")
    return ipython.get_ipython() if ipython is not None and hasattr(ipython, "get_ipython") else None


def _in_kernel() -> bool:
    """Whether this process is a kernel, which clients of all kinds may show: notebooks and consoles."""
    return "IPKernelApp" in getattr(shell(), "config", {})


def _shows_text_only() -> bool:
    """Whether the client that has started this kernel is a console, or cannot replace what is displayed."""
    if "spyder_kernels" in sys.modules or "DATABRICKS_RUNTIME_VERSION" in os.environ:
        return True
    parent = os.environ.get("JPY_PARENT_PID", "")  # the process of a console itself, or a notebook's server
    try:
        with open(f"/proc/{int(parent)}/cmdline", "rb") as file:
            words = [os.path.basename(word.decode(errors="replace")) for word in file.read().split(b"\0")[:3]]
    except (OSError, ValueError):  # no such process, or a system without /proc
        return False
    consoles = {"jupyter-console", "jupyter_console", "jupyter-qtconsole", "qtconsole"}
    return bool(consoles & {*words}) or ("jupyter", "console") in itertools.pairwise(words)


def _in_command_of_a_cell() -> bool:
    """Whether a cell has started this process, as by ``!python train.py``: its output cannot move the cursor up."""
    return "JPY_PARENT_PID" in os.environ and os.environ.get("TERM") == "xterm-color"


def place(stream: IO[str] | None) -> FileId | int | None:
    """The file that `stream` leads to; its own id where it does not say; None if it may be any terminal."""
    try:
        descriptor = stream.fileno()  # type: ignore[union-attr]  # None is what except is for
        if is_console(descriptor):
            return _CONSOLE
        found = None if names_no_terminal(descriptor) else file_id(descriptor)
        return found if found is None or is_certain(found) else id(stream)
    except Exception:  # whatever it is
        return id(stream)
