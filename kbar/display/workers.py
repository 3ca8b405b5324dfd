"""The runs of this process's workers: child processes that train, each shown as one row among the bars."""

from __future__ import annotations

import itertools
import os
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from ..core.snapshot import Event, StageView
from ..core.stage import next_key
from ..core.text import count
from ..history.follow import Follower, records
from ..history.read import Record
from ..history.run import Run
from ..renderers.worker import WorkerLog as _WorkerLog  # noqa: F401  # forked children may be unable to import it
from ..system import owner

_tidied: set[int] = set()  # processes that have looked for what killed ones have left: this one, if it has


@dataclass(frozen=True)
class _WorkerRun:
    """A run of a worker that goes on.

    Attributes:
        number: the worker's, from 1. Once its runs are over, another worker may get it.
        key: the `StageView.key` of its row.
    """

    run: Run
    number: int
    key: int

    def row(self, now: float) -> StageView:
        """One line for all its stages at time `now`: where the outermost one stands, and the innermost one's metrics.

        Args:
            now: seconds since the Unix epoch.
        """
        root, *inner = self.run.views(now)
        running = [view for view in inner if not view.outcome]
        note = f"{running[-1].label} {count(running[-1]).strip()}" if running else ""
        views = [*reversed([root, *inner]), self.run.root.latest]
        metrics = next((view.metrics for view in views if view.metrics), ())
        return self._named(replace(root, key=self.key, depth=1, metrics=metrics, note=root.note or note))

    def line(self, end: Event) -> Event:
        """Its end, which leaves a line."""
        stage = self._named(end.stage)
        return replace(end, stage=stage, line=stage)

    def _named(self, view: StageView) -> StageView:
        return replace(view, title=f"worker {self.number} {view.title}", path=f"worker {self.number} {view.path}")


class Workers:
    """Reads what workers write of their runs while this process has the screen.

    One thread at a time calls its methods: that of the target that draws on the screen.

    Args:
        wall: seconds since the Unix epoch.
    """

    def __init__(self, wall: Callable[[], float]) -> None:
        self._wall = wall
        self._since = wall()
        self._folder = owner.offer()
        self._followers: dict[str, Follower] = {}
        self._runs: dict[tuple[int, str], _WorkerRun] = {}  # by process and `StageView.run`
        self._rows: tuple[StageView, ...] = ()

    def beside(self, views: tuple[StageView, ...]) -> tuple[StageView, ...]:
        """These stages of this process, with the rows below. What waits for workers that go on has not stalled."""
        return (*(replace(view, stalled=False) for view in views), *self._rows) if self._rows else views

    def look(self) -> tuple[Event, ...]:
        """Read what is new, which changes the rows; return the ends of runs with epochs, which leave a line."""
        if self._folder is None:
            return ()
        if os.getpid() not in _tidied:
            _tidied.add(os.getpid())
            owner.remove_orphans()
        now = self._wall()
        ends = [end for record, source in self._new_records(self._folder) for end in self._take(record, source, now)]
        for key, worker in [*self._runs.items()]:
            if worker.run.is_gone():
                del self._runs[key]
                ends.append(worker.line(worker.run.end("interrupted")))
        self._rows = tuple(worker.row(now) for worker in self._runs.values())
        return tuple(ends)

    def _new_records(self, folder: Path) -> Iterator[tuple[Record, str]]:
        try:
            names = os.listdir(folder)  # for each frame, where glob would cost
        except OSError:  # a cleaner of old files has removed it
            names = []
        for name in sorted({*names} | {*self._followers}):
            if name not in self._followers:
                self._followers[name] = Follower(str(folder / name))
            for record in records(self._followers[name].lines(), Counter(), name):
                if record.stage and record.time >= self._since:
                    yield record, name

    def _take(self, record: Record, source: str, now: float) -> Iterator[Event]:
        key = (record.pid, record.run)
        if key not in self._runs:
            self._runs[key] = _WorkerRun(Run(record, source), self._number(record.pid), next_key())
        worker = self._runs[key]
        event = worker.run.take(record, now)
        if worker.run.outcome:
            del self._runs[key]
            if worker.run.root.has_epochs:
                yield worker.line(event)

    def _number(self, process: int) -> int:
        """The number of a worker: that of its other runs, or the lowest that is free."""
        numbers = {pid: worker.number for (pid, _), worker in self._runs.items()}
        return numbers.get(process) or next(n for n in itertools.count(1) if n not in numbers.values())

    def close(self) -> None:
        """Remove what workers wrote."""
        for follower in self._followers.values():
            follower.close()
        self._followers, self._runs, self._rows = {}, {}, ()
        if self._folder is not None:
            owner.withdraw()
