"""Owns the way from logs for programs back to bars: following files, and what is known of each run."""

from __future__ import annotations

import errno
import os
import platform
import stat
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import IO

from ..core.pacing import Countdown, Pacer
from ..core.snapshot import Event, EventKind, Message, Outcome, Snapshot, StageView
from ..core.text import clean, duration
from ..renderers import Renderer
from ..renderers.jsonl import LONGEST
from .read import Record, read

_FRAME = 0.1  # seconds between two frames
_LOOK = 0.25  # and between two looks at the files
_TAIL = 1 << 18  # bytes that are read of what a file holds already
_SILENT = 150.0  # seconds without a line after which a run is said to be silent: one is due each minute
_PAUSE = 1.0  # seconds that a replay waits from one run to the next


class Follower:
    """The lines of a file that grows, from its last bytes on: through rotation, and before there is a file.

    The file is opened anew at each look: network file systems ask only then how long it is.

    Args:
        tail: how many bytes of what is there already are read, from the next whole line on; all if None.
    """

    def __init__(self, path: str, tail: int | None = _TAIL) -> None:
        self.path = path
        self._tail = tail
        self._file: IO[bytes] | None = None
        self._begun = b""

    def lines(self) -> Iterator[bytes]:
        """What is new, as far as its lines are whole.

        Raises:
            OSError: if the file cannot be read.
        """
        try:
            file = _opened(self.path)
        except FileNotFoundError:
            yield from self._new()  # what was written before it was taken away
            return
        size = os.fstat(file.fileno()).st_size
        if self._file is None:
            if self._tail is not None and size > self._tail:
                file.seek(size - self._tail)
                file.readline()
        elif os.path.sameopenfile(file.fileno(), self._file.fileno()):
            at = self._file.tell()
            if at > size:  # it was cut
                at, self._begun = 0, b""
            file.seek(at)
            self._file.close()
        else:
            yield from self._new()
            self._file.close()
            self._begun = b""
        self._file = file
        yield from self._new()

    def _new(self) -> Iterator[bytes]:
        while self._file and (piece := self._file.read(LONGEST)):
            *lines, self._begun = (self._begun + piece).split(b"\n")
            if len(self._begun) > LONGEST:  # no line of a log's, and what follows of it will not be one either
                lines, self._begun = [*lines, self._begun], b""
            yield from lines

    def close(self) -> None:
        """Gives the file back."""
        if self._file:
            self._file.close()


def _opened(path: str) -> IO[bytes]:
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise OSError(errno.EINVAL, "this is no file that can be read to its end", path)
    return open(path, "rb")


class _Node:
    """A stage as its latest line has it, moved on in time.

    Args:
        view: what the line says; `at` is when that was, in seconds since the Unix epoch.
        parent: the key of the stage around it.

    Attributes:
        epochs: whether it has epochs, whose lines have their metrics.
    """

    def __init__(self, view: StageView, at: float, parent: int | None) -> None:
        self.parent = parent
        self.epochs = False
        self._pacer = Pacer(at, view.done)
        self._countdown = Countdown()
        self.take(view, at)

    def take(self, view: StageView, at: float) -> None:
        """Take note of what another line says."""
        self.view, self._at = view, at
        self._pacer.sample(at, view.done)

    def now(self, now: float, leaf: bool) -> StageView:
        """The stage at time `now`; what it has done since its latest line nobody knows."""
        view = self.view
        if view.outcome:
            return replace(view, seen=now)
        age = max(0.0, now - self._at)
        if leaf:
            self._pacer.move(now, view.rate, view.total)
        else:
            self._pacer.jump(view.done, max(0.0, (view.position or 0.0) - view.done))
        self._countdown.correct(now, None if view.remaining is None else max(0.0, view.remaining - age))
        return replace(
            view,
            seen=now,
            elapsed=view.elapsed + age,
            remaining=self._countdown.at(now),
            shown=min(view.done, self._pacer.count),
            position=self._pacer.position if view.total is None else min(self._pacer.position, view.total),
        )


