"""The display of a process: sources report to it, and its targets draw the stages."""

from __future__ import annotations

import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, TypedDict

from ..core.counts import Source
from ..core.settings import Settings
from ..core.snapshot import Outcome
from ..core.stage import NEVER, Owner, Stage
from ..core.trial import Trial
from ..options import Options
from ..system.warnings import begin_run, failure
from . import scope
from .pause import Pauses
from .stages import Stages
from .targets import Targets
from .thread import DrawingThread

if TYPE_CHECKING:
    from typing_extensions import Unpack

_NO_OPTIONS = Options("log")  # that is, of its own: which renderer does not matter


class StageFacts(TypedDict, total=False):
    """What a source knows of its stage; see `Stage`."""

    unit: str
    total: int | None
    firm: bool
    title: str | None
    phase: bool
    owner: Owner | None
    source: Source | None


class Display:
    """Keeps the stages of a process, and has its targets draw them.

    The threads of a run call `begin`, `finish_epoch` and `end`, which only change the tree of stages and post events.
    Each target draws on a thread of its own, so that no output holds up a run or another output.

    Args:
        clock: seconds, monotonic.
        wall: seconds since the Unix epoch.
        thread: makes the thread of a target, from the function that this thread will call.

    Attributes:
        clock: seconds, monotonic, pauses left out. A pause replaces this attribute, so look it up for each call.
        wall: seconds since the Unix epoch.
        lock: held while the stages change or are read, but never while the user's code runs.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
        thread: Callable[[Callable[[], float | None]], DrawingThread] = DrawingThread,
    ) -> None:
        self.clock = self._unpaused = clock
        self.wall = wall
        # Re-entrant: a signal handler may run a whole evaluate() while its thread holds it.
        self.lock = threading.RLock()
        self.stages = Stages(self)
        self.targets = Targets(self, thread)
        self.pauses = Pauses(lambda: self.clock(), lambda: sum(s.done for s in self.stages.all()), self._skip)
        self._skipped = 0.0
        self._owner_may_have_ended = False
        self._handled_id: int | None = None
        self._later: deque[Callable[[], None]] = deque()

    # What sources report, on the threads of the run.

    def begin(
        self,
        label: str,
        *,
        initial: int = 0,
        parent: Stage | None = None,
        options: Options | None = None,
        **facts: Unpack[StageFacts],
    ) -> Stage:
        """Begin a stage, within `parent` or else within the innermost one open in this context."""
        self.settle(with_lines=False)  # an ended run may still hold the screen or this run's renderer
        with self.lock:
            if not self.stages.roots:
                begin_run()
            trial = None if parent else scope.running_trial()
            parent = parent or scope.innermost()
            while parent and parent.outcome:
                parent = parent.parent
            stage = Stage(
                label,
                now=self.clock(),
                on_due=self.stages.reached,
                parent=parent,
                settings=(options or _NO_OPTIONS).settings(_settings_within(parent, trial)),
                trial=trial,
                **facts,
            )
            stage.start_at(initial)
            if parent:
                self.stages.drop_failed(parent)
                parent.add(stage)
            else:
                self.stages.roots.append(stage)
        if options:
            self.targets.open(options, stage)
        with self.lock:
            self.stages.post("begin", stage)
            if initial:
                self.stages.post("resume", stage)
        self.stages.set_next_due(stage)
        scope.enter(stage)
        self.wake()
        return stage

    def running(self) -> list[Stage]:
        """All stages that are not over, outermost first. Those whose owner has ended are ended before."""
        with self.lock:
            self.stages.sweep()
            return [stage for stage in self.stages.all() if not stage.outcome]

    def add_targets(self, stage: Stage, options: Options) -> None:
        """Have further targets draw `stage`, which has begun already."""
        self.targets.open(options, stage)
        self.stages.set_next_due(stage)
        self.wake()

    def start_at(self, stage: Stage, initial: int) -> None:
        """Let `stage`, in which nothing has happened yet, begin at `initial`, because an earlier run got that far."""
        with self.lock:
            if stage.done != stage.counts.initial or stage.counts.initial == initial:
                return
            stage.start_at(initial)
            self.stages.post("resume", stage)
        self.stages.set_next_due(stage)

    def start_epoch(self, stage: Stage) -> None:
        """Begin an epoch of `stage`."""
        with self.lock:
            self.stages.release_epoch(stage)
            stage.start_epoch(self.clock())
        self.wake()

    def rename(self, stage: Stage, label: str) -> None:
        """Call `stage` `label` from now on."""
        with self.lock:
            stage.rename(label)

    def finish_epoch(
        self, stage: Stage, metrics: Mapping[str, object] | None, *, hold: bool = True, counts: bool = True
    ) -> None:
        """End an epoch of `stage`, which `counts` unless it was cut; `hold` its line back if `metrics` may grow."""
        with self.lock:
            now = self.clock()
            stage.next_due = NEVER  # no log line is due for the last step: the epoch's line says the same
            stage.finish_epoch(now, metrics, counts)
            for target in self.targets:
                target.schedule.note_drawn(stage, now)
            if not hold:
                self.stages.release_epoch(stage)
        self.wake()

    def end(self, stage: Stage, outcome: Outcome) -> None:
        """End `stage` and the stages within it; do nothing if it is over.

        This waits until the lines of the stage are written to the stream that the user prints to and, for the
        outermost stage, until its last state is drawn; but half a second at most.
        """
        with self.lock:
            if self._owner_may_have_ended:
                self.stages.sweep()
            if stage.outcome:
                return
            self.stages.end(stage, outcome)
        scope.leave()
        self.wake()
        self.targets.wait(with_lines=not stage.phase)

    def close(self, outcome: Outcome = "interrupted") -> None:
        """End all stages, each with the outcome of its owner or else with this one."""
        with self.lock:
            self.stages.sweep()
            for root in list(self.stages.roots):
                self.stages.end(root, outcome)
        self.wake()
        self.targets.wait(with_lines=False)

    # Endings without a report.

    def notice(self) -> None:
        """Record that the owner of some stage may have ended. This takes no lock and never waits."""
        self._owner_may_have_ended = True
        for target in self.targets:
            target.thread.notice()

    def settle(self, *, with_lines: bool = True) -> None:
        """End the stages whose owner has ended, and wait until targets without running stages are closed.

        With `with_lines`, this also waits for all lines that must appear before the user's next print.
        """
        self._owner_may_have_ended = False
        with self.lock:
            self.stages.sweep()
        self.wake()
        self.targets.wait(with_lines=with_lines)

    def before_print(self) -> None:
        """Have all that is over drawn before a print; called on the thread that prints."""
        error = sys.exc_info()[1] or vars(sys).get("last_value")  # getattr is slow where there is none
        handled, self._handled_id = self._handled_id, None if error is None else id(error)
        may_be_over = self._owner_may_have_ended or self._handled_id != handled or self.targets.are_closing
        try:
            if (may_be_over or self.stages.have_lost_owners) and not self.targets.own_this_thread:
                self.settle()
        except Exception as problem:  # a print must not fail because of kbar
            failure("kbar missed an end", problem)

    def call_after_unlock(self, call: Callable[[], None]) -> None:
        """Make a call once the lock is released, because it may run the user's code."""
        self._later.append(call)

    def wake(self) -> None:
        """Have what was posted drawn soon, and make the calls for `call_after_unlock`. The lock must not be held."""
        while self._later:
            try:
                call = self._later.popleft()
            except IndexError:  # another thread makes it
                break
            call()
        self.targets.wake()

    def _skip(self, seconds: float) -> None:
        """Take `seconds` out of the clock, as if they had not passed."""
        self._skipped += seconds
        unpaused, skipped = self._unpaused, self._skipped
        self.clock = lambda: unpaused() - skipped


def _settings_within(parent: Stage | None, trial: Trial | None) -> Settings:
    """How a stage is shown that says nothing itself: as its parent, but a trial leaves its own line only."""
    around = parent.settings if parent else Settings()
    return replace(around, leave="run") if trial and around.leave == "epochs" else around
