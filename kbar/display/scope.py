"""Which stage is the innermost one of the current thread or task."""

from __future__ import annotations

import weakref
from contextvars import ContextVar

from ..core.stage import Stage
from ..core.trial import Trial
from ..system.environment import cell


class _Scope:
    """A stage that is open in a thread or task, or a trial of it, and the scope around it.

    It does not keep the stage alive.
    """

    def __init__(self, stage: Stage, trial: Trial | None, around: _Scope | None) -> None:
        self._stage, self.trial, self.around = weakref.ref(stage), trial, around
        self._cell = cell()

    @property
    def stage(self) -> Stage | None:
        """The stage; None once it or the trial is over, or if an earlier cell of a notebook has left it open."""
        stage = None if self.trial and self.trial.is_over else self._stage()
        return stage if stage and not stage.outcome and self._cell == cell() else None


_innermost: ContextVar[_Scope | None] = ContextVar("kbar_stage", default=None)


def innermost() -> Stage | None:
    """The innermost stage that is open in the current thread or task."""
    scope = _open_scope()
    return scope.stage if scope else None


def running_trial() -> Trial | None:
    """The trial that is running in the current thread or task, of the innermost stage."""
    scope = _open_scope()
    return scope.trial if scope else None


def enter(stage: Stage, trial: Trial | None = None) -> None:
    """Make `stage` the innermost one of the current thread or task, until it or the `trial` of it is over."""
    _innermost.set(_Scope(stage, trial, _open_scope()))


def leave() -> None:
    """Forget the stages of the current thread or task that are over."""
    _innermost.set(_open_scope())


def leave_all() -> None:
    """Forget all stages of the current thread or task, as in a forked child."""
    _innermost.set(None)


def _open_scope() -> _Scope | None:
    scope = _innermost.get()
    while scope and not scope.stage:
        scope = scope.around
    return scope
