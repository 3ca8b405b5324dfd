"""Sums up the runs of a log: when they ran, how they ended, where time went, their best epochs."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Any

from ..core.best import best_of, higher_is_better
from ..core.snapshot import Goal, StageView
from ..core.text import count, duration, number, percentage, took
from ..renderers.jsonl import metric, time_text
from ..system.cells import cells
from .read import Record

if TYPE_CHECKING:
    from rich.console import Console

_ROWS = 40  # the most epochs in a table, besides the best
_WIDEST = 10_000  # columns of a table that goes to no terminal


@dataclass
class Summary:
    """One run.

    Attributes:
        first, last: its first and its latest line.
        depth: how many stages its outermost one lies within, of which the log has no lines.
        root: its outermost stage, as of the latest line.
        epochs: the finished epochs.
        stages: seconds and number of the finished stages, by label.
        spent: seconds of the epochs, by what they were spent on.
        messages: what its messages say.
    """

    first: Record
    last: Record
    root: StageView
    depth: int = 0
    epochs: list[StageView] = field(default_factory=list)
    stages: dict[str, tuple[float, int]] = field(default_factory=dict)
    spent: dict[str, float] = field(default_factory=dict)
    messages: list[str] = field(default_factory=list)

    def take(self, record: Record) -> None:
        """Add what a line says."""
        self.last = record
        if record.text:
            self.messages.append(record.text)
        stage = record.stage
        if stage is None:
            return
        self.root = record.chain[self.depth]
        if record.is_epoch:
            self.epochs.append(stage)
            for name, seconds in stage.spent:
                self.spent[name] = self.spent.get(name, 0.0) + seconds
        elif record.kind == "end":
            seconds, times = self.stages.get(stage.label, (0.0, 0))
            self.stages[stage.label] = seconds + stage.elapsed, times + 1

    @property
    def elapsed(self) -> float:
        """Seconds from its beginning to its latest line."""
        return max(self.root.elapsed, self.last.time - self.first.time)

    @property
    def best(self) -> dict[str, StageView]:
        """By metric, the epoch with the best value: the highest of a score, the lowest of anything else."""
        names = dict.fromkeys(name for epoch in self.epochs for name, _ in epoch.metrics)
        found = {
            name: best_of(name, [dict(epoch.metrics).get(name) for epoch in self.epochs], self._goals.get(name))
            for name in names
        }
        return {name: self.epochs[i] for name, i in found.items() if i is not None}

    @property
    def _goals(self) -> dict[str, Goal]:
        """Whether high or low values of metrics are good, where the log says it."""
        return {name: goal for epoch in self.epochs for name, goal in epoch.goals}

    def plain(self) -> dict[str, Any]:
        """The summary as JSON values; times are in seconds, but `began` and `ended` are ISO 8601."""
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
            "best": {name: epoch.path for name, epoch in self.best.items()},
            "higher_is_better": {
                name: self._goals[name] == "max" if name in self._goals else higher_is_better(name)
                for name in self.best
            },
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
        "parameters": {name: metric(value) for name, value in view.parameters},
    }


def summaries(records: Iterable[Record]) -> list[Summary]:
    """The runs of these records, in the order they began.

    A run is the outermost stage that has lines: a log of one bar knows only by name what this bar lies within.
    """
    read = list(records)
    depths: dict[tuple[str, int], int] = {}
    for record in read:
        if record.stage:
            key = (record.run, record.pid)
            depths[key] = min(len(record.chain) - 1, depths.get(key, sys.maxsize))
    found: dict[tuple[str, int, int], Summary] = {}
    latest: dict[tuple[str, int], Summary] = {}
    for record in read:
        key = (record.run, record.pid)
        if record.stage:
            depth = depths[key]
            latest[key] = found.setdefault(
                (*key, record.chain[depth].key), Summary(record, record, record.chain[depth], depth)
            )
        if key in latest:
            latest[key].take(record)
    return list(found.values())


def show(summary: Summary, file: IO[str]) -> None:
    """Write the summary for people."""
    from rich.console import Console

    console = Console(file=file, markup=False, emoji=False, highlight=False, soft_wrap=True)
    if not console.is_terminal:
        console.width = _WIDEST
    _print_heading(console, summary)
    _print_times(console, "stages", {f"{n} × {name}": s for name, (s, n) in summary.stages.items()})
    _print_times(console, "epochs", summary.spent)
    if summary.epochs:
        _print_epochs(console, summary)
    elif summary.root.metrics:
        console.print("  " + "  ".join(f"{name}={number(value)}" for name, value in summary.root.metrics))


def _print_heading(console: Console, summary: Summary) -> None:
    from rich.text import Text

    root, first = summary.root, summary.first
    state = root.outcome or "not over by its last line"
    rank = f", rank {first.rank}" if first.rank else ""
    console.print(Text(f"{root.path}  {count(root).strip()} {percentage(root)}  {state}", style="bold"))
    console.print(f"  run {first.run}, process {first.pid} on {first.host}{rank}")
    console.print(f"  from {time_text(first.time, 'seconds')} for {duration(summary.elapsed)}")


def _print_times(console: Console, title: str, times: Mapping[str, float]) -> None:
    texts = [f"{name} {took(seconds)}" for name, seconds in times.items() if seconds >= 0.005]
    if texts:
        console.print(f"  {title}: {', '.join(texts)}")


def _print_epochs(console: Console, summary: Summary) -> None:
    """Print a table of the latest epochs and the best, and what had to be left out."""
    best = summary.best
    earlier = [epoch for epoch in summary.epochs[:-_ROWS] if any(epoch is b for b in best.values())]
    columns = _columns(summary, [*earlier, *summary.epochs[-_ROWS:]], best)
    shown = _print_table(console, columns)
    if shown < len(columns):
        console.print(f"  {len(columns) - shown} more columns do not fit; --json has all.")
    if len(summary.epochs) > _ROWS:
        console.print(f"  Of {len(summary.epochs)} rows, the last {_ROWS} and the best; --json has all.")
    if best:
        console.print("  * best of all rows")


def _columns(summary: Summary, epochs: Sequence[StageView], best: Mapping[str, StageView]) -> dict[str, list[str]]:
    """The texts of a table of these epochs, by column; the best values are marked."""

    def text(epoch: StageView, name: str) -> str:
        metrics = dict(epoch.metrics)
        return f"{number(metrics[name])}{'*' if best.get(name) is epoch else ' '}" if name in metrics else ""

    def parameter(epoch: StageView, name: str) -> str:
        parameters = dict(epoch.parameters)
        return number(parameters[name]) if name in parameters else ""

    root = summary.root.label
    names = dict.fromkeys(name for epoch in summary.epochs for name, _ in epoch.metrics)
    parameters = dict.fromkeys(name for epoch in summary.epochs for name, _ in epoch.parameters if name not in names)
    return {
        "": [f"{e.path.removeprefix(root).strip()} {e.outcome if e.outcome != 'done' else ''}" for e in epochs],
        "took": [took(epoch.elapsed) for epoch in epochs],
        **{name: [text(epoch, name) for epoch in epochs] for name in names},
        **{name: [parameter(epoch, name) for epoch in epochs] for name in parameters},
    }


def _print_table(console: Console, columns: Mapping[str, Sequence[str]]) -> int:
    """Print as many of these columns as there is space for; return their number."""
    from rich.table import Table
    from rich.text import Text

    widths = itertools.accumulate(max(map(cells, (name, *texts))) + 2 for name, texts in columns.items())
    space = console.width if console.is_terminal else sys.maxsize
    fitting = dict(itertools.islice(columns.items(), sum(width <= space for width in widths)))
    table = Table(box=None, padding=(0, 2, 0, 0))
    for name in fitting:
        table.add_column(Text(name), justify="right", no_wrap=True)
    for row in zip(*fitting.values(), strict=True):
        table.add_row(*map(Text, row))
    console.print(table)
    return len(fitting)
