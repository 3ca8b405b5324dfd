"""Text that passes through code which has replaced a stream's `write`, as trackers do that record what is printed."""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Iterator
from typing import Any

_TURN = 0.05  # seconds for which a thread waits until another one has written


class _Writes(threading.local):
    """Whether a thread writes text of kbar's own."""

    own = False  # a class attribute, so that threads without a value need no `getattr`


_writes = _Writes()


def is_own_write() -> bool:
    """Whether this thread writes text of kbar's own at this moment, and not what the user prints."""
    return _writes.own


def write_by(stream: Any, text: str) -> None:
    """Write lines of kbar's own by the methods of `stream`.

    Raises:
        OSError, ValueError: as the stream does.
    """
    before, _writes.own = _writes.own, True
    try:
        stream.write(text)
        if hasattr(stream, "flush"):
            stream.flush()
    except BlockingIOError:
        pass  # the text is in its buffer
    except OSError:
        _drop_unwritten()
        raise
    finally:
        _writes.own = before


def _drop_unwritten() -> None:
    """Empty Python's buffers of what could not be written: it would change the exit code of the interpreter."""
    for stream in (sys.__stdout__, sys.__stderr__):
        raw: Any = getattr(getattr(stream, "buffer", None), "raw", None)
        with contextlib.suppress(Exception):  # no such stream
            raw.write = len
            try:
                stream.flush()  # type: ignore[union-attr]  # None has no raw
            finally:
                del raw.write


def stand_in(stream: Any, name: str) -> Any:
    """What is called `name` in `sys` now, if it passes text on to `stream`; else, or without a name, `stream`."""
    now = getattr(sys, name, None) if name else None
    return now if any(each is stream for each in wrapped(now)) else stream


def wrapped(wrapper: Any, depth: int = 3) -> Iterator[Any]:
    """The streams that `wrapper` seems to pass text on to, as a tee does: those it has as attributes, and theirs."""
    try:
        attributes = list(vars(wrapper).values())
    except TypeError:  # it has none
        return
    for attribute in attributes:
        for each in attribute if isinstance(attribute, (list, tuple)) else (attribute,):
            if depth and hasattr(type(each), "write"):
                yield each
                yield from wrapped(each, depth - 1)


class Turn:
    """Keeps lines of two threads apart where other code has replaced `write`, and sees each text after it is written.

    Attributes:
        begun: the streams on which the user has begun a line, and perhaps not flushed it.
    """

    def __init__(self) -> None:
        self._lock, self._thread = threading.RLock(), 0
        self.begun: set[object] = set()

    @contextlib.contextmanager
    def taken(self) -> Iterator[None]:
        """Wait until no other thread is within this block; but not for long, as a replacement may wait for a print."""
        if not self._lock.acquire(timeout=_TURN):
            yield
            return
        before, self._thread = self._thread, threading.get_ident()
        try:
            yield
        finally:
            self._thread = before
            self._lock.release()

    @property
    def is_this_threads(self) -> bool:
        """Whether this thread is within such a block, and others are not."""
        return self._thread == threading.get_ident()
