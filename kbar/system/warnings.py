"""Warnings about kbar's own failures: each is issued once a run, and none is ever an exception in the run."""

from __future__ import annotations

import atexit
import contextlib
import functools
import io
import os
import signal
import sys
import threading
import traceback
import warnings
from collections import deque
from collections.abc import Callable
from types import CodeType, FunctionType, MethodType
from typing import IO, TYPE_CHECKING, Any, TypeVar

from .descriptor import file_behind
from .portable import is_writable

if TYPE_CHECKING:
    from typing_extensions import ParamSpec

    P = ParamSpec("P")
T = TypeVar("T")
_LIMIT = 100  # warnings that are kept while they cannot be issued or written
_WARNINGS_MODULES = ("warnings", "_py_warnings")  # where `warnings.showwarning` is from, unless it was replaced

_known: set[str] = set()  # the warnings of this run
_pending: deque[str] = deque(maxlen=_LIMIT)  # those that are still to be issued
_unwritten: deque[str] = deque(maxlen=_LIMIT)  # those that standard error could not take yet, as formatted text
_issuing = threading.Lock()
_handlers: dict[int, CodeType] = {}  # the code of signal handlers, by its id


class KbarWarning(UserWarning):
    """A problem of the display. It did not affect the run."""


def warn(text: str) -> None:
    """Issue a `KbarWarning`, unless this run has issued it.

    The user's filters and handlers of warnings apply, but no filter makes it an exception. If standard error cannot
    take it, it is written later: with the next warning, or when the program ends. This is safe on any thread and in
    any handler of signals or warnings. As it calls the user's handlers, the caller must hold no lock.
    """
    if text not in _known:
        _known.add(text)
        _pending.append(text)
        flush()


def flush() -> None:
    """Issue and write the warnings that are pending, as at the end of a run. The caller must hold no lock."""
    if not _issuing.acquire(blocking=False):  # another thread is at it, or a handler of warnings calls this
        return
    try:
        for _ in range(_LIMIT):  # a limit, as a handler may cause another warning each time
            if _pending:
                _issue(_pending.popleft())
        while _unwritten and _write(_unwritten[0]):
            _unwritten.popleft()
    finally:
        _issuing.release()


def _issue(text: str) -> None:
    """Pass a warning to whatever handles warnings; if that is only standard error, add it to `_unwritten`."""
    action = _action(text)
    if action == "ignore":
        return
    if action == "error":  # such a filter is meant for the user's code: no display is a reason to end a run
        _unwritten.append(f"KbarWarning: {text}\n")
        return
    is_replaced = getattr(warnings.showwarning, "__module__", "") not in _WARNINGS_MODULES
    shown = None if is_replaced else io.StringIO()  # stays empty if `warnings.catch_warnings` records the warning
    try:
        warnings.showwarning(KbarWarning(text), KbarWarning, "kbar", 0, shown, "")
    except Exception as error:  # the handler is the user's, and so is its failure
        if from_signal(error):
            raise
    if shown and shown.getvalue() and shown.getvalue() not in _unwritten:
        _unwritten.append(shown.getvalue())


def _action(text: str) -> str:
    """What the user's filters want for a warning: "ignore", "error", or else any word, which means to show it."""

    def matches(pattern: Any, text: str) -> bool:
        return pattern is None or (pattern == text if isinstance(pattern, str) else bool(pattern.match(text)))

    for action, message, category, module, line in warnings.filters:
        if issubclass(KbarWarning, category) and matches(message, text) and matches(module, "kbar") and not line:
            return action
    return "default"


def _write(text: str) -> bool:
    """Write to standard error without waiting for it; return whether that was possible.

    A stream that leads to a file, pipe or terminal is written to by its descriptor: what stays in Python's buffers
    because a disk is full or a pipe closed would change the exit code of the process.
    """
    stream = sys.stderr
    try:
        if not _is_writable(stream):
            return False
        if (file := file_behind(stream)) and "write" not in vars(stream):
            with contextlib.suppress(OSError):  # what the program has written comes first
                stream.flush()
            file.write(text.encode(stream.encoding, "backslashreplace"))
        else:
            stream.write(text)
    except Exception as error:  # the stream may be anything
        if from_signal(error):
            raise
        return False
    return True


def _is_writable(stream: IO[str] | None) -> bool:
    """Whether the stream has a reader, and space for text."""
    try:
        return is_writable(stream.fileno())  # type: ignore[union-attr]  # None is what except is for
    except Exception:  # no descriptor
        return stream is not None


def from_signal(error: BaseException) -> bool:
    """Whether a signal handler has raised `error`: the user's exception, which kbar has to raise again.

    The handlers that count are those installed now and those that were when a run began: some remove themselves.
    Python's own handler of Ctrl-C raises a `KeyboardInterrupt`.
    """
    if threading.current_thread() is not threading.main_thread():  # handlers run nowhere else
        return False
    _note_handlers()
    frames = traceback.walk_tb(error.__traceback__)
    return isinstance(error, KeyboardInterrupt) or any(id(frame.f_code) in _handlers for frame, _ in frames)


def _note_handlers() -> None:
    for number in signal.valid_signals():
        handler: Any = signal.getsignal(number)
        while isinstance(handler, (functools.partial, MethodType)):
            handler = handler.func if isinstance(handler, functools.partial) else handler.__func__
        function = handler if isinstance(handler, FunctionType) else type(handler).__call__
        if isinstance(function, FunctionType):  # else it is no Python code
            _handlers[id(function.__code__)] = function.__code__


def text_of(value: object) -> str:
    """`value` as text, whatever its `__str__` raises."""
    if isinstance(value, str):
        return value
    try:
        return str(value)
    except BaseException as error:  # also SystemExit, as no text is a reason to end the process
        if from_signal(error):
            raise
        return f"<{type(value).__name__}>"


def begin_run() -> None:
    """Begin a new run, in which each warning can be issued again."""
    _known.clear()
    _note_handlers()


def failure(what: str, error: BaseException) -> None:
    """Warn that `what` failed, with the error and where it was raised.

    Raises:
        BaseException: `error` itself, if `KBAR_DEBUG` is set in the environment or a signal's handler has raised it.
    """
    if os.environ.get("KBAR_DEBUG") not in (None, "", "0") or from_signal(error):
        raise error
    at = traceback.extract_tb(error.__traceback__)[-1:]
    where = f" ({at[0].filename}:{at[0].lineno})" if at else ""
    why = "".join(c if c.isprintable() else " " for c in text_of(error)[:500])
    warn(f"{what}: {type(error).__name__}: {why}{where}. The run goes on.")


def harmless(what: str) -> Callable[[Callable[P, T]], Callable[P, T | None]]:
    """Make a function warn that `what` failed in place of raising an exception; it then returns None."""

    def guarding(function: Callable[P, T]) -> Callable[P, T | None]:
        @functools.wraps(function)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> T | None:
            try:
                return function(*args, **kwargs)
            except Exception as error:
                failure(what, error)
                return None

        return guarded

    return guarding


def _after_fork() -> None:
    """In a forked process, forget what is pending: the parent issues it."""
    global _issuing
    _issuing = threading.Lock()
    _pending.clear()
    _unwritten.clear()


atexit.register(flush)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
