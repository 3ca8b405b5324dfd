"""What the bars show of real runs of `fit`, `evaluate` and `predict`."""

from __future__ import annotations

import contextlib
import copy
import functools
import gc
import io
import itertools
import pickle
import re
import sys
import threading
import warnings
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import kbar
from kbar.core.snapshot import Event, EventKind, Snapshot, StageView
from kbar.display.process import current
from kbar.testing import FakeClock, RecordingRenderer, VirtualTerminal

from ..helpers import RENDERERS, Boom, epochs, last, lines_of, views

keras = pytest.importorskip("keras", reason="these are runs of Keras")
np = pytest.importorskip("numpy")
tf = pytest.importorskip("tensorflow", reason="these are runs on TensorFlow")

STEPS = 10
X = np.linspace(0.0, 1.0, 4 * STEPS * 2, dtype="float32").reshape(-1, 2)
Y = X.sum(axis=1, keepdims=True)
BATCHES = tf.data.Dataset.from_tensor_slices((X, Y)).batch(4)  # Keras begins with it far faster than with arrays
FEW = BATCHES.take(2)  # for validation
FRAME = 0.2  # seconds in which a frame is drawn for certain

pytestmark = [
    pytest.mark.keras,
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),  # within Keras
]
ran_out = pytest.mark.filterwarnings("ignore:Your input ran out of data")


# What the tests train on, and how they look at what is shown.


def make_model(**compiled: Any) -> keras.Model:
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile(**{"loss": "mse", "optimizer": "sgd", **compiled})
    return model


_shared_model = functools.cache(make_model)


@pytest.fixture
def model() -> keras.Model:
    """Shared, so that Keras traces its functions once; nothing here depends on its weights."""
    return unspoilt(_shared_model())


def unspoilt(model: keras.Model) -> keras.Model:
    """`model`, or a new one on JAX: there, an exception or a run within a batch spoils it.

    Its arrays were given to the step that was under way.
    """
    return make_model() if keras.backend.backend() == "jax" else model


@pytest.fixture
def bar(clock: FakeClock, renderer: RecordingRenderer) -> kbar.ProgressBar:
    return kbar.ProgressBar(renderer)


@pytest.fixture(autouse=True)
def _kbar_warns_of_nothing() -> Iterator[None]:
    """A test fails by any `KbarWarning` that it does not catch itself: the bar has failed then."""
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always", kbar.KbarWarning)
        yield
    assert [str(w.message) for w in seen if issubclass(w.category, kbar.KbarWarning)] == []
    for other in seen:
        warnings.warn_explicit(other.message, other.category, other.filename, other.lineno)


def on(**hooks: Callable[..., object]) -> keras.callbacks.Callback:
    """A callback of these hooks, named without their ``on_``."""
    return keras.callbacks.LambdaCallback(**{f"on_{name}": hook for name, hook in hooks.items()})


def frames(clock: FakeClock) -> keras.callbacks.Callback:
    """A callback to put behind the bar, that has a frame drawn after each batch."""

    def advance(batch: int, logs: object = None) -> None:
        clock.advance(FRAME)

    return on(train_batch_end=advance, test_batch_end=advance, predict_batch_end=advance)


def fit(model: keras.Model, *callbacks: Any, **options: Any) -> Any:
    return model.fit(**{"x": BATCHES, "verbose": 0, "shuffle": False, **options}, callbacks=list(callbacks))


def evaluate(model: keras.Model, *callbacks: Any, **options: Any) -> Any:
    return model.evaluate(**{"x": BATCHES, "verbose": 0, **options}, callbacks=list(callbacks))


def predict(model: keras.Model, *callbacks: Any, **options: Any) -> Any:
    return model.predict(**{"x": BATCHES, "verbose": 0, **options}, callbacks=list(callbacks))


ARRAYS: dict[str, Any] = {"x": X, "y": Y, "batch_size": 4}


def failing(call: Callable[[], object]) -> BaseException:
    """The exception that `call` ends by, without its traceback: nothing keeps the call's frames."""
    try:
        call()
    except (Exception, KeyboardInterrupt) as error:
        return error.with_traceback(None)
    raise AssertionError("it was to fail")


def raising(error: BaseException | type[BaseException], at: int) -> Callable[..., None]:
    """A hook that raises `error` at the batch or epoch of this index; of a class, nothing but its handler keeps it."""

    def hook(index: int, logs: object = None) -> None:
        if index == at:
            raise error

    return hook


def stopping(model: keras.Model, at: int) -> Callable[..., None]:
    """A hook that asks to stop training at the batch or epoch of this index."""

    def hook(index: int, logs: object = None) -> None:
        if index == at:
            model.stop_training = True

    return hook


def shown(renderer: RecordingRenderer) -> dict[str, StageView]:
    """The stages of the latest frame by label."""
    return {stage.label: stage for stage in renderer.snapshots[-1].stages}


def nesting(renderer: RecordingRenderer) -> list[tuple[str, int]]:
    """Labels and depths of the latest frame."""
    return [(stage.label, stage.depth) for stage in renderer.snapshots[-1].stages]


def happened(renderer: RecordingRenderer, kind: EventKind, label: str) -> list[Event]:
    return [event for event in renderer.events if event.kind == kind and event.stage.label == label]


def ends(renderer: RecordingRenderer, label: str) -> list[tuple[int, int | None, str | None]]:
    """Position, total and outcome of each ending of such a stage."""
    return [(e.stage.done, e.stage.total, e.stage.outcome) for e in happened(renderer, "end", label)]


def positions(renderer: RecordingRenderer, label: str) -> list[int]:
    """The positions shown of such a stage, each once as long as it does not change."""
    return [position for position, _ in itertools.groupby(view.done for view in views(renderer, label))]


def totals(renderer: RecordingRenderer, label: str, kind: EventKind = "begin") -> list[int | None]:
    return [event.stage.total for event in happened(renderer, kind, label)]


class Trial:
    """A model, a bar with a display that draws when the clock is advanced, and what the bar has shown."""

    def __init__(
        self, model: keras.Model, clock: FakeClock, bar: kbar.ProgressBar, renderer: RecordingRenderer
    ) -> None:
        self.model, self.clock, self.bar, self.renderer = model, clock, bar, renderer

    def fit(self, *behind: Any, **options: Any) -> Any:
        """Train the model with the bar, and these callbacks behind it."""
        return fit(self.model, self.bar, *behind, **options)

    def evaluate(self, *behind: Any, **options: Any) -> Any:
        return evaluate(self.model, self.bar, *behind, **options)

    def predict(self, *behind: Any, **options: Any) -> Any:
        return predict(self.model, self.bar, *behind, **options)

    def draw(self) -> None:
        """Let the time pass in which a frame is drawn."""
        self.clock.advance(FRAME)

    @property
    def frames(self) -> keras.callbacks.Callback:
        return frames(self.clock)

    @property
    def shown(self) -> dict[str, StageView]:
        return shown(self.renderer)

    @property
    def nesting(self) -> list[tuple[str, int]]:
        return nesting(self.renderer)

    @property
    def epochs(self) -> list[StageView]:
        return epochs(self.renderer)

    def ends(self, label: str) -> list[tuple[int, int | None, str | None]]:
        return ends(self.renderer, label)

    def happened(self, kind: EventKind, label: str) -> list[Event]:
        return happened(self.renderer, kind, label)

    def positions(self, label: str) -> list[int]:
        return positions(self.renderer, label)

    def totals(self, label: str) -> list[int | None]:
        return totals(self.renderer, label)

    def views(self, label: str) -> list[StageView]:
        return views(self.renderer, label)


@pytest.fixture
def t(model: keras.Model, clock: FakeClock, bar: kbar.ProgressBar, renderer: RecordingRenderer) -> Trial:
    return Trial(model, clock, bar, renderer)


def unknown_length(batches: int) -> tf.data.Dataset:
    """A data set that does not know how many batches it has."""

    def generate() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for i in range(batches):
            yield X[4 * i : 4 * i + 4], Y[4 * i : 4 * i + 4]

    signature = (tf.TensorSpec((None, 2)), tf.TensorSpec((None, 1)))
    return tf.data.Dataset.from_generator(generate, output_signature=signature)


