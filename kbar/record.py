"""Owns the form of a run's lines for programs: an event as one JSON object, and back."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, get_args

from .format import clean, count, printed
from .metrics import Plain, plain
from .snapshot import Event, Outcome, StageView
from .worker import Worker

VERSION = 1
LONGEST = 1 << 20
"""Characters that a line may have to be read."""

_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))
_DEEPEST = 50
_LATEST = 250_000_000_000.0  # the year 9892, in seconds since the Unix epoch
_MOST = 200  # metrics of a stage that are read
_LARGEST = 2**53  # whole numbers up to this are the same in every program that reads JSON


def time_text(time: float, precision: str = "milliseconds") -> str:
    """Seconds since the Unix epoch as ISO 8601, in local time with its offset."""
    return datetime.fromtimestamp(time).astimezone().isoformat(timespec=precision)


def record_of(event: Event, worker: Worker) -> dict[str, Any]:
    """The event as an object; `schema.json` beside this file says what its keys mean."""
    view, above = event.stage, event.above
    if event.lap:
        view, above = event.lap, (*above, event.stage)
    kind = {"lap": "end", "resume": "message"}.get(event.kind, event.kind)
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
        "part": view.part,
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
        *("id", "stage", "title", "path", "unit", "part", "done", "total", "position", "rate", "eta", "uncertain"),
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


@dataclass(frozen=True)
class Record:
    """A line that was read: who wrote it, and what has happened to which stage.

    `time` is in seconds since the Unix epoch, `kind` its ``event``; `stage` is None for a message
    that is about none.
    """

    time: float
    run: str
    kind: Literal["begin", "progress", "end", "message"]
    stage: StageView | None
    above: tuple[StageView, ...]
    text: str
    rank: int
    pid: int
    host: str


def read(line: bytes | str) -> Record | None:
    """The record on this line; None if there is none that makes sense. All its text is harmless."""
    if len(line) > LONGEST:
        return None
    try:
        found = json.loads(line)
        if found["v"] != VERSION:
            return None
        run, run_eta = _text(found["run"] or ""), _number(found["run_eta"])
        above = tuple(_view(each, depth, run, run_eta) for depth, each in enumerate(found["above"][:_DEEPEST]))
        stage = None if found["stage"] is None else _view(found, len(above), run, run_eta)
        if len({view.key for view in (*above[:-1], stage) if view}) < len(above[:-1]) + bool(stage):
            return None  # stages within themselves
        time = datetime.fromisoformat(found["time"]).timestamp()
        if not 0 < time < _LATEST:
            return None
        return Record(
            time=time,
            run=run,
            kind=_one_of(("begin", "progress", "end", "message"), found["event"]),
            stage=stage,
            above=above,
            text=printed(_text(found["text"] or "")),
            rank=_natural(found["rank"]),
            pid=_natural(found["pid"]),
            host=_text(found["host"]),
        )
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, OSError, RecursionError):
        return None  # torn, foreign or hostile: whatever it is, it is none of ours


def _view(found: Mapping[str, Any], depth: int, run: str, run_eta: float | None) -> StageView:
    done, total, spent = _natural(found["done"]), found["total"], found.get("spent") or {}
    return StageView(
        key=_natural(found["id"]),
        depth=depth,
        label=_text(found["stage"]),
        title=_text(found["title"]),
        path=_text(found["path"]),
        unit=_text(found["unit"]),
        part=bool(found["part"]),
        done=done,
        total=None if total is None else max(done, _natural(total)),
        seen=0.0,
        elapsed=_number(found["elapsed"]) or 0.0,
        rate=_number(found["rate"]),
        remaining=_number(found["eta"]),
        run_remaining=run_eta,
        metrics=tuple((_text(name), _metric(value)) for name, value in [*found["metrics"].items()][:_MOST]),
        outcome=None if found["outcome"] is None else _one_of(get_args(Outcome), found["outcome"]),
        waiting=_number(found["waiting"]) or 0.0,
        data_share=min(1.0, _number(found["data"]) or 0.0),
        uncertain=bool(found["uncertain"]),
        running=_number(found["running"]) or 0.0,
        usual=_number(found["usual"]) or 0.0,
        position=_number(found["position"]),
        stalled=bool(found["stalled"]),
        spent=tuple((_text(name), _number(seconds) or 0.0) for name, seconds in [*spent.items()][:_MOST]),
        run=run,
    )


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"a string is wanted; got {value!r}")
    return clean(value)


def _natural(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _LARGEST:
        raise ValueError(f"a count is wanted; got {value!r}")
    return value


def _number(value: object) -> float | None:
    """Seconds and the like, from 0; None if unknown."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= _LARGEST:
        raise ValueError(f"a number from 0 is wanted; got {value!r}")
    return float(value)


def _metric(value: object) -> Plain:
    if isinstance(value, str):
        return float(value) if value in ("NaN", "Infinity", "-Infinity") else clean(value, 200)
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > _LARGEST:
        return float(value)
    if value is None or isinstance(value, (bool, int, float)):
        return value
    raise TypeError(f"a metric's value is wanted; got {value!r}")


def _one_of(allowed: tuple[Any, ...], value: object) -> Any:
    if value not in allowed:
        raise ValueError(f"one of {allowed} is wanted; got {value!r}")
    return value
