"""Log lines for programs: each event as one JSON object."""

from __future__ import annotations

import codecs
import json
import math
import time
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

from ..core.scalars import Plain, plain
from ..core.snapshot import Event, Message, StageView
from ..core.text import LONGEST_NAME, clean, count, printed
from ..system.worker import Worker
from .lines import LineRenderer

VERSION = 1
LONGEST = 1 << 20
"""The most characters of a line that is read back."""
LARGEST = 2**53
"""Whole numbers up to this are the same in every program that reads JSON."""

_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))
_ASCII_ENCODER = json.JSONEncoder(ensure_ascii=True, allow_nan=False, separators=(",", ":"))


def time_text(time: float, precision: str = "milliseconds") -> str:
    """Seconds since the Unix epoch as ISO 8601, in local time with its offset."""
    # By way of UTC, as Windows knows no offset of the first day of 1970, where a computer without a clock begins.
    return datetime.fromtimestamp(time, timezone.utc).astimezone().isoformat(timespec=precision)


# The keys of a stage, and the attribute of a `StageView` that each is taken from.
_KEYS = {
    "id": "key",
    "stage": "label",
    "title": "title",
    "path": "path",
    "unit": "unit",
    "phase": "phase",
    "done": "done",
    "total": "total",
    "position": "position",
    "metrics": "metrics",
    "parameters": "parameters",
    "goals": "goals",
    "per_unit": "per_unit",
    "rate": "rate",
    "eta": "remaining",
    "uncertain": "uncertain",
    "elapsed": "elapsed",
    "outcome": "outcome",
    "waiting": "waiting",
    "data": "data_share",
    "running": "running",
    "usual": "usual",
    "stalled": "stalled",
}
_NO_STAGE: dict[str, Any] = {
    **dict.fromkeys(_KEYS),
    "metrics": {},
    "parameters": {},
    "goals": {},
    "run_eta": None,
    "spent": None,
    "above": [],
}


def record_of(event: Event, worker: Worker) -> dict[str, Any]:
    """The event as a JSON object; `schema.json` in kbar's folder explains its keys."""
    view, above = event.stage, event.above
    if event.epoch:
        view, above = event.epoch, (*above, event.stage)
    kind = {"epoch": "end", "resume": "message"}.get(event.kind, event.kind)
    return {
        **_envelope(event.time, view.run, kind, worker),
        **_stage(view),
        "run_eta": _json(event.stage.run_remaining),
        "spent": {name: _json(seconds) for name, seconds in view.spent} if view.spent else None,
        "above": [_stage(each) for each in above],
        "text": f"resumes at {count(view, exact=True).strip()}" if event.kind == "resume" else None,
    }


def message_of(text: str, time: float, run: str, worker: Worker) -> dict[str, Any]:
    """A message as such an object, which is about no stage."""
    return {**_envelope(time, run, "message", worker), **_NO_STAGE, "text": printed(text)}


def dumps(record: Mapping[str, Any], *, ascii: bool = False) -> str:
    """The object as one line; with `ascii`, other characters are escaped, for streams that cannot have them."""
    return (_ASCII_ENCODER if ascii else _ENCODER).encode(record)


def is_unicode(stream: object) -> bool:
    """Whether all characters can be written to a text stream."""
    encoding = getattr(stream, "encoding", None) or "utf-8"
    try:
        return codecs.lookup(encoding).name.startswith("utf")
    except (LookupError, TypeError):
        return False


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
    return {key: _json(getattr(view, name)) for key, name in _KEYS.items()}


def _json(value: Any) -> Any:
    """An attribute of a stage as JSON value: times, rates and shares are rounded to the millionth."""
    if isinstance(value, float):
        return round(value, 6) if math.isfinite(value) else None
    if isinstance(value, tuple):  # metrics, and what a unit consists of
        return {clean(name, LONGEST_NAME): metric(each) for name, each in value}
    return value


def metric(value: object) -> Plain | list[Plain | list[Any]]:
    """A metric's value as JSON value. What is not finite is text, as JSON has no numbers for it."""
    found = plain(value)
    if isinstance(found, tuple):
        return [metric(each) for each in found]
    if isinstance(found, str):
        return clean(found, 200)
    if found is None or isinstance(found, bool):
        return found
    if isinstance(found, int) and abs(found) > LARGEST:
        found = float(found) if abs(found) < 10**300 else math.inf if found > 0 else -math.inf
    if isinstance(found, float) and not math.isfinite(found):
        return "NaN" if math.isnan(found) else "Infinity" if found > 0 else "-Infinity"
    return found


class JsonLinesRenderer(LineRenderer):
    """Writes one JSON object a line, for programs, and for ``kbar watch`` to draw bars from.

    Each event has its own line, also the beginning and end of every stage within an epoch.
    `kbar/schema.json` explains the keys and their units. ``pandas.read_json(path, lines=True)``
    reads such a file.

    Args:
        file: a path to append to, which may hold ``{rank}``, ``{pid}``, ``{host}`` and ``{time}``;
            or a text stream; or None for `sys.stdout` as it is when a run begins.
        throttle: when a line is due between a stage's beginning and end: by default at every
            tenth of it, at most one a second and at least one a minute.
        messages: whether lines that the program prints meanwhile are written as well.

    Raises:
        OSError: if the path cannot be appended to.
        TypeError, ValueError: naming the argument, what was given and what is allowed.
    """

    _run = ""

    def line(self, event: Event | Message) -> str:
        """The event as one line of JSON."""
        if isinstance(event, Message):
            return self._dumps(message_of(event.text, event.time, event.run, self.worker)) if event.text else ""
        self._run = event.stage.run
        return self._dumps(record_of(event, self.worker))

    def gap(self, missing: int, reason: str) -> str:
        """A message that says how many lines are missing, and why."""
        return self._dumps(message_of(f"lines missing: {missing} ({reason})", time.time(), self._run, self.worker))

    def _dumps(self, record: Mapping[str, Any]) -> str:
        return dumps(record, ascii=self.output is not None and not is_unicode(self.output.stream))
