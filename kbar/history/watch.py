"""Draws bars from log files: of runs while they are written, and of finished runs again."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from ..core.snapshot import Event, Message, Snapshot, StageView
from ..core.text import clean
from ..core.throttle import FRAME
from ..renderers import Renderer
from .follow import Follower, records
from .read import Record
from .run import Run

_LOOK = 0.25  # seconds between two looks at the files
_GAP = 150.0  # seconds without a line that a replay leaves out
_PAUSE = 1.0  # seconds that it waits instead, also between two runs

# Names for runs that are shown together. The first kind that gives each run another name is used.
_NAMES: tuple[Callable[[Run], str], ...] = (
    lambda run: f"rank {run.latest.rank}",
    lambda run: clean(Path(run.source).stem, 12),
    lambda run: clean(Path(run.source).absolute().parent.name, 12),
    lambda run: str(run.latest.pid),
)


class Viewer:
    """Draws the runs of some files together, with one renderer, each as its own terminal would show it."""

    def __init__(self, renderer: Renderer) -> None:
        self._renderer = renderer
        self._runs: dict[tuple[str, int], Run] = {}  # those that are shown, by run and process
        self._named: list[Run] = []  # those that were shown since the screen was opened
        self._events: list[Event | Message] = []
        self._open = False
        self._trusts_pids = True  # until a run goes on whose process does not seem to exist

    @property
    def over(self) -> bool:
        """Whether there were runs, and all of them are over."""
        return bool(self._runs) and all(run.outcome for run in self._runs.values())

    def take(self, record: Record, source: str, heard: float | None = None) -> None:
        """Take over what a line of the file `source` says; see `Run.take`."""
        if record.stage is None:
            self._events.append(Message("stdout", record.text, record.time, record.run))
            return
        key = (record.run, record.pid)
        if key in self._runs and self._runs[key].presumed_dead:
            self._trusts_pids = False
            del self._runs[key]
        if key not in self._runs:
            self._make_room(record, source)
            self._runs[key] = Run(record, source)
            self._named.append(self._runs[key])
        run = self._runs[key]
        if not run.outcome:
            self._post(run, run.take(record, heard))

    def _make_room(self, first: Record, source: str) -> None:
        """Prepare for a run: end the one whose place in its file it takes, and start a new screen if all are over."""
        for run in list(self._runs.values()):
            replaced = run.source == source and run.latest.rank == first.rank and not run.outcome
            if replaced and (run.silence(first.time) or not run.may_run()):
                self._presume_dead(run)
        if self.over:
            self.draw(first.time)
            self.close()

    def end_dead_runs(self) -> None:
        """End the runs whose process no longer exists."""
        for run in list(self._runs.values()):
            if self._trusts_pids and run.is_gone():
                self._events.append(Message("stdout", f"process {run.latest.pid} is gone", run.latest.time))
                self._presume_dead(run)

    def _presume_dead(self, run: Run) -> None:
        run.presumed_dead = True
        self._post(run, run.end("interrupted"))

    def _post(self, run: Run, event: Event) -> None:
        name = self._name(run)
        line = event.line
        if run.outcome and not self.over:  # a line is left of it, in place of its bars; the last run keeps its bars
            line = event.stage
            self._runs = {key: other for key, other in self._runs.items() if other is not run}
        line, epoch = line and _named(line, name), event.epoch and _named(event.epoch, name)
        self._events.append(replace(event, stage=_named(event.stage, name), epoch=epoch, line=line))

    def _name(self, run: Run) -> str:
        """What tells this run from the others; "" if it is the only one."""
        if len(self._named) < 2:
            return ""
        differing = (name for name in _NAMES if len({name(other) for other in self._named}) == len(self._named))
        return next(differing, _NAMES[-1])(run)

    def draw(self, now: float) -> None:
        """Draw the runs as they are at time `now`, in seconds since the Unix epoch."""
        if not self._open:
            self._renderer.open()
            self._open = True
        stages: list[StageView] = []
        for run in self._runs.values():
            root, *inner = run.views(now)
            stages += [_named(root, self._name(run)), *inner]
        if self._renderer.live or self._events:
            events, self._events = tuple(self._events), []
            self._renderer.draw(Snapshot(tuple(stages), events))

    def close(self) -> None:
        """Close the renderer, which leaves the last frame on the screen."""
        if self._open:
            self._renderer.close()
        self._open = False
        self._runs, self._named = {}, []


def _named(view: StageView, name: str) -> StageView:
    return replace(view, title=f"{name} {view.title}", path=f"{name} {view.path}") if name else view


def watch(paths: Sequence[str], renderer: Renderer, skipped: Counter[str], *, until_end: bool = False) -> None:
    """Draw the runs of these files while they are written.

    Args:
        paths: JSON-lines logs, which need not exist yet.
        renderer: what draws.
        skipped: counts, by path, the lines that are not kbar's.
        until_end: whether to return once all runs are over; else only Ctrl-C ends it.

    Raises:
        OSError: if a file cannot be read.
    """
    viewer, followers = Viewer(renderer), [Follower(path) for path in paths]
    looked, heard = -_LOOK, None  # what is there at the first look was written at an unknown time before
    try:
        while not (until_end and viewer.over):
            if time.monotonic() - looked >= _LOOK:
                looked = time.monotonic()
                for follower in followers:
                    for record in records(follower.lines(), skipped, follower.path):
                        viewer.take(record, follower.path, heard)
                viewer.end_dead_runs()
                heard = time.time()
            viewer.draw(time.time())
            time.sleep(FRAME)
    finally:
        viewer.close()
        for follower in followers:
            follower.close()


def replay(recorded: Iterable[Record], renderer: Renderer, *, speed: float = 1.0) -> bool:
    """Draw runs as they were, `speed` times as fast; return whether there are any."""
    viewer = Viewer(renderer)
    now = 0.0
    try:
        for record in recorded:
            if viewer.over or record.time - now > _GAP:
                now = max(now, record.time - _PAUSE * speed)
            while now < record.time:
                viewer.draw(now)
                before = time.monotonic()
                time.sleep(min(FRAME, (record.time - now) / speed))
                now += (time.monotonic() - before) * speed
            viewer.take(record, "")
        if now:
            viewer.draw(now)
    finally:
        viewer.close()
    return bool(now)
