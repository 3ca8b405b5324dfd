"""Lines for programs: one event a line, as JSON."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from ..core.scalars import Plain, plain
from ..core.snapshot import Event, Message, StageView
from ..core.text import clean, count, printed
from ..system.worker import Worker
from .lines import LineRenderer

VERSION = 1
LONGEST = 1 << 20
"""Characters that a line may have to be read."""

_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))
_LARGEST = 2**53  # whole numbers up to this are the same in every program that reads JSON


def time_text(time: float, precision: str = "milliseconds") -> str:
    """Seconds since the Unix epoch as ISO 8601, in local time with its offset."""
    return datetime.fromtimestamp(time).astimezone().isoformat(timespec=precision)


def record_of(event: Event, worker: Worker) -> dict[str, Any]:
    """The event as an object; `schema.json` beside this file says what its keys mean."""
    view, above = event.stage, event.above
    if event.epoch:
        view, above = event.epoch, (*above, event.stage)
    kind = {"epoch": "end", "resume": "message"}.get(event.kind, event.kind)
    return {
        **_envelope(event.time, view.run, kind, worker),
        **_stage(view),
        "run_eta": _real(event.stage.run_remaining),
        "spent": {name: _real(seconds) for name, seconds in view.spent} if view.spent else None,
        "above": [_stage(each) for each in above],
        "text": f"resumes at {count(view).strip()}" if event.kind == "resume" else None,
    }


def message_of(text: str, time: float, run: str, worker: Worker) -> dict[str, Any]:
    """A message as such an object; it is about no stage."""
    return {**_envelope(time, run, "message", worker), **_NO_STAGE, "metrics": {}, "above": [], "text": printed(text)}


def dumps(record: Mapping[str, Any]) -> str:
    """The record as one line."""
    return _ENCODER.encode(record)


def _envelope(time: float, run: str, event: str, worker: Worker) -> dict[str, Any]:
    return {
        "v": VERSION,
        "time": time_text(time),
        "run": run or None,
        "event": event,
        "rank": worker.rank,
        "pid": worker.pid,
        "host": clean(worker.host),
    }


def _stage(view: StageView) -> dict[str, Any]:
    return {
        "id": view.key,
        "stage": view.label,
        "title": view.title,
        "path": view.path,
        "unit": view.unit,
        "phase": view.phase,
        "done": view.done,
        "total": view.total,
        "position": _real(view.position),
        "metrics": {clean(name, 200): metric(value) for name, value in view.metrics},
        "rate": _real(view.rate),
        "eta": _real(view.remaining),
        "uncertain": view.uncertain,
        "elapsed": _real(view.elapsed),
        "outcome": view.outcome,
        "waiting": _real(view.waiting),
        "data": _real(view.data_share),
        "running": _real(view.running),
        "usual": _real(view.usual),
        "stalled": view.stalled,
    }


_NO_STAGE = dict.fromkeys(
    (
        *("id", "stage", "title", "path", "unit", "phase", "done", "total", "position", "rate", "eta", "uncertain"),
        *("elapsed", "outcome", "waiting", "data", "running", "usual", "stalled", "run_eta", "spent"),
    )
)


def metric(value: object) -> Plain:
    """A metric's value as JSON has it: what is not finite, or too large for other programs, as text."""
    found = plain(value)
    if isinstance(found, str):
        return clean(found, 200)
    if found is None or isinstance(found, bool):
        return found
    if isinstance(found, int) and abs(found) > _LARGEST:
        found = float(found) if abs(found) < 10**300 else math.inf if found > 0 else -math.inf
    if isinstance(found, float) and not math.isfinite(found):
        return "NaN" if math.isnan(found) else "Infinity" if found > 0 else "-Infinity"
    return found


def _real(value: float | None) -> float | None:
    """Seconds, rates and shares, to the millionth."""
    return None if value is None or not math.isfinite(value) else round(value, 6)


class JsonLinesRenderer(LineRenderer):
    """Writes one JSON object a line, for programs, and for ``kbar watch`` to draw bars from.

    Each event is told by itself, also the beginning and end of every stage within an epoch;
    `kbar/schema.json` says what the keys mean and in which units they are.
    ``pandas.read_json(path, lines=True)`` reads it.

    Args:
        file: a path to append to, which may hold ``{rank}``, ``{pid}``, ``{host}`` and ``{time}``;
            or a text stream; or None for `sys.stdout` as it is when a run begins.
        throttle: when a line is due between a stage's beginning and end: by default at every
            tenth of it, at most one a second and at least one a minute.
        messages: whether what others print meanwhile becomes lines as well.

    Raises:
        OSError: if the path cannot be appended to.
        TypeError, ValueError: naming the argument, what was given and what is allowed.
    """

    _run = ""

    def line(self, event: Event | Message) -> str:
        """The event as JSON."""
        if isinstance(event, Message):
            return dumps(message_of(event.text, event.time, event.run, self.worker)) if event.text else ""
        self._run = event.stage.run
        return dumps(record_of(event, self.worker))

    def gap(self, missing: int, reason: str) -> str:
        """A message that says so."""
        return dumps(message_of(f"lines missing: {missing} ({reason})", time.time(), self._run, self.worker))
