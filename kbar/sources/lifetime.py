"""Detects how a loop or a call of Keras ended when nothing reports it."""

from __future__ import annotations

import inspect
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from opcode import opmap
from types import CodeType, FrameType
from typing import Any, TypeVar

from ..core.outcome import outcome_of
from ..core.snapshot import Outcome
from ..display.process import current

T = TypeVar("T")

# Instructions that raise an exception again, which adds no entry to its traceback.
_RAISE_AGAIN = {opmap["RERAISE"], opmap["RAISE_VARARGS"]}
# Instructions by which a loop is left: by `break` or `return`, and because another iterable has ended, as in zip().
_BREAK, _OTHER_ENDED = {opmap["POP_TOP"]}, {opmap[name] for name in ("FOR_ITER", "POP_ITER") if name in opmap}
# Instructions that drop an exception at the end of its handler; a name is set to None there, and deleted.
_DROP = {opmap["POP_EXCEPT"]}
_SET_NAME, _DELETE_NAME = ({code for name, code in opmap.items() if name.startswith(v)} for v in ("STORE_", "DELETE_"))
_ON_ITS_WAY = 0.05  # seconds that an exception may take from a loop to its handler
_COMPREHENSIONS = ("<genexpr>", "<listcomp>", "<setcomp>", "<dictcomp>")


class FrameMark:
    """Recognises a frame and the instruction it is at, without keeping the frame alive.

    Args:
        frame: a frame on the stack of this thread.
        anywhere: whether an exception may have left the frame from any instruction.
    """

    def __init__(self, frame: FrameType, *, anywhere: bool = False) -> None:
        self.thread = threading.get_ident()
        self._identity = _identity(frame)
        code, at = frame.f_code.co_code, frame.f_lasti
        self.operation = code[at]
        self.raises_again = self.operation in _RAISE_AGAIN
        deletes = self.operation in _SET_NAME and code[at + 2 : at + 3] and code[at + 2] in _DELETE_NAME
        self.drops_exception = self.operation in _DROP or bool(deletes)
        self._instruction = None if anywhere or self.raises_again else frame.f_lasti

    def on_stack(self) -> bool:
        """Whether the frame is still on its thread's stack."""
        own = self.thread == threading.get_ident()
        frame = sys._getframe() if own else sys._current_frames().get(self.thread)
        while frame and _identity(frame) != self._identity:
            frame = frame.f_back
        return frame is not None

    def outcome(self, stored: BaseException | None = None) -> Outcome | None:
        """The outcome that an exception which left the frame at this instruction stands for; None if there is none.

        It is looked for among those that are being handled, and in `stored`.
        """
        return next((outcome_of(error) for error in _handled(self.thread, stored) if self._is_passed_by(error)), None)

    def _is_passed_by(self, error: BaseException) -> bool:
        entry = error.__traceback__
        while entry:
            if _identity(entry.tb_frame) == self._identity and self._instruction in (None, entry.tb_lasti):
                return True
            entry = entry.tb_next
        return False


def _identity(frame: FrameType) -> tuple[int, CodeType]:
    return id(frame), frame.f_code  # a later frame may have the same address


def _handled(thread: int, stored: BaseException | None) -> Iterator[BaseException]:
    """The exception that a thread handles, the one that ended the program, and `stored`; with causes and members."""
    handled: object = sys._current_exceptions().get(thread)
    if isinstance(handled, tuple):  # so until Python 3.11
        handled = handled[1]
    todo = [stored, getattr(sys, "last_value", None), handled]
    seen: list[BaseException] = []
    while todo:
        error = todo.pop()
        if isinstance(error, BaseException) and not any(error is other for other in seen):
            seen.append(error)
            yield error
            members = getattr(error, "exceptions", None)  # a group's; a class may use this name for something else
            todo += [*(members if isinstance(members, tuple) else ()), error.__context__, error.__cause__]


