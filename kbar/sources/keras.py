"""Owns the way from Keras's hooks to stages."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import Any, Literal, TypeVar

from ..core.outcome import outcome_of
from ..core.snapshot import Outcome
from ..core.stage import Leave, Stage
from ..core.throttle import ThrottleSpec
from ..display.display import current
from ..options import Options, RendererSpec
from ..system.warnings import failure, from_signal
from .lifetime import Call

try:
    import keras
except ImportError as error:
    raise ImportError(
        "kbar.ProgressBar is a Keras callback and Keras is missing: pip install 'keras-kbar[tensorflow]', "
        "or keras with the backend of your choice"
    ) from error

_F = TypeVar("_F", bound=Callable[..., None])


def _harmless(hook: _F) -> _F:
    """What goes wrong in a hook is told and stays there."""

    @functools.wraps(hook)
    def guarded(*args: Any, **kwargs: Any) -> None:
        try:
            hook(*args, **kwargs)
        except Exception as error:
            failure("kbar missed an event", error)

    return guarded  # type: ignore[return-value]  # same signature, which ParamSpec cannot say of methods


class _Run:
    """One call of fit, evaluate or predict: its stages, and where in its protocol it is.

    Attributes:
        call: who calls the hooks; None if it is done by hand.
        model: what is trained; another one may be evaluated with the same bar meanwhile.
        steps: the steps of an epoch, None if unknown.
        train, tests: the stages that batches of training and of other kinds advance.
        epoch: the running epoch, from 0.
    """

    def __init__(self, kind: str, stage: Stage, call: Call | None, model: object, steps: int | None) -> None:
        self.kind, self.stage, self.call, self.model, self.steps = kind, stage, call, model, steps
        self.train: Stage | None = None
        self.tests: Stage | None = None if kind == "fit" else stage
        self.epoch: int | None = None

    def begin_epoch(self, epoch: int) -> None:
        """Epoch number `epoch`, from 0, begins."""
        current().start_at(self.stage, epoch)  # initial_epoch, or BackupAndRestore
        self.epoch = epoch
        current().start_epoch(self.stage)
        self.train = current().begin(
            "train", title=f"epoch {epoch + 1}", unit="step", total=self.steps, parent=self.stage, phase=True
        )

    def begin_validation(self) -> None:
        """The epoch's validation begins."""
        # Keras gives callbacks the training's count only; what it iterates over knows better.
        iterator = getattr(self.model, "_eval_epoch_iterator", None)
        steps = _natural(getattr(iterator, "num_batches", None))
        self.tests = current().begin("validation", unit="step", total=steps, parent=self.stage, phase=True)

    def end_train(self) -> None:
        """The epoch's training is over, if it was not yet."""
        if self.train:
            current().end(self.train, self.train.own_end)
            self.train = None

    def end_validation(self) -> None:
        """The epoch's validation is over, if there was one."""
        if self.tests:
            current().end(self.tests, self.tests.own_end)
            self.tests = None


def _natural(value: object) -> int | None:
    """`value` if it is a count; what Keras does not know is None, at times -1 or -2."""
    return value if isinstance(value, int) and value >= 0 else None


