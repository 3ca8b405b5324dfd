"""Reads the lines of a JSON-lines log."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, get_args

from ..core.scalars import Plain
from ..core.snapshot import Goal, Metrics, Outcome, StageView
from ..core.text import LONGEST_NAME, clean, printed
from ..renderers.jsonl import LARGEST, LONGEST, VERSION

_DEEPEST = 50  # stages within each other
_LATEST = 250_000_000_000.0  # the year 9892, in seconds since the Unix epoch
_MOST = 200  # names of a stage: its metrics, or what its time was spent on
_LONGEST_VECTOR = 4


@dataclass(frozen=True)
class Record:
    """One line of a log: which process wrote it, and what happened to which stage.

    Attributes:
        time: when, in seconds since the Unix epoch.
        run: names the run.
        kind: the line's ``event``.
        stage: the stage, or the finished epoch; None for a message that is about none.
        above: the stages that it lies within, outermost first.
        text: what a message says.
        rank, pid, host: the process.
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

    @property
    def is_epoch(self) -> bool:
        """Whether the line says that an epoch is finished: its id is that of the stage around it."""
        return self.stage is not None and bool(self.above) and self.above[-1].key == self.stage.key

    @property
    def chain(self) -> tuple[StageView, ...]:
        """The stages that the line describes, outermost first."""
        return self.above if self.is_epoch or self.stage is None else (*self.above, self.stage)


def read(line: bytes | str) -> Record | None:
    """Return the record on this line, in which all text is harmless, or None if the line is not kbar's."""
    if len(line) > LONGEST:
        return None
    try:
        found = json.loads(line)
        if found["v"] != VERSION:
            return None
        run, run_eta = _text(found["run"] or ""), _number(found["run_eta"])
        above = tuple(_view(each, depth, run, run_eta) for depth, each in enumerate(found["above"][:_DEEPEST]))
        stage = None if found["stage"] is None else _view(found, len(above), run, run_eta)
        keys = [view.key for view in (*above[:-1], stage) if view]
        if len({*keys}) < len(keys):
            return None  # no stage lies within itself
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
        return None  # it is torn, foreign or hostile


def _view(found: Mapping[str, Any], depth: int, run: str, run_eta: float | None) -> StageView:
    done, total, spent = _natural(found["done"]), found["total"], found.get("spent")
    return StageView(
        key=_natural(found["id"]),
        depth=depth,
        label=_text(found["stage"]),
        title=_text(found["title"]),
        path=_text(found["path"]),
        unit=_text(found["unit"]),
        phase=bool(found["phase"]),
        done=done,
        total=None if total is None else max(done, _natural(total)),
        seen=0.0,
        elapsed=_number(found["elapsed"]) or 0.0,
        rate=_number(found["rate"]),
        remaining=_number(found["eta"]),
        run_remaining=run_eta,
        metrics=_metrics(found["metrics"]),
        parameters=_metrics(found.get("parameters")),
        goals=tuple((_text(n, LONGEST_NAME), _one_of(get_args(Goal), goal)) for n, goal in _items(found.get("goals"))),
        per_unit=tuple((_text(name), _number(each) or 0.0) for name, each in _items(found.get("per_unit"))),
        outcome=None if found["outcome"] is None else _one_of(get_args(Outcome), found["outcome"]),
        waiting=_number(found["waiting"]) or 0.0,
        data_share=min(1.0, _number(found["data"]) or 0.0),
        uncertain=bool(found["uncertain"]),
        running=_number(found["running"]) or 0.0,
        usual=_number(found["usual"]) or 0.0,
        position=_number(found["position"]),
        stalled=bool(found["stalled"]),
        spent=tuple((_text(name), _number(seconds) or 0.0) for name, seconds in _items(spent)),
        run=run,
    )


def _metrics(found: Mapping[str, Any] | None) -> Metrics:
    return tuple((_text(name, LONGEST_NAME), _metric(value)) for name, value in _items(found))


def _items(found: Mapping[str, Any] | None) -> list[tuple[str, Any]]:
    return [*(found or {}).items()][:_MOST]


def _text(value: object, limit: int = 80) -> str:
    if not isinstance(value, str):
        raise TypeError(f"a string is wanted; got {value!r}")
    return clean(value, limit)


def _natural(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= LARGEST:
        raise ValueError(f"a count is wanted; got {value!r}")
    return value


def _number(value: object) -> float | None:
    """A time, rate or share, from 0; None if unknown."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= LARGEST:
        raise ValueError(f"a number from 0 is wanted; got {value!r}")
    return float(value)


def _metric(value: object) -> Plain:
    if isinstance(value, list):
        numbers = [_metric(each) for each in value[:_LONGEST_VECTOR]]
        if not all(isinstance(each, (int, float)) for each in numbers):
            raise TypeError(f"numbers are wanted; got {value!r}")
        return tuple(numbers)  # type: ignore[arg-type]  # they are
    if isinstance(value, str):
        return float(value) if value in ("NaN", "Infinity", "-Infinity") else clean(value, 200)
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > LARGEST:
        return float(value)
    if value is None or isinstance(value, (bool, int, float)):
        return value
    raise TypeError(f"a metric's value is wanted; got {value!r}")


def _one_of(allowed: tuple[Any, ...], value: object) -> Any:
    if value not in allowed:
        raise ValueError(f"one of {allowed} is wanted; got {value!r}")
    return value
