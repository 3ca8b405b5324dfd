"""Runs of Keras (calls of `fit`, `evaluate` or `predict`) as stages, and which of several a hook is for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from ..core.metrics import Logged
from ..core.snapshot import Outcome
from ..core.stage import Stage
from ..display.process import current
from ..options import Options
from .calls import Call, batch_size, callback_list, method, steps
from .executions import Executions, is_guess


class Run:
    """One call of `fit`, `evaluate` or `predict`.

    Args:
        call: the call itself; None if its hooks are called by hand.
        steps: how many steps an epoch has, None if unknown.
        per_step: what a step consists of, as the user says; None if the data is to say how many samples it has.

    Attributes:
        stage: the stage of the whole run.
        train: the stage that batches of training advance; None between epochs.
        tests: the stage that batches of evaluation and prediction advance.
        epoch: the number of the running epoch, from 0; None between epochs.
        beyond: by how much the number of steps that are done exceeds the index that a batch hook gets.
        queued: how many steps of the running stage were queued, if Keras reports them at that time.
    """

    def __init__(
        self,
        kind: str,
        stage: Stage,
        call: Call | None,
        steps: int | None,
        per_step: tuple[tuple[str, float], ...] | None,
    ) -> None:
        self.kind, self.stage, self.call, self._steps = kind, stage, call, steps
        self.display = current()  # looked up by each batch
        self.train: Stage | None = None
        self.tests: Stage | None = None if kind == "fit" else stage
        self.epoch: int | None = None
        self._was_cut = False  # whether the running epoch's training was stopped before its last step
        self._per_step = per_step
        self.beyond = 1
        self.queues, self.queued = bool(call and call.queues), 0
        if self.tests:
            self._tests = self._executions(self.tests, call and call.data)

    def _executions(self, stage: Stage, data: object, kind: str = "") -> Executions:
        """The executions of `stage`, which begins: `data` gives their batches. Also say what its steps consist of."""
        executions = Executions(data, bool(self.call and self.call.names_first), method(kind) if kind else None)
        self.beyond, stage.counts.excess = executions.beyond, executions.size - 1
        if self._per_step is None:
            stage.counts.batch = batch_size(data)
        else:
            stage.counts.per_unit = self._per_step
        return executions

    def _end_steps(self, stage: Stage, executions: Executions, kind: str) -> None:
        """Count all steps, of the last execution only those it has had: `stage` ends within Keras's method `kind`."""
        queued, self.queued = self.queued, 0
        if queued:  # Keras waits for queued steps before it reports any end
            stage.advance_to(queued, self.display.clock())
        if executions.size > 1 and not stage.counts.certainly_complete:
            self.display.stages.correct(stage, *executions.done(stage.done, method(kind)))

    def begin_epoch(self, epoch: int) -> None:
        """Begin epoch number `epoch`, from 0."""
        self.display.start_at(self.stage, epoch)  # by initial_epoch or BackupAndRestore
        self.epoch, self._was_cut = epoch, False
        self.display.start_epoch(self.stage)
        if self.call and not self.call.validates(epoch):
            self.stage.epoch.logged = Logged()
        self.train = self.display.begin(
            "train", title=f"epoch {epoch + 1}", unit="step", total=self._steps, parent=self.stage, phase=True
        )
        self._train = self._executions(self.train, self.call and self.call.data, "fit")

    def end_train(self, stops: bool = False) -> None:
        """End the epoch's training, if it has not ended yet; `stops` if Keras was asked to stop."""
        if self.train:
            self._end_steps(self.train, self._train, "fit")
            counts = self.train.counts
            unknown = counts.total is None and bool(self.call and self.call.has_unknown_length)
            self._was_cut = stops and (unknown or (counts.total is not None and not counts.has_reached_total))
            self.display.end(self.train, "stopped" if self._was_cut else self.train.own_end)
            self.train = None

    def begin_validation(self, data: object) -> None:
        """Begin the epoch's validation; `data` gives its batches, None if unknown."""
        total = None if is_guess(data) else steps(data)
        self.tests = self.display.begin("validation", unit="step", total=total, parent=self.stage, phase=True)
        self._tests = self._executions(self.tests, data)

    def end_tests(self) -> None:
        """Count the last steps of an evaluation or prediction, which is over."""
        if self.tests:
            self._end_steps(self.tests, self._tests, "predict" if self.kind == "predict" else "evaluate")

    def end_validation(self, logs: Mapping[str, Any] | None) -> None:
        """End the epoch's validation, if there was one."""
        if self.tests:
            self.end_tests()
            self.display.end(self.tests, self.tests.own_end)
            self.tests = None
            if self.epoch is not None:
                self.stage.epoch.logged = Logged({f"val_{name}": value for name, value in (logs or {}).items()})

    def end_epoch(self, logs: Mapping[str, Any] | None, hold: bool, stops: bool) -> None:
        """End the epoch; `hold` its line back if later callbacks may add to `logs`.

        If Keras was asked to stop, as `stops` says, and has done so within the epoch, it does not count.
        """
        if self.epoch is not None:
            self.end_train(stops)
            self.epoch = None
            self.display.finish_epoch(self.stage, logs, hold=hold, counts=not self._was_cut)


