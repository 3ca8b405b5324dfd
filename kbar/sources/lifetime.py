"""Owns how something ended that nobody tells the end of."""

from __future__ import annotations

import dis
import sys
import threading
import traceback
import weakref
from collections.abc import Collection
from types import CodeType, FrameType

from ..core.outcome import outcome_of
from ..core.snapshot import Outcome


class Place:
    """A frame on the stack of this thread, without keeping it alive."""

    def __init__(self, frame: FrameType) -> None:
        self.thread = threading.get_ident()
        self._identity = _identity(frame)

    def on_stack(self) -> bool:
        """Whether the frame is still on its thread's stack."""
        frame = sys._current_frames().get(self.thread)
        while frame and _identity(frame) != self._identity:
            frame = frame.f_back
        return frame is not None

    def raised(self, but: Collection[int] = ()) -> Outcome | None:
        """What the exception means that has left or reached the frame, if its thread still handles one.

        Args:
            but: ids of exceptions that are not meant.
        """
        handled: object = sys._current_exceptions().get(self.thread)
        if isinstance(handled, tuple):  # so until Python 3.11
            handled = handled[1]
        for error in (*related(handled), *related(getattr(sys, "last_value", None))):
            frames = (frame for frame, _ in traceback.walk_tb(error.__traceback__))
            if id(error) not in but and any(_identity(frame) == self._identity for frame in frames):
                return outcome_of(error)
        return None


def related(error: object) -> list[BaseException]:
    """This exception, and those that led to it or that it is a group of; none if it is no exception."""
    found: list[BaseException] = []
    todo = [error]
    while todo:
        error = todo.pop()
        if isinstance(error, BaseException) and not any(error is e for e in found):
            found.append(error)
            todo += [error.__cause__, error.__context__, *_members(error)]
    return found


def _members(error: BaseException) -> list[object]:
    try:
        return list(getattr(error, "exceptions", ()))
    except Exception:  # somebody's exception that calls something else so
        return []


def _identity(frame: FrameType) -> tuple[int, CodeType]:
    return id(frame), frame.f_code  # the next frame may get the same address


def caller(depth: int) -> FrameType | None:
    """The frame so many calls above the one that asks; None where Python itself is the caller."""
    try:
        return sys._getframe(depth + 1)
    except ValueError:
        return None


class Left:
    """A loop that let go of its iterator half way.

    Python does not say whether by `break` or by an exception. The latter is seen once it is
    handled or has ended the program, a moment later; while nothing is seen, it was a `break`.

    Args:
        frame: where the loop is.
    """

    def __init__(self, frame: FrameType) -> None:
        self._place = Place(frame)
        self._seen = False
        self._before = {id(error) for error in related(sys.exc_info()[1])}  # what was handled there already
        self._cancelled = _cancelled()

    def ended(self) -> Outcome | None:
        """How the loop ended, None while that may yet be seen."""
        outcome = "interrupted" if self._cancelled else self._place.raised(self._before)
        if outcome is None and (self._seen or threading.get_ident() == self._place.thread):
            return "stopped"
        self._seen = True  # from another thread the exception may be seen just between two handlers
        return outcome


def _cancelled() -> bool:
    """Whether this is a task of asyncio's that is being cancelled, of which its thread handles no exception."""
    asyncio = sys.modules.get("asyncio")
    try:
        task = asyncio.current_task() if asyncio else None
    except RuntimeError:  # no event loop runs here
        return False
    return bool(getattr(task, "cancelling", int)())


def broke(frame: FrameType) -> bool:
    """Whether `frame` lets go of an iterator by `break` or `return` just now, and by no exception.

    An exception leaves from the instruction that raised it; these two have one of their own.
    """
    return dis.opname[frame.f_code.co_code[frame.f_lasti]] in ("POP_TOP", "POP_ITER")


_METHODS = ("fit", "evaluate", "predict")


class Call:
    """Who calls the hooks: a `CallbackList`, and the Keras method that made it, if one did.

    Keras calls no hook when `fit` ends by an exception. That its frame has left the stack of
    its thread is the sign that always shows; and since the next frame may get the same address,
    the list must be alive as well. No reference is kept to either: it would keep the training
    data alive.
    """

    def __init__(self, hooks: object, frame: FrameType) -> None:
        self.hooks = weakref.ref(hooks)
        method, caller = frame, frame
        while caller.f_back and _is_keras(caller):
            caller = caller.f_back
            method = caller if _is_keras(caller) and caller.f_code.co_name in _METHODS else method
        self._method = None if method is frame else Place(method)
        self._caller = Place(caller)

    @classmethod
    def find(cls) -> Call | None:
        """The one that the caller is called by; None for hooks that are called without a list."""
        frame: FrameType | None = sys._getframe(1)
        while frame and not (_is_keras(frame) and frame.f_globals["__name__"].endswith(".callback_list")):
            frame = frame.f_back
        return cls(frame.f_locals["self"], frame) if frame else None

    def same_as(self, other: object) -> bool:
        """Whether `other` is this call too."""
        return isinstance(other, Call) and other.hooks() is self.hooks()

    def ended(self) -> Outcome | None:
        """How the call ended, None while it runs."""
        if self.hooks() is not None and (self._method is None or self._method.on_stack()):
            return None
        # Keras strips its own frames from tracebacks; whoever called it is still there.
        return self._caller.raised() or "interrupted"


def _is_keras(frame: FrameType) -> bool:
    return str(frame.f_globals.get("__name__")).startswith("keras.")
