"""Owns lines for people: one event a line, plain text, made to be grepped and cut."""

from __future__ import annotations

import logging
import time

from ..core.snapshot import Event, Message, Snapshot
from ..core.text import (
    count,
    data_fact,
    duration,
    eta,
    metric_texts,
    percentage,
    printed,
    rate,
    spent_facts,
    step_fact,
    took,
)
from ..core.throttle import ThrottleSpec
from ..system.logfile import placeholders
from .jsonl import record_of, time_text
from .lines import FileSpec, LineRenderer


class LogRenderer(LineRenderer):
    """Writes lines of plain text: no escapes, no carriage returns.

    A line holds the time (ISO 8601 with offset), where in the run it is, ``done/total``, the
    percentage, then ``name=value`` for metrics, rate and times. By default a line is due at
    every tenth of a stage, at most one a second and at least one a minute, besides one where a
    run begins, one for each finished epoch, and one where a run ends.

    Args:
        file: a path to append to, which may hold ``{rank}``, ``{pid}``, ``{host}`` and ``{time}``;
            or a text stream; or None for `sys.stdout` as it is when a run begins; or a
            `logging.Logger`, whose records have no time in their message, and as attributes
            the keys that `kbar/schema.json` tells of.
        throttle: when a line is due between a stage's beginning and end.
        messages: whether what others print meanwhile becomes lines as well.
        level: of a logger's records.

    Raises:
        OSError: if the path cannot be appended to.
        TypeError, ValueError: naming the argument, what was given and what is allowed.
    """

    def __init__(
        self,
        file: FileSpec | logging.Logger = None,
        *,
        throttle: ThrottleSpec | None = None,
        messages: bool = False,
        level: int = logging.INFO,
    ) -> None:
        self._logger = file if isinstance(file, logging.Logger) else None
        super().__init__(None if isinstance(file, logging.Logger) else file, throttle=throttle, messages=messages)
        if isinstance(level, bool) or not isinstance(level, int):
            raise TypeError(f"level must be a number such as logging.INFO; got {level!r}")
        self._level = level
        self.screen = file is None

    def draw(self, snapshot: Snapshot) -> None:
        """Writes the lines."""
        if self._logger is None:
            super().draw(snapshot)
            return
        for event in snapshot.events:
            if isinstance(event, Event) and (text := _text(event)):
                self._logger.log(self._level, "%s", text, extra=record_of(event, self.worker))

    def line(self, event: Event | Message) -> str:
        """The event's line, "" for those that say nothing new: an epoch's line tells of its parts."""
        text = f"message {printed(event.text)}" if isinstance(event, Message) and event.text else ""
        text = _text(event) if isinstance(event, Event) else text
        return self._line(event.time, text) if text else ""

    def gap(self, missing: int, reason: str) -> str:
        """A message that says so."""
        return self._line(time.time(), f"message lines missing: {missing} ({reason})")

    def _line(self, at: float, text: str) -> str:
        # Where no other worker writes, nobody asks whose a line is.
        shared = not placeholders(self._path or "") & {"rank", "pid", "host"}
        rank = f" rank={self.worker.rank}" if self.worker.rank and shared else ""
        return f"{time_text(at, 'seconds')} {text}{rank}"


def _text(event: Event) -> str:
    """What happened, without when; "" for what says nothing new."""
    stage = event.epoch or event.stage
    told_elsewhere = stage.phase and stage.outcome in (None, "done", "stopped")  # by the epoch's line
    if (event.kind == "begin" and stage.depth) or (event.kind == "end" and told_elsewhere):
        return ""
    if event.kind == "progress":
        words = [stage.path, count(stage).strip(), percentage(stage)]
    elif event.kind == "begin":
        words = [stage.path, "begins", "" if stage.total is None else f"total={stage.total}"]
    elif event.kind == "resume":
        words = [stage.path, "resumes at", count(stage).strip(), percentage(stage)]
    else:
        done = "done" if stage.outcome == "done" else ""
        words = [stage.path, done, count(stage).strip(), percentage(stage)]
    words += [text.replace(" ", "_") for text in metric_texts(stage.metrics)]
    words.append(f"rate={rate(stage.rate, stage.unit).replace(' ', '')}" if stage.rate else "")
    words.append(f"elapsed={duration(stage.elapsed)}" if event.kind not in ("begin", "resume") else "")
    words.append(f"eta={eta(stage.remaining, stage.uncertain)}" if stage.remaining is not None else "")
    run_eta = stage.run_remaining if stage.depth else None
    words.append(f"run_eta={eta(run_eta, event.above[0].uncertain)}" if run_eta is not None and event.above else "")
    words.append("=".join(data_fact(stage)).strip("=").replace(" ", "_"))
    words.append(step_fact(stage).replace(" ", "_"))
    words += [f"spent_{name.replace(' ', '_')}={took(seconds)}" for name, seconds in spent_facts(stage)]
    return " ".join(filter(None, words))
