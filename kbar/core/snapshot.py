"""Snapshots: the frozen state of a run at one instant, and all that a renderer may know of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Outcome = Literal["done", "stopped", "interrupted", "error"]
"""How a stage ended: ``stopped`` is early and on purpose, ``interrupted`` by Ctrl-C or a signal."""

Goal = Literal["max", "min"]
"""Whether a metric is the better the higher or the lower it is."""

EventKind = Literal["begin", "resume", "progress", "epoch", "end"]

StreamName = Literal["stdout", "stderr"]

Metrics = tuple[tuple[str, object], ...]
"""Names and values, in the order in which they are shown. When a renderer gets them, values are Python's own."""


@dataclass(frozen=True, slots=True)
class StageView:
    """One stage at one instant.

    Times are seconds, counts are in the stage's units, and None means unknown.

    Attributes:
        key: tells the stage from all others of its process.
        depth: how many stages it lies within.
        label: what it is called.
        title: what its bar is labelled with.
        path: where in the run it is, such as ``fit epoch 3/10 train``.
        unit: what is counted, singular.
        phase: whether it belongs to its parent's current epoch, as training and validation do; it then stays on screen
            until the epoch is over.
        done, total: how many units are done, of how many.
        seen: the time of the view, by the monotonic clock of the run.
        elapsed: how long the stage has run.
        rate: units per second.
        remaining, run_remaining: how long the stage, and the outermost one around it, still take.
        metrics: names and values.
        outcome: how it ended, None while it runs.
        waiting: for how long a loop has been waiting for its next item; 0 if it is not, or if that is unknown.
        data_share: the share of `elapsed` that was spent waiting for items; 0 if unknown.
        shown: the count to show beside the bar, None for `done`; behind it by two seconds at most, never above it.
        position: where the bar is to stand, None for `done`. It glides: up to two seconds behind, or, where steps take
            longer than that, ahead by the share of the running step that is expected to be over.
        uncertain: whether `rate` and the remaining times are rough.
        running: for how long the current step has been running.
        usual: how long a step takes, typically.
        stalled: whether `running` is out of all proportion to that.
        spent: where the time of an epoch went: ``first`` (the first execution), ``steps``, ``data`` (waiting for it),
            other phases by their labels, and ``other`` (callbacks).
        summary: whether the user has asked to be shown `spent`.
        run: names the outermost stage, also among other processes.
        note: a remark on the stage at this moment.
        names: what people see some of `metrics` called, by the metrics' own names.
        formats: how numbers of `metrics` are formatted, by names or patterns; the first one that matches counts.
        per_unit: what a unit consists of, as the user says: names and numbers, such as 32 samples.
        batch: how many samples a unit has, as the data says; 0 if unknown.
        parameters: of a trial: what was chosen for it, such as hyperparameters: names and values.
        goals: whether high or low values of metrics are good, by their names, where the user or a tuner says so.
    """

    key: int
    depth: int
    label: str
    title: str
    path: str
    unit: str
    phase: bool
    done: int
    total: int | None
    seen: float
    elapsed: float
    rate: float | None
    remaining: float | None
    run_remaining: float | None
    metrics: Metrics
    outcome: Outcome | None
    waiting: float = 0.0
    data_share: float = 0.0
    shown: int | None = None
    position: float | None = None
    uncertain: bool = False
    running: float = 0.0
    usual: float = 0.0
    stalled: bool = False
    spent: tuple[tuple[str, float], ...] = ()
    summary: bool = False
    run: str = ""
    note: str = ""
    names: tuple[tuple[str, str], ...] = ()
    formats: tuple[tuple[str, str], ...] = ()
    per_unit: tuple[tuple[str, float], ...] = ()
    batch: int = 0
    parameters: Metrics = ()
    goals: tuple[tuple[str, Goal], ...] = ()

    @property
    def stands_at(self) -> float:
        """Where the bar is to stand, in units."""
        return self.done if self.position is None else self.position

    @property
    def fraction(self) -> float | None:
        """The share that the bar is to show, from 0 to 1; None if the total is unknown."""
        if self.total is None:
            return None
        return self.stands_at / self.total if self.total else 1.0


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to a stage.

    Attributes:
        kind: what happened. A stage that resumes turns out to begin where an earlier run ended; ``epoch`` says that one
            of its epochs is over.
        time: when, in seconds since the Unix epoch.
        stage: the stage.
        epoch: the epoch that is over, with its own duration, rate and metrics.
        line: what a screen keeps as a line above the bars, None for nothing.
        above: the stages that `stage` lies within, outermost first, for renderers of lines.
    """

    kind: EventKind
    time: float
    stage: StageView
    epoch: StageView | None = None
    line: StageView | None = None
    above: tuple[StageView, ...] = ()


@dataclass(frozen=True, slots=True)
class Message:
    """A line that was printed while bars were up.

    Attributes:
        stream: where it was printed.
        text: the line.
        time: when, in seconds since the Unix epoch.
        run: the `StageView.run` of the outermost stage at that time.
    """

    stream: StreamName
    text: str
    time: float = 0.0
    run: str = ""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All stages that are shown, outermost first, and what has happened since the target's last snapshot."""

    stages: tuple[StageView, ...]
    events: tuple[Event | Message, ...]
