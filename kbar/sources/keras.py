"""`ProgressBar`: the Keras callback that shows `fit`, `evaluate` and `predict`."""

from __future__ import annotations

import copy
import os
import sys
from collections.abc import Mapping
from types import TracebackType
from typing import Any

from ..core.outcome import outcome_of
from ..core.settings import Leave
from ..core.throttle import ThrottleSpec
from ..options import MetricsSpec, Options, RendererSpec, options_of
from ..system.warnings import harmless
from . import arguments, packages
from .arguments import PerUnit
from .calls import callback_list, validation_data
from .runs import Runs

packages.load()
_KerasBar: Any = packages.progress_bars()[0]
_harmless = harmless("kbar missed an event")


class ProgressBar(_KerasBar):
    """Shows `fit`, `evaluate` and `predict` as bars with exact counts.

    It works with models of Keras 3 and of Keras 2 (`tf_keras`), also of both in one program. It is a
    subclass of Keras's progress bar, so that Keras adds no second one if ``verbose=0`` was forgotten.
    Put it last in the list of callbacks: the line of an epoch then also has the metrics that the
    others add. Between runs it can be copied, pickled and used again. It may be used as a context
    manager, which ends the bars of a `fit` that an exception has ended.

    Args:
        renderer: ``"auto"`` (rich on a terminal, HTML in a notebook, bars of Ray's driver in its workers, else log
            lines; the environment variable ``KBAR_RENDERER`` overrides it), ``"rich"``, ``"tqdm"``, ``"html"``,
            ``"log"``, ``"none"``, the name of an installed plug-in, a `Renderer`, or a list.
        label: what the bar of each run is called instead of ``fit``, ``evaluate`` or ``predict``, to tell apart
            runs in threads, folds or trials.
        throttle: when to draw between a stage's beginning and end, for every renderer that has
            no throttle of its own: `every`, `always`, `never`, seconds, or a callable ``Tick -> bool``.
        metrics: names or patterns (``["loss", "val_*"]``) of the metrics to show, in that order;
            or new names for some of them (``{"classification_head_accuracy": "cls acc"}``), which
            leaves the others as they are and may also stand in the list; if None, as the stage
            around it does, or all of them.
        formats: how the numbers of metrics are formatted, by names or patterns, the first that
            matches: ``{"lr": ".2e", "*acc*": ".1%"}``; if None, as in the stage around it.
        samples_per_step: how many samples a step has, for a rate in samples/s; or how many of
            anything (``{"tokens": 65_536}``); 0 for no such rate. If None, as many as Keras knows
            of, where there is space for it.
        leave: what stays on screen: ``"epochs"`` (a line for each epoch, and the last state),
            ``"run"`` (the last state) or ``"none"``; True is ``"epochs"``, False ``"none"``; if None, as the
            stage around it does, or ``"epochs"``.
        capture: whether prints are kept apart from bars: bars are taken away before something is
            printed to `sys.stdout` or `sys.stderr`, and log lines there begin at the beginning of
            a line. If False, these streams are left alone.
        pacing: whether bars move evenly where steps do not, never ahead of the true position and at
            most two seconds behind it; if None, as in the stage around it, or True.
        summary: whether the line of an epoch says where its time went; if None, as in the stage
            around it, or False.
        log_file: a path that lines are appended to besides: of JSON, where it ends in ``.jsonl``,
            as `JsonLinesRenderer` writes them, else for people, as `LogRenderer` does; at every
            tenth of a stage, at most one a second, at least one a minute.
        disable: whether nothing is shown of this bar and of all within it, whatever these ask for; logs are written.
            ``renderer="none"`` does the same, and ``KBAR_DISABLE=1`` in the environment for all bars.

    Raises:
        TypeError, ValueError: naming the argument, what was given and what is allowed.
        ImportError: if the library a renderer draws with is missing.
    """

    # What Keras 2 asks of callbacks: whether they take tensors as they are, and whether all workers may call them.
    _supports_tf_logs, _chief_worker_only = True, None
    _model: Any = None
    params: Any = None  # Keras 3.0 sets it only with the first run

    def __init__(
        self,
        renderer: RendererSpec = "auto",
        *,
        label: str | None = None,
        throttle: ThrottleSpec | None = None,
        metrics: MetricsSpec | None = None,
        formats: Mapping[str, str] | None = None,
        samples_per_step: PerUnit = None,
        leave: Leave | bool | None = None,
        capture: bool = True,
        pacing: bool | None = None,
        summary: bool | None = None,
        log_file: str | os.PathLike[str] | None = None,
        disable: bool = False,
        **unknown: Any,
    ) -> None:
        packages.join(ProgressBar)
        super().__init__()
        if unknown:
            options_of(unknown)  # type: ignore[arg-type]  # it raises an error that says what there is instead
        self._options = Options(
            renderer, throttle, metrics, formats, leave, capture, pacing, summary, log_file, disable
        )
        self._runs = Runs(
            None if label is None else arguments.text("label", label),
            arguments.per_unit("samples_per_step", samples_per_step),
        )

    @property
    def async_safe(self) -> bool:
        """Whether Keras may call the batch hooks from its thread pool."""
        return _computes_on_accelerator()

    def _implements_train_batch_hooks(self) -> bool:  # Keras 2 asks so whether to call these hooks
        return True

    _implements_test_batch_hooks = _implements_predict_batch_hooks = _implements_train_batch_hooks

    @property
    def model(self) -> Any:
        """The model of the latest run; None before the first, and in copies."""
        return self._model

    @model.setter
    def model(self, model: Any) -> None:
        self._model = model

    def set_model(self, model: Any) -> None:
        """Take the model of the next run."""
        self._model = model

    def set_params(self, params: dict[str, Any]) -> None:
        """Take the parameters of the next run: ``epochs`` and ``steps``, which may be None."""
        self.params = params

    def __getstate__(self) -> dict[str, Any]:
        # A copy is a new bar with the same options; the model in particular is not its to copy.
        return {**self.__dict__, "_model": None, "params": None, "_runs": copy.copy(self._runs)}

    def __enter__(self) -> ProgressBar:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._runs.end_all("stopped" if error is None else outcome_of(error))

    # fit

    @_harmless
    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        """Begin the run of `fit`."""
        self._begin("fit", "epoch", "epochs")

    @_harmless
    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Begin epoch number `epoch`, counted from 0."""
        run = self._runs.find("fit")
        if run and run.epoch != epoch:
            run.begin_epoch(epoch)

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Count all steps up to the one with index `batch` as done."""
        run = self._runs.top
        stage = run.train
        if stage is None or stage.outcome is not None:
            self._runs.advance("train", batch, logs)
        else:
            stage.advance_to(batch + run.beyond, run.display.clock(), logs)

    @_harmless
    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """End the epoch; what later callbacks add to `logs` still counts."""
        run = self._runs.find("fit")
        if run:
            run.end_epoch(logs, hold=_later_callbacks_add_logs(self), stops=_stops(self))

    @_harmless
    def on_train_end(self, logs: Mapping[str, Any] | None = None) -> None:
        """End the run of `fit`."""
        self._runs.finish("fit")

    # evaluate, and the validation within fit

    @_harmless
    def on_test_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        """Begin the run of `evaluate`, or the validation within `fit`."""
        run = self._runs.find("fit")
        if not run:
            self._begin("evaluate", "step", "steps")
        elif not run.tests:
            if not self.async_safe:  # else steps are still to come from Keras's thread pool
                run.end_train(_stops(self))
            run.begin_validation(validation_data(_model(self)))  # Keras tells callbacks the steps of the training only

    def on_test_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Count all steps up to the one with index `batch` as done."""
        run = self._runs.top
        stage = run.tests
        if stage is None or stage.outcome is not None:
            self._runs.advance("tests", batch, logs)
        else:
            stage.advance_to(batch + run.beyond, run.display.clock(), logs)

    @_harmless
    def on_test_end(self, logs: Mapping[str, Any] | None = None) -> None:
        """End the run of `evaluate`, or the validation within `fit`."""
        run = self._runs.find("evaluate", "fit")
        if run and run.kind == "fit":
            run.end_validation(logs)
        else:
            self._runs.finish("evaluate")

    # predict

    @_harmless
    def on_predict_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        """Begin the run of `predict`."""
        self._begin("predict", "step", "steps")

    def on_predict_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Count all steps up to the one with index `batch` as done; `logs` hold their output, which is not kept."""
        self.on_test_batch_end(batch)

    @_harmless
    def on_predict_end(self, logs: Mapping[str, Any] | None = None) -> None:
        """End the run of `predict`."""
        self._runs.finish("predict")

    def _begin(self, kind: str, unit: str, total: str) -> None:
        params = self.params or {}
        counted, steps = arguments.known(params.get(total)), arguments.known(params.get("steps"))
        self._runs.begin(kind, unit, counted, steps, self._options)


