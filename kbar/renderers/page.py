"""A run as HTML: bars, tables of results, and curves, without a script and readable without its style."""

from __future__ import annotations

import itertools
import math
import operator
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from html import escape

from ..core.best import best_of
from ..core.snapshot import Goal, StageView
from ..core.text import (
    clean,
    count,
    data_fact,
    duration,
    eta,
    percentage,
    shown_metrics,
    speed,
    step_fact,
    throughputs,
    took,
)

_LATEST = 12  # rows of a table while the run goes on, and those that are not folded afterwards
_MOST_ROWS = 2000  # rows that are kept
_MOST_METRICS = 100  # that are kept
_MOST_COLUMNS = 24  # metrics in a table
_MOST_BARS = 20
_CURVES = 8  # at most
_POINTS = 800  # of all curves together

STYLE = """
.kbar { font: 13px/1.45 system-ui, sans-serif; overflow-x: auto;
  --run: #1976d2; --done: #2e7d32; --stop: #9a6700; --fail: #c62828; --val: #c05a00 }
[data-jp-theme-light=false] .kbar, .vscode-dark .kbar, [theme=dark] .kbar, .kbar.dark {
  --run: #64b5f6; --done: #66bb6a; --stop: #e0a93b; --fail: #ef7070; --val: #ffab5e }
.kbar table { border-collapse: collapse; border: 0; margin: 2px 0 6px; color: inherit; background: none;
  font-variant-numeric: tabular-nums }
.kbar td, .kbar th { padding: 1px 7px 1px 0; border: 0; text-align: right; white-space: nowrap;
  background: none; color: inherit }
.kbar .l { text-align: left } .kbar .t { text-align: left; font-weight: 600 } .kbar .m { opacity: .72 }
.kbar i { display: block; width: 220px; height: 11px; border-radius: 2px; background: #8884; overflow: hidden }
.kbar i b { display: block; height: 100%; background: var(--run) }
.kbar .done i b { background: var(--done) } .kbar .stopped i b { background: var(--stop) }
.kbar .interrupted i b, .kbar .error i b { background: var(--fail) }
.kbar em { font-style: normal } .kbar .stopped em { color: var(--stop) }
.kbar .interrupted em, .kbar .error em { color: var(--fail) }
.kbar i b.u { width: 25%; animation: kbar 2s linear infinite alternate }
@keyframes kbar { to { margin-left: 75% } }
.kbar .r th { border-bottom: 1px solid #8886; font-weight: 600 } .kbar .r td b { font-weight: 700 }
.kbar .c { display: inline-block; width: 200px; margin: 0 14px 6px 0; vertical-align: top; white-space: nowrap }
.kbar svg { display: block; width: 200px; height: 60px; background: #8881 }
.kbar polyline { fill: none; stroke: var(--run); stroke-width: 1.6; vector-effect: non-scaling-stroke }
.kbar polyline.v { stroke: var(--val) } .kbar .c .v { color: var(--val) } .kbar .c .w { color: var(--run) }
""".replace("\n", "")

_PAGE_STYLE = """
body { margin: 2em; background: #fff; color: #111 } .kbar { margin-top: 1em } .m { opacity: .72; margin-top: 0 }
@media (prefers-color-scheme: dark) { body { background: #111; color: #ddd }
  body .kbar { --run: #64b5f6; --done: #66bb6a; --stop: #e0a93b; --fail: #ef7070; --val: #ffab5e } }
""".replace("\n", "")


@dataclass
class Results:
    """The results of the units of one stage: its epochs, or the stages within it.

    Attributes:
        title: what they are results of.
        unit: what each of them is.
        depth: how many stages the stage lies within.
        is_over: whether the stage is over while the run goes on, as the fit of a fold is.
        rows: the latest ones.
        metrics: the values of each metric in these rows, None where there is none.
        names: what people see the metrics called.
        texts: the values as people see them, "" where there is none.
        left_out: how many earlier ones are no longer in `rows`.
        goals: whether high or low values of metrics are good, where that is known.
        parameters: those of `metrics` that are none, but were chosen, such as hyperparameters.
    """

    title: str
    unit: str
    depth: int = 0
    is_over: bool = False
    rows: list[StageView] = field(default_factory=list)
    metrics: dict[str, list[object]] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    texts: dict[str, list[str]] = field(default_factory=dict)
    left_out: int = 0
    goals: dict[str, Goal] = field(default_factory=dict)
    parameters: set[str] = field(default_factory=set)

    def add(self, row: StageView) -> None:
        """Add the next one."""
        self.goals.update(row.goals)
        self.parameters.update(name for name, _ in row.parameters)
        row = replace(row, metrics=(*row.metrics, *row.parameters))
        for (metric, value), (name, text) in zip(row.metrics, shown_metrics(row), strict=True):
            if metric not in self.names and len(self.names) >= _MOST_METRICS:
                continue
            self.names[metric] = name
            self.metrics.setdefault(metric, [None] * len(self.rows)).append(value)
            self.texts.setdefault(metric, [""] * len(self.rows)).append(text)
        self.rows.append(row)
        for metric, values in self.metrics.items():
            values += [None] * (len(self.rows) - len(values))
            self.texts[metric] += [""] * (len(self.rows) - len(self.texts[metric]))
        if len(self.rows) > _MOST_ROWS:
            self.left_out += 1
            for kept in (self.rows, *self.metrics.values(), *self.texts.values()):
                del kept[0]  # type: ignore[attr-defined]  # mypy takes the union of these lists for an object


