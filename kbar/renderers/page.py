"""A run as HTML: bars, tables of results, and curves, without a script and readable without its style."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape

from ..core.best import best_of
from ..core.snapshot import StageView
from ..core.text import clean, count, data_fact, duration, eta, number, percentage, rate, step_fact, took

_LATEST = 12  # rows of a table while the run goes on, and those that are not folded afterwards
_MOST_ROWS = 2000  # rows that are kept
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


@dataclass
class Results:
    """The results of the units of one stage: its epochs, or the stages within it.

    Attributes:
        title: what they are results of.
        unit: what each of them is.
        rows: the latest ones.
        left_out: how many earlier ones are no longer in `rows`.
    """

    title: str
    unit: str
    rows: list[StageView] = field(default_factory=list)
    left_out: int = 0

    def add(self, row: StageView) -> None:
        """Add the next one."""
        self.rows.append(row)
        if len(self.rows) > _MOST_ROWS:
            del self.rows[0]
            self.left_out += 1

    @property
    def names(self) -> list[str]:
        """The names of all metrics, in the order in which they came."""
        return list(dict.fromkeys(name for row in self.rows for name, _ in row.metrics))


def html(stages: Sequence[StageView], results: Sequence[Results], *, over: bool) -> str:
    """The run as one element.

    Args:
        stages: the stages in the picture, outermost first.
        results: what is shown in tables.
        over: whether the run is over; all rows are shown then, the earlier ones folded.
    """
    tables = [_results(each, over) for each in results if each.rows]
    return f'<div class="kbar"><style>{STYLE}</style>{_bars(stages)}{"".join(tables)}</div>'


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
    metrics = "&ensp;".join(f'<span class="m">{_text(n)}</span> {_text(number(v))}' for n, v in view.metrics)
    cells = [
        f'<td class="t">{"&emsp;" * min(view.depth, 8)}{_text(view.title)}</td>',
        f"<td><i>{fill}</i></td>",
        f"<td>{percentage(view)}</td>",
        f"<td><em>{_text(count(view).strip())}</em></td>",
        f'<td class="m">{_text(rate(view.rate, view.unit))}</td>',
        f'<td class="m l">{duration(view.elapsed)}{f" eta {remaining}" if remaining else ""}</td>',
        f'<td class="l">{metrics}{f" {_text(note)}" if note else ""}</td>',
    ]
    return f'<tr class="{view.outcome or "run"}">{"".join(cells)}</tr>'


def _results(results: Results, over: bool) -> str:
    names = results.names
    best = {name: best_of(name, [dict(row.metrics).get(name) for row in results.rows]) for name in names}
    rows = list(enumerate(results.rows))
    shown = rows if over else rows[-_LATEST:]
    table = _table(results.unit, names[:_MOST_COLUMNS], shown, best)
    more = f'<div class="m">{len(names) - _MOST_COLUMNS} more metrics</div>' if len(names) > _MOST_COLUMNS else ""
    if over and len(rows) > _LATEST:
        summary = f"{results.left_out + len(rows)} {_text(results.unit)}s"
        table = f"<details><summary>{summary}</summary>{table}</details>"
    return f"{table}{more}{_curves(results, best)}"


def _table(unit: str, names: Sequence[str], rows: Sequence[tuple[int, StageView]], best: dict[str, int | None]) -> str:
    head = "".join(f"<th>{_text(name)}</th>" for name in names)
    lines = []
    for i, row in rows:
        metrics = dict(row.metrics)
        texts = [_text(number(metrics[name])) if name in metrics else "" for name in names]
        cells = [f"<td><b>{t}</b>" if best[n] == i else f"<td>{t}" for n, t in zip(names, texts, strict=True)]
        early = "" if row.outcome in ("done", None) else f" <em>{_text(count(row).strip())}</em>"
        kind = "" if not early else f' class="{row.outcome}"'
        lines.append(
            f'<tr{kind}><td class="l">{_text(row.title)}{early}<td class="m">{took(row.elapsed)}{"".join(cells)}'
        )
    return f'<table class="r"><tr><th class="l">{_text(unit)}<th>took{head}{"".join(lines)}</table>'


def _curves(results: Results, best: dict[str, int | None]) -> str:
    if len(results.rows) < 2:
        return ""
    names = results.names
    shown = [name for name in names if not (name.startswith("val_") and name[4:] in names)][:_CURVES]
    points = _POINTS // max(1, len(names))
    return "".join(_curve(results, name, best, min(100, points)) for name in shown)


def _curve(results: Results, name: str, best: dict[str, int | None], points: int) -> str:
    """One metric over the rows, its validation in the same axes."""
    series = {each: _series(results, each) for each in (name, f"val_{name}")}
    known = [value for values in series.values() for value in values if value is not None]
    if len(known) < 2:
        return ""
    low, high = min(known), max(known)
    lines, heads, facts = [], [], []
    for each, kind in ((name, "w"), (f"val_{name}", "v")):
        values = series[each]
        there = [value for value in values if value is not None]
        if not there:
            continue
        lines.append(f'<polyline class="{kind}" points="{_points(values, low, high, points)}"/>')
        heads.append(f'<span class="{kind}">{_text(each)}</span>')
        at = best.get(each)
        top = f", best {number(values[at])}" if at is not None and values[at] is not None else ""
        facts.append(f'<div class="m">{number(there[0])} → {number(there[-1])}{top}</div>')
    svg = f'<svg viewBox="-10 -5 1020 110" preserveAspectRatio="none">{"".join(lines)}</svg>'
    return f'<div class="c">{" ".join(heads)}{svg}{"".join(facts)}</div>'


def _series(results: Results, name: str) -> list[float | None]:
    """The values of a metric over the rows; None where there is none, or none that can be drawn."""
    found = (dict(row.metrics).get(name) for row in results.rows)
    return [float(v) if isinstance(v, (int, float)) and abs(v) < float("inf") else None for v in found]


def _points(values: Sequence[float | None], low: float, high: float, points: int) -> str:
    """The values as points between (0, 0) and (1000, 100), of at most so many; of equal ones at a height in between."""
    last, step = max(1, len(values) - 1), max(1, -(-len(values) // max(2, points)))
    chosen = [i for i in range(len(values)) if values[i] is not None and (i % step == 0 or i == last)]
    span = (high - low) or 1.0
    heights = [100 - 100 * ((values[i] or 0.0) - low) / span if high > low else 50 for i in chosen]
    return " ".join(f"{1000 * i / last:.0f},{height:.0f}" for i, height in zip(chosen, heights, strict=True))