class Run:
    """What is known of one run from its lines.

    Attributes:
        latest: its latest line.
        source: the file it is in.
        outcome: how it ended, None while it runs.
        given_up: whether nothing said so, but that its process is gone, or another has taken its place.
        behind: seconds by which its host's clock is behind.
    """

    def __init__(self, first: Record, source: str) -> None:
        self.latest, self.source = first, source
        self.outcome: Outcome | None = None
        self.given_up = False
        self.behind = 0.0
        self._live = False
        self._nodes: dict[int, _Node] = {}  # by stage, those around before those within
        self._missed = 0

    def take(self, record: Record, stage: StageView, heard: float | None = None) -> Event:
        """Take note of what a line says of `stage`; returns it as an event.

        Args:
            record: the line.
            stage: the stage it is about.
            heard: when it was written at the latest, by this clock, if it was read as it was written.
        """
        self.latest = record
        if heard is not None:
            self.behind = min(self.behind, heard - record.time) if self._live else heard - record.time
            self._live = True
        epoch = bool(record.above) and record.above[-1].key == stage.key
        chain = record.above if epoch else (*record.above, stage)
        arounds = [None, *(view.key for view in chain)]
        links = list(zip(arounds, chain, strict=False))
        moved = any(self._nodes[v.key].parent != around for around, v in links if v.key in self._nodes)
        if moved or any(node.parent is None and key != chain[0].key for key, node in self._nodes.items()):
            self._nodes = {}  # stages do not move: whatever this is, it is something else
        for around, view in links:
            self._put(view, record.time, around)
        if epoch:
            self._drop(lambda node: node.parent == stage.key and node.view.phase)
            return Event("epoch", record.time, chain[-1], stage, stage, chain[:-1])
        if stage.outcome and not record.above:
            return self.end(stage.outcome)
        if stage.outcome in ("done", "stopped") and not stage.phase:
            self._drop(lambda node: node.view.key == stage.key)
        kind: EventKind = "resume" if record.kind == "message" else record.kind
        return Event(kind, record.time, stage, above=record.above)

    def end(self, outcome: Outcome) -> Event:
        """The run is over; returns that as an event."""
        self.outcome = outcome
        for node in self._nodes.values():
            node.view = replace(node.view, outcome=node.view.outcome or outcome)
        (root,) = (node.view for node in self._nodes.values() if node.parent is None)
        return Event("end", self.latest.time, root)

    def gone(self) -> bool:
        """Whether its process has been no more at this look and at the one before; never known of another host's."""
        self._missed = self._missed + 1 if not self.outcome and not _there(self.latest) else 0
        return self._missed > 1  # what it wrote last was read in between

    def silent(self, now: float) -> float:
        """Seconds for which nothing was heard of it by `now`, once that means something."""
        since = now - self.behind - self.latest.time
        return since if since > _SILENT and not self.outcome else 0.0

    def views(self, now: float, label: str) -> list[StageView]:
        """Its stages at time `now` (s since the Unix epoch), outermost first; `label` tells it from others."""
        silent = self.silent(now)
        note = f"silent for {duration(silent)}" if silent else "done" if self.outcome == "done" else ""
        now = min(now - self.behind, self.latest.time + _SILENT)  # of what comes later nothing is known
        views = []
        for node in self._within(None):
            view = node.now(now, leaf=all(n.view.outcome for n in self._nodes.values() if n.parent == node.view.key))
            if node.epochs:
                view = replace(view, metrics=())
            views.append(view if view.depth else replace(_labelled(view, label), note=note))
        return views

    def _put(self, view: StageView, at: float, parent: int | None) -> None:
        if parent is not None and view.phase:
            self._nodes[parent].epochs = True
        if view.key in self._nodes:
            self._nodes[view.key].take(view, at)
            return

        def makes_way(other: _Node) -> bool:
            """Whether this is a finished part of the same name, or what failed before."""
            over = other.parent == parent and other.view.outcome is not None
            return over and (other.view.label == view.label or not other.view.phase)

        self._drop(makes_way)
        self._nodes[view.key] = _Node(view, at, parent)

    def _drop(self, which: Callable[[_Node], bool]) -> None:
        for key in [key for key, node in self._nodes.items() if which(node)]:
            for node in list(self._within(key)):
                self._nodes.pop(node.view.key)
            self._nodes.pop(key, None)

    def _within(self, key: int | None) -> Iterator[_Node]:
        for node in [n for n in self._nodes.values() if n.parent == key]:
            yield node
            yield from self._within(node.view.key)


def _there(record: Record) -> bool:
    """Whether the process that wrote this may still run."""
    if record.host != platform.node() or os.name != "posix":
        return True
    try:
        os.kill(record.pid, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):  # somebody else's process is one as well
        return True
    return True


def _labelled(view: StageView, label: str) -> StageView:
    return replace(view, title=f"{label} {view.title}", path=f"{label} {view.path}") if label else view


# What tells runs apart that are shown together: the first of these that differs.
_LABELS: tuple[Callable[[Run], str], ...] = (
    lambda run: f"rank {run.latest.rank}",
    lambda run: clean(Path(run.source).stem, 12),
    lambda run: clean(Path(run.source).absolute().parent.name, 12),
    lambda run: str(run.latest.pid),
)


