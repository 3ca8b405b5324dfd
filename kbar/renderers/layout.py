"""The text of bars and of finished stages, made to fit a width."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..core.snapshot import Message, Snapshot, StageView
from ..core.text import (
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
from ..system.cells import cells


@dataclass(frozen=True)
class Row:
    """The line of one bar: its title, the width of the bar, and the text behind it."""

    view: StageView
    title: str
    bar: int
    tail: str


@dataclass(frozen=True, eq=False)
class _Column:
    """One fact of each stage, which stands in one column behind the bars.

    Attributes:
        text: the fact, "" for none.
        align: "<" or ">"; "" where the columns to its right need not be aligned.
        width: the least width, a number or a function of the stages, so that columns to its right do not move.
    """

    text: Callable[[StageView], str]
    align: str = ""
    width: Callable[[Sequence[StageView]], int] | int = 0

    def texts(self, views: Sequence[StageView]) -> list[str]:
        """The fact of each stage, padded to one width."""
        texts = [self.text(view) for view in views]
        least = self.width if isinstance(self.width, int) else self.width(views)
        width = max(least, *map(cells, texts)) if self.align else 0
        blanks = [" " * (width - cells(text)) for text in texts]
        return [b + t if self.align == ">" else t + b for t, b in zip(texts, blanks, strict=True)]


def _eta(view: StageView) -> str:
    return "" if view.outcome else eta(view.remaining, view.uncertain)


def _clock(view: StageView) -> str:
    elapsed, remaining = duration(view.elapsed), _eta(view)
    return f"{elapsed} eta {remaining}" if remaining else elapsed


def _clock_width(views: Sequence[StageView]) -> int:
    running = any(view.outcome is None for view in views)
    return 2 * max(len(duration(view.elapsed)) for view in views) + len(" eta ~") if running else 0


def _time(view: StageView) -> str:
    remaining = _eta(view)
    return f"eta {remaining}" if remaining else duration(view.elapsed)


def _data(view: StageView) -> str:
    return " ".join(data_fact(view)).strip() if view.waiting < 1.0 else ""


def _note(view: StageView) -> str:
    return view.note or (" ".join(data_fact(view)) if view.waiting >= 1.0 else step_fact(view))


_PERCENTAGE = _Column(percentage, ">", len("100%"))
_COUNT = _Column(count, ">")
_RATE = _Column(lambda v: rate(v.rate, v.unit), ">", lambda views: max(cells(v.unit) for v in views) + len("98.1k /s"))
_CLOCK = _Column(_clock, "<", _clock_width)
_TIME = _Column(_time, "<")
_METRICS = _Column(str)  # stands for the texts of the metrics, as many as there is space for
_DATA = _Column(_data)
_NOTE = _Column(_note)
_COLUMNS = (_PERCENTAGE, _COUNT, _RATE, _CLOCK, _TIME, _DATA, _NOTE)

# Layouts of the text behind the bars, fullest first. The first one in which all stages and all metrics fit is used.
_WHOLE = (
    (_PERCENTAGE, _COUNT, _RATE, _CLOCK, _METRICS, _DATA, _NOTE),
    (_PERCENTAGE, _COUNT, _CLOCK, _METRICS, _DATA, _NOTE),
    (_PERCENTAGE, _COUNT, _TIME, _METRICS, _DATA, _NOTE),
    (_COUNT, _RATE, _CLOCK, _METRICS, _DATA, _NOTE),
    (_COUNT, _CLOCK, _METRICS, _DATA, _NOTE),
    (_COUNT, _TIME, _METRICS, _DATA, _NOTE),
)
# If there is none: for each stage the first that fits, with as many of its metrics as there is space for.
_SHORT = (
    (_PERCENTAGE, _COUNT, _TIME, _METRICS, _NOTE),
    (_PERCENTAGE, _COUNT, _TIME, _NOTE),
    (_COUNT, _TIME, _NOTE),
    (_COUNT, _NOTE),
    (_PERCENTAGE, _COUNT, _TIME),
    (_COUNT, _TIME),
    (_PERCENTAGE, _COUNT),
    (_COUNT,),
)
_NARROWEST_BAR = 5


@dataclass
class _Facts:
    """The facts of one stage, by column; of the metrics, each for itself."""

    texts: dict[_Column, str]
    metrics: list[str]
    gap: str

    def line(self, layout: Sequence[_Column]) -> str:
        """The facts of this layout as text."""
        texts: list[str] = []
        for column in layout:
            texts += self.metrics if column is _METRICS else [self.texts[column]]
        return self.gap.join(filter(None, texts)).rstrip()

    def shortened(self, space: int) -> str:
        """As many facts as fit into `space` columns of the terminal."""
        while self.metrics and cells(self.line(_SHORT[0])) > space:
            self.metrics.pop()
        fitting = (line for layout in _SHORT if cells(line := self.line(layout)) <= space)
        return next(fitting, None) or shorten(self.texts[_COUNT], space)


def rows(views: Sequence[StageView], width: int) -> list[Row]:
    """The lines of all bars, each in at most `width` columns (of at least 10).

    Behind the bar stand percentage, count, rate, elapsed and remaining time, metrics, the share of time spent waiting
    for data, and what takes long right now. Where space is short, rates go first, then elapsed times, then
    percentages, if that lets all metrics stay; else the share of waiting goes, and metrics from the right. Bars,
    percentages and counts are aligned.
    """
    if not views:
        return []
    title, bar = _widths(views, width)
    tails = _tails(views, width - title - bar - 2, "  " if width >= 60 else " ")
    return [Row(v, pad(shorten(v.title, title), title), bar, tail) for v, tail in zip(views, tails, strict=True)]


def _widths(views: Sequence[StageView], width: int) -> tuple[int, int]:
    """The width of the titles and of the bars."""
    # Keras's own stages all fit ten columns: the bars stay put as stages come and go.
    title = min(max(10 if width >= 60 else 0, *(cells(v.title) for v in views)), max(8, width // 4))
    bar = max(_NARROWEST_BAR, min(30, width * 3 // 20))
    if width - title - bar < 20:
        bar = _NARROWEST_BAR
        title = max(1, min(title, width - bar - 2 - max(cells(count(v)) for v in views)))
    return title, bar


def _tails(views: Sequence[StageView], space: int, gap: str) -> list[str]:
    """The texts behind the bars, each in at most `space` columns of the terminal."""
    columns = {column: column.texts(views) for column in _COLUMNS}
    facts = [
        _Facts({column: texts[i] for column, texts in columns.items()}, metric_texts(view.metrics), gap)
        for i, view in enumerate(views)
    ]
    for layout in _WHOLE:
        tails = [each.line(layout) for each in facts]
        if all(cells(tail) <= space for tail in tails):
            return tails
    return [each.shortened(space) for each in facts]


def lines_above(snapshot: Snapshot, width: int) -> list[str]:
    """The lines that go above the bars, in order: printed ones as they are, and finished epochs and stages."""
    lines = []
    for event in snapshot.events:
        if isinstance(event, Message):
            lines.append(event.text)
        elif event.line:
            lines.append(ended_line(event.line, width))
    return lines


def ended_line(epoch: StageView, width: int) -> str:
    """A finished epoch, or another stage that is over, as one line of at most `width` columns."""
    facts = [f"{took(epoch.elapsed):>5}", f"{rate(epoch.rate, epoch.unit):>{cells(epoch.unit) + 8}}"]
    early = [] if epoch.outcome == "done" else [count(epoch)]
    metrics = metric_texts(epoch.metrics)
    data = [" ".join(data_fact(epoch))] if data_fact(epoch)[0] else []
    spent = {f"{name} {took(seconds)}": seconds for name, seconds in spent_facts(epoch)}
    texts = [epoch.title, *facts, *early, *metrics, *data, *spent]
    # What the user asked for goes last: where the time went, the smallest share first.
    for expendable in (*reversed(facts), *data, *reversed(metrics), *sorted(spent, key=lambda text: spent[text])):
        if cells("  ".join(texts)) <= width:
            break
        texts.remove(expendable)
    return shorten("  ".join(texts), width)
