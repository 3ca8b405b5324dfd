"""Bars and ended stages as lines of text that fit a width."""

from __future__ import annotations

import itertools
import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..core.snapshot import Message, Snapshot, StageView
from ..core.text import (
    cells,
    count,
    data_fact,
    duration,
    eta,
    metric_texts,
    pad,
    percentage,
    rate,
    shorten,
    spent_facts,
    step_fact,
    took,
)


@dataclass(frozen=True)
class Row:
    """A bar's line: its label, a bar of so many columns, and what stands behind it."""

    view: StageView
    title: str
    bar: int
    tail: str


# From all that a line can say to what it says where there is less space; see `rows`.
_WHOLE = (
    ("percentage", "count", "rate", "clock", "metrics", "data", "note"),
    ("percentage", "count", "clock", "metrics", "data", "note"),
    ("percentage", "count", "time", "metrics", "data", "note"),
)
# Where that is not enough: the first with as many of the metrics as there is space for.
_SHORT = (
    ("percentage", "count", "time", "metrics", "note"),
    ("percentage", "count", "time", "note"),
    ("count", "time", "note"),
    ("count", "note"),
    ("percentage", "count", "time"),
    ("count", "time"),
    ("percentage", "count"),
    ("count",),
)
_NARROWEST_BAR = 5


def rows(views: Sequence[StageView], width: int) -> list[Row]:
    """The lines of all bars, each in at most `width` columns (of at least 10).

    Behind the bar stand percentage, count, rate, elapsed, remaining, metrics, the share of
    waiting for data, and what takes long right now. Where space is short, rates go first, then
    elapsed times, then percentages, if that lets all metrics stay; else the share of waiting goes,
    and metrics from the right. Bars, percentages and counts are aligned.
    """
    if not views:
        return []
    # Keras's own stages all fit ten columns: the bars stay put as stages come and go.
    title = min(max(10 if width >= 60 else 0, *(cells(v.title) for v in views)), max(8, width // 4))
    bar = max(_NARROWEST_BAR, min(30, width * 3 // 20))
    if width - title - bar < 20:
        bar = _NARROWEST_BAR
        title = max(1, min(title, width - bar - 2 - max(cells(count(v)) for v in views)))
    space = width - title - bar - 2
    gap = "  " if width >= 60 else " "
    columns = _columns(views)
    texts = [
        {**{name: [column[i]] for name, column in columns.items()}, "metrics": metric_texts(view.metrics)}
        for i, view in enumerate(views)
    ]

    def line(layout: Sequence[str], of: Mapping[str, list[str]]) -> str:
        return gap.join(filter(None, itertools.chain(*(of[name] for name in layout)))).rstrip()

    for layout in (*_WHOLE, *(layout[1:] for layout in _WHOLE)):
        tails = [line(layout, of) for of in texts]
        if all(cells(tail) <= space for tail in tails):
            break
    else:
        tails = []
        for of in texts:
            while of["metrics"] and cells(line(_SHORT[0], of)) > space:
                of["metrics"].pop()
            fitting = (tail for layout in _SHORT if cells(tail := line(layout, of)) <= space)
            tails.append(next(fitting, None) or shorten(of["count"][0], space))
    return [
        Row(view, pad(shorten(view.title, title), title), bar, tail) for view, tail in zip(views, tails, strict=True)
    ]


def _columns(views: Sequence[StageView]) -> dict[str, list[str]]:
    """What stands behind the bars, each column in one width.

    Room for "98.1k step/s" and "0:42 eta ~1:20" is kept also before they are known and while
    they are shorter: what stands behind them is not to jump about.
    """
    elapsed = [duration(v.elapsed) for v in views]
    etas = ["" if v.outcome else eta(v.remaining, v.uncertain) for v in views]
    clocks = [f"{e} eta {r}" if r else e for e, r in zip(elapsed, etas, strict=True)]
    times = [f"eta {r}" if r else e for e, r in zip(elapsed, etas, strict=True)]
    counts = [count(v) for v in views]
    rates = [rate(v.rate, v.unit) for v in views]
    running = any(v.outcome is None for v in views)
    clock_width = max(2 * max(map(len, elapsed)) + 6 if running else 0, *map(len, clocks))
    rate_width = max(cells(v.unit) for v in views) + 8
    return {
        "percentage": [f"{percentage(v):>4}" for v in views],
        "count": [f"{c:>{max(map(len, counts))}}" for c in counts],
        "rate": [f"{r:>{rate_width}}" for r in rates],
        "clock": [f"{c:<{clock_width}}" for c in clocks],
        "time": [f"{t:<{max(map(len, times))}}" for t in times],
        "data": [" ".join(data_fact(v)) if v.waiting < 1.0 else "" for v in views],
        "note": [v.note or (" ".join(data_fact(v)) if v.waiting >= 1.0 else step_fact(v)) for v in views],
    }


def lines_above(snapshot: Snapshot, width: int) -> list[str]:
    """What goes above the bars, in order: what others printed, as it is, and what is over."""
    lines = []
    for event in snapshot.events:
        if isinstance(event, Message):
            lines.append(event.text)
        elif event.line:
            lines.append(ended_line(event.line, width))
    return lines


def ended_line(epoch: StageView, width: int) -> str:
    """A finished epoch, or what else is over, as one line of at most `width` columns."""
    facts = [f"{took(epoch.elapsed):>5}", f"{rate(epoch.rate, epoch.unit):>{cells(epoch.unit) + 8}}"]
    early = [] if epoch.outcome == "done" else [count(epoch)]
    metrics = metric_texts(epoch.metrics)
    data = [" ".join(data_fact(epoch))] if data_fact(epoch)[0] else []
    spent = spent_facts(epoch)
    while True:
        times = [f"{name} {took(seconds)}" for name, seconds in spent]
        line = "  ".join([epoch.title, *facts, *early, *metrics, *data, *times])
        expendable = facts or data or metrics
        if cells(line) <= width or not (expendable or spent):
            return shorten(line, width)
        if expendable:
            expendable.pop()
        else:  # what was asked for goes last, the least of it first
            spent.remove(min(spent, key=operator.itemgetter(1)))