def generator(batches: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """A Python generator of so many batches."""
    for i in range(batches):
        yield X[4 * i : 4 * i + 4], Y[4 * i : 4 * i + 4]


class Batches(keras.utils.PyDataset):
    """Keras's own kind of data set."""

    def __init__(self, batches: int) -> None:
        super().__init__()
        self._batches = batches

    @property
    def num_batches(self) -> int:
        return self._batches

    __len__ = num_batches.fget  # what Keras 3.0 asks

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        return X[4 * index : 4 * index + 4], Y[4 * index : 4 * index + 4]


# Positions.


def test_every_step_is_shown(t: Trial) -> None:
    """The position is the number of steps done, from none to all, in each kind of run."""
    t.fit(t.frames, **ARRAYS)
    assert t.positions("train") == list(range(STEPS + 1))
    t.evaluate(t.frames, x=X, y=Y, batch_size=4)
    assert t.positions("evaluate") == list(range(STEPS + 1))
    t.predict(t.frames, x=X, batch_size=4)
    assert t.positions("predict") == list(range(STEPS + 1))
    assert t.ends("train") == t.ends("evaluate") == t.ends("predict") == [(10, 10, "done")]
    assert t.ends("fit") == [(1, 1, "done")]


@pytest.mark.backends("tensorflow", "jax", but="steps_per_execution")
@pytest.mark.since("3.7", but="does not report an execution in which the data runs out")
def test_steps_per_execution_lands_in_lumps_and_never_overshoots(t: Trial) -> None:
    """Ten steps in executions of four are shown as 4, 8 and 10, whichever step of them Keras names."""
    model = make_model(steps_per_execution=4)
    told: list[int] = []
    fit(model, t.bar, on(train_batch_end=lambda batch, logs: told.append(batch)), t.frames, validation_data=BATCHES)
    assert told in ([3, 7, 11], [0, 4, 8])  # until Keras 3.10, that is the first step of an execution
    assert t.positions("train") == t.positions("validation") == [0, 4, 8, 10]
    assert t.epochs[0].done == t.epochs[0].total == 10
    evaluate(model, t.bar, t.frames)
    assert t.positions("evaluate") == [0, 4, 8, 10]
    predict(model, t.bar, t.frames)
    assert t.positions("predict") == [0, 4, 8, 10]
    for label in ("train", "validation", "evaluate", "predict"):
        assert t.ends(label) == [(10, 10, "done")]


def test_positions_are_absolute(t: Trial) -> None:
    """The position is where the batch index says, however few hooks were called, and not beyond the total."""
    t.bar.set_params({"epochs": 1, "steps": 10, "verbose": 0})
    t.bar.on_train_begin()
    t.bar.on_epoch_begin(0)
    seen = []
    for batch in (2, 6, 3, 8, 14):
        t.bar.on_train_batch_end(batch, {"loss": 1.0})
        t.draw()
        seen.append(t.shown["train"].done)
    assert seen == [3, 7, 7, 9, 10]


def test_metrics_of_the_latest_step_are_shown(t: Trial) -> None:
    """A frame shows the metrics that Keras told with the step it shows."""
    told: list[float] = []
    compared: list[bool] = []

    def look(batch: int, logs: dict[str, float]) -> None:
        told.append(logs["loss"])
        t.draw()
        compared.append(t.shown["train"].metrics == (("loss", told[-1]),))

    t.fit(on(train_batch_end=look))
    assert compared == [True] * STEPS
    assert len(set(told)) == STEPS


@pytest.mark.parametrize("steps", [np.ceil(9.5).astype(int), np.array(10)], ids=repr)
def test_numbers_of_numpy_are_counts(steps: Any, t: Trial) -> None:
    """`steps_per_epoch` and `epochs` are often computed by NumPy."""
    t.fit(x=BATCHES.repeat(), steps_per_epoch=steps, epochs=np.int64(2))
    assert t.totals("train") == [10, 10]
    assert t.totals("fit") == [2]
    assert t.ends("fit") == [(2, 2, "done")]
    t.evaluate(x=BATCHES.repeat(), steps=np.int64(3))
    assert t.totals("evaluate") == [3]
    t.fit(x=Batches(np.int64(5)), validation_data=Batches(np.uint8(4)))
    assert (t.totals("train")[-1], t.totals("validation")) == (5, [4])


@pytest.mark.parametrize("steps", [10.5, np.float64("inf"), np.nan, -1, -2, 2.5, "many"])
def test_what_is_no_count_is_unknown(steps: Any, t: Trial) -> None:
    t.bar.set_params({"epochs": np.array(2), "steps": steps})
    t.bar.on_train_begin()
    t.bar.on_epoch_begin(0)
    t.bar.on_train_batch_end(0)
    t.draw()
    assert (t.shown["train"].total, t.shown["fit"].total) == (None, 2)


# Ends before the end.


def test_stopping_within_an_epoch_shows_where(t: Trial) -> None:
    """After `stop_training` at the third step, 3 of 10 steps are done, and neither bar nor epoch claims more."""
    t.fit(on(train_batch_end=stopping(t.model, 2)), epochs=5)
    assert t.ends("train") == [(3, 10, "stopped")]
    assert [(epoch.done, epoch.total, epoch.outcome) for epoch in t.epochs] == [(3, 10, "stopped")]
    assert t.ends("fit") == [(0, 5, "stopped")]
    assert [(s.label, s.done, s.outcome) for s in t.renderer.snapshots[-1].stages if s.label == "fit"] == [
        ("fit", 0, "stopped")
    ]


@pytest.mark.parametrize("bars", RENDERERS)
@pytest.mark.parametrize("validated", [False, True])
@pytest.mark.parametrize("known", [False, True])
def test_an_epoch_that_is_stopped_in_its_midst_is_not_counted(
    bars: str, validated: bool, known: bool, clock: FakeClock
) -> None:
    """Its line says where it was stopped, and has its metrics, also if the number of steps was only learned."""
    model = make_model()
    stops = keras.callbacks.LambdaCallback()
    epoch_now = [0]
    stops.on_epoch_begin = lambda epoch, logs=None: epoch_now.__setitem__(0, epoch)
    stops.on_train_batch_end = lambda batch, logs=None: setattr(
        model, "stop_training", model.stop_training or (epoch_now[0], batch) == (2, 5)
    )
    terminal, log = VirtualTerminal(100, 12), io.StringIO()
    bar = kbar.ProgressBar([RENDERERS[bars](file=terminal), kbar.LogRenderer(log)])
    data = BATCHES if known else unknown_length(STEPS)
    fit(model, stops, bar, frames(clock), x=data, epochs=4, validation_data=FEW if validated else None)
    lines = lines_of(terminal)
    third = next(line for line in lines if line.startswith("epoch 3/4"))
    assert "stopped at 6/10" in third
    assert ("val_loss=" if validated else "loss=") in third
    assert any(line.startswith("fit ") and "50%" in line and "stopped at 2/4" in line for line in lines)
    assert "fit epoch 3/4 stopped at 6/10 60%" in log.getvalue()
    assert "fit stopped at 2/4 50%" in log.getvalue()


def test_a_first_epoch_of_unknown_length_that_is_stopped_in_its_midst_is_not_counted(t: Trial) -> None:
    t.fit(on(train_batch_end=stopping(t.model, 3)), x=unknown_length(STEPS), epochs=2)
    assert t.ends("train") == [(4, None, "stopped")]
    assert t.ends("fit") == [(0, 2, "stopped")]


def test_a_first_epoch_of_unknown_length_that_is_stopped_at_its_end_counts(t: Trial) -> None:
    stop = on(epoch_end=lambda epoch, logs=None: setattr(t.model, "stop_training", True))
    fit(t.model, stop, t.bar, x=unknown_length(STEPS), epochs=2)
    assert t.ends("train") == [(10, 10, "done")]
    assert t.ends("fit") == [(1, 2, "stopped")]


def test_the_rate_of_a_run_leaves_out_an_epoch_that_does_not_count(t: Trial, clock: FakeClock) -> None:
    epochs: list[int] = []
    stop = on(
        epoch_begin=lambda epoch, logs=None: epochs.append(epoch),
        train_batch_end=lambda batch, logs=None: setattr(t.model, "stop_training", len(epochs) == 3 and batch == 5),
    )
    t.fit(stop, frames(clock), epochs=4)
    whole = [epoch.elapsed for epoch in t.epochs[:2]]
    assert t.shown["fit"].rate == pytest.approx(2 / sum(whole), rel=0.05)


def test_an_epoch_that_is_stopped_after_its_last_step_counts(t: Trial) -> None:
    t.fit(on(train_batch_end=stopping(t.model, 9)), epochs=4)
    assert t.ends("train") == [(10, 10, "done")]
    assert t.ends("fit") == [(1, 4, "stopped")]


def test_stopping_between_epochs_shows_where(t: Trial) -> None:
    """After Keras's `EarlyStopping`, 2 of 5 epochs are done and the run was stopped; its epochs are whole."""
    early = keras.callbacks.EarlyStopping(monitor="loss", min_delta=1e9, patience=1)
    fit(make_model(), early, t.bar, epochs=5)
    assert t.ends("fit") == [(2, 5, "stopped")]
    assert t.shown["fit"].done == 2
    assert [(epoch.done, epoch.outcome) for epoch in t.epochs] == [(10, "done"), (10, "done")]
    assert t.ends("train") == [(10, 10, "done")] * 2


@pytest.mark.since("3.3", but="evaluates and predicts on when it was asked to stop")
def test_stopped_evaluation_and_prediction_show_where(t: Trial) -> None:
    """`stop_evaluating` and `stop_predicting` leave their bars stopped at the step they were set at."""

    def stop(batch: int, logs: object = None) -> None:
        if batch == 3:
            t.model.stop_evaluating = t.model.stop_predicting = True

    t.evaluate(on(test_batch_end=stop))
    t.predict(on(predict_batch_end=stop))
    t.fit(on(test_batch_end=stop), validation_data=BATCHES)
    for label in ("evaluate", "predict", "validation"):
        assert t.ends(label) == [(4, 10, "stopped")]
    assert t.ends("fit") == [(1, 1, "done")]


@ran_out
def test_data_that_runs_out_is_no_full_epoch(t: Trial) -> None:
    """A generator of 6 batches for `steps_per_epoch=10` leaves the bar at 6 of 10."""
    t.fit(t.frames, x=generator(6), steps_per_epoch=10)
    assert t.positions("train") == list(range(7))
    assert t.ends("train") == [(6, 10, "stopped")]
    assert [(epoch.done, epoch.total, epoch.outcome) for epoch in t.epochs] == [(6, 10, "stopped")]


# Beginnings in the middle.


def test_initial_epoch_starts_in_the_middle(t: Trial) -> None:
    """With `initial_epoch=3` of 5 the bar stands at 3/5 when the first epoch begins, and ends at 5/5."""
    t.fit(t.frames, epochs=5, initial_epoch=3)
    first, second = (
        next(s for s in snapshot.stages if s.label == "fit")
        for snapshot in t.renderer.snapshots
        if any(e.kind == "begin" and e.stage.label == "train" for e in snapshot.events)
    )
    assert (first.done, first.total) == (3, 5)
    assert (second.done, second.total) == (4, 5)
    assert [e.stage.title for e in t.happened("begin", "train")] == ["epoch 4", "epoch 5"]
    assert [epoch.title for epoch in t.epochs] == ["epoch 4/5", "epoch 5/5"]
    assert t.ends("fit") == [(5, 5, "done")]


def test_remaining_time_counts_what_is_left_only(t: Trial) -> None:
    """With `initial_epoch=2` of 5, after one epoch of ten seconds, two epochs remain: 20 seconds."""
    seen: list[float | None] = []

    def look(epoch: int, logs: object = None) -> None:
        seen.append(t.shown["fit"].remaining)

    pace = on(train_batch_end=lambda batch, logs: t.clock.advance(1.0), epoch_begin=look)
    t.fit(pace, epochs=5, initial_epoch=2)
    assert seen[0] is None
    assert seen[1:] == [pytest.approx(20.0, abs=1.0), pytest.approx(10.0, abs=1.0)]


@pytest.mark.since("3.3", but="begins with the first epoch again")
def test_a_restored_run_starts_in_the_middle(t: Trial, tmp_path: Path) -> None:
    """A run that `BackupAndRestore` takes up again after two epochs starts at 2 of 5 and ends at 5 of 5."""

    def run(*callbacks: Any) -> None:
        fit(make_model(), keras.callbacks.BackupAndRestore(tmp_path / "backup"), t.bar, *callbacks, epochs=5)

    failing(lambda: run(on(epoch_begin=raising(Boom(), 2))))
    t.draw()
    t.renderer.snapshots.clear()
    run()
    assert [e.stage.title for e in t.happened("begin", "train")] == ["epoch 3", "epoch 4", "epoch 5"]
    begun = next(s for s in t.renderer.snapshots if any(e.stage.label == "train" for e in s.events))
    assert [(s.done, s.total) for s in begun.stages if s.label == "fit"] == [(2, 5)]
    assert t.positions("fit")[-4:] == [2, 3, 4, 5]
    assert t.ends("fit") == [(5, 5, "done")]


# Validation.


@pytest.mark.parametrize(
    ("options", "total"),
    [
        ({"validation_data": (X[:12], Y[:12]), "validation_batch_size": 4}, 3),
        ({"validation_data": (X[:12], Y[:12]), "validation_batch_size": 2}, 6),
        ({"validation_data": (X, Y), "validation_batch_size": 4, "validation_steps": 4}, 4),
        ({"validation_data": tf.data.Dataset.from_tensor_slices((X[:20], Y[:20])).batch(4)}, 5),
        ({"validation_data": tf.data.Dataset.from_tensor_slices((X, Y)).batch(4).repeat(), "validation_steps": 7}, 7),
        ({"validation_data": Batches(2)}, 2),
    ],
    ids=["arrays", "batch size", "steps", "dataset", "endless dataset", "PyDataset"],
)
def test_validation_has_a_total_of_its_own(t: Trial, options: dict[str, Any], total: int) -> None:
    """Validation counts its own steps to its own total, from the first epoch on."""
    t.fit(t.frames, epochs=2, **options)
    assert t.totals("train") == [10, 10]
    assert t.totals("validation") == [total, total]
    assert t.ends("validation") == [(total, total, "done")] * 2
    assert t.positions("validation") == [*range(total + 1), *range(total + 1)]


def test_a_validation_split_has_a_total_of_its_own(t: Trial) -> None:
    """Of ten batches, a split of 0.2 leaves eight for training and two for validation."""
    t.fit(**ARRAYS, validation_split=0.2)
    assert t.ends("train") == [(8, 8, "done")]
    assert t.ends("validation") == [(2, 2, "done")]


def test_a_validation_generator_has_its_given_total(t: Trial) -> None:
    """A Python generator for validation is counted to `validation_steps`."""
    t.fit(t.frames, validation_data=generator(8), validation_steps=3)
    assert t.totals("validation") == [3]
    assert t.ends("validation") == [(3, 3, "done")]


def test_validation_nests_in_fit_below_the_training_of_its_epoch(t: Trial) -> None:
    """During validation three bars are shown: the run, the epoch's full training, the validation."""
    seen: list[list[tuple[str, int, int, int | None]]] = []

    def look(batch: int, logs: object = None) -> None:
        t.draw()
        seen.append([(s.label, s.depth, s.done, s.total) for s in t.renderer.snapshots[-1].stages])

    t.fit(on(test_batch_end=look), epochs=2, validation_data=FEW)
    assert seen == [
        [("fit", 0, epoch, 2), ("train", 1, 10, 10), ("validation", 1, step, 2)] for epoch in (0, 1) for step in (1, 2)
    ]
    assert t.happened("begin", "evaluate") == []
    parts = [e.stage.phase for label in ("train", "validation") for e in t.happened("begin", label)]
    assert parts == [True] * 4


def test_an_epoch_tells_its_validation_metrics(t: Trial) -> None:
    """An epoch's line has the metrics of training and validation; its steps are those of training."""
    history = t.fit(epochs=2, validation_data=FEW)
    for number, epoch in enumerate(t.epochs):
        expected = {name: values[number] for name, values in history.history.items()}
        assert dict(epoch.metrics) == expected
        assert (epoch.done, epoch.total) == (10, 10)


def test_validation_frequency_decides_which_epochs_have_a_validation(t: Trial) -> None:
    """With `validation_freq=2` only the second and fourth of five epochs show a validation bar."""
    at: list[int] = []
    t.fit(
        on(test_begin=lambda logs: at.append(t.shown["fit"].done)),
        epochs=5,
        validation_data=FEW,
        validation_freq=2,
    )
    assert at == [1, 3]
    assert t.ends("validation") == [(2, 2, "done")] * 2
    assert [sorted(dict(epoch.metrics)) for epoch in t.epochs] == [
        ["loss"],
        ["loss", "val_loss"],
        ["loss"],
        ["loss", "val_loss"],
        ["loss"],
    ]
    assert t.ends("fit") == [(5, 5, "done")]


# Unknown lengths.


@ran_out
def test_an_unknown_length_is_learned_from_the_first_epoch(t: Trial) -> None:
    """A data set of unknown length has no total in the first epoch and the learned one from then on."""
    t.fit(t.frames, x=unknown_length(6), epochs=3)
    assert t.totals("train") == [None, 6, 6]
    assert t.ends("train") == [(6, 6, "done")] * 3
    assert [(epoch.done, epoch.total, epoch.outcome) for epoch in t.epochs] == [(6, 6, "done")] * 3
    assert t.positions("train") == [*range(7), *range(7), *range(7)]


@ran_out
def test_an_unknown_validation_length_is_learned_from_the_first_epoch(t: Trial) -> None:
    """A validation of unknown length learns its own total, not that of training."""
    t.fit(t.frames, epochs=3, validation_data=unknown_length(4))
    assert t.totals("validation") == [None, 4, 4]
    assert t.ends("validation") == [(4, 4, "done")] * 3
    assert t.totals("train") == [10, 10, 10]


@ran_out
def test_a_python_generator_that_is_spent_ends_its_epochs_early(t: Trial) -> None:
    """A generator has no total at first; a later epoch may be shorter than the learned total, and is done then."""
    given: list[int] = []
    t.fit(on(train_batch_end=lambda batch, logs: given.append(batch)), t.frames, x=generator(6), epochs=2)
    assert given[:6] == list(range(6))
    second = len(given) - 6  # Keras gives the first batches, which it had looked at, once more
    assert 0 <= second < 6  # none on Keras 3.0
    assert t.totals("train") == [None, 6]
    assert t.ends("train") == [(6, 6, "done"), (second, second, "done")]
    assert [(epoch.done, epoch.total, epoch.outcome) for epoch in t.epochs] == [(6, 6, "done"), (second, 6, "done")]
    assert t.ends("fit") == [(2, 2, "done")]


@ran_out
@pytest.mark.parametrize("bars", RENDERERS)
def test_an_epoch_whose_data_ran_out_says_how_many_steps_it_had(bars: str, clock: FakeClock) -> None:
    terminal, log = VirtualTerminal(100, 12), io.StringIO()
    bar = kbar.ProgressBar([RENDERERS[bars](file=terminal), kbar.LogRenderer(log)])
    fit(make_model(), bar, frames(clock), x=generator(6), epochs=2)
    second = next(line for line in lines_of(terminal) if line.startswith("epoch 2/2"))
    assert re.search(r" [0-5]/6 ", second)
    assert re.search(r"fit epoch 2/2 [0-5]/6 \d+% ", log.getvalue())


def test_a_learned_total_that_is_passed_is_unknown_again(t: Trial) -> None:
    """An epoch longer than the learned total shows no total beyond it, and teaches the new one."""
    t.bar.set_params({"epochs": 3, "steps": None, "verbose": 0})
    t.bar.on_train_begin()
    seen: list[list[tuple[int, int | None]]] = []
    for epoch, steps in enumerate((3, 5, 5)):
        t.bar.on_epoch_begin(epoch)
        seen.append([])
        for batch in range(steps):
            t.bar.on_train_batch_end(batch, {"loss": 1.0})
            t.draw()
            seen[-1].append((t.shown["train"].done, t.shown["train"].total))
        t.bar.on_epoch_end(epoch, {"loss": 1.0})
    t.bar.on_train_end()
    assert seen == [
        [(1, None), (2, None), (3, None)],
        [(1, 3), (2, 3), (3, 3), (4, None), (5, None)],
        [(1, 5), (2, 5), (3, 5), (4, 5), (5, 5)],
    ]


@ran_out
def test_evaluate_and_predict_of_unknown_length(t: Trial) -> None:
    """Evaluation and prediction of unknown length count without a total, and have one at the end."""
    t.model.evaluate(unknown_length(6), verbose=0, callbacks=[t.bar, t.frames])
    t.model.predict(unknown_length(5), verbose=0, callbacks=[t.bar, t.frames])
    for label, steps in (("evaluate", 6), ("predict", 5)):
        assert t.totals(label) == [None]
        assert t.positions(label) == list(range(steps + 1))
        assert t.ends(label) == [(steps, steps, "done")]


# What is kept.


@pytest.mark.since("3.15", but="hands out the very outputs that it keeps")
def test_predict_keeps_no_outputs(t: Trial) -> None:
    """Each batch's outputs are free again once its hooks have returned, and no frame ever holds them."""
    kept: list[weakref.ref[np.ndarray]] = []
    alive: list[int] = []

    def watch(batch: int, logs: dict[str, np.ndarray]) -> None:
        kept.append(weakref.ref(logs["outputs"]))
        t.draw()

    def count(batch: int, logs: object = None) -> None:
        alive.append(sum(ref() is not None for ref in kept))

    t.predict(on(predict_batch_end=watch, predict_batch_begin=count))
    assert len(kept) == STEPS
    assert alive == [0] * STEPS
    assert {view.metrics for view in t.views("predict")} == {()}
    assert all(event.stage.metrics == () for event in t.renderer.events)


def test_a_failed_run_keeps_none_of_its_data(t: Trial) -> None:
    """Once its exception is dropped, nothing of a failed fit holds its data, though its stages are still open."""

    def fail() -> weakref.ref[tf.data.Dataset]:
        data = tf.data.Dataset.from_tensor_slices((X, Y)).batch(4)
        assert isinstance(failing(lambda: t.fit(on(epoch_end=raising(Boom(), 0)), x=data)), Boom)
        return weakref.ref(data)

    kept = fail()
    gc.collect()
    assert kept() is None


# One bar for many runs, and its copies.


def test_one_bar_serves_many_runs(t: Trial) -> None:
    """The same object draws fit, fit, evaluate and predict one after another, each from its beginning to its end."""
    t.fit(t.frames, epochs=2)
    t.fit(t.frames, **{**ARRAYS, "x": X[:20], "y": Y[:20]})
    t.evaluate(t.frames)
    t.predict(t.frames)
    outermost = [(e.kind, e.stage.label) for e in t.renderer.events if e.stage.depth == 0 and not e.epoch]
    assert outermost == [(kind, label) for label in ("fit", "fit", "evaluate", "predict") for kind in ("begin", "end")]
    assert t.ends("fit") == [(2, 2, "done"), (1, 1, "done")]
    assert t.ends("train") == [(10, 10, "done"), (10, 10, "done"), (5, 5, "done")]
    assert t.ends("evaluate") == t.ends("predict") == [(10, 10, "done")]
    assert t.positions("predict") == list(range(11))
    assert t.renderer.opened == t.renderer.closed == 4


def test_two_bars_in_one_run_each_draw(model: keras.Model, clock: FakeClock) -> None:
    """Two bars with renderers of their own in one list both show the whole run."""
    first, second = RecordingRenderer(), RecordingRenderer()
    fit(model, kbar.ProgressBar(first), kbar.ProgressBar(second), frames(clock), validation_data=FEW)
    for renderer in (first, second):
        assert ends(renderer, "fit")[0] == (1, 1, "done")
        assert ends(renderer, "train")[0] == (10, 10, "done")
        assert ends(renderer, "validation")[0] == (2, 2, "done")


class Shared(RecordingRenderer):
    """A renderer of which each copy is the one original, so that a test sees what copies draw."""

    def __reduce__(self) -> tuple[Callable[[], Shared], tuple[()]]:
        return _shared, ()


_SHARED: list[Shared] = []


def _shared() -> Shared:
    return _SHARED[-1]


def _pickled(bar: kbar.ProgressBar) -> kbar.ProgressBar:
    return pickle.loads(pickle.dumps(bar))


copying = pytest.mark.parametrize("duplicate", [copy.deepcopy, _pickled, copy.copy], ids=["deepcopy", "pickle", "copy"])


@pytest.fixture
def shared() -> Iterator[Shared]:
    _SHARED.append(Shared())
    yield _SHARED[-1]
    _SHARED.clear()


@copying
def test_a_copy_of_an_unused_bar_draws(
    model: keras.Model, clock: FakeClock, shared: Shared, duplicate: Callable[[kbar.ProgressBar], kbar.ProgressBar]
) -> None:
    """A bar copied before its first run, as tuners do, draws like the original, with its options."""
    twin = duplicate(kbar.ProgressBar(shared, metrics=["val_*"], throttle=kbar.every(steps=2), leave="run"))
    fit(model, twin, frames(clock), epochs=2, validation_data=FEW)
    assert ends(shared, "train") == [(10, 10, "done")] * 2
    assert ends(shared, "fit") == [(2, 2, "done")]
    assert positions(shared, "train")[:6] == [0, 2, 4, 6, 8, 10]
    assert not any(e.line for e in shared.events)
    assert [name for name, _ in shown(shared)["fit"].metrics] == ["val_loss"]


@copying
def test_a_copy_of_a_used_bar_starts_fresh(
    model: keras.Model, clock: FakeClock, shared: Shared, duplicate: Callable[[kbar.ProgressBar], kbar.ProgressBar]
) -> None:
    """A bar copied after a run, even after one that failed, draws its own run from the beginning."""
    bar = kbar.ProgressBar(shared)
    fit(model, bar, epochs=2)
    failing(lambda: fit(model, bar, on(train_batch_end=raising(Boom(), 4)), epochs=2))
    twin = duplicate(bar)
    clock.advance(FRAME)
    shared.snapshots.clear()
    evaluate(model, twin, frames(clock))
    fit(model, twin, frames(clock))
    assert positions(shared, "evaluate") == list(range(11))
    assert positions(shared, "train") == list(range(11))
    assert [e.stage.depth for e in happened(shared, "begin", "fit")] == [0]
    assert ends(shared, "fit") == [(1, 1, "done")]


@copying
def test_a_copy_made_during_a_run_leaves_the_run_alone(
    model: keras.Model, clock: FakeClock, shared: Shared, duplicate: Callable[[kbar.ProgressBar], kbar.ProgressBar]
) -> None:
    """A copy made in the middle of a run is a new bar; the original goes on."""
    bar = kbar.ProgressBar(shared)
    twins: list[kbar.ProgressBar] = []

    def copy_it(batch: int, logs: object = None) -> None:
        if batch == 4:
            twins.append(duplicate(bar))

    fit(model, bar, on(train_batch_end=copy_it), frames(clock))
    assert positions(shared, "train") == list(range(11))
    assert ends(shared, "fit") == [(1, 1, "done")]
    evaluate(model, twins[0])
    assert ends(shared, "evaluate") == [(10, 10, "done")]


class Uncopyable(keras.Model):
    """A model that must not be copied with its callbacks."""

    def __init__(self) -> None:
        super().__init__()
        self.dense = keras.layers.Dense(1)

    def call(self, inputs: Any) -> Any:
        return self.dense(inputs)

    def __deepcopy__(self, memo: object) -> Uncopyable:
        raise AssertionError("the model was copied")

    def __reduce__(self) -> tuple[Any, ...]:
        raise AssertionError("the model was copied")


@copying
def test_a_copy_leaves_the_model_out(
    clock: FakeClock, shared: Shared, duplicate: Callable[[kbar.ProgressBar], kbar.ProgressBar]
) -> None:
    """Copying a used bar does not copy the model it was used with, nor lead to it."""
    model = Uncopyable()
    model.compile(loss="mse", optimizer="sgd")
    bar = kbar.ProgressBar(shared)
    evaluate(model, bar)
    assert duplicate(bar).model is None
    assert bar.model is model


@pytest.mark.parametrize("name", ["log", "tqdm", "rich", "none", "auto"])
def test_bars_named_by_renderer_can_be_copied_before_and_after_use(
    model: keras.Model, clock: FakeClock, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """With each built-in renderer, bars can be copied and pickled, before and after use, and the copies work."""
    bar = kbar.ProgressBar(name)
    for each in (bar, copy.deepcopy(bar), _pickled(bar)):
        evaluate(model, each)
    capsys.readouterr()
    for each in (copy.deepcopy(bar), _pickled(bar)):
        evaluate(model, each)
        written = "".join(capsys.readouterr())
        assert ("evaluate" in written) == (name != "none")


# Twice in the list, or forgotten verbose=0.


def test_a_bar_twice_in_the_list_is_one_bar(t: Trial) -> None:
    """The same object passed twice shows each stage once, with the right counts."""
    t.fit(t.bar, t.frames, epochs=2, validation_data=FEW)
    t.evaluate(t.bar, t.frames)
    t.predict(t.frames, t.bar)
    begun = [e.stage.label for e in t.renderer.events if e.kind == "begin"]
    assert begun == ["fit", *["train", "validation"] * 2, "evaluate", "predict"]
    assert t.ends("train") == [(10, 10, "done")] * 2
    assert t.ends("validation") == [(2, 2, "done")] * 2
    assert t.ends("fit") == [(2, 2, "done")]
    assert t.ends("evaluate") == t.ends("predict") == [(10, 10, "done")]
    assert [(epoch.title, epoch.done) for epoch in t.epochs] == [("epoch 1/2", 10), ("epoch 2/2", 10)]
    assert t.positions("fit") == [0, 1, 2]


@pytest.mark.parametrize("verbose", [1, 2, "auto"])
def test_keras_adds_no_bar_of_its_own_when_verbose_was_forgotten(
    t: Trial, verbose: int | str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without `verbose=0`, Keras prints nothing and the one bar is the same as with it."""
    t.fit(epochs=2, validation_data=FEW, verbose=verbose)
    t.evaluate(verbose=verbose)
    t.predict(verbose=verbose)
    assert capsys.readouterr() == ("", "")
    begun = [e.stage.label for e in t.renderer.events if e.kind == "begin"]
    assert begun == ["fit", *["train", "validation"] * 2, "evaluate", "predict"]
    assert t.ends("fit") == [(2, 2, "done")]


# Runs within runs.


def _inner(kind: str, model: keras.Model, *callbacks: Any) -> None:
    """A run of three steps."""
    {"fit": fit, "evaluate": evaluate, "predict": predict}[kind](model, *callbacks, x=BATCHES.take(3))


@pytest.mark.parametrize("kind", ["evaluate", "predict"])
@pytest.mark.parametrize("same", [True, False], ids=["the same bar", "another bar"])
def test_a_run_at_an_epochs_end_nests_below_fit(t: Trial, kind: str, same: bool) -> None:
    """A run that a callback starts at an epoch's end is shown below the fit, which goes on rightly."""
    inner = t.bar if same else kbar.ProgressBar(RecordingRenderer())
    seen: list[list[tuple[str, int]]] = []

    def look(batch: int, logs: object = None) -> None:
        t.draw()
        seen.append(t.nesting)

    def run(epoch: int, logs: object = None) -> None:
        _inner(kind, t.model, inner, on(test_batch_end=look, predict_batch_end=look))

    t.fit(on(epoch_end=run), t.frames, epochs=3, validation_data=FEW)
    above = [("fit", 0), ("train", 1), ("validation", 1)]
    assert all(stages == [*above, (kind, 1)] for stages in seen)
    assert len(seen) == 9
    assert t.ends(kind) == [(3, 3, "done")] * 3
    assert t.ends("train") == [(10, 10, "done")] * 3
    assert t.ends("validation") == [(2, 2, "done")] * 3
    assert t.totals("validation") == [2, 2, 2]
    assert t.ends("fit") == [(3, 3, "done")]
    assert [(epoch.title, epoch.done, epoch.outcome) for epoch in t.epochs] == [
        (f"epoch {i}/3", 10, "done") for i in (1, 2, 3)
    ]


@pytest.mark.parametrize("kind", ["evaluate", "predict"])
@pytest.mark.parametrize("same", [True, False], ids=["the same bar", "another bar"])
def test_a_run_in_the_middle_of_an_epoch_nests_below_its_training(t: Trial, kind: str, same: bool) -> None:
    """A run that a callback starts after a batch is shown below the training, which goes on from there."""
    inner = t.bar if same else kbar.ProgressBar(RecordingRenderer())
    seen: list[list[tuple[str, int, int]]] = []

    def look(batch: int, logs: object = None) -> None:
        t.draw()
        seen.append([(s.label, s.depth, s.done) for s in t.renderer.snapshots[-1].stages])

    def run(batch: int, logs: object = None) -> None:
        if batch == 4:
            _inner(kind, unspoilt(t.model), inner, on(test_batch_end=look, predict_batch_end=look))

    t.fit(on(train_batch_end=run), t.frames, epochs=2, validation_data=FEW)
    assert seen == [[("fit", 0, epoch), ("train", 1, 5), (kind, 2, step)] for epoch in (0, 1) for step in (1, 2, 3)]
    assert t.ends(kind) == [(3, 3, "done")] * 2
    assert t.positions("train")[:11] == list(range(11))
    assert t.ends("train") == [(10, 10, "done")] * 2
    assert t.ends("validation") == [(2, 2, "done")] * 2
    assert t.ends("fit") == [(2, 2, "done")]


def test_a_fit_within_a_fit_nests_below_it(t: Trial) -> None:
    """Another model that a callback trains with the same bar is shown below, and the outer fit goes on."""
    other = make_model()
    seen: list[list[tuple[str, int]]] = []

    def look(batch: int, logs: object = None) -> None:
        seen.append(t.nesting)

    def run(batch: int, logs: object = None) -> None:
        if batch == 4:
            _inner("fit", other, t.bar, t.frames, on(train_batch_end=look))

    t.fit(on(train_batch_end=run), t.frames)
    assert seen == [[("fit", 0), ("train", 1), ("fit", 2), ("train", 3)]] * 3
    assert t.ends("fit") == [(1, 1, "done")] * 2
    assert t.ends("train") == [(3, 3, "done"), (10, 10, "done")]


@pytest.mark.parametrize("screen", [True, False])
def test_another_bar_within_a_run_draws_where_it_should(model: keras.Model, clock: FakeClock, screen: bool) -> None:
    """A bar within draws its own stage where it is no screen; the screen stays with the outermost bar."""
    outer, inner = RecordingRenderer(screen=True), RecordingRenderer(screen=screen)

    def run(epoch: int, logs: object = None) -> None:
        evaluate(model, kbar.ProgressBar(inner))

    fit(model, kbar.ProgressBar(outer), on(epoch_end=run), epochs=2)
    assert ends(outer, "evaluate") == [(10, 10, "done")] * 2
    assert ends(inner, "evaluate") == ([] if screen else [(10, 10, "done")] * 2)
    assert {e.stage.label for e in inner.events} <= {"evaluate"}
    assert inner.opened == inner.closed == (0 if screen else 2)
    assert outer.opened == outer.closed == 1


@pytest.mark.parametrize("first", [True, False], ids=["ahead of the bar", "behind the bar"])
@pytest.mark.parametrize("hook", ["epoch_begin", "train_batch_end", "epoch_end"])
def test_a_failed_run_within_a_run_leaves_the_outer_one_counting(t: Trial, hook: str, first: bool) -> None:
    """After a callback has caught the failure of an evaluation with the same bar, the fit counts on."""

    def run(index: int, logs: object = None) -> None:
        if index == (4 if hook == "train_batch_end" else 0):
            failing(lambda: evaluate(unspoilt(t.model), t.bar, on(test_batch_end=raising(Boom(), 2))))

    callbacks = [on(**{hook: run}), t.bar] if first else [t.bar, on(**{hook: run})]
    fit(t.model, *callbacks, t.frames, epochs=2, validation_data=FEW)
    failures = 2 if hook == "train_batch_end" else 1
    assert [(done, total) for done, total, _ in t.ends("evaluate")] == [(3, 10)] * failures
    assert set(t.positions("train")) == set(range(11))
    assert t.ends("train") == [(10, 10, "done")] * 2
    assert t.ends("validation") == [(2, 2, "done")] * 2
    assert [(epoch.done, epoch.outcome) for epoch in t.epochs] == [(10, "done")] * 2
    assert t.ends("fit") == [(2, 2, "done")]


def test_a_failed_fit_within_a_fit_leaves_the_outer_one_counting(t: Trial) -> None:
    """After a callback has caught the failure of a fit with the same bar, the outer fit counts on to its end."""
    other = make_model()

    def run(batch: int, logs: object = None) -> None:
        if batch == 4:
            failing(lambda: fit(other, t.bar, on(train_batch_end=raising(Boom(), 1)), x=BATCHES.take(3)))

    t.fit(on(train_batch_end=run), t.frames, validation_data=FEW)
    assert [(done, total) for done, total, _ in t.ends("train")] == [(2, 3), (10, 10)]
    assert [(done, total) for done, total, _ in t.ends("fit")] == [(0, 1), (1, 1)]
    assert t.ends("train")[-1] == (10, 10, "done")
    assert t.ends("validation") == [(2, 2, "done")]
    assert [(epoch.done, epoch.outcome) for epoch in t.epochs] == [(10, "done")]
    assert t.ends("fit")[-1] == (1, 1, "done")


def test_another_model_evaluated_within_a_run_costs_validation_no_total(t: Trial) -> None:
    """A second model evaluated with the same bar in mid-epoch does not make the validation's length unknown."""
    other = make_model()

    def run(batch: int, logs: object = None) -> None:
        if batch == 4:
            evaluate(other, t.bar)

    t.fit(on(train_batch_end=run), validation_data=FEW)
    assert t.totals("validation") == [2]


@pytest.mark.parametrize("bars", RENDERERS)
@pytest.mark.parametrize("way", ["track", "stage"])
def test_a_fit_that_failed_and_was_caught_leaves_a_line(
    bars: str, way: str, model: keras.Model, clock: FakeClock
) -> None:
    """The second of three fits fails in its second epoch, and the others go on."""
    terminal, log = VirtualTerminal(100, 12), io.StringIO()
    options: Any = {"renderer": [RENDERERS[bars](file=terminal), kbar.LogRenderer(log)], "leave": "run"}

    def one(number: int) -> None:
        behind = [on(epoch_begin=raising(Boom, 1))] if number == 1 else []
        with contextlib.suppress(Boom):
            fit(model, kbar.ProgressBar(), frames(clock), *behind, epochs=3)

    if way == "track":
        for number in kbar.track(range(3), "fold", **options):
            one(number)
    else:
        with kbar.stage("fold", total=3, **options) as stage:
            for number in range(3):
                one(number)
                stage.advance()
    lines = lines_of(terminal)
    assert [line for line in lines if "failed" in line] == [line for line in lines if line.startswith("fold 2/3  fit ")]
    assert len([line for line in lines if "failed at 1/3" in line]) == 1
    assert "fold 2/3 fit failed at 1/3 33%" in log.getvalue()


def test_a_fit_nests_in_a_track_and_the_screen_is_the_outermosts(model: keras.Model, clock: FakeClock) -> None:
    screen, inner = RecordingRenderer(screen=True), RecordingRenderer()
    x = np.ones((8, 2), "float32")
    tick = on(train_batch_end=lambda batch, logs: clock.advance(0.1))
    for _ in kbar.track(range(2), label="fold", renderer=screen):
        bar = kbar.ProgressBar(["auto", inner])
        model.fit(x, x[:, :1], batch_size=2, epochs=2, validation_split=0.5, verbose=0, callbacks=[tick, bar])
    tree = {(s.depth, s.label) for snapshot in screen.snapshots for s in snapshot.stages}
    assert tree == {(0, "fold"), (1, "fit"), (2, "train"), (2, "validation")}
    assert [epoch.title for epoch in epochs(screen)] == [f"fold {f}/2  epoch {e}/2" for f in (1, 2) for e in (1, 2)]
    assert {e.stage.label for e in inner.events} == {"fit", "train", "validation"}
    assert inner.opened == inner.closed == 2
    assert ends(screen, "fold") == [(2, 2, "done")]


# Many threads.


def _in_threads(count: int, work: Callable[[int], None]) -> None:
    failures: list[BaseException] = []

    def run(number: int) -> None:
        try:
            work(number)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert not any(thread.is_alive() for thread in threads)


def _begin_training(bar: kbar.ProgressBar, steps: int) -> None:
    bar.set_params({"epochs": 1, "steps": steps, "verbose": 0})
    bar.on_train_begin()
    bar.on_epoch_begin(0)


def _end_training(bar: kbar.ProgressBar) -> None:
    bar.on_epoch_end(0, {"loss": 0.5})
    bar.on_train_end()


def test_hooks_from_threads_in_reverse_order_never_go_back(t: Trial) -> None:
    """Of each eight steps, on eight threads, the last lands first: the position shown only ever grows."""
    _begin_training(t.bar, 400)
    turns = [threading.Semaphore(0) for _ in range(8)]
    turns[7].release()

    def work(number: int) -> None:
        for batch in range(number, 400, 8):
            assert turns[number].acquire(timeout=20)
            t.bar.on_train_batch_end(batch, {"loss": float(batch)})
            t.draw()
            turns[number - 1].release()

    _in_threads(8, work)
    assert t.positions("train") == [0, *range(8, 401, 8)]
    metrics = {view.done: view.metrics for view in t.views("train") if view.done}
    assert metrics == {done: (("loss", float(done - 1)),) for done in range(8, 401, 8)}
    _end_training(t.bar)
    assert t.ends("train") == [(400, 400, "done")]


def test_hooks_from_racing_threads_lose_no_step(t: Trial) -> None:
    """Eight threads that take steps from one queue and race end at the last step; no frame goes back."""
    steps = 4000
    _begin_training(t.bar, steps)
    queue, lock = iter(range(steps)), threading.Lock()

    def work(number: int) -> None:
        if number == 0:  # the only one that draws
            for _ in range(200):
                t.draw()
            return
        while True:
            with lock:
                batch = next(queue, None)
            if batch is None:
                return
            t.bar.on_train_batch_end(batch, {"loss": float(batch)})

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        _in_threads(9, work)
    finally:
        sys.setswitchinterval(interval)
    t.draw()
    seen = [view.done for view in t.views("train")]
    assert seen == sorted(seen)
    assert seen[-1] == steps
    _end_training(t.bar)
    assert t.ends("train") == [(steps, steps, "done")]


class Pooled(kbar.ProgressBar):
    """A bar as it is where an accelerator computes."""

    async_safe = True


class Neighbours(keras.callbacks.Callback):
    """Two callbacks around the bar that make every second batch wait for the one after it."""

    def __init__(self, batches: int) -> None:
        super().__init__()
        self.landed = [threading.Event() for _ in range(batches)]
        self.order: list[int] = []
        self.behind = on(train_batch_end=self._land)

    def on_train_batch_end(self, batch: int, logs: object = None) -> None:
        if batch % 2 == 0:
            assert self.landed[batch + 1].wait(20)

    def _land(self, batch: int, logs: object = None) -> None:
        self.order.append(batch)
        self.landed[batch].set()


def _asynchronous(model: keras.Model, *callbacks: Any, epochs: int, steps: int, **options: Any) -> Any:
    """`fit` with the callbacks' batch hooks on Keras's thread pool."""
    if not hasattr(keras.callbacks.CallbackList, "_async_dispatch"):
        pytest.skip(f"Keras {keras.__version__} calls all hooks from the main thread")
    chain = keras.callbacks.CallbackList(
        list(callbacks), add_history=True, model=model, epochs=epochs, steps=steps, verbose=0
    )
    chain._async_train = True
    x, y = np.zeros((steps, 2), "float32"), np.zeros((steps, 1), "float32")
    return model.fit(x, y, batch_size=1, epochs=epochs, verbose=0, shuffle=False, callbacks=chain, **options)


def test_keras_thread_pool_out_of_order(model: keras.Model, clock: FakeClock, renderer: RecordingRenderer) -> None:
    """Through Keras's thread pool, with steps landing out of order, the position never goes back and ends right."""
    pairs = Neighbours(400)
    draw = on(train_batch_begin=lambda batch, logs: clock.advance(FRAME))  # Keras calls this one on the main thread
    _asynchronous(model, pairs, Pooled(renderer), pairs.behind, draw, epochs=1, steps=400)
    assert len(pairs.order) == 400
    assert sum(b < a for a, b in itertools.pairwise(pairs.order)) >= 100
    seen = [view.done for view in views(renderer, "train")]
    assert seen == sorted(seen)
    assert max(seen) == 400
    assert len(set(seen)) > 10
    assert ends(renderer, "train") == [(400, 400, "done")]
    assert [(epoch.done, epoch.outcome) for epoch in epochs(renderer)] == [(400, "done")]
    assert ends(renderer, "fit") == [(1, 1, "done")]


def test_steps_that_land_during_validation_still_count(
    model: keras.Model, clock: FakeClock, renderer: RecordingRenderer
) -> None:
    """Keras does not wait for its pool before validation: a step that lands only then completes its epoch."""
    validating = threading.Event()

    def hold(batch: int, logs: object = None) -> None:
        if batch == 19:
            assert validating.wait(20)

    def release(logs: object = None) -> None:
        validating.set()

    _asynchronous(
        model,
        on(train_batch_end=hold),
        Pooled(renderer),
        on(test_begin=release),
        epochs=1,
        steps=20,
        validation_data=FEW,
    )
    assert [(epoch.done, epoch.total, epoch.outcome) for epoch in epochs(renderer)] == [(20, 20, "done")]
    assert ends(renderer, "train") == [(20, 20, "done")]
    assert ends(renderer, "validation") == [(2, 2, "done")]


def test_steps_that_land_during_a_run_within_still_count(
    model: keras.Model, clock: FakeClock, renderer: RecordingRenderer
) -> None:
    """A step that Keras's pool lands while a callback evaluates with the same bar counts, and ends nothing."""
    bar, evaluating, landed = Pooled(renderer), threading.Event(), threading.Event()
    within = unspoilt(model)

    def hold(batch: int, logs: object = None) -> None:
        if batch == 4:
            assert evaluating.wait(20)

    def land(batch: int, logs: object = None) -> None:
        if batch == 4:
            landed.set()

    def meet(batch: int, logs: object = None) -> None:
        if batch == 2:
            evaluating.set()
            assert landed.wait(20)

    def run(batch: int, logs: object = None) -> None:
        if batch == 5:  # on the main thread, while the step before has yet to land
            evaluate(within, bar, on(test_batch_end=meet))

    callbacks = [on(train_batch_end=hold), bar, on(train_batch_end=land, train_batch_begin=run)]
    _asynchronous(model, *callbacks, epochs=1, steps=10)
    assert ends(renderer, "evaluate") == [(10, 10, "done")]
    assert ends(renderer, "train") == [(10, 10, "done")]
    assert ends(renderer, "fit") == [(1, 1, "done")]


def test_fit_on_another_thread(t: Trial) -> None:
    """A fit on a thread of its own is shown like any, and one that fails there is closed."""
    _in_threads(1, lambda _: t.fit(t.frames))
    assert t.ends("fit") == [(1, 1, "done")]
    assert t.positions("train") == list(range(11))
    _in_threads(1, lambda _: failing(lambda: t.fit(on(train_batch_end=raising(Boom(), 2)))))
    t.draw()
    done, total, outcome = t.ends("train")[-1]
    assert (done, total) == (3, 10)
    assert outcome == "error"


# Exceptions.


def _closed_by(renderer: RecordingRenderer) -> dict[str, tuple[int, int | None, str | None]]:
    return {label: ends(renderer, label)[-1] for label in ("fit", "train") if ends(renderer, label)}


@pytest.mark.parametrize("error", [Boom("mine"), KeyboardInterrupt()], ids=["error", "Ctrl-C"])
def test_the_exception_arrives_unchanged(t: Trial, error: BaseException) -> None:
    """What a callback raises is what `fit`, `evaluate` and `predict` raise, the very object."""
    hook = raising(error, 2)
    for run in (
        lambda: t.fit(on(train_batch_end=hook)),
        lambda: t.evaluate(on(test_batch_end=hook)),
        lambda: t.predict(on(predict_batch_end=hook)),
        lambda: t.fit(on(test_batch_end=hook), validation_data=BATCHES),
    ):
        assert failing(run) is error
        t.model = unspoilt(t.model)


@pytest.mark.parametrize("error", [Boom(), KeyboardInterrupt()], ids=["error", "Ctrl-C"])
def test_the_next_frame_closes_what_an_exception_left(t: Trial, error: BaseException) -> None:
    """When `fit` has left the stack by an exception, the next frame ends its stages where they were."""
    failing(lambda: t.fit(on(train_batch_end=raising(error, 2)), t.frames, epochs=5))
    assert _closed_by(t.renderer) == {}  # nobody has told it yet
    t.draw()
    closed = _closed_by(t.renderer)
    assert {label: stage[:2] for label, stage in closed.items()} == {"fit": (0, 5), "train": (3, 10)}
    assert {outcome for _, _, outcome in closed.values()} == {"error"}
    assert t.renderer.closed == 1
    assert t.epochs == []


@pytest.mark.parametrize("kind", ["evaluate", "predict", "fit"])
def test_the_next_run_closes_what_an_exception_left(t: Trial, kind: str) -> None:
    """The beginning of the next run, even with another bar, ends what an exception has left open."""
    failing(lambda: t.fit(on(train_batch_end=raising(Boom(), 2)), epochs=5))
    other = RecordingRenderer()
    _inner(kind, t.model, kbar.ProgressBar(other))
    closed = _closed_by(t.renderer)
    assert {label: stage[:2] for label, stage in closed.items()} == {"fit": (0, 5), "train": (3, 10)}
    assert {outcome for _, _, outcome in closed.values()} == {"error"}
    assert [e.stage.depth for e in happened(other, "begin", kind)] == [0]
    assert not any(e.stage.label == kind and e.stage.total in (1, 3) for e in t.renderer.events)


@pytest.mark.parametrize(
    ("error", "outcome"), [(Boom(), "error"), (KeyboardInterrupt(), "interrupted")], ids=["error", "Ctrl-C"]
)
def test_while_the_exception_is_handled_its_kind_is_known(t: Trial, error: BaseException, outcome: str) -> None:
    """A frame drawn in the `except` block shows whether an error or Ctrl-C has ended the run."""
    try:
        t.fit(on(train_batch_end=raising(error, 2)))
    except (Boom, KeyboardInterrupt):
        t.draw()
    assert _closed_by(t.renderer) == {"fit": (0, 1, outcome), "train": (3, 10, outcome)}


@pytest.mark.parametrize(
    ("error", "outcome"), [(Boom(), "error"), (KeyboardInterrupt(), "interrupted")], ids=["error", "Ctrl-C"]
)
def test_the_exception_that_the_interpreter_has_shown_is_known(
    t: Trial, error: BaseException, outcome: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An exception that nobody caught, as in an interactive session, tells how the run ended."""
    try:
        t.fit(on(train_batch_end=raising(error, 2)))
    except (Boom, KeyboardInterrupt) as caught:
        monkeypatch.setattr(sys, "last_value", caught, raising=False)
    t.draw()
    assert _closed_by(t.renderer) == {"fit": (0, 1, outcome), "train": (3, 10, outcome)}


@pytest.mark.parametrize(
    ("error", "outcome"), [(Boom(), "error"), (KeyboardInterrupt(), "interrupted")], ids=["error", "Ctrl-C"]
)
@pytest.mark.parametrize("kind", ["fit", "evaluate", "predict"])
def test_as_a_context_manager_it_ends_what_an_exception_left_at_once(
    t: Trial, error: BaseException, outcome: str, kind: str
) -> None:
    """Around a run that fails, ``with bar:`` shows at once how it ended, and lets the exception through."""
    hook = raising(error, 1)

    def run() -> None:
        with t.bar as entered:
            assert entered is t.bar
            _inner(kind, t.model, t.bar, on(train_batch_end=hook, test_batch_end=hook, predict_batch_end=hook))

    assert failing(run) is error
    assert t.renderer.closed == 1
    if kind == "fit":
        assert _closed_by(t.renderer) == {"fit": (0, 1, outcome), "train": (2, 3, outcome)}
    else:
        assert t.ends(kind) == [(2, 3, outcome)]


def test_a_context_manager_around_a_whole_run_changes_nothing(t: Trial) -> None:
    """A run that succeeds within ``with bar:`` is done, and no end is told twice."""
    with t.bar:
        t.fit()
        t.evaluate()
    assert t.ends("fit") == [(1, 1, "done")]
    assert t.ends("evaluate") == [(10, 10, "done")]


@ran_out
def test_failing_data_ends_the_run_as_without_a_bar(t: Trial) -> None:
    """An exception in the data arrives as it does without a bar, and the stages are closed where they were."""

    def broken() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        yield from generator(5)
        raise Boom("in the data")

    plain = failing(lambda: fit(t.model, x=broken()))
    with_bar = failing(lambda: t.fit(t.frames, x=broken()))
    assert type(with_bar) is type(plain)
    assert "in the data" in str(with_bar)
    t.draw()
    closed = _closed_by(t.renderer)
    assert closed["fit"][0] == 0
    assert closed["train"][0] == 5
    assert {outcome for _, _, outcome in closed.values()} == {"error"}


class Protocol(RecordingRenderer):
    """Remembers in which order it was opened, drawn and closed."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[str] = []

    def open(self) -> None:
        self.calls.append("open")
        super().open()

    def draw(self, snapshot: Snapshot) -> None:
        self.calls.append("draw")
        super().draw(snapshot)

    def close(self) -> None:
        self.calls.append("close")
        super().close()


@pytest.mark.parametrize("frame_between", [True, False])
def test_a_second_fit_after_an_exception_draws_properly(
    model: keras.Model, clock: FakeClock, frame_between: bool
) -> None:
    """After a failed fit, the next one with the same bar is outermost and complete, time after time."""
    renderer = Protocol()
    bar = kbar.ProgressBar(renderer)
    for _ in range(3):
        failing(lambda: fit(model, bar, on(train_batch_end=raising(Boom(), 2)), epochs=2))
        if frame_between:
            clock.advance(FRAME)
        before = len(renderer.snapshots)
        fit(model, bar, frames(clock))
        assert positions_since(renderer, before, "train")[-11:] == list(range(11))
        assert nesting(renderer)[0] == ("fit", 0)
    assert [e.stage.depth for e in happened(renderer, "begin", "fit")] == [0] * 6
    assert [done for done, _, _ in ends(renderer, "fit")] == [0, 1] * 3
    assert [(done, total) for done, total, _ in ends(renderer, "train")] == [(3, 10), (10, 10)] * 3
    assert [call for call in renderer.calls if call != "draw"] == ["open", "close"] * 6


def positions_since(renderer: RecordingRenderer, start: int, label: str) -> list[int]:
    stages = [s for snapshot in renderer.snapshots[start:] for s in snapshot.stages if s.label == label]
    return [position for position, _ in itertools.groupby(stage.done for stage in stages)]


def test_an_exception_in_validation_closes_all_stages(t: Trial) -> None:
    """When validation fails, its bar ends where it was; the training before it is done, the fit is not."""
    failing(lambda: t.fit(on(test_batch_end=raising(Boom(), 1)), validation_data=BATCHES))
    t.draw()
    assert t.ends("train") == [(10, 10, "done")]
    assert t.ends("validation") == [(2, 10, "error")]
    assert t.ends("fit") == [(0, 1, "error")]


def test_an_exception_after_an_epoch_keeps_the_epochs_line(t: Trial) -> None:
    """A callback that fails at the end of the second epoch costs neither epoch its line."""
    failing(lambda: t.fit(on(epoch_end=raising(Boom(), 1)), epochs=5))
    t.draw()
    assert [(epoch.title, epoch.done, epoch.outcome) for epoch in t.epochs] == [
        ("epoch 1/5", 10, "done"),
        ("epoch 2/5", 10, "done"),
    ]
    assert [(done, total) for done, total, _ in t.ends("fit")] == [(2, 5)]


# Exceptions that somebody catches.


class Prunes(keras.callbacks.Callback):
    """Ends a trial at the end of an epoch, as Optuna's callback does; it stands ahead of the bar in the list."""

    def __init__(self, at: int = 0, error: type[BaseException] = Boom) -> None:
        super().__init__()
        self.at, self.error = at, error

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if epoch == self.at:
            raise self.error


@pytest.mark.parametrize("validation", [FEW, None], ids=["with validation", "without"])
@pytest.mark.parametrize("at", [0, 2])
def test_an_epoch_that_was_done_when_a_trial_is_pruned_counts_and_has_its_line(
    t: Trial, validation: Any, at: int
) -> None:
    logs: dict[str, float] = {}
    keeps = on(epoch_end=lambda epoch, told: logs.update(told))
    with contextlib.suppress(Boom):
        fit(t.model, keeps, Prunes(at), t.bar, epochs=4, validation_data=validation)
    t.draw()
    assert t.ends("fit") == [(at + 1, 4, "error")]
    assert t.ends("train") == [(10, 10, "done")] * (at + 1)
    assert [(epoch.title, epoch.done) for epoch in t.epochs] == [(f"epoch {n + 1}/4", 10) for n in range(at + 1)]
    assert dict(t.epochs[-1].metrics) == pytest.approx(logs)
    assert ("val_loss" in logs) == (validation is not None)


def test_a_validation_that_has_not_begun_is_not_counted_as_done(t: Trial) -> None:
    """Neither in the last step of training nor at the beginning of the validation, in any epoch."""

    def fail(logs: object = None) -> None:
        raise Boom

    for callbacks, number in (([t.bar, on(train_batch_end=raising(Boom(), 9))], 0), ([on(test_begin=fail), t.bar], 0)):
        with contextlib.suppress(Boom):
            fit(t.model, *callbacks, epochs=4, validation_data=FEW)
        t.draw()
        assert t.ends("fit")[-1] == (number, 4, "error")
        assert t.ends("train")[-1] == (10, 10, "done")
        assert t.epochs == []


@pytest.mark.parametrize(("frequency", "counts"), [(2, 1), (1, 0), ([2], 1), ([1], 0)])
def test_an_epoch_whose_validation_is_not_due_counts_without_it(t: Trial, frequency: Any, counts: int) -> None:
    with contextlib.suppress(Boom):
        callbacks = [t.bar, on(train_batch_end=raising(Boom(), 9))]
        fit(t.model, *callbacks, epochs=4, validation_data=FEW, validation_freq=frequency)
    t.draw()
    assert t.ends("fit") == [(counts, 4, "error")]


@pytest.mark.parametrize("frame", [True, False], ids=["a frame in the handler", "none"])
@pytest.mark.parametrize("error", [Boom, KeyboardInterrupt])
def test_a_fit_that_somebody_catches_ends_right_after_the_handler(
    t: Trial, error: type[BaseException], frame: bool
) -> None:
    """As interrupted if that was seen while Ctrl-C was handled; else all that is known is that it failed."""
    try:
        t.fit(on(train_batch_end=raising(error, 2)), epochs=4)
    except error:
        if frame:
            t.draw()
    current().before_print()
    outcome = "interrupted" if frame and error is KeyboardInterrupt else "error"
    assert t.ends("train") == [(3, 10, outcome)]
    assert t.ends("fit") == [(0, 4, outcome)]
    assert t.renderer.closed == 1


def test_an_exception_handled_around_a_fit_says_nothing_of_it(t: Trial) -> None:
    try:
        raise KeyboardInterrupt
    except KeyboardInterrupt:
        with contextlib.suppress(Boom):
            t.fit(on(train_batch_end=raising(Boom(), 2)))
        t.draw()
    assert t.ends("fit") == [(0, 1, "error")]


@pytest.mark.backends("tensorflow", "jax", but="list of callbacks that is free at once: it refers to itself")
def test_nothing_of_a_failed_fit_is_alive_once_its_bars_are_gone(model: keras.Model, clock: FakeClock) -> None:
    """At once, not only when the garbage collector comes by."""

    class Hooks(keras.callbacks.CallbackList):
        pass

    class Value:
        shape = ()

        def item(self) -> float:
            return 0.5

    def run() -> list[weakref.ref[Any]]:
        value = Value()
        hooks = Hooks([kbar.ProgressBar("tqdm"), on(train_batch_end=raising(Boom, 2))], model=model, epochs=2, steps=5)
        hooks.on_train_begin()
        hooks.on_epoch_begin(0)
        with contextlib.suppress(Boom):
            for batch in range(5):
                hooks.on_train_batch_end(batch, {"loss": value})
        clock.advance(FRAME)
        return [weakref.ref(value), weakref.ref(hooks)]

    gc.collect()
    gc.disable()
    try:
        kept = run()
        clock.advance(FRAME)
        assert current().running() == []
        assert [ref() for ref in kept] == [None, None]
    finally:
        gc.enable()


# When an epoch's line comes.


def test_an_epochs_line_comes_before_what_the_next_epochs_callbacks_do(t: Trial) -> None:
    """Unless a callback behind the bar has an `on_epoch_end`, which may add to the epoch's logs."""

    def shown_at(*callbacks: Any) -> list[int]:
        seen: list[int] = []
        t.renderer.snapshots.clear()
        look = on(epoch_begin=lambda epoch, logs: seen.append(len(t.epochs)))
        fit(make_model(), look, *callbacks, epochs=3)
        assert len(t.epochs) == 3
        return seen

    schedule = keras.callbacks.LearningRateScheduler(lambda epoch: 0.1)
    assert shown_at(t.bar) == [0, 1, 2]
    assert shown_at(schedule, t.bar) == [0, 1, 2]
    assert shown_at(t.bar, on(train_batch_end=lambda batch, logs: None)) == [0, 1, 2]
    assert shown_at(t.bar, keras.callbacks.History()) == [0, 1, 2]
    assert shown_at(t.bar, schedule) == [0, 0, 1]
    assert shown_at(t.bar, on(epoch_end=lambda epoch, logs: None)) == [0, 0, 1]


# Metrics.


def test_metrics_added_by_later_callbacks_are_in_the_epochs_line(t: Trial) -> None:
    """What a callback behind the bar adds to the epoch's logs stands in that epoch's line, the last one included."""

    def add(epoch: int, logs: dict[str, float]) -> None:
        logs["learning_rate"] = 10.0 + epoch

    t.fit(on(epoch_end=add), t.frames, epochs=3)
    assert [dict(epoch.metrics)["learning_rate"] for epoch in t.epochs] == [10.0, 11.0, 12.0]
    assert [e.kind for e in t.renderer.events][-2:] == ["epoch", "end"]


def test_a_real_scheduler_behind_the_bar_is_in_the_epochs_line(t: Trial) -> None:
    """The learning rate that Keras's `LearningRateScheduler` tells is in each epoch's line."""
    schedule = keras.callbacks.LearningRateScheduler(lambda epoch: 0.1 / (epoch + 1))
    fit(make_model(), t.bar, schedule, epochs=2)
    assert [dict(epoch.metrics)["learning_rate"] for epoch in t.epochs] == pytest.approx([0.1, 0.05])


def test_metric_patterns_select_and_order(clock: FakeClock, renderer: RecordingRenderer) -> None:
    """Only metrics that match a pattern are shown, in the order of the patterns."""
    model = make_model(metrics=["mae"])
    bar = kbar.ProgressBar(renderer, metrics=["val_*", "mae"])
    fit(model, bar, frames(clock), epochs=2, validation_data=FEW)
    assert [[name for name, _ in epoch.metrics] for epoch in epochs(renderer)] == [["val_loss", "val_mae", "mae"]] * 2
    assert {tuple(n for n, _ in view.metrics) for view in views(renderer, "train") if view.done} == {("mae",)}


def test_without_patterns_losses_come_first(t: Trial) -> None:
    """All metrics are shown by default, loss and validation loss before the others."""
    fit(make_model(metrics=["mae"]), t.bar, validation_data=FEW)
    assert [name for name, _ in t.epochs[0].metrics] == ["loss", "val_loss", "mae", "val_mae"]


def test_patterns_that_match_nothing_are_told_once(clock: FakeClock, renderer: RecordingRenderer) -> None:
    """Patterns without a match warn once, when the first epoch is over, and name the metrics there are."""
    model = make_model(metrics=["mae"])
    bar = kbar.ProgressBar(renderer, metrics=["accuracy", "top*"])
    at: list[int] = []
    with pytest.warns(kbar.KbarWarning) as caught:

        def told() -> list[str]:
            return [str(w.message) for w in caught if issubclass(w.category, kbar.KbarWarning)]

        fit(model, bar, on(epoch_begin=lambda epoch, logs: at.append(len(told()))), frames(clock), epochs=3)
    assert at == [0, 1, 1]
    (text,) = told()
    assert [word for word in ("accuracy", "top*", "loss", "mae") if word not in text] == []
    assert [epoch.metrics for epoch in epochs(renderer)] == [()] * 3
    assert ends(renderer, "fit") == [(3, 3, "done")]


def test_patterns_without_a_match_harm_no_run_where_warnings_are_errors(
    model: keras.Model, clock: FakeClock, renderer: RecordingRenderer, capsys: pytest.CaptureFixture[str]
) -> None:
    """With warnings as errors, the same is written to standard error and the run goes on."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", kbar.KbarWarning)
        fit(model, kbar.ProgressBar(renderer, metrics=["accuracy"]), epochs=2)
    assert capsys.readouterr().err.count("accuracy") == 1
    assert ends(renderer, "fit") == [(2, 2, "done")]


# Where hooks may run.


def _torch(cuda: bool = False, mps: bool = False, xpu: bool = False) -> SimpleNamespace:
    def available(answer: bool) -> SimpleNamespace:
        return SimpleNamespace(is_available=lambda: answer)

    return SimpleNamespace(cuda=available(cuda), backends=SimpleNamespace(mps=available(mps)), xpu=available(xpu))


@pytest.mark.backends("tensorflow", but="TensorFlow")
def test_hooks_are_synchronous_on_tensorflow() -> None:
    """On the TensorFlow backend the bar does not offer to be called from a thread pool."""
    assert keras.backend.backend() == "tensorflow"
    assert kbar.ProgressBar("none").async_safe is False


@pytest.mark.parametrize(
    ("backend", "library", "safe"),
    [
        ("jax", SimpleNamespace(default_backend=lambda: "gpu"), True),
        ("jax", SimpleNamespace(default_backend=lambda: "tpu"), True),
        ("jax", SimpleNamespace(default_backend=lambda: "cpu"), False),
        ("torch", _torch(cuda=True), True),
        ("torch", _torch(mps=True), True),
        ("torch", _torch(xpu=True), True),
        ("torch", _torch(), False),
        ("numpy", SimpleNamespace(), False),
    ],
    ids=["jax gpu", "jax tpu", "jax cpu", "torch cuda", "torch mps", "torch xpu", "torch cpu", "numpy"],
)
def test_hooks_may_be_asynchronous_just_where_an_accelerator_computes(
    monkeypatch: pytest.MonkeyPatch, backend: str, library: object, safe: bool
) -> None:
    """`async_safe` is true on an accelerator, which a synchronous hook would hold up, and false on a CPU."""
    bar = kbar.ProgressBar("none")
    monkeypatch.setattr(keras.backend, "backend", lambda: backend)
    monkeypatch.setitem(sys.modules, backend, library)
    monkeypatch.delenv("KERAS_TORCH_DEVICE", raising=False)
    assert bar.async_safe is safe


@pytest.mark.parametrize(("device", "safe"), [("cpu", False), ("cuda:1", True)])
def test_the_device_that_keras_is_told_to_use_on_torch_counts(
    monkeypatch: pytest.MonkeyPatch, device: str, safe: bool
) -> None:
    """`KERAS_TORCH_DEVICE` decides where torch computes, whatever there is."""
    bar = kbar.ProgressBar("none")
    monkeypatch.setattr(keras.backend, "backend", lambda: "torch")
    monkeypatch.setitem(sys.modules, "torch", _torch(cuda=not safe))
    monkeypatch.setenv("KERAS_TORCH_DEVICE", device)
    assert bar.async_safe is safe


# Arguments.


@pytest.mark.parametrize(
    ("arguments", "kind", "words"),
    [
        ({"renderer": "richh"}, ValueError, ["renderer", "'richh'", "'rich'", "'tqdm'", "'log'", "'none'", "'auto'"]),
        ({"renderer": 5}, TypeError, ["renderer", "5", "'rich'", "Renderer"]),
        ({"renderer": ["log", 5]}, TypeError, ["renderer", "5", "'rich'", "Renderer"]),
        ({"renderer": ["log", "lgo"]}, ValueError, ["renderer", "'lgo'", "'log'"]),
        ({"throttle": "5"}, TypeError, ["throttle", "'5'", "every"]),
        ({"throttle": -5}, ValueError, ["throttle", "-5", "above 0"]),
        ({"desc": "x"}, TypeError, ["desc", "'x'", "label="]),
        ({"description": "x"}, TypeError, ["description", "'x'", "label="]),
        ({"label": 3}, TypeError, ["label", "3", "string"]),
        ({"disable": 1}, TypeError, ["disable", "1", "True or False"]),
        ({"metrics": "loss"}, TypeError, ["metrics", "'loss'", "list"]),
        ({"metrics": [1]}, TypeError, ["metrics", "[1]", "list"]),
        ({"metrics": []}, TypeError, ["metrics", "[]", "list"]),
        ({"leave": "x"}, ValueError, ["leave", "'x'", "'epochs'", "'run'", "'none'"]),
        ({"leave": "all"}, ValueError, ["leave", "'all'", "'epochs'"]),
    ],
    ids=str,
)
def test_bad_arguments_raise_at_once(arguments: dict[str, Any], kind: type[Exception], words: list[str]) -> None:
    """A mistake in an argument raises in the constructor and names the argument, the value and what is allowed."""
    with pytest.raises(kind) as caught:
        kbar.ProgressBar(**arguments)
    assert [word for word in words if word not in str(caught.value)] == []


def test_an_unknown_renderer_in_the_environment_raises_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """`KBAR_RENDERER=nonsense` raises when the bar is made, and says where the name came from and what is allowed."""
    monkeypatch.setenv("KBAR_RENDERER", "nonsense")
    with pytest.raises(ValueError, match="KBAR_RENDERER=nonsense") as caught:
        kbar.ProgressBar()
    assert "'rich'" in str(caught.value)
    kbar.ProgressBar("log")  # which does not ask the environment


def test_a_missing_library_raises_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A renderer whose library is not installed says so when the bar is made, with the command that helps."""
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ImportError, match="pip install rich"):
        kbar.ProgressBar("rich")


# Hooks at odd times.

LOGS = {"loss": 1.0}
ODD: dict[str, list[tuple[str, tuple[Any, ...]]]] = {
    "a batch before the beginning": [("on_train_batch_end", (0, LOGS))],
    "test and predict batches before": [("on_test_batch_end", (0, LOGS)), ("on_predict_batch_end", (0, LOGS))],
    "an epoch's beginning alone": [("on_epoch_begin", (0,))],
    "an epoch's end alone": [("on_epoch_end", (0, LOGS))],
    "ends alone": [("on_train_end", ()), ("on_test_end", ()), ("on_predict_end", ())],
    "an epoch's end without its beginning": [("on_train_begin", ()), ("on_epoch_end", (0, LOGS))],
    "batches without an epoch": [("on_train_begin", ()), ("on_train_batch_end", (0, LOGS)), ("on_train_end", ())],
    "two ends": [("on_train_begin", ()), ("on_epoch_begin", (0,)), ("on_train_end", ()), ("on_train_end", ())],
    "two ends of an epoch": [
        ("on_train_begin", ()),
        ("on_epoch_begin", (0,)),
        ("on_epoch_end", (0, LOGS)),
        ("on_epoch_end", (0, LOGS)),
    ],
    "two beginnings of a test": [("on_test_begin", ()), ("on_test_begin", ()), ("on_test_end", ())],
    "ends crosswise": [("on_train_begin", ()), ("on_test_begin", ()), ("on_train_end", ()), ("on_test_end", ())],
    "a batch after the end": [("on_test_begin", ()), ("on_test_end", ()), ("on_test_batch_end", (0, LOGS))],
    "a prediction's end in an epoch": [("on_train_begin", ()), ("on_epoch_begin", (0,)), ("on_predict_end", ())],
    "epochs without ends": [("on_train_begin", ()), *(("on_epoch_begin", (i,)) for i in range(4))],
    "no logs": [
        ("on_train_begin", (None,)),
        ("on_epoch_begin", (0, None)),
        ("on_train_batch_end", (0, None)),
        ("on_epoch_end", (0, None)),
        ("on_train_end", (None,)),
    ],
}


@pytest.mark.parametrize("told", [True, False], ids=["with set_params", "without set_params"])
@pytest.mark.parametrize("hooks", ODD.values(), ids=ODD)
def test_hooks_at_odd_times_do_no_harm(t: Trial, hooks: list[tuple[str, tuple[Any, ...]]], told: bool) -> None:
    """Hooks that are missing, out of order or repeated raise nothing and warn of nothing, and a real fit then works."""
    if told:
        t.bar.set_params({"epochs": 3, "steps": 10, "verbose": 0})
    for name, arguments in hooks:
        getattr(t.bar, name)(*arguments)
        t.draw()
    with t.bar:
        pass  # ends what the hooks may have left open
    t.renderer.snapshots.clear()
    t.fit(t.frames)
    assert t.nesting[0] == ("fit", 0)
    assert t.ends("fit") == [(1, 1, "done")]
    assert t.positions("train") == list(range(11))


# What stays.


@pytest.mark.parametrize(("leave", "lines", "last"), [("epochs", 3, ["fit"]), ("run", 0, ["fit"]), ("none", 0, [])])
def test_what_stays_on_a_live_screen(
    model: keras.Model, clock: FakeClock, renderer: RecordingRenderer, leave: Any, lines: int, last: list[str]
) -> None:
    """``"epochs"`` leaves a line for each epoch and the last state, ``"run"`` the last state, ``"none"`` nothing."""
    fit(model, kbar.ProgressBar(renderer, leave=leave), frames(clock), epochs=3)
    assert len([e for e in renderer.events if e.line]) == lines
    assert [stage.label for stage in renderer.snapshots[-1].stages] == last
    assert positions(renderer, "train")[:11] == list(range(11))  # shown while it runs, in any case


def test_the_last_state_has_the_metrics_where_no_lines_do(model: keras.Model, clock: FakeClock) -> None:
    """With ``leave="run"`` the last state tells the last epoch's metrics, which no line has told."""
    renderer = RecordingRenderer()
    history = fit(model, kbar.ProgressBar(renderer, leave="run"), epochs=2)
    assert shown(renderer)["fit"].metrics == (("loss", history.history["loss"][-1]),)


# Other ways to train.


class Wrapped(keras.Model):
    """A model whose fit does something around Keras's."""

    def __init__(self) -> None:
        super().__init__()
        self.dense = keras.layers.Dense(1)

    def call(self, inputs: Any) -> Any:
        return self.dense(inputs)

    def fit(self, *args: Any, **kwargs: Any) -> Any:
        history = super().fit(*args, **kwargs)
        return history.history


def test_a_model_that_overrides_fit(t: Trial) -> None:
    """A subclass whose `fit` calls Keras's is shown as any, also after an exception has ended it."""
    model = Wrapped()
    model.compile(loss="mse", optimizer="sgd")
    fit(model, t.bar, t.frames)
    failing(lambda: fit(model, t.bar, on(train_batch_end=raising(Boom(), 2))))
    t.draw()
    assert [(done, total) for done, total, _ in t.ends("train")] == [(10, 10), (3, 10)]
    fit(model, t.bar, t.frames, epochs=2)
    assert t.ends("fit")[-1] == (2, 2, "done")
    assert [e.stage.depth for e in t.happened("begin", "fit")] == [0, 0, 0]


def _drive(callbacks: keras.callbacks.CallbackList, model: keras.Model, clock: FakeClock, epochs: int) -> None:
    """A training loop written by hand, as Keras's documentation shows it."""
    callbacks.on_train_begin()
    for epoch in range(epochs):
        callbacks.on_epoch_begin(epoch)
        logs: dict[str, float] = {}
        for batch in range(5):
            callbacks.on_train_batch_begin(batch)
            logs = model.train_on_batch(X[:4], Y[:4], return_dict=True)
            callbacks.on_train_batch_end(batch, logs)
            clock.advance(FRAME)
        callbacks.on_test_begin()
        for batch in range(2):
            callbacks.on_test_batch_end(batch, logs)
            clock.advance(FRAME)
        callbacks.on_test_end(logs)
        callbacks.on_epoch_end(epoch, logs)
    callbacks.on_train_end()


def _callbacks(model: keras.Model, *callbacks: Any, epochs: int) -> keras.callbacks.CallbackList:
    return keras.callbacks.CallbackList(list(callbacks), model=model, epochs=epochs, steps=5, verbose=0)


def test_a_loop_driven_by_hand(t: Trial) -> None:
    """A hand-written loop that calls the hooks through a `CallbackList` is shown like `fit`."""
    _drive(_callbacks(t.model, t.bar, epochs=2), t.model, t.clock, epochs=2)
    assert t.totals("train") == [5, 5]
    assert t.ends("train") == [(5, 5, "done")] * 2
    assert t.totals("validation") == [None, 2]
    assert t.ends("fit") == [(2, 2, "done")]
    assert t.positions("train")[:6] == list(range(6))


@pytest.mark.parametrize("again", ["the same list", "a new list"])
@pytest.mark.parametrize("at", ["epoch_begin", "train_batch_end", "test_batch_end", "epoch_end"])
def test_a_second_loop_driven_by_hand_after_an_exception(t: Trial, again: str, at: str) -> None:
    """When an exception has ended a hand-written loop, the next one with the same bar is outermost and complete."""
    failures = iter([Boom()])

    def fail_once(index: int, logs: object = None) -> None:
        for error in failures:
            raise error

    callbacks = _callbacks(t.model, t.bar, on(**{at: fail_once}), epochs=2)
    failing(lambda: _drive(callbacks, t.model, t.clock, epochs=2))
    t.draw()
    if again == "a new list":
        callbacks = _callbacks(t.model, t.bar, epochs=2)
    _drive(callbacks, t.model, t.clock, epochs=2)
    assert [e.stage.depth for e in t.happened("begin", "fit")] == [0, 0]
    assert [outcome for _, _, outcome in t.ends("fit")] == ["error", "done"]
    assert t.ends("fit")[-1] == (2, 2, "done")
    assert t.ends("train")[-2:] == [(5, 5, "done")] * 2
    assert t.nesting == [("fit", 0)]


def test_a_failed_loop_driven_by_hand_makes_way_for_another_bar(t: Trial) -> None:
    """When a hand-written loop has failed and its `CallbackList` is gone, a run with another bar is outermost."""

    def run() -> None:
        _drive(_callbacks(t.model, t.bar, on(train_batch_end=raising(Boom(), 2)), epochs=2), t.model, t.clock, epochs=2)

    failing(run)
    gc.collect()
    other = RecordingRenderer()
    evaluate(t.model, kbar.ProgressBar(other))
    assert [(e.stage.depth, e.stage.outcome) for e in other.events] == [(0, None), (0, "done")]
    assert [(done, total) for done, total, _ in t.ends("train")] == [(3, 5)]
    assert [outcome for _, _, outcome in t.ends("fit")] == ["error"]


# What a step consists of.


def test_the_size_of_a_batch_is_taken_from_arrays(
    model: keras.Model, bar: kbar.ProgressBar, clock: FakeClock, renderer: RecordingRenderer
) -> None:
    """For training, validation, `evaluate` and `predict`; but a run of epochs has none."""
    fit(model, bar, frames(clock), **ARRAYS, epochs=2, validation_split=0.25)
    evaluate(model, bar, frames(clock), **{**ARRAYS, "batch_size": 8})
    model.predict(X, batch_size=20, verbose=0, callbacks=[bar, frames(clock)])
    shown = {label: last(renderer, label).batch for label in ("fit", "train", "validation", "evaluate", "predict")}
    assert shown == {"fit": 0, "train": 4, "validation": 4, "evaluate": 8, "predict": 20}
    assert [epoch.batch for epoch in epochs(renderer)] == [4, 4]


def test_a_dataset_does_not_say_how_large_its_batches_are(
    model: keras.Model, bar: kbar.ProgressBar, clock: FakeClock, renderer: RecordingRenderer
) -> None:
    fit(model, bar, frames(clock), validation_data=FEW)
    assert {view.batch for snapshot in renderer.snapshots for view in snapshot.stages} == {0}


def test_what_the_user_says_of_a_step_comes_before_what_the_data_says(model: keras.Model, clock: FakeClock) -> None:
    for said, per_unit in ((16, (("samples", 16),)), ({"tokens": 64}, (("tokens", 64),)), (0, ())):
        drawn = RecordingRenderer(screen=True)
        bar = kbar.ProgressBar(drawn, samples_per_step=said)
        fit(model, bar, frames(clock), **ARRAYS, validation_data=(X, Y))
        shown = {
            label: (view.batch, view.per_unit)
            for label in ("fit", "train", "validation")
            for view in [last(drawn, label)]
        }
        assert shown == {"fit": (0, ()), "train": (0, per_unit), "validation": (0, per_unit)}


def test_samples_per_second_are_shown_where_there_is_space(model: keras.Model, clock: FakeClock) -> None:
    for columns, shown in ((140, True), (80, False)):
        terminal = VirtualTerminal(columns, 24)
        bar = kbar.ProgressBar(kbar.RichRenderer(file=terminal))
        seen: list[str] = []

        def look(batch: int, logs: object = None, seen: list[str] = seen, terminal: VirtualTerminal = terminal) -> None:
            seen.append(terminal.text)

        fit(model, bar, frames(clock), on(train_batch_end=look), **ARRAYS)
        assert ("20.0 samples/s" in seen[-1]) is shown
        assert "22.2 samples/s" in terminal.text.splitlines()[0]
