"""The text of bars and of finished stages, made to fit a width."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from ..core.names import distinct
from ..core.snapshot import Message, Snapshot, StageView
from ..core.text import (
    count,
    data_fact,
    duration,
    eta,
    known_throughput,
    metric_texts,
    pad,
    parameter_texts,
    percentage,
    shorten,
    speed,
    spent_facts,
    step_fact,
    throughputs,
    took,
)
from ..system.cells import cells

# The most columns that the name of a metric takes; where that shows all metrics, names are longer.
_LONG_NAME, _SHORT_NAME = 40, 20


@dataclass(frozen=True)
class Row:
    """The line of one bar: its title, the width of the bar, and the text behind it.

    Attributes:
        below: what did not fit there, as a line of its own below the bar; "" for none.
    """

    view: StageView
    title: str
    bar: int
    tail: str
    below: str = ""


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
_RATE = _Column(speed, ">", lambda views: max(cells(v.unit) for v in views) + len("98.1k /s"))
_SAMPLES = _Column(known_throughput, ">")
_CLOCK = _Column(_clock, "<", _clock_width)
_TIME = _Column(_time, "<")
_METRICS = _Column(str)  # stands for the texts of the metrics, as many as there is space for
_DATA = _Column(_data)
_NOTE = _Column(_note)
_COLUMNS = (_PERCENTAGE, _COUNT, _RATE, _SAMPLES, _CLOCK, _TIME, _DATA, _NOTE)

# Layouts of the text behind the bars, fullest first. The first one in which all stages and all metrics fit is used.
_FULLEST = (_PERCENTAGE, _COUNT, _RATE, _SAMPLES, _CLOCK, _METRICS, _DATA, _NOTE)
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
    (_COUNT, _TIME, _METRICS, _NOTE),
    (_COUNT, _METRICS, _NOTE),
    (_PERCENTAGE, _COUNT, _TIME, _METRICS),
    (_COUNT, _TIME, _METRICS),
    (_PERCENTAGE, _COUNT, _METRICS),
    (_COUNT, _METRICS),
)
_NARROWEST_BAR = 5


@dataclass(frozen=True)
class _Space:
    """The space for the texts of a bar: columns behind it, columns of a line below it, and the gap between texts."""

    behind: int
    below: int
    gap: str


class _Facts:
    """The facts of one stage, by column; of the metrics, each for itself."""

    def __init__(self, texts: dict[_Column, str], metrics: list[str]) -> None:
        self._texts, self._metrics = texts, metrics
        self._widths = {column: cells(text) for column, text in texts.items() if text}
        self._metric_widths = [*map(cells, metrics)]

    def fit(self, layout: Sequence[_Column], space: _Space) -> bool:
        """Whether all facts of this layout have space; much quicker than `placed`."""
        gap, widths = len(space.gap), self._widths
        left = space.behind + gap - sum([widths[column] + gap for column in layout if column in widths])
        if left < 0 and not self.placed(layout, space):  # which knows that blanks at the end take no space
            return False
        spaces = [left - gap, space.below]
        for width in self._metric_widths:
            while spaces and width > spaces[0]:
                del spaces[0]
            if not spaces:
                return False
            spaces[0] -= width + gap
        return True

    def placed(self, layout: Sequence[_Column], space: _Space) -> tuple[str, str] | None:
        """The texts behind and below the bar, with as many metrics as fit; None if the other facts do not fit."""
        at = layout.index(_METRICS)
        before = [text for column in layout[:at] if (text := self._texts[column])]
        after = [text for column in layout[at + 1 :] if (text := self._texts[column])]
        left = space.behind - sum(cells(text) + len(space.gap) for text in before + after)
        (first, *more), _ = _wrapped(self._metrics, [left, space.below] if space.below else [left], space.gap)
        behind = space.gap.join([*before, *first, *after]).rstrip()
        return (behind, space.gap.join(more[0]) if more else "") if cells(behind) <= space.behind else None

    def shortened(self, space: _Space) -> tuple[str, str]:
        """As many facts as there is space for."""
        fitting = (placed for layout in _SHORT if (placed := self.placed(layout, space)))
        return next(fitting, None) or (shorten(self._texts[_COUNT], space.behind), "")


def _wrapped(texts: Sequence[str], spaces: Sequence[int], gap: str) -> tuple[list[list[str]], int]:
    """Texts on lines of so many columns, and how many of them are missing, which the last line says: ``+8``."""
    lines: list[list[str]] = []
    done = 0
    for space in spaces:
        lines.append([])
        while done < len(texts) and _width([*lines[-1], texts[done]], gap) <= space:
            lines[-1].append(texts[done])
            done += 1
    missing = len(texts) - done
    if missing:
        while lines[-1] and _width([*lines[-1], f"+{missing}"], gap) > spaces[-1]:
            lines[-1].pop()
            missing += 1
        if len(f"+{missing}") <= spaces[-1]:
            lines[-1].append(f"+{missing}")
    return lines, missing


def _width(texts: Sequence[str], gap: str) -> int:
    return sum(map(cells, texts)) + len(gap) * (len(texts) - 1)


def rows(views: Sequence[StageView], width: int, lines: int | None = None) -> list[Row]:
    """The lines of all bars, each in at most `width` columns (of at least 10).

    Behind the bar stand percentage, count, rate, elapsed and remaining time, metrics, the share of time spent waiting
    for data, and what takes long right now. Where space is short, rates go first, then elapsed times, then
    percentages, if that lets all metrics stay. Else metrics go to a second line below the bar, which says how many of
    them are missing. Bars, percentages and counts are aligned.

    Args:
        views: the stages.
        width: columns of a line.
        lines: how many lines there is space for; if they are too few for second lines, there are none.
    """
    if not views:
        return []
    title, bar = _widths(views, width)
    indent, gap = title + 1, "  " if width >= 60 else " "
    behind = width - title - bar - 2
    texts = _texts(views, _Space(behind, width - indent, gap))
    if lines is not None and len(views) + sum(bool(below) for _, below in texts) > lines:
        texts = _texts(views, _Space(behind, 0, gap))
    titles = distinct(tuple(view.title for view in views), title)
    return [
        Row(view, pad(name, title), bar, tail, below and " " * indent + below)
        for view, name, (tail, below) in zip(views, titles, texts, strict=True)
    ]


def _widths(views: Sequence[StageView], width: int) -> tuple[int, int]:
    """The width of the titles and of the bars."""
    # Keras's own stages all fit ten columns: the bars stay put as stages come and go.
    title = min(max(10 if width >= 60 else 0, *(cells(v.title) for v in views)), max(8, width // 4))
    bar = max(_NARROWEST_BAR, min(30, width * 3 // 20))
    if width - title - bar < 20:
        bar = _NARROWEST_BAR
        title = max(1, min(title, width - bar - 2 - max(cells(count(v)) for v in views)))
    return title, bar


def _texts(views: Sequence[StageView], space: _Space) -> list[tuple[str, str]]:
    """The texts behind and below the bars."""
    columns = {column: column.texts(views) for column in _COLUMNS}

    def facts(longest_name: int) -> list[_Facts]:
        metrics = [[*throughputs(view), *metric_texts(view, longest_name)] for view in views]
        return [_Facts({c: texts[i] for c, texts in columns.items()}, metrics[i]) for i in range(len(views))]

    found, one_line = facts(_LONG_NAME), _Space(space.behind, 0, space.gap)
    for layout in (_FULLEST, *_WHOLE):
        if all(each.fit(layout, one_line) for each in found):
            return [each.placed(layout, one_line) or ("", "") for each in found]
    for shorten_names in (False, True):
        found = facts(_SHORT_NAME) if shorten_names else found
        for layout in _WHOLE:
            if all(each.fit(layout, space) for each in found):
                return [each.placed(layout, space) or ("", "") for each in found]
    return [each.shortened(space) for each in found]


def lines_above(snapshot: Snapshot, width: int) -> list[str]:
    """The lines that go above the bars, in order: printed ones as they are, and finished epochs and stages."""
    lines = []
    for event in snapshot.events:
        if isinstance(event, Message):
            lines.append(event.text)
        elif event.line:
            lines += ended_lines(event.line, width)
    return lines


def ended_lines(epoch: StageView, width: int) -> list[str]:
    """A finished epoch, or another stage that is over, as one line of at most `width` columns, or two.

    Where one line is too short, rate and duration go, then the share of waiting for data. If metrics do not fit then,
    they go on in a second line, which says how many of them are missing.
    """
    indent = cells(epoch.title) + 2
    indent = indent if indent <= width // 3 else 2
    one, two = [width], [width, width - indent]
    whole = ((_LONG_NAME, one), (_LONG_NAME, two), (_SHORT_NAME, two))
    attempts = [(texts, spaces) for longest, spaces in whole for texts in _fewer_facts(epoch, longest)]
    for texts, spaces in [*attempts, *((texts, two) for texts in _fewer_metrics(epoch))]:
        lines, missing = _wrapped(texts, spaces, "  ")
        if lines[0] and not missing:
            return ["  ".join(lines[0]), *(" " * indent + "  ".join(line) for line in lines[1:] if line)]
    return [shorten("  ".join([epoch.title, *_early(epoch)]), width)]


def _fewer_facts(epoch: StageView, longest_name: int) -> Iterator[list[str]]:
    """The texts of a finished epoch, then fewer and fewer of those that are missed least."""
    seconds, known = f"{took(epoch.elapsed):>5}", known_throughput(epoch)
    rate = " " * (cells(epoch.unit) + 8 - cells(speed(epoch))) + speed(epoch)
    data = " ".join(data_fact(epoch)).strip()
    spent = [text for text, _ in _spent(epoch)]
    metrics = [*throughputs(epoch), *metric_texts(epoch, longest_name), *parameter_texts(epoch, longest_name)]
    facts = [seconds, rate, known]
    for left in (3, 2, 1, 0):
        yield list(filter(None, [epoch.title, *facts[:left], *_early(epoch), *metrics, data, *spent]))
    yield [epoch.title, *_early(epoch), *metrics, *spent]


def _fewer_metrics(epoch: StageView) -> Iterator[list[str]]:
    """The texts of a finished epoch without such facts, then fewer and fewer metrics.

    What the user asked for goes last: where the time went, the smallest share first.
    """
    metrics, spent = [*throughputs(epoch), *metric_texts(epoch, _SHORT_NAME)], _spent(epoch)
    metrics += parameter_texts(epoch, _SHORT_NAME)
    for shown in range(len(metrics) - 1, -1, -1):
        missing = f"+{len(metrics) - shown}"
        yield [epoch.title, *_early(epoch), *metrics[:shown], missing, *(text for text, _ in spent)]
    while spent:
        spent.remove(min(spent, key=lambda each: each[1]))
        more = [f"+{len(metrics)}"] if metrics else []
        yield [epoch.title, *_early(epoch), *more, *(text for text, _ in spent)]


def _early(epoch: StageView) -> list[str]:
    """How far an epoch, or a phase of it, got that did not get to its end; none if it did."""
    note = [epoch.note] if epoch.note else []
    if epoch.outcome != "done":
        return [count(epoch), *note]
    return [count(epoch).strip(), *note] if epoch.done != epoch.total else note


def _spent(epoch: StageView) -> list[tuple[str, float]]:
    return [(f"{name} {took(seconds)}", seconds) for name, seconds in spent_facts(epoch)]
