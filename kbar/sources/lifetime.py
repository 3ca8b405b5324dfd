"""Detects how a loop or a Keras call ended when no hook reports it."""

from __future__ import annotations

import inspect
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from opcode import opmap
from types import CodeType, FrameType
from typing import TypeVar

from ..core.outcome import outcome_of
from ..core.snapshot import Outcome
from ..display.process import current

T = TypeVar("T")

# Instructions that raise an exception again, which adds no entry to its traceback.
_RAISE_AGAIN = {opmap["RERAISE"], opmap["RAISE_VARARGS"]}
_ON_ITS_WAY = 0.05  # seconds that an exception may take from a loop to its handler
_COMPREHENSIONS = ("<genexpr>", "<listcomp>", "<setcomp>", "<dictcomp>")
_KERAS_METHODS = ("fit", "evaluate", "predict")


class FrameMark:
    """Recognises a frame and the instruction it is at, without keeping the frame alive.

    Args:
        frame: a frame on the stack of this thread.
        anywhere: whether an exception may have left the frame from any instruction.
    """

    def __init__(self, frame: FrameType, *, anywhere: bool = False) -> None:
        self.thread = threading.get_ident()
        self._identity = _identity(frame)
        self.raises_again = frame.f_code.co_code[frame.f_lasti] in _RAISE_AGAIN
        self._instruction = None if anywhere or self.raises_again else frame.f_lasti

    def on_stack(self) -> bool:
        """Whether the frame is still on its thread's stack."""
        own = self.thread == threading.get_ident()
        frame = sys._getframe() if own else sys._current_frames().get(self.thread)
        while frame and _identity(frame) != self._identity:
            frame = frame.f_back
        return frame is not None

    def outcome(self) -> Outcome | None:
        """The outcome that an exception which left the frame at this instruction stands for; None if there is none."""
        return next((outcome_of(error) for error in _handled(self.thread) if self._is_passed_by(error)), None)

    def _is_passed_by(self, error: BaseException) -> bool:
        entry = error.__traceback__
        while entry:
            if _identity(entry.tb_frame) == self._identity and self._instruction in (None, entry.tb_lasti):
                return True
            entry = entry.tb_next
        return False


def _identity(frame: FrameType) -> tuple[int, CodeType]:
    return id(frame), frame.f_code  # a later frame may have the same address


def _handled(thread: int) -> Iterator[BaseException]:
    """The exception that a thread handles, and the one that ended the program; with their causes and group members."""
    handled: object = sys._current_exceptions().get(thread)
    if isinstance(handled, tuple):  # so until Python 3.11
        handled = handled[1]
    todo = [getattr(sys, "last_value", None), handled]
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

    Python does not say which. An exception can be seen while it is handled, or when it has ended the program: its
    traceback then has the frame of the loop, with the instruction at which the iterator was released. `break` and
    `return` release the iterator by an instruction that raises nothing.

    Args:
        frame: the frame that released the iterator; None if the interpreter did.
    """

    def __init__(self, frame: FrameType | None) -> None:
        self._marks: list[FrameMark] = []
        while frame:
            self._marks.append(FrameMark(frame))
            # If a generator was closed, it is its caller's frame that knows why.
            frame = frame.f_back if frame.f_code.co_flags & inspect.CO_GENERATOR else None
        self._cancelled = _is_cancelled()
        self._seen: float | None = None  # when it was first asked by another thread

    def ended(self) -> Outcome | None:
        """How the loop ended; None while an exception may still be on its way to its handler."""
        if self._cancelled:
            return "interrupted"
        outcome = next((found for mark in self._marks if (found := mark.outcome())), None)
        if outcome:
            return outcome
        now = current().clock()
        self._seen = now if self._seen is None else self._seen
        own = not self._marks or threading.get_ident() == self._marks[0].thread
        if not own and now < self._seen + _ON_ITS_WAY:
            return None
        return "error" if any(mark.raises_again for mark in self._marks) else "stopped"


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


def comprehension(depth: int) -> FrameMark | None:
    """A mark of the caller's frame if that is a comprehension's, whose iterator an exception keeps alive."""
    frame = caller(depth + 1)
    return FrameMark(frame, anywhere=True) if frame and frame.f_code.co_name in _COMPREHENSIONS else None


class Call:
    """A running call of `fit`, `evaluate` or `predict`, which owns a stage.

    Keras calls no hook when a method ends by an exception. But then the method's frame leaves the stack of its thread,
    and its `CallbackList` is released together with the exception. This object refers to neither, as that would keep
    the model and its data alive.

    Args:
        hooks: the `CallbackList`.
        frame: the frame of one of Keras's functions that the method calls, or the method's own.
        kind: ``fit``, ``evaluate`` or ``predict``.

    Attributes:
        validates: whether an epoch, by its number from 0, has a validation.
    """

    def __init__(self, hooks: object, frame: FrameType, kind: str) -> None:
        self.kind = kind
        self._hooks = on_release(hooks, lambda _: None)
        method, outside = None, frame
        while outside.f_back and _is_keras(outside):
            method = outside if outside.f_code.co_name in _KERAS_METHODS else method
            outside = outside.f_back
        self._method = FrameMark(method) if method else None
        self._outside = FrameMark(outside, anywhere=method is None)
        self.validates = _validation_of(method)

    @property
    def hooks(self) -> object:
        """The `CallbackList`; None once it is released."""
        return self._hooks()

    def ended(self) -> Outcome | None:
        """How the call ended, None while it runs."""
        if self.hooks is not None and (self._method is None or self._method.on_stack()):
            return None
        # Keras removes its own frames from tracebacks, but not the frame that called it.
        return self._outside.outcome() or "error"


def callback_list() -> tuple[object, FrameType] | None:
    """The `CallbackList` that has called the running hook, and its frame; None if the program called it itself."""
    frame = caller(1)
    while frame and not (_is_keras(frame) and frame.f_globals["__name__"].endswith(".callback_list")):
        frame = frame.f_back
    return (frame.f_locals["self"], frame) if frame else None


def _is_keras(frame: FrameType) -> bool:
    return str(frame.f_globals.get("__name__")).startswith("keras.")


def _validation_of(method: FrameType | None) -> Callable[[int], bool]:
    """Which epochs have a validation, by the arguments of `fit`; all of them where that is not known."""
    arguments = method.f_locals if method else {}
    if "validation_data" not in arguments:
        return lambda _: True
    if arguments["validation_data"] is None:
        return lambda _: False
    frequency = arguments.get("validation_freq", 1)
    if isinstance(frequency, int):
        return lambda epoch: (epoch + 1) % frequency == 0
    return lambda epoch: epoch + 1 in frequency
