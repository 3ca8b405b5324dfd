"""Owns what there is to say of the runs in a log for programs: when they were, how they went, their best epochs."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import IO, Any

from ..core.snapshot import StageView
from ..core.text import cells, count, duration, number, percentage, took
from ..renderers.jsonl import metric, time_text
from .read import Record

_HIGHER = (
    *("acc", "auc", "precision", "recall", "f1", "fbeta", "iou", "io_u", "dice", "r2", "bleu", "score"),
    *("similarity", "true_positives", "true_negatives", "sensitivity", "specificity"),
)
_ROWS = 40  # so many epochs a table for people has
_WIDEST = 10_000  # columns, where there is no terminal


@dataclass
class Summary:
    """One run as its lines tell it.

    Attributes:
        first, last: its first and its latest line.
        root: its outermost stage, as of then.
        epochs: each finished epoch.
        stages: seconds and number of the stages that are over, by label.
        spent: seconds of the epochs, by what they were spent on.
        messages: what was said besides.
    """

    first: Record
    last: Record
    root: StageView
    epochs: list[StageView] = field(default_factory=list)
    stages: dict[str, tuple[float, int]] = field(default_factory=dict)
    spent: dict[str, float] = field(default_factory=dict)
    messages: list[str] = field(default_factory=list)

    def take(self, record: Record) -> None:
        """Take note of one more line."""
        self.last = record
        if record.text:
            self.messages.append(record.text)
        stage = record.stage
        if stage is None:
            return
        self.root = record.above[0] if record.above else stage
        if record.above and record.above[-1].key == stage.key:
            self.epochs.append(stage)
            for name, seconds in stage.spent:
                self.spent[name] = self.spent.get(name, 0.0) + seconds
        elif record.kind == "end":
            seconds, times = self.stages.get(stage.label, (0.0, 0))
            self.stages[stage.label] = seconds + stage.elapsed, times + 1

    @property
    def elapsed(self) -> float:
        """Seconds it has run for, as far as is known."""
        return max(self.root.elapsed, self.last.time - self.first.time)

    @property
    def best(self) -> dict[str, StageView]:
        """The epoch with the best value, by metric: the highest of what is a score, else the lowest."""
        found: dict[str, tuple[float, StageView]] = {}
        for epoch in self.epochs:
            for name, value in epoch.metrics:
                if isinstance(value, (int, float)) and not math.isnan(value):
                    badness = -value if any(part in name.lower() for part in _HIGHER) else value
                    if name not in found or badness < found[name][0]:
                        found[name] = badness, epoch
        return {name: epoch for name, (_, epoch) in found.items()}

    def plain(self) -> dict[str, Any]:
        """All of it as JSON has it; times are seconds but for `began` and `ended`, which are ISO 8601."""
        return {
            "run": self.first.run,
            "rank": self.first.rank,
            "pid": self.first.pid,
            "host": self.first.host,
            "began": time_text(self.first.time),
            "ended": time_text(self.last.time),
            "elapsed": round(self.elapsed, 3),
            **_plain(self.root),
            "epochs": [{**_plain(epoch), "elapsed": epoch.elapsed} for epoch in self.epochs],
            "best": {name: _plain(epoch)["path"] for name, epoch in self.best.items()},
            "stages": {name: {"seconds": round(seconds, 3), "number": n} for name, (seconds, n) in self.stages.items()},
            "spent": {name: round(seconds, 3) for name, seconds in self.spent.items()},
            "messages": self.messages,
        }


def _plain(view: StageView) -> dict[str, Any]:
    return {
        "path": view.path,
        "done": view.done,
        "total": view.total,
        "outcome": view.outcome,
        "metrics": {name: metric(value) for name, value in view.metrics},
    }


def summaries(records: Iterable[Record]) -> list[Summary]:
    """The runs that these lines tell of, in the order they began."""
    found: dict[tuple[str, int], Summary] = {}
    for record in records:
        key = (record.run, record.pid)
        if key in found:
            found[key].take(record)
        elif record.stage:
            found[key] = Summary(record, record, record.stage)
            found[key].take(record)
    return list(found.values())


def show(summary: Summary, file: IO[str]) -> None:
    """Writes the summary for people."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(file=file, markup=False, emoji=False, highlight=False, soft_wrap=True)
    root = summary.root
    state = root.outcome or "not over by its last line"
    rank = f", rank {summary.first.rank}" if summary.first.rank else ""
    console.print(Text(f"{root.path}  {count(root).strip()} {percentage(root)}  {state}", style="bold"))
    console.print(f"  run {summary.first.run}, process {summary.first.pid} on {summary.first.host}{rank}")
    console.print(f"  from {time_text(summary.first.time, 'seconds')} for {duration(summary.elapsed)}")
    for title, parts in (
        ("stages", {f"{n} × {name}": seconds for name, (seconds, n) in summary.stages.items()}),
        ("epochs", summary.spent),
    ):
        texts = [f"{name} {took(seconds)}" for name, seconds in parts.items() if seconds >= 0.005]
        if texts:
            console.print(f"  {title}: {', '.join(texts)}")
    if not summary.epochs:
        metrics = "  ".join(f"{name}={number(value)}" for name, value in root.metrics)
        console.print(f"  {metrics}" if metrics else "", end="\n" if metrics else "")
        return
    best = summary.best
    left_out = summary.epochs[:-_ROWS]
    shown = [*(e for e in left_out if any(e is b for b in best.values())), *summary.epochs[-_ROWS:]]
    columns = {
        "": [f"{e.path.removeprefix(root.label).strip()} {e.outcome if e.outcome != 'done' else ''}" for e in shown]
    }
    columns["took"] = [took(epoch.elapsed) for epoch in shown]
    for name in dict.fromkeys(name for epoch in summary.epochs for name, _ in epoch.metrics):
        values = [dict(epoch.metrics) for epoch in shown]
        marks = ["*" if best.get(name) is epoch else " " for epoch in shown]
        columns[name] = [f"{number(v[name])}{m}" if name in v else "" for v, m in zip(values, marks, strict=True)]
    table = Table(box=None, padding=(0, 2, 0, 0))
    space = console.width if console.is_terminal else sys.maxsize
    for name, texts in columns.items():
        space -= max(map(cells, (name, *texts))) + 2
        if space >= 0:
            table.add_column(Text(name), justify="right", no_wrap=True)
    fitting = list(columns.values())[: len(table.columns)]
    for row in zip(*fitting, strict=True):
        table.add_row(*map(Text, row))
    console.print(table, width=None if console.is_terminal else _WIDEST)
    if len(fitting) < len(columns):
        console.print(f"  {len(columns) - len(fitting)} more metrics do not fit; --json has all.")
    if left_out:
        console.print(f"  Of {len(summary.epochs)} epochs, the last {_ROWS} and the best; --json has all.")
    if best:
        console.print("  * best of all epochs")
