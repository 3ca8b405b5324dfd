"""Owns clean lines for people: one event a line, plain text, made to be grepped and cut."""

from __future__ import annotations

import os
import sys
from datetime import datetime
from pathlib import Path
from typing import IO, ClassVar

from ..format import count, data_fact, duration, eta, metric_texts, percentage, rate, spent_facts, step_fact, took
from ..snapshot import Event, Snapshot
from ..throttle import Throttle, ThrottleSpec, every
from ._base import Renderer


class LogRenderer(Renderer):
    """Writes lines of plain text: no escapes, no carriage returns.

    A line holds the time (ISO 8601 with offset), where in the run it is, ``done/total``, the
    percentage, then ``name=value`` for metrics, rate and times. By default a line is due at
    every tenth of a stage, at most one a second and at least one a minute, besides one where a
    run begins, one for each finished epoch, and one where a run ends.

    Args:
        file: a path to append to, or a text stream; `sys.stdout` as it is when a run begins,
            if None.
        throttle: when a line is due between a stage's beginning and end.

    Raises:
        OSError: if the path cannot be opened for appending.
        TypeError: if `file` is none of these.
    """

    live: ClassVar[bool] = False
    default_throttle: ClassVar[Throttle] = (every(percent=10) & every(seconds=1)) | every(seconds=60)

    def __init__(
        self, file: str | os.PathLike[str] | IO[str] | None = None, *, throttle: ThrottleSpec | None = None
    ) -> None:
        super().__init__(throttle=throttle)
        self.screen = file is None
        self._path: Path | None = None
        self._given: IO[str] | None = None
        if isinstance(file, (str, os.PathLike)):
            self._path = Path(file)
            with self._path.open("a", encoding="utf-8"):
                pass  # a path that cannot be written is a mistake to hear of now, not in an hour
        elif file is None or hasattr(file, "write"):
            self._given = file
        else:
            raise TypeError(f"file must be a path, a text stream or None; got {file!r}")
        self._stream: IO[str] | None = None

    def open(self) -> None:
        """A run begins."""
        self._stream = self._path.open("a", encoding="utf-8") if self._path else self._given or sys.stdout

    def draw(self, snapshot: Snapshot) -> None:
        """Writes a line for each event that has one."""
        if self._stream is None:
            return
        for event in snapshot.events:
            if isinstance(event, Event) and (line := _line(event)):
                self._stream.write(line + "\n")
                self._stream.flush()

    def close(self) -> None:
        """The run is over."""
        if self._path and self._stream:
            self._stream.close()
        self._stream = None

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_stream": None}


def _line(event: Event) -> str:
    """The event's line, "" for those that say nothing new: an epoch's line tells of its parts."""
    stage = event.lap or event.stage
    told_elsewhere = stage.part and stage.outcome in (None, "done", "stopped")  # by the epoch's line
    if (event.kind == "begin" and stage.depth) or (event.kind == "end" and told_elsewhere):
        return ""
    if event.kind == "progress":
        words = [stage.path, count(stage).strip(), percentage(stage)]
    elif event.kind == "begin":
        words = [stage.path, "begins", "" if stage.total is None else f"total={stage.total}"]
    else:
        done = "done" if stage.outcome == "done" else ""
        words = [stage.path, done, count(stage).strip(), percentage(stage)]
    words += [text.replace(" ", "_") for text in metric_texts(stage.metrics)]
    words.append(f"rate={rate(stage.rate, stage.unit).replace(' ', '')}" if stage.rate else "")
    words.append(f"elapsed={duration(stage.elapsed)}" if event.kind != "begin" else "")
    words.append(f"eta={eta(stage.remaining, stage.uncertain)}" if stage.remaining is not None else "")
    run_eta = stage.run_remaining if stage.depth else None
    words.append(f"run_eta={eta(run_eta)}" if run_eta is not None else "")
    words.append("=".join(data_fact(stage)).strip("=").replace(" ", "_"))
    words.append(step_fact(stage).replace(" ", "_"))
    words += [f"spent_{name.replace(' ', '_')}={took(seconds)}" for name, seconds in spent_facts(stage)]
    time = datetime.fromtimestamp(event.time).astimezone().isoformat(timespec="seconds")
    return " ".join([time, *(w for w in words if w)])