class LeftLoop:
    """How a loop ended that released its iterator before the last item: by `break` or by an exception.

    Python does not say which. An exception can be seen while it is handled, when it has ended the program, and when a
    task or a future keeps it: its traceback then has the frame of the loop, with the instruction at which the iterator
    was released. `break` and `return` release the iterator by an instruction that raises nothing. Where an exception
    keeps the iterator alive, as in a comprehension, the handler of the exception releases it.

    Args:
        frame: the frame that released the iterator; None if the interpreter did.

    Attributes:
        by_exception: whether an exception was found.
        by_break: whether it was left by `break` or `return`.
        by_other: whether it was left because another iterable had no more items, as in ``zip(range(5), items)``.
    """

    def __init__(self, frame: FrameType | None) -> None:
        self._future = _future(frame)
        self._marks: list[FrameMark] = []
        while frame:
            self._marks.append(FrameMark(frame))
            # If a generator was closed, it is its caller's frame that knows why.
            frame = frame.f_back if frame.f_code.co_flags & inspect.CO_GENERATOR else None
        outermost = self._marks[-1].operation if self._marks else None
        self.by_exception, self.by_break, self.by_other = False, outermost in _BREAK, outermost in _OTHER_ENDED
        self._cancelled = _is_cancelled()
        self._seen: float | None = None  # when it was first asked by another thread

    def ended(self) -> Outcome | None:
        """How the loop ended; None while an exception may still be on its way to its handler."""
        outcome = "interrupted" if self._cancelled else self._outcome_of_exception()
        if outcome:
            self.by_exception = True
            return outcome
        now = current().clock()
        self._seen = now if self._seen is None else self._seen
        own = not self._marks or threading.get_ident() == self._marks[0].thread
        if not own and now < self._seen + _ON_ITS_WAY:
            return None
        return "error" if any(mark.raises_again or mark.drops_exception for mark in self._marks) else "stopped"

    def _outcome_of_exception(self) -> Outcome | None:
        future, stored = self._future(), None
        if future is not None and future.done():
            if future.cancelled():
                return None if self.by_break else "interrupted"
            stored = getattr(future, "_exception", None)  # exception() would mark it as seen
        return next((found for mark in self._marks if (found := mark.outcome(stored))), None)


def _future(frame: FrameType | None) -> Callable[[], Any]:
    """A weak reference to the task or the work of a thread pool that runs here, and keeps an exception for others."""
    asyncio = sys.modules.get("asyncio")
    try:
        future: Any = asyncio.current_task() if asyncio else None
    except RuntimeError:  # no event loop runs here
        future = None
    while frame and future is None:
        if frame.f_globals.get("__name__") == "concurrent.futures.thread":
            future = getattr(frame.f_locals.get("self"), "future", None)
        frame = frame.f_back
    return weakref.ref(future) if future is not None else lambda: None


def _is_cancelled() -> bool:
    """Whether this runs in a task that asyncio is cancelling: that exception is never seen as handled by a thread."""
    asyncio = sys.modules.get("asyncio")
    try:
        task = asyncio.current_task() if asyncio else None
    except RuntimeError:  # no event loop runs here
        return False
    return bool(getattr(task, "cancelling", int)())


def on_release(thing: T, call: Callable[[FrameType | None], None]) -> weakref.ref[T]:
    """A weak reference that calls `call` when `thing` is released, with the frame that released it.

    That happens at any moment and on any thread, so `call` must neither wait nor take a lock.
    """

    def released(_: object) -> None:
        call(caller(1))
        current().notice()

    return weakref.ref(thing, released)


def caller(depth: int) -> FrameType | None:
    """The frame that is `depth` calls above the function that calls this; None if there is none."""
    try:
        return sys._getframe(depth + 1)
    except ValueError:
        return None


class Comprehension:
    """The comprehension that loops over items: an exception that leaves it keeps their iterator alive.

    Args:
        frame: its frame.
        iterator: the iterator.
    """

    def __init__(self, frame: FrameType, iterator: object) -> None:
        self._mark = FrameMark(frame, anywhere=True)
        # Whether the iterator may be in use without the frame: a generator is off the stack between two items.
        self._may_rest = frame.f_code.co_name == "<genexpr>" or frame.f_locals.get(".0") is not iterator
        self._gone: float | None = None

    def ended(self) -> Outcome | None:
        """How it ended, if by an exception; None while it runs."""
        outcome = self._mark.outcome()
        if outcome or self._may_rest or self._mark.on_stack():
            return outcome
        now = current().clock()
        self._gone = now if self._gone is None else self._gone
        own = threading.get_ident() == self._mark.thread  # else it may be about to release the iterator
        return "error" if own or now >= self._gone + _ON_ITS_WAY else None


def comprehension(depth: int, iterator: object) -> Comprehension | None:
    """The caller, if it is a comprehension with a frame of its own; it takes items from `iterator`."""
    frame = caller(depth + 1)
    return Comprehension(frame, iterator) if frame and frame.f_code.co_name in _COMPREHENSIONS else None