def _is_untouched(stage: Stage) -> bool:
    """Whether nothing has happened since `stage` began."""
    return stage.done == stage.counts.initial and not stage.children and not stage.has_epochs


class _NoRun:
    """Stands for the innermost run where there is none, or where its steps are not done when they are reported."""

    kind, train, tests, display, beyond = "", None, None, None, 1


class Runs:
    """The runs that one bar shows at the same time: a callback may evaluate within a fit.

    Args:
        label: what their bars are called; None for what they are.
        per_step: what a step consists of, as the user says; None if that is for the data to say.

    Attributes:
        top: the innermost run, whose steps are done when they are reported.
    """

    def __init__(self, label: str | None = None, per_step: tuple[tuple[str, float], ...] | None = None) -> None:
        self._label, self._per_step = label, per_step
        self.top: Any = _NoRun()  # a `Run` or `_NoRun`, so that the batch hooks need no check for None
        self._open: list[Run] = []  # outermost first

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "top": _NoRun(), "_open": []}  # a copy has no runs yet

    def begin(self, kind: str, unit: str, total: int | None, steps: int | None, options: Options) -> None:
        """Begin a run; if another `ProgressBar` has begun it already, only add targets to its stage."""
        found = callback_list()
        if found:
            same = (s for s in current().running() if getattr(s.owner, "hooks", None) is found[0])
            running = next(same, None)
        else:
            running = self.top.stage if self.top.kind == kind else None
        owner = running.owner if running else None  # read once: another thread may end the stage
        if running and (_is_untouched(running) or (isinstance(owner, Call) and owner.kind != kind)):
            current().add_targets(running, options)
            return
        if running:  # a loop that calls the hooks itself, left by an exception and begun again
            current().end(running, "error")
        call = Call(*found, kind) if found else None
        stage = current().begin(self._label or kind, unit=unit, total=total, options=options, owner=call)
        run = Run(kind, stage, call, steps, self._per_step)
        self._set_open([*(r for r in self._open if not r.stage.outcome), run])

    def _set_open(self, runs: list[Run]) -> None:
        self._open = runs
        self.top = runs[-1] if runs and not runs[-1].queues else _NoRun()

    def find(self, *kinds: str) -> Run | None:
        """The run of one of `kinds` that the calling hook belongs to; runs left open within it are ended."""
        found = callback_list()
        mine = (r for r in reversed(self._open) if not found or (r.call and r.call.hooks is found[0]))
        run = next((r for r in mine if r.kind in kinds), None)
        while run and self._open[-1] is not run:
            self.end(self._open[-1], "error")
        return run

    def finish(self, kind: str) -> None:
        """End the run of this `kind` that the calling hook belongs to; it has finished by itself."""
        run = self.find(kind)
        if run:
            run.end_train()
            run.end_tests()
            self.end(run, run.stage.own_end)

    def end(self, run: Run, outcome: Outcome) -> None:
        """End `run`."""
        current().end(run.stage, outcome)
        self._set_open([r for r in self._open if r is not run])

    def end_all(self, outcome: Outcome) -> None:
        """End all runs, innermost first."""
        while self._open:
            self.end(self._open[-1], outcome)

    def advance(self, name: Literal["train", "tests"], batch: int, logs: Mapping[str, Any] | None) -> None:
        """Advance the innermost stage called `name` that still runs, if any: the batch may belong to an outer run."""
        stages = ((run, getattr(run, name)) for run in reversed(self._open))
        found = next(((run, stage) for run, stage in stages if stage and not stage.outcome), None)
        if not found:
            return
        run, stage = found
        if run.queues:
            run.queued = max(run.queued, batch + run.beyond)
        else:
            stage.advance_to(batch + run.beyond, current().clock(), logs)