def html(stages: Sequence[StageView], results: Sequence[Results], *, over: bool) -> str:
    """The run as one element.

    Args:
        stages: the stages in the picture, outermost first.
        results: what is shown in tables.
        over: whether the run is over; all rows are shown then, the earlier ones folded, and so are the tables of what
            was over before.
    """
    tables = [
        _results(each, over)
        for each in sorted(results, key=operator.attrgetter("depth"))
        if each.rows and not each.is_over
    ]
    if over:
        tables += [_folded(each) for each in results if each.rows and each.is_over]
    return f'<div class="kbar"><style>{STYLE}</style>{_bars(_in_step(stages))}{"".join(tables)}</div>'


def document(title: str, bodies: Sequence[str]) -> str:
    """A whole page of these elements, in the colours that the reader's system prefers."""
    head = f"<meta charset=utf-8><title>{_text(title)}</title><style>{_PAGE_STYLE}</style>"
    return f"<!DOCTYPE html><html lang=en><head>{head}</head><body>{''.join(bodies)}</body></html>\n"


def line(text: str) -> str:
    """A line of text below an element."""
    return f'<div class="kbar m">{_text(text)}</div>'


def _in_step(stages: Sequence[StageView]) -> list[StageView]:
    """The stages with all clocks as of the last full second, so that they change together once a second."""
    since = round(stages[0].elapsed, 3) % 1.0 if stages and not stages[0].outcome else 0.0

    def earlier(seconds: float) -> float:
        return max(0.0, seconds - since)

    return [
        replace(
            view,
            elapsed=view.elapsed if view.outcome else earlier(view.elapsed),
            remaining=None if view.remaining is None else view.remaining + since,
            running=earlier(view.running),
            waiting=earlier(view.waiting),
        )
        for view in stages
    ]


def _text(text: object) -> str:
    return escape(clean(text))