def _computes_on_accelerator() -> bool:
    """Whether Keras's backend computes on an accelerator.

    There a synchronous hook costs a synchronisation with the device every step. On a CPU, Keras's thread pool costs
    more than the hook.
    """
    keras = sys.modules.get("keras")
    backend = keras.backend.backend() if keras else ""
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


def _model(bar: ProgressBar) -> Any:
    """The model whose method calls the running hook; None if that is not known."""
    found = callback_list()
    holder = found[0] if found else bar
    model = getattr(holder, "_model", None)  # on JAX, asking for `model` moves the state of the training to the model
    return model if hasattr(model, "stop_training") else getattr(holder, "model", None)


def _stops(bar: ProgressBar) -> bool:
    """Whether a callback has asked the running `fit` to stop."""
    return bool(getattr(_model(bar), "stop_training", False))


def _later_callbacks_add_logs(bar: ProgressBar) -> bool:
    """Whether callbacks behind `bar` have an `on_epoch_end`, which may add to the epoch's logs."""
    found = callback_list()
    callbacks = list(getattr(found[0], "callbacks", ())) if found else []
    if not any(callback is bar for callback in callbacks):
        return True  # that is not known
    while callbacks.pop(0) is not bar:
        pass
    adds_nothing = [
        kind for package in packages.loaded() for kind in (package.callbacks.Callback, package.callbacks.History)
    ]
    plain = [kind.on_epoch_end for kind in (*adds_nothing, ProgressBar)]
    return not all(getattr(c.on_epoch_end, "__func__", None) in plain for c in callbacks)


packages.join(ProgressBar)
