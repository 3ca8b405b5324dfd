"""Trials of a stage: they begin in any thread, may run side by side, and leave a line each."""

from __future__ import annotations

from ..core.picture import trial_view
from ..core.stage import Stage
from ..core.trial import Result, Trial
from . import scope
from .display import Display


def begin_trial(display: Display, stage: Stage, name: str, number: int | None, total: int | None) -> Trial:
    """Begin a trial of `stage`: what begins in this thread or task from now on belongs to it."""
    trial = Trial(name, number, total, display.clock())
    scope.enter(stage, trial)
    return trial


def end_trial(display: Display, stage: Stage, trial: Trial, result: Result) -> None:
    """End a trial of `stage`."""
    with display.lock:
        display.stages.sweep()
        trial.is_over = True
        if not stage.outcome:
            view = trial_view(stage, trial, result, display.clock())
            stage.children = [c for c in stage.children if not (c.outcome and c.trial is trial)]  # the line says it
            display.stages.post("epoch", stage, epoch=view, as_line=stage.settings.leave == "epochs")
        trial.within.clear()  # they refer to the trial
    scope.leave()
    display.wake()
