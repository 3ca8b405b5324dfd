"""A search as a stage: its trials leave a line each, and its bar shows the best result so far."""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any

from ..core.best import higher_is_better
from ..core.scalars import plain
from ..core.snapshot import Goal
from ..core.stage import Stage
from ..core.trial import Result, Trial
from ..display.process import current
from ..display.trials import begin_trial, end_trial
from ..options import Options
from ..system.warnings import harmless, warn
from .iteration import end
from .tracks import Track

if TYPE_CHECKING:
    from typing_extensions import Self

_harmless = harmless("kbar missed a trial")


class Best:
    """The best result of trials so far.

    Args:
        metric: what is compared; None for the validation loss of what runs in the trials, or else its loss.
        goal: whether it is the better the higher or the lower it is; None to tell by its name.
    """

    def __init__(self, metric: str | None, goal: Goal | None = None) -> None:
        self._metric, self._goal = metric, goal
        self._best: tuple[float, int | None] | None = None
        self._lock = threading.Lock()  # trials may end in several threads

    def add(self, trial: Trial, metrics: Mapping[str, object]) -> dict[str, object]:
        """Add the results of a trial; return what the bar of the search shows by now."""
        name = self._metric or next((name for name in ("val_loss", "loss") if name in metrics), None)
        value = plain(metrics[name]) if name and name in metrics else None
        with self._lock:
            if name and isinstance(value, (int, float)) and not math.isnan(value):
                self._metric = name
                sign = -1 if self.goal == "max" else 1
                if self._best is None or sign * value < sign * self._best[0]:
                    self._best = value, trial.number
            if self._best is None:
                return {}
            return {f"best_{self._metric}": self._best[0], f"best_{trial.name}": self._best[1]}

    def restart(self) -> None:
        """Forget what was added before."""
        with self._lock:
            self._best = None

    @property
    def goal(self) -> Goal:
        """Whether the metric is the better the higher or the lower it is."""
        return self._goal or ("max" if higher_is_better(self._metric or "") else "min")


class Search:
    """A search, to be used in a `with` statement.

    Args:
        total: how many trials there are, None if unknown.
        initial: how many of them were done in an earlier run.
        best: compares the results.
        found: what earlier runs found, as `Best.add` returns it.
        options: as all entry points take them.

    Attributes:
        best: compares the results.
    """

    def __init__(
        self,
        total: int | None,
        best: Best,
        options: Options,
        *,
        initial: int = 0,
        found: Mapping[str, object] | None = None,
    ) -> None:
        self.best, self._options, self._total, self._initial = best, options, total, initial
        self._found = found or {}
        self._stage: Stage | None = None
        self._lock = threading.Lock()  # trials may end in several threads

    def __enter__(self) -> Self:
        self._begin()
        return self

    @_harmless
    def _begin(self) -> None:
        self._stage = current().begin(
            "search",
            unit="trial",
            total=self._total,
            firm=False,
            initial=self._initial,
            options=self._options,
        )
        self._stage.in_block = True
        if self._found:
            self._stage.log(self._found, current().clock(), warn)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._stage:
            end(self._stage, self._stage.own_end, error)

    @_harmless
    def expect(self, trials: int) -> None:
        """Expect so many trials in all."""
        if self._stage:
            self._total = self._stage.counts.total = trials

    @_harmless
    def begin(self, number: int | None, total: int | None = None, *, name: str = "trial") -> Trial | None:
        """Begin a trial, on the thread it runs on."""
        return begin_trial(current(), self._stage, name, number, total) if self._stage else None

    @_harmless
    def finish(self, trial: Trial | None, result: Result, *, counts: bool = True) -> None:
        """End a trial, which `counts` unless it was interrupted or will be run again."""
        if trial and self._stage:
            _finish(self._stage, trial, result, self.best)
            if counts:
                with self._lock:
                    self._stage.advance_to(self._stage.done + 1, current().clock())


class Fold:
    """A trial of the stage of a `track`, from one item to the next.

    Its results are those of the latest fit in it, and what was logged for the track meanwhile.
    """

    def __init__(self, track: Track[Any], number: int, total: int, best: Best) -> None:
        self._stage, self._best = track._stage, best
        self._trial: Trial | None = None
        self._begin(number, total)

    @_harmless
    def _begin(self, number: int, total: int) -> None:
        if self._stage:
            self._before = self._stage.logged.values.copy()
            self._trial = begin_trial(current(), self._stage, "fold", number, total)

    @_harmless
    def finish(self) -> None:
        """End it."""
        if self._trial and self._stage:
            current().running()  # ends what an exception has left
            main = self._trial.main
            found = dict(main.metrics(main.counts.latest)) if main else {}
            logged = self._stage.logged.values.items()
            found.update({name: value for name, value in logged if self._before.get(name) is not value})
            _finish(self._stage, self._trial, Result(main.outcome or "done" if main else "done", found), self._best)


def _finish(stage: Stage, trial: Trial, result: Result, best: Best) -> None:
    """End a trial of `stage`, and have its bar show the best result so far."""
    if result.outcome == "done":
        stage.log(best.add(trial, result.metrics), current().clock(), warn)
    end_trial(current(), stage, trial, result)
