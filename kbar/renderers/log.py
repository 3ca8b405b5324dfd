"""Log lines for people: each event as one line of plain text."""

from __future__ import annotations

import logging
import math
import os
import time
from typing import Any, Union

from ..core.snapshot import Event, EventKind, Message, Snapshot, StageView
from ..core.text import (
    count,
    data_fact,
    duration,
    eta,
    known_throughput,
    metric_texts,
    parameter_texts,
    percentage,
    printed,
    speed,
    spent_facts,
    step_fact,
    throughputs,
    took,
)
from ..core.throttle import ThrottleSpec
from ..system.logfile import placeholders
from .jsonl import record_of, time_text
from .lines import FileSpec, LineRenderer

LoggerSpec = Union[logging.Logger, "logging.LoggerAdapter[Any]"]
_LOGGERS = (logging.Logger, logging.LoggerAdapter)


class LogRenderer(LineRenderer):
    """Writes lines of plain text: no escapes, no carriage returns.

    A line holds the time (ISO 8601 with offset), the position in the run, ``done/total``, the
    percentage, then ``name=value`` for metrics, rate and times. By default there is a line at
    every tenth of a stage, at most one a second and at least one a minute. The beginning and
    the end of a run and each finished epoch have lines of their own.

    Args:
        file: a path to append to, which may hold ``{rank}``, ``{pid}``, ``{host}`` and ``{time}``;
            or a text stream; or None for `sys.stdout` as it is when a run begins; or a
            `logging.Logger` or `logging.LoggerAdapter`, whose records have no time in their
            message, and one more attribute: ``kbar``, a dict with the keys that
            `kbar/schema.json` explains.
        throttle: when a line is due between a stage's beginning and end.
        messages: whether lines that the program prints meanwhile are written as well.
        level: the level of a logger's records.

    Raises:
        OSError: if the path cannot be appended to.
        TypeError, ValueError: naming the argument, what was given and what is allowed.
    """

    def __init__(
        self,
        file: FileSpec | LoggerSpec = None,
        *,
        throttle: ThrottleSpec | None = None,
        messages: bool = False,
        level: int = logging.INFO,
    ) -> None:
        self._logger = file if isinstance(file, _LOGGERS) else None
        is_other = hasattr(file, "info") and not (isinstance(file, (*_LOGGERS, os.PathLike)) or hasattr(file, "write"))
        if is_other:  # a logger of another library; since Python 3.14, paths have an `info` as well
            raise TypeError(f"file must be a path, a text stream, a logger of Python's `logging` or None; got {file!r}")
        super().__init__(None if isinstance(file, _LOGGERS) else file, throttle=throttle, messages=messages)
        if isinstance(level, bool) or not isinstance(level, int):
            raise TypeError(f"level must be a number such as logging.INFO; got {level!r}")
        self._level = level
        self._short_at = -math.inf  # when the latest line of a short loop within another one was written
        self.screen = file is None

    def draw(self, snapshot: Snapshot) -> None:
        """Write the lines of the events."""
        if self._logger is None:
            super().draw(snapshot)
            return
        for event in snapshot.events:
            if isinstance(event, Event) and not self._is_flood(event) and (text := text_of_event(event)):
                _log(self._logger, self._level, text, {"kbar": record_of(event, self.worker)})

    def line(self, event: Event | Message) -> str:
        """The event's line, "" if it says nothing new."""
        text = f"message {printed(event.text)}" if isinstance(event, Message) and event.text else ""
        text = text_of_event(event) if isinstance(event, Event) and not self._is_flood(event) else text
        return self._line(event.time, text) if text else ""

    def _is_flood(self, event: Event) -> bool:
        """Whether this says that a short loop within another one is over, less than a second after the line before."""
        stage = event.epoch or event.stage
        short = event.stage.depth > 0 and event.kind in ("epoch", "end") and stage.elapsed < 1.0
        if not short or event.stage.phase or stage.outcome in ("interrupted", "error"):
            return False
        flood = 0 <= event.time - self._short_at < 1.0
        self._short_at = self._short_at if flood else event.time
        return flood

    def gap(self, missing: int, reason: str) -> str:
        """A message that says how many lines are missing, and why."""
        return self._line(time.time(), f"message lines missing: {missing} ({reason})")

    def _line(self, at: float, text: str) -> str:
        # In a file of a worker's own, lines need no rank.
        shared = not placeholders(self._path or "") & {"rank", "pid", "host"}
        rank = f" rank={self.worker.rank}" if self.worker.rank and shared else ""
        return f"{time_text(at, 'seconds')} {text}{rank}"


def _log(logger: LoggerSpec, level: int, text: str, extra: dict[str, Any], **options: Any) -> None:
    """Log a text. The attributes in `extra` are kept where an adapter has others, which Python's would replace."""
    if isinstance(logger, logging.LoggerAdapter):
        text, given = logger.process(text, {**options, "extra": extra})
        extra = {**(given.pop("extra", None) or {}), **extra}
        _log(logger.logger, level, text, extra, **given)
        return
    logger.log(level, "%s", text, extra=extra, **options)


def text_of_event(event: Event) -> str:
    """What happened, without the time; "" for what says nothing new."""
    stage = event.epoch or event.stage
    if not _is_news(event.kind, stage):
        return ""
    running = event.kind not in ("begin", "resume")
    root = event.above[0] if event.above and stage.depth else None
    words = [
        stage.path,
        *_happened(event.kind, stage),
        stage.note.replace(", ", ",").replace(" ", "_"),
        *(text.replace(", ", ",").replace(" ", "_") for text in (*metric_texts(stage), *parameter_texts(stage))),
        _field("rate", speed(stage).replace(" ", "")),
        *(_per_second(text) for text in (*throughputs(stage), known_throughput(stage)) if text),
        _field("elapsed", duration(stage.elapsed) if running else ""),
        _field("eta", eta(stage.remaining, stage.uncertain)),
        _field("run_eta", eta(stage.run_remaining, root.uncertain) if root else ""),
        "=".join(data_fact(stage)).strip("=").replace(" ", "_"),
        step_fact(stage).replace(" ", "_"),
        *(_field(f"spent_{name.replace(' ', '_')}", took(seconds)) for name, seconds in spent_facts(stage)),
    ]
    return " ".join(filter(None, words))


def _is_news(kind: EventKind, stage: StageView) -> bool:
    """Whether no other line says the same: an epoch's line says how its phases went, and where they began."""
    if kind == "begin":
        return stage.depth == 0
    return kind != "end" or not stage.phase or stage.outcome in ("interrupted", "error")


def _happened(kind: EventKind, stage: StageView) -> list[str]:
    """What happened to a stage, in words, and where it is."""
    if kind == "begin":
        return ["begins", "" if stage.total is None else f"total={stage.total}"]
    is_done = kind != "progress" and stage.outcome == "done" and stage.done == stage.total
    word = "resumes at" if kind == "resume" else "done" if is_done else ""
    return [word, count(stage, exact=True).strip(), percentage(stage)]


def _per_second(throughput: str) -> str:
    """``9.98k samples/s`` as a field: ``samples=9.98k/s``."""
    amount, name = throughput.removesuffix("/s").split(" ", 1)
    return f"{name.replace(' ', '_')}={amount}/s"


def _field(name: str, text: str) -> str:
    return f"{name}={text.replace(' ', '_')}" if text else ""