def _bars(stages: Sequence[StageView]) -> str:
    shown = stages if len(stages) <= _MOST_BARS else [*stages[: _MOST_BARS // 2], *stages[-_MOST_BARS // 2 :]]
    rows = [_bar(view) for view in shown]
    if len(stages) > len(shown):
        left_out = f'<tr><td class="t">… {len(stages) - len(shown)} more</td></tr>'
        rows.insert(_MOST_BARS // 2, left_out)
    return f"<table>{''.join(rows)}</table>" if rows else ""


def _bar(view: StageView) -> str:
    fraction = view.fraction
    if fraction is None:
        fill = '<b class="u"></b>' if view.outcome is None else '<b style="width:100%"></b>'
    else:
        fill = f'<b style="width:{100 * fraction:.4g}%"></b>'
    remaining = "" if view.outcome else eta(view.remaining, view.uncertain)
    note = view.note or (" ".join(data_fact(view)).strip() or step_fact(view) if not view.outcome else "")
    facts = [_text(text) for text in throughputs(view)]
    facts += [f'<span class="m">{_text(name)}</span> {_text(value)}' for name, value in shown_metrics(view)]
    cells = [
        f'<td class="t">{"&emsp;" * min(view.depth, 8)}{_text(view.title)}</td>',
        f"<td><i>{fill}</i></td>",
        f"<td>{percentage(view)}</td>",
        f"<td><em>{_text(count(view).strip())}</em></td>",
        f'<td class="m">{_text(speed(view))}</td>',
        f'<td class="m l">{duration(view.elapsed)}{f" eta {remaining}" if remaining else ""}</td>',
        f'<td class="l">{"&ensp;".join(facts)}{f" {_text(note)}" if note else ""}</td>',
    ]
    return f'<tr class="{view.outcome or "run"}">{"".join(cells)}</tr>'


def _results(results: Results, over: bool) -> str:
    best = _best(results)
    table = _table(results, best, 0 if over else max(0, len(results.rows) - _LATEST))
    left_out = len(best) - _MOST_COLUMNS
    more = f'<div class="m">{left_out} more metrics</div>' if left_out > 0 else ""
    if over and len(results.rows) > _LATEST:
        table = f"<details><summary>{_number_of(results)}</summary>{table}</details>"
    return f"{table}{more}{_curves(results, best)}"


def _folded(results: Results) -> str:
    summary = f"{_text(results.title)}: {_number_of(results)}"
    return f"<details><summary>{summary}</summary>{_table(results, _best(results), 0)}</details>"


def _number_of(results: Results) -> str:
    return f"{results.left_out + len(results.rows)} {_text(results.unit)}s"


def _best(results: Results) -> dict[str, int | None]:
    """The index of the best value of each metric."""
    return {
        name: None if name in results.parameters else best_of(name, values, results.goals.get(name))
        for name, values in results.metrics.items()
    }


def _table(results: Results, best: Mapping[str, int | None], first: int) -> str:
    """The rows from the one with index `first` on."""
    columns = dict(itertools.islice(results.texts.items(), _MOST_COLUMNS))
    head = "".join(f"<th>{_text(results.names[metric])}</th>" for metric in columns)
    lines = []
    for i, row in enumerate(results.rows[first:], first):
        cells = [_cell(texts[i], bold=best[metric] == i) for metric, texts in columns.items()]
        complete = row.outcome is None or (row.outcome == "done" and row.total in (None, row.done))
        short = filter(None, ("" if complete else count(row).strip(), row.note))
        early = "".join(f" <em>{_text(text)}</em>" for text in short)
        kind = f' class="{row.outcome}"' if early else ""
        title = f'<td class="l">{_text(row.title)}{early}<td class="m">{took(row.elapsed)}'
        lines.append(f"<tr{kind}>{title}{''.join(cells)}")
    return f'<table class="r"><tr><th class="l">{_text(results.unit)}<th>took{head}{"".join(lines)}</table>'


def _cell(text: str, *, bold: bool) -> str:
    return f"<td><b>{_text(text)}</b>" if bold else f"<td>{_text(text)}"


def _curves(results: Results, best: Mapping[str, int | None]) -> str:
    """A curve for each metric, its validation in the same axes."""
    if len(results.rows) < 2:
        return ""
    metrics = [metric for metric in best if not (metric.startswith("val_") and metric[4:] in best)]
    metrics = [metric for metric in metrics if metric not in results.parameters][:_CURVES]
    points = min(100, _POINTS // max(1, len(best)))
    pairs = ([each for each in (metric, f"val_{metric}") if each in best] for metric in metrics)
    return "".join(_curve(results, pair, best, points) for pair in pairs)


def _curve(results: Results, metrics: Sequence[str], best: Mapping[str, int | None], points: int) -> str:
    drawn = [(metric, found) for metric in metrics if (found := _numbers(results.metrics[metric]))]
    known = [value for _, found in drawn for _, value in found]
    if len(known) < 2:
        return ""
    last, low, high = len(results.rows) - 1, min(known), max(known)
    lines, heads, facts = [], [], []
    for kind, (metric, found) in zip("wv", drawn):  # noqa: B905  # there may be one only
        texts, top = results.texts[metric], best[metric]
        shape = _polyline(found, last, low, high, points)
        lines.append(f'<polyline class="{kind}" points="{shape}"/>')
        heads.append(f'<span class="{kind}">{_text(results.names[metric])}</span>')
        end = "" if top is None else f", best {_text(texts[top])}"
        facts.append(f'<div class="m">{_text(texts[found[0][0]])} → {_text(texts[found[-1][0]])}{end}</div>')
    svg = f'<svg viewBox="-10 -5 1020 110" preserveAspectRatio="none">{"".join(lines)}</svg>'
    return f'<div class="c">{" ".join(heads)}{svg}{"".join(facts)}</div>'


def _numbers(values: Sequence[object]) -> list[tuple[int, float]]:
    """The values that can be drawn, each with its index."""
    return [(i, float(v)) for i, v in enumerate(values) if isinstance(v, (int, float)) and abs(v) <= sys.float_info.max]


def _polyline(found: Sequence[tuple[int, float]], last: int, low: float, high: float, points: int) -> str:
    """The values as points between (0, 0) and (1000, 100), at most so many and the last."""
    step = max(1, -(-len(found) // max(2, points)))
    chosen = [*found[::step], *(found[-1:] if (len(found) - 1) % step else ())]
    span = high - low
    shape = ((1000 * i / last, 100 * (high - value) / span if 0 < span < math.inf else 50) for i, value in chosen)
    return " ".join(f"{x:.0f},{y:.0f}" for x, y in shape)