class Watch:
    """Draws the runs of some files with one renderer, as each one's own terminal would."""

    def __init__(self, renderer: Renderer) -> None:
        self._renderer = renderer
        self._runs: dict[tuple[str, int], Run] = {}  # those on show
        self._seen: list[Run] = []  # and those that were, since the screen was opened
        self._events: list[Event | Message] = []
        self._open = False
        self._blind = False  # whether a process was seen no more whose run went on

    def take(self, record: Record, source: str, heard: float | None = None) -> None:
        """Take note of what a line of this file says, see `Run.take`."""
        if record.stage is None:
            self._events.append(Message("stdout", record.text, record.time, record.run))
            return
        key = (record.run, record.pid)
        if key in self._runs and self._runs[key].given_up:
            self._blind = True
            del self._runs[key]
        if key not in self._runs:
            self._begin(record, source)
            self._runs[key] = Run(record, source)
            self._seen.append(self._runs[key])
        run = self._runs[key]
        if not run.outcome:
            self._tell(run, run.take(record, record.stage, heard))

    def _begin(self, record: Record, source: str) -> None:
        """A run begins; one of the same rank that another process began in the same file has made way for it."""
        for run in list(self._runs.values()):
            same = run.source == source and run.latest.rank == record.rank
            if same and not run.outcome and (run.silent(record.time) or not _there(run.latest)):
                self._give_up(run)
        if self.over:
            self.draw(record.time)
            self.close()

    def _give_up(self, run: Run) -> None:
        run.given_up = True
        self._tell(run, run.end("interrupted"))

    def _tell(self, run: Run, event: Event) -> None:
        label = self._label(run)
        line = event.line
        if run.outcome and not self.over:  # it leaves a line and makes room; the last one stays as it is
            line = event.stage
            self._runs = {key: other for key, other in self._runs.items() if other is not run}
        line, epoch = line and _labelled(line, label), event.epoch and _labelled(event.epoch, label)
        self._events.append(replace(event, stage=_labelled(event.stage, label), epoch=epoch, line=line))

    def _label(self, run: Run) -> str:
        if len(self._seen) < 2:
            return ""
        differing = (label for label in _LABELS if len({label(other) for other in self._seen}) == len(self._seen))
        return next(differing, _LABELS[-1])(run)

    @property
    def over(self) -> bool:
        """Whether there were runs, and all of them are over."""
        return bool(self._runs) and all(run.outcome for run in self._runs.values())

    def look(self) -> None:
        """Ends the runs whose process is gone."""
        for run in list(self._runs.values()):
            if not self._blind and run.gone():
                self._events.append(Message("stdout", f"process {run.latest.pid} is gone", run.latest.time))
                self._give_up(run)

    def draw(self, now: float) -> None:
        """Draws them as of time `now`, in seconds since the Unix epoch."""
        if not self._open:
            self._renderer.open()
            self._open = True
        stages = [view for run in self._runs.values() for view in run.views(now, self._label(run))]
        if self._renderer.live or self._events:
            events, self._events = tuple(self._events), []
            self._renderer.draw(Snapshot(tuple(stages), events))

    def close(self) -> None:
        """Leaves on the screen what is there."""
        if self._open:
            self._renderer.close()
        self._open = False
        self._runs, self._seen = {}, []


def records(lines: Iterable[bytes], skipped: Counter[str], name: str) -> Iterator[Record]:
    """What these lines say; those that make no sense are counted under `name`."""
    for line in lines:
        record = read(line)
        if record:
            yield record
        elif line.strip():
            skipped[name] += 1


def watch(paths: Sequence[str], renderer: Renderer, skipped: Counter[str], *, until_end: bool = False) -> None:
    """Draws the runs of these files while they are written.

    Args:
        paths: JSON-lines logs, which need not exist yet.
        renderer: what draws.
        skipped: by path, counts the lines that make no sense.
        until_end: whether to return once all runs are over; else that is left to Ctrl-C.

    Raises:
        OSError: if a file cannot be read.
    """
    watched, followers = Watch(renderer), [Follower(path) for path in paths]
    looked, heard = -_LOOK, None  # what is there at the first look was written some time ago
    try:
        while not (until_end and watched.over):
            if time.monotonic() - looked >= _LOOK:
                looked = time.monotonic()
                for follower in followers:
                    for record in records(follower.lines(), skipped, follower.path):
                        watched.take(record, follower.path, heard)
                watched.look()
                heard = time.time()
            watched.draw(time.time())
            time.sleep(_FRAME)
    finally:
        watched.close()
        for follower in followers:
            follower.close()


def recorded(path: str, skipped: Counter[str]) -> Iterator[Record]:
    """All that a file says, or with ``-`` the standard input.

    Args:
        path: a JSON-lines log.
        skipped: counts the lines that make no sense.

    Raises:
        OSError: if it cannot be read.
    """
    with open(0 if path == "-" else path, "rb") as file:
        yield from records(iter(lambda: file.readline(LONGEST + 1), b""), skipped, path)


def replay(recorded: Iterable[Record], renderer: Renderer, *, speed: float = 1.0) -> bool:
    """Draws runs as they were, `speed` times as fast; returns whether there are any."""
    watched = Watch(renderer)
    now = 0.0
    try:
        for record in recorded:
            if watched.over or record.time - now > _SILENT:  # nobody wants to see the night between two runs
                now = max(now, record.time - _PAUSE * speed)
            while now < record.time:
                watched.draw(now)
                before = time.monotonic()
                time.sleep(min(_FRAME, (record.time - now) / speed))
                now += (time.monotonic() - before) * speed
            watched.take(record, "")
        if now:
            watched.draw(now)
    finally:
        watched.close()
    return bool(now)
