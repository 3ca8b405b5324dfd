"""Owns who calls Keras's hooks, and how that call ended when Keras does not say."""

from __future__ import annotations

import sys
import weakref
from types import FrameType

from .endings import Place
from .snapshot import Outcome

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
