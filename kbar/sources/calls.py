"""A running call of Keras's `fit`, `evaluate` or `predict`, found on the stack of the hook that it calls."""

from __future__ import annotations

import operator
import weakref
from collections.abc import Callable
from types import FrameType
from typing import Any

from ..core.snapshot import Outcome
from . import arguments
from .lifetime import FrameMark, caller, on_release
from .packages import differs, is_keras, names_first

_METHODS = ("fit", "evaluate", "predict")
_DATA = ("epoch_iterator", "data_handler")  # what these methods call what gives them batches: Keras 3, Keras 2
_QUEUE = "_cluster_coordinator"  # the attribute of Keras 2's models that queues steps, if something does
_VALIDATION_DATA = ("_eval_epoch_iterator", "_eval_data_handler")  # and the attributes of a model for the validation


class Call:
    """A running call of `fit`, `evaluate` or `predict`, which owns a stage.

    Keras calls no hook when a method ends by an exception. But then the method's frame leaves the stack of its thread,
    and its `CallbackList` is released together with the exception. This object refers to neither, as that would keep
    the model and its data alive.

    Args:
        hooks: the `CallbackList`.
        frame: the frame of its function that calls the hook.
        kind: ``fit``, ``evaluate`` or ``predict``.

    Attributes:
        validates: whether an epoch, by its number from 0, has a validation.
        names_first: whether batch hooks get the index of the first step of an execution, not of its last.
        queues: whether batch hooks are called as soon as steps are queued, for workers of a parameter server.
    """

    def __init__(self, hooks: object, frame: FrameType, kind: str) -> None:
        self.kind = kind
        self._hooks = on_release(hooks, lambda _: None)
        method, outside = None, frame
        others = False  # whether functions of Keras that are not the list's call it
        while outside.f_back and is_keras(outside):
            method = outside if outside.f_code.co_name in _METHODS else method
            others = others or outside.f_locals.get("self") is not hooks
            outside = outside.f_back
        if others and not method:
            differs(frame, f"no function `{kind}` that calls the hooks")
        self._method = FrameMark(method) if method else None
        self._outside = FrameMark(outside, anywhere=method is None)
        self.validates = _validation_of(method)
        self.names_first = names_first(frame)
        data = _data_of(method)
        model = method.f_locals.get("self") if method else None
        self.queues = getattr(model, _QUEUE, None) is not None
        self._data: Callable[[], object] = weakref.ref(data) if data is not None else lambda: None

    @property
    def hooks(self) -> object:
        """The `CallbackList`; None once it is released."""
        return self._hooks()

    @property
    def data(self) -> object:
        """What gives the call its batches; None if it is not known."""
        return self._data()

    @property
    def has_unknown_length(self) -> bool:
        """Whether Keras does not know how many steps an epoch has; it does once the data was used up."""
        data = self.data
        return data is not None and _says_steps(data) and steps(data) is None

    def ended(self) -> Outcome | None:
        """How the call ended, None while it runs."""
        if self.hooks is not None and (self._method is None or self._method.on_stack()):
            return None
        # Keras removes its own frames from tracebacks, but not the frame that called it.
        return self._outside.outcome() or "error"


def callback_list() -> tuple[object, FrameType] | None:
    """The `CallbackList` that has called the running hook, and its frame; None if the program called it itself."""
    frame = first = caller(1)
    while frame and not (is_keras(frame) and _is_callback_list(frame.f_locals.get("self"))):
        frame = frame.f_back
    if frame:
        return frame.f_locals["self"], frame
    while first and first.f_globals.get("__package__") == __package__:
        first = first.f_back
    if first and is_keras(first):
        differs(first, "no `CallbackList` that calls the hooks")
    return None


def method(kind: str) -> FrameType | None:
    """The frame of Keras's method `kind` that calls the running hook; None if there is none."""
    frame = caller(1)
    while frame and not (frame.f_code.co_name == kind and is_keras(frame)):
        frame = frame.f_back
    return frame


def _is_callback_list(thing: object) -> bool:
    return any(kind.__name__ == "CallbackList" for kind in type(thing).__mro__)


def validation_data(model: object) -> object:
    """What gives the batches of the validation that `model` runs within `fit`; None if it is not known."""
    found = (getattr(model, name, None) for name in _VALIDATION_DATA)
    return next((data for data in found if data is not None), None)


def steps(data: object) -> int | None:
    """How many batches `data` gives, which is what Keras has for that; None if it does not know."""
    # For what it does not know, Keras says None, -1 or -2.
    return arguments.known(getattr(data, "num_batches", getattr(data, "inferred_steps", None)))


def batch_size(data: object) -> int:
    """How many samples a batch has that `data` gives; 0 if unknown."""
    try:
        adapter: Any = data.data_adapter if hasattr(data, "data_adapter") else data._adapter  # type: ignore[attr-defined]  # if it is Keras's
        size = adapter.batch_size
        number = operator.index(size() if callable(size) else size)
    except Exception:  # it does not say, or it is another version's
        return 0
    return max(0, number)


def _says_steps(data: object) -> bool:
    return hasattr(data, "num_batches") or hasattr(data, "inferred_steps")


def _data_of(method: FrameType | None) -> object:
    """What gives `method` its batches; None if there is no method or nothing of that name."""
    if method is None:
        return None
    variables = method.f_locals
    found = next((variables[name] for name in _DATA if variables.get(name) is not None), None)
    if found is None or not _says_steps(found):
        differs(method, f"no `{_DATA[0]}` in `{method.f_code.co_name}`")
    return found


def _validation_of(method: FrameType | None) -> Callable[[int], bool]:
    """Which epochs have a validation, by the arguments of `fit`; all of them where that is not known."""
    variables = method.f_locals if method else {}
    if "validation_data" not in variables:
        return lambda _: True
    if variables["validation_data"] is None:
        return lambda _: False
    frequency = variables.get("validation_freq", 1)
    if isinstance(frequency, int):
        return lambda epoch: (epoch + 1) % frequency == 0
    return lambda epoch: epoch + 1 in frequency
