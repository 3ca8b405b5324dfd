"""Owns the frozen picture of a run: all that a renderer may know."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Outcome = Literal["done", "stopped", "interrupted", "error"]
"""How a stage ended: ``stopped`` is early and on purpose, ``interrupted`` by Ctrl-C or a signal."""

EventKind = Literal["begin", "resume", "progress", "epoch", "end"]

StreamName = Literal["stdout", "stderr"]

Metrics = tuple[tuple[str, object], ...]
"""Names and values in the order they are shown: as they were given, and Python's own once they are to be drawn."""


@dataclass(frozen=True, slots=True)
class StageView:
    """One stage at one instant.

    Times are seconds, `rate` is units per second; counts are the stage's units. None means
    unknown. `title` is what a bar is labelled with, `path` where in the run the stage is
    (``fit epoch 3/10 train``). A `phase` belongs to its parent's current epoch (an epoch's
    training or validation) and stays on screen until the epoch is over. `seen` is the time of
    the picture on the run's monotonic clock. `run` names the outermost stage, in this process
    and in any other, `run_remaining` is that one's; `key` names the stage within its process. `waiting`
    is for how long a loop has been waiting for its next item (0 if it is not), `data_share` the
    share of `elapsed` that it has waited for items in all; both are 0 where that is not known.

    `position` is where a bar stands that glides to `done`: behind it by two seconds at most, or,
    where steps take longer than that, ahead by the running one's expected share; `shown` is the
    count beside it. None stands for `done`. `uncertain` says that `rate` and the remaining times
    are rough. `running` is for how long the current step has been running, `usual` how long one
    takes typically, `stalled` whether the former is out of all proportion. `spent` says where the
    time of an epoch went: ``first`` (the first execution), ``steps``, ``data`` (waiting for it),
    other stages by their labels, and ``other`` (what callbacks do); `summary` whether the user
    wants to be told. `note` is what else is to be said of the stage at this moment.
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

    @property
    def stands_at(self) -> float:
        """Where a bar is to stand, in units."""
        return self.done if self.position is None else self.position

    @property
    def fraction(self) -> float | None:
        """The share that a bar is to show, from 0 to 1; None where the total is unknown."""
        if self.total is None:
            return None
        return self.stands_at / self.total if self.total else 1.0


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to a stage, at `time` (seconds since the Unix epoch).

    A ``epoch`` is one unit of a stage that has stages of its own, such as an epoch: `stage` is
    the whole, `epoch` what the unit came to, with the stage's own duration, rate and metrics.
    A stage that ``resume``s turns out to begin where an earlier run has left off. `line` is what
    a screen keeps of it as a line above the bars, None for nothing; `above` are the stages that
    `stage` lies within, outermost first, for those that write lines.
    """

    kind: EventKind
    time: float
    stage: StageView
    epoch: StageView | None = None
    line: StageView | None = None
    above: tuple[StageView, ...] = ()


@dataclass(frozen=True, slots=True)
class Message:
    """A line that somebody printed to a stream of `sys` while bars were up; it goes above them as it is.

    `time` is in seconds since the Unix epoch, `run` that of the outermost stage by then.
    """

    stream: StreamName
    text: str
    time: float = 0.0
    run: str = ""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All stages on show, outermost first, and what happened since the target's last draw."""

    stages: tuple[StageView, ...]
    events: tuple[Event | Message, ...]
