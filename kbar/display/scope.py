"""Which stage is the innermost one of a context, which is a thread's or a task's."""

from __future__ import annotations

import weakref
from contextvars import ContextVar

from ..core.stage import Stage


class _Scope:
    """A stage that is open in a context, and the scope around it; does not keep the stage alive."""

    def __init__(self, stage: Stage, around: _Scope | None) -> None:
        self._stage, self.around = weakref.ref(stage), around

    @property
    def stage(self) -> Stage | None:
        """The stage; None once it is over."""
        stage = self._stage()
        return stage if stage and not stage.outcome else None


_innermost: ContextVar[_Scope | None] = ContextVar("kbar_stage", default=None)


def innermost() -> Stage | None:
    """The innermost stage that is open in this context."""
    scope = _open_scope()
    return scope.stage if scope else None


def enter(stage: Stage) -> None:
    """Make `stage` the innermost one of this context, until it is over."""
    _innermost.set(_Scope(stage, _open_scope()))


def leave() -> None:
    """Forget the stages of this context that are over."""
    _innermost.set(_open_scope())


def leave_all() -> None:
    """Forget all stages of this context, as in a forked child."""
    _innermost.set(None)


def _open_scope() -> _Scope | None:
    scope = _innermost.get()
    while scope and not scope.stage:
        scope = scope.around
    return scope