class ProgressBar(keras.callbacks.ProgbarLogger):
    """Shows `fit`, `evaluate` and `predict` as bars that tell the truth.

    It is Keras's own kind of progress bar, so that Keras adds no second one when ``verbose=0``
    was forgotten. Put it last in the list of callbacks: an epoch's line then also has what the
    others add to the epoch's logs. Between runs it can be copied, pickled and used again. As a
    context manager it ends what `fit` left open when an exception ended it.

    Args:
        renderer: ``"auto"`` (rich on a terminal, widgets in a notebook, else log lines; the
            environment variable ``KBAR_RENDERER`` overrides it), ``"rich"``, ``"tqdm"``,
            ``"log"``, ``"none"``, the name of an installed plug-in, a `Renderer`, or a list.
        throttle: when to draw between a stage's beginning and end, for every renderer that has
            no throttle of its own: `every`, `always`, `never`, or a callable ``Tick -> bool``.
        metrics: names or patterns (``["loss", "val_*"]``) of the metrics to show, in that order;
            if None, as the stage around it does, or all of them.
        leave: what stays on screen: ``"epochs"`` (a line for each epoch, and the last state),
            ``"run"`` (the last state) or ``"none"``; if None, as the stage around it does, or
            ``"epochs"``.
        capture: whether lines that others print to `sys.stdout` and `sys.stderr` while bars are
            on a terminal go above them; otherwise they go where they may.
        pacing: whether bars glide where steps land in jumps, never ahead of the truth and two
            seconds behind it at most; else they jump with them. True at the root.
        summary: whether an epoch's line says where its time went. False at the root.
        log_file: a path that lines are appended to besides: of JSON, where it ends in ``.jsonl``,
            as `JsonLinesRenderer` writes them, else for people, as `LogRenderer` does; at every
            tenth of a stage, at most one a second, at least one a minute.

    Raises:
        TypeError, ValueError: naming the argument, what was given and what is allowed.
        ImportError: if the library a renderer draws with is missing.
    """

    def __init__(
        self,
        renderer: RendererSpec = "auto",
        *,
        throttle: ThrottleSpec | None = None,
        metrics: Iterable[str] | None = None,
        leave: Leave | None = None,
        capture: bool = True,
        pacing: bool | None = None,
        summary: bool | None = None,
        log_file: str | os.PathLike[str] | None = None,
    ) -> None:
        super().__init__()
        self._options = Options(renderer, throttle, metrics, leave, capture, pacing, summary, log_file)
        self._runs: list[_Run] = []  # the running ones, outermost first
        self._top: _Run | None = None

    # Before a run.

    @property
    def async_safe(self) -> bool:
        """Whether Keras may call the batch hooks from its thread pool.

        So where the backend computes on an accelerator: there a synchronous hook costs a device
        sync every step. On a CPU the pool costs more than the hook.
        """
        backend = keras.backend.backend()
        library = sys.modules.get(backend)
        if backend == "jax" and library:
            return bool(library.default_backend() != "cpu")
        if backend == "torch" and library:
            device = os.environ.get("KERAS_TORCH_DEVICE")
            if device:
                return not device.startswith("cpu")
            accelerators = (library.cuda, library.backends.mps, getattr(library, "xpu", None))
            return any(a is not None and a.is_available() for a in accelerators)
        return False

    def set_params(self, params: dict[str, Any]) -> None:
        """Keras tells of the run to come: ``epochs`` and ``steps``, which may be None."""
        self.params = params

    def __getstate__(self) -> dict[str, Any]:
        # A copy is a new bar with the same options; the model in particular is not its to copy.
        return {**self.__dict__, "_model": None, "params": None, "_runs": [], "_top": None}

    def __enter__(self) -> ProgressBar:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        while self._runs:
            self._end(self._runs[-1], "stopped" if error is None else outcome_of(error))

    # fit

    @_harmless
    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        """`fit` begins."""
        self._begin("fit", "epoch", self._count("epochs"))

    @_harmless
    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Epoch number `epoch`, counted from 0, begins."""
        run = self._run("fit")
        if run and run.epoch != epoch:
            run.begin_epoch(epoch)

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        """All steps up to the one with index `batch` are done."""
        try:
            self._top.train.advance_to(batch + 1, current().clock(), logs)  # type: ignore[union-attr]  # None is what except is for
        except Exception as error:
            self._advance(error, "train", batch, logs)

    @_harmless
    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """The epoch is over; what later callbacks add to `logs` still counts."""
        run = self._run("fit")
        if run and run.epoch is not None:
            run.end_train()
            run.epoch = None
            current().finish_epoch(run.stage, logs)

    @_harmless
    def on_train_end(self, logs: Mapping[str, Any] | None = None) -> None:
        """`fit` is over."""
        run = self._run("fit")
        if run:
            self._end(run)

    # evaluate, and the validation within fit

    @_harmless
    def on_test_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        """`evaluate` begins, by itself or as validation."""
        run = self._run("fit")
        if not run:
            self._begin("evaluate", "step", self._count("steps"))
        elif not run.tests:
            if not self.async_safe:  # else steps are still to come from Keras's thread pool
                run.end_train()
            run.begin_validation()

    def on_test_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        """All steps up to the one with index `batch` are done."""
        try:
            self._top.tests.advance_to(batch + 1, current().clock(), logs)  # type: ignore[union-attr]  # None is what except is for
        except Exception as error:
            self._advance(error, "tests", batch, logs)

    @_harmless
    def on_test_end(self, logs: Mapping[str, Any] | None = None) -> None:
        """`evaluate` is over."""
        run = self._run("evaluate", "fit")
        if run and run.kind == "evaluate":
            self._end(run)
        elif run:
            run.end_validation()

    # predict

    @_harmless
    def on_predict_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        """`predict` begins."""
        self._begin("predict", "step", self._count("steps"))

    def on_predict_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        """All steps up to the one with index `batch` are done; `logs` hold their whole output."""
        try:
            self._top.tests.advance_to(batch + 1, current().clock())  # type: ignore[union-attr]  # None is what except is for
        except Exception as error:
            self._advance(error, "tests", batch, None)

    @_harmless
    def on_predict_end(self, logs: Mapping[str, Any] | None = None) -> None:
        """`predict` is over."""
        run = self._run("predict")
        if run:
            self._end(run)

    # Runs

    def _begin(self, kind: str, unit: str, total: int | None) -> None:
        call = Call.find()
        if call:
            running = next((s for s in current().running() if call.same_as(s.owner)), None)
        else:
            running = self._top.stage if self._top and self._top.kind == kind else None
        if running and (running.label != kind or running.untouched):
            # Another bar in the list, or the same one again, has begun this: one bar is enough.
            current().add_targets(running, self._options)
            return
        if running:  # hooks called by hand, in a loop that was cut short
            current().end(running, "interrupted")
        stage = current().begin(kind, unit=unit, total=total, options=self._options, owner=call)
        self._runs = [r for r in self._runs if not r.stage.outcome]
        self._runs.append(_Run(kind, stage, call, self._model, self._count("steps")))
        self._top = self._runs[-1]

    @_harmless
    def _advance(
        self, error: Exception, name: Literal["train", "tests"], batch: int, logs: Mapping[str, Any] | None
    ) -> None:
        """The long way, for a batch of another run than the innermost, or of none, which `error` shows."""
        if from_signal(error):
            raise error
        stages: Iterable[Stage | None] = (getattr(run, name) for run in reversed(self._runs))
        stage = next((s for s in stages if s and not s.outcome), None)
        if stage:
            stage.advance_to(batch + 1, current().clock(), logs)

    def _run(self, *kinds: str) -> _Run | None:
        """The run of one of these kinds that a hook is for; what is open within it, an exception has left."""
        call = Call.find()
        mine = (r for r in reversed(self._runs) if r.kind in kinds and (not call or call.same_as(r.call)))
        run = next(mine, None)
        while run and self._top and self._top is not run:
            self._end(self._top, "interrupted")
        return run

    def _end(self, run: _Run, outcome: Outcome | None = None) -> None:
        """`run` is over, by itself if no `outcome` is given."""
        if outcome is None:
            run.end_train()
            outcome = run.stage.own_end
        current().end(run.stage, outcome)
        self._runs = [r for r in self._runs if r is not run]
        self._top = self._runs[-1] if self._runs else None

    def _count(self, name: str) -> int | None:
        return _natural((self.params or {}).get(name))
