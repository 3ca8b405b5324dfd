"""What the bars show with whichever Keras there is: of any version and on any backend, and Keras 2 (`tf_keras`)."""

from __future__ import annotations

import copy
import importlib
import pickle
import sys
import types
from collections.abc import Iterator
from typing import Any

import pytest

import kbar
from kbar.sources import calls, packages
from kbar.testing import FakeClock, RecordingRenderer

from ..helpers import Boom, ends, epochs, views

np = pytest.importorskip("numpy")
pytestmark = [
    pytest.mark.keras,
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),  # within Keras
]

X = np.linspace(0.0, 1.0, 80, dtype="float32").reshape(-1, 2)  # ten batches of four
Y = X.sum(axis=1, keepdims=True)


@pytest.fixture(params=["keras", "tf_keras"])
def package(request: pytest.FixtureRequest) -> Any:
    return pytest.importorskip(request.param, reason=f"these are runs of {request.param}: pip install {request.param}")


@pytest.fixture
def bar(clock: FakeClock, renderer: RecordingRenderer, package: Any) -> kbar.ProgressBar:
    return kbar.ProgressBar(renderer)


def make_model(package: Any, **compiled: Any) -> Any:
    model = package.Sequential([package.layers.Input((2,)), package.layers.Dense(1)])
    model.compile(loss="mse", optimizer="sgd", **compiled)
    return model


def fit(model: Any, *callbacks: Any, **options: Any) -> Any:
    return model.fit(X, Y, **{"batch_size": 4, "verbose": 0, **options}, callbacks=list(callbacks))


def frames(package: Any, clock: FakeClock) -> Any:
    """A callback that has a frame drawn after each batch hook."""

    class Frames(package.callbacks.Callback):  # type: ignore[misc]  # Any
        def on_train_batch_end(self, batch: int, logs: object = None) -> None:
            clock.advance(0.2)

        on_test_batch_end = on_predict_batch_end = on_train_batch_end

    return Frames()


def test_a_fit_with_validation(package: Any, bar: kbar.ProgressBar, renderer: RecordingRenderer) -> None:
    fit(make_model(package), bar, epochs=3, validation_data=(X[:8], Y[:8]))
    assert ends(renderer, "fit") == [("fit", 3, 3, "done")]
    assert ends(renderer, "train") == [("train", 10, 10, "done")] * 3
    assert ends(renderer, "validation") == [("validation", 2, 2, "done")] * 3
    assert [(epoch.done, [name for name, _ in epoch.metrics]) for epoch in epochs(renderer)] == [
        (10, ["loss", "val_loss"])
    ] * 3


def test_keras_adds_no_bar_of_its_own(package: Any, bar: kbar.ProgressBar, capfd: pytest.CaptureFixture[str]) -> None:
    fit(make_model(package), bar, epochs=1, verbose=1)
    assert capfd.readouterr().out == ""


def test_evaluate_and_predict(package: Any, bar: kbar.ProgressBar, renderer: RecordingRenderer) -> None:
    model = make_model(package)
    model.evaluate(X, Y, batch_size=4, verbose=0, callbacks=[bar])
    model.predict(X, batch_size=4, verbose=0, callbacks=[bar])
    assert ends(renderer) == [("evaluate", 10, 10, "done"), ("predict", 10, 10, "done")]


def test_executions_of_several_steps_are_counted_once_they_are_done(
    package: Any, bar: kbar.ProgressBar, renderer: RecordingRenderer, clock: FakeClock
) -> None:
    """Whether Keras names the first step of an execution or its last."""
    if package.__name__ == "keras" and hasattr(package, "config") and package.config.backend() == "torch":
        pytest.skip("PyTorch has no steps_per_execution")
    # Keras 3.0 to 3.6 leave out the steps that fill no execution.
    omits = (3, 0) <= tuple(map(int, package.__version__.split(".")[:2])) < (3, 7)
    size, positions = (5, {5, 10}) if omits else (4, {4, 8, 10})
    model, draw = make_model(package, steps_per_execution=size), frames(package, clock)
    fit(model, bar, draw, epochs=2, validation_data=(X, Y), validation_batch_size=4)
    model.evaluate(X, Y, batch_size=4, verbose=0, callbacks=[bar, draw])
    model.predict(X, batch_size=4, verbose=0, callbacks=[bar, draw])
    for label in ("train", "validation", "evaluate", "predict"):
        assert {view.done for view in views(renderer, label)} - {0} == positions
        assert {end[1:] for end in ends(renderer, label)} == {(10, 10, "done")}
    assert ends(renderer, "fit") == [("fit", 2, 2, "done")]


def test_a_last_execution_that_is_not_whole_counts_no_steps_that_it_had_not(
    package: Any, bar: kbar.ProgressBar, renderer: RecordingRenderer
) -> None:
    """Keras names the last step of a whole execution. Where the true number cannot be known, the total is unknown."""
    if package.__version__ < "3" or package.__name__ == "tf_keras":
        pytest.skip("Keras 2 wants to know how many steps there are")
    if package.config.backend() == "torch":
        pytest.skip("PyTorch has no steps_per_execution")

    def batches(number: int) -> Iterator[Any]:
        return ((X[:4], Y[:4]) for _ in range(number))

    steps = {"train": 43, "validation": 21, "evaluate": 43, "predict": 42}
    model, validation_data = make_model(package, steps_per_execution=8), batches(steps["validation"])
    model.fit(batches(steps["train"]), validation_data=validation_data, verbose=0, callbacks=[bar])
    model.evaluate(batches(steps["evaluate"]), verbose=0, callbacks=[bar])
    model.predict(batches(steps["predict"]), verbose=0, callbacks=[bar])
    for label, done, total, outcome in ends(renderer):
        if label != "fit":
            assert steps[label] - 8 < done <= steps[label]
            assert (total, outcome) == (steps[label] if done == steps[label] else None, "done")
    model.fit(batches(43), steps_per_epoch=100, verbose=0, callbacks=[bar])
    ((_, done, *rest),) = ends(renderer, "train")[1:]
    assert 40 <= done <= 43
    assert rest == [100, "stopped"]
    assert ends(renderer, "fit") == [("fit", 1, 1, "done")] * 2


def test_a_fit_that_is_stopped_and_one_that_fails(
    package: Any, bar: kbar.ProgressBar, renderer: RecordingRenderer
) -> None:
    class Ends(package.callbacks.Callback):  # type: ignore[misc]  # Any
        fails = False

        def on_epoch_end(self, epoch: int, logs: object = None) -> None:
            self.model.stop_training = epoch == 1

        def on_train_batch_end(self, batch: int, logs: object = None) -> None:
            if self.fails and batch == 4:
                raise Boom

    fit(make_model(package), bar, Ends(), epochs=5)
    assert ends(renderer, "fit") == [("fit", 2, 5, "stopped")]
    end = Ends()
    end.fails = True
    with pytest.raises(Boom), bar:
        fit(make_model(package), bar, end, epochs=5)
    assert ends(renderer, "fit")[1:] == [("fit", 0, 5, "error")]
    assert ends(renderer, "train")[-1] == ("train", 5, 10, "error")


def test_a_run_of_unknown_length_that_starts_in_the_middle(
    package: Any, bar: kbar.ProgressBar, renderer: RecordingRenderer
) -> None:
    batches = ((X[i % 40 : i % 40 + 4], Y[i % 40 : i % 40 + 4]) for i in range(10_000))
    make_model(package).fit(batches, steps_per_epoch=6, epochs=4, initial_epoch=2, verbose=0, callbacks=[bar])
    assert ends(renderer, "fit") == [("fit", 4, 4, "done")]
    assert ends(renderer, "train") == [("train", 6, 6, "done")] * 2


def test_steps_that_are_only_queued_count_once_all_are_done(
    package: Any,
    bar: kbar.ProgressBar,
    renderer: RecordingRenderer,
    clock: FakeClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Keras 2 calls batch hooks when it has queued a step for the workers of a parameter server."""
    model, draw = make_model(package), frames(package, clock)
    fit(model)
    monkeypatch.setattr(calls, "_QUEUE", "queue")
    model.queue = "of steps"
    fit(model, bar, draw, epochs=2, validation_data=(X[:8], Y[:8]), validation_batch_size=4)
    assert {view.done for view in views(renderer, "train")} == {0, 10}
    assert ends(renderer, "train") == [("train", 10, 10, "done")] * 2
    assert ends(renderer, "validation") == [("validation", 2, 2, "done")] * 2


def test_copies_and_pickles_are_bars_as_well(package: Any, bar: kbar.ProgressBar, renderer: RecordingRenderer) -> None:
    fit(make_model(package), bar)
    fit(make_model(package), copy.deepcopy(kbar.ProgressBar("none")))
    fit(make_model(package), pickle.loads(pickle.dumps(kbar.ProgressBar("none"))))
    fit(make_model(package), bar)
    assert ends(renderer, "fit") == [("fit", 1, 1, "done")] * 2


@pytest.mark.usefixtures("clock")
def test_one_bar_serves_models_of_both_keras(renderer: RecordingRenderer) -> None:
    bar = kbar.ProgressBar(renderer)
    for name in ("keras", "tf_keras"):
        package = pytest.importorskip(name, reason=f"these are runs of {name}: pip install {name}")
        fit(make_model(package), bar)
        assert isinstance(bar, package.callbacks.ProgbarLogger)
    assert ends(renderer, "fit") == [("fit", 1, 1, "done")] * 2


@pytest.fixture
def changed(package: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """A Keras that is built differently: nothing has the name that kbar knows."""
    monkeypatch.setattr(calls, "_METHODS", ("no such method",))
    monkeypatch.setattr(calls, "_DATA", ("no such variable",))
    monkeypatch.setattr(calls, "_VALIDATION_DATA", ("_no_such_attribute",))
    return monkeypatch


def test_a_keras_that_is_built_differently_costs_a_warning(
    changed: Any, package: Any, bar: kbar.ProgressBar, renderer: RecordingRenderer
) -> None:
    with pytest.warns(kbar.KbarWarning, match="which this version of kbar relies on") as found:
        fit(make_model(package), bar, epochs=2, validation_data=(X[:8], Y[:8]))
    assert sum(issubclass(each.category, kbar.KbarWarning) for each in found) == 1
    assert ends(renderer, "fit") == [("fit", 2, 2, "done")]
    assert ends(renderer, "train") == [("train", 10, 10, "done")] * 2
    assert [end[1] for end in ends(renderer, "validation")] == [2, 2]


def test_without_any_keras_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> types.ModuleType:
        raise ImportError(name)

    monkeypatch.setattr(packages, "loaded", list)
    monkeypatch.setattr(importlib, "import_module", missing)
    with pytest.raises(ImportError, match=r"pip install 'keras-kbar\[tensorflow\]'.* or tf_keras$"):
        packages.load()


@pytest.mark.parametrize(
    ("version", "first"),
    [("2.15.0", False), ("3.0.5", True), ("3.10.0", True), ("3.11.0.dev1", False), ("4.0", False), ("odd", False)],
)
def test_which_versions_name_the_first_step_of_an_execution(
    version: str, first: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "keras", types.SimpleNamespace(__version__=version))  # type: ignore[arg-type]
    space = {"__name__": "keras.src.trainer", "sys": sys}
    frame = eval("sys._getframe()", space)
    assert packages.names_first(frame) is first


def test_install_shows_bars_where_keras_would_show_its_own(
    package: Any, clock: FakeClock, renderer: RecordingRenderer, capsys: pytest.CaptureFixture[str]
) -> None:
    model = make_model(package)
    with kbar.installed(renderer=renderer):
        fit(model, epochs=2, validation_data=(X[:8], Y[:8]), verbose=1)
        model.evaluate(X, Y, batch_size=4, verbose=1)
        model.predict(X, batch_size=4, verbose=1)
        fit(model, verbose=0)
    with kbar.installed(renderer="rich"):
        assert capsys.readouterr().out == ""
        fit(model, verbose=2)
        assert "fit done 1/1" in capsys.readouterr().out
    assert ends(renderer, "validation") == [("validation", 2, 2, "done")] * 2
    assert [end for end in ends(renderer) if end[0] not in ("train", "validation")] == [
        ("fit", 2, 2, "done"),
        ("evaluate", 10, 10, "done"),
        ("predict", 10, 10, "done"),
    ]
    fit(model, verbose=1)
    assert "10/10" in capsys.readouterr().out


def test_install_leaves_alone_a_bar_of_keras_in_a_loop_of_the_users_own(
    package: Any, clock: FakeClock, renderer: RecordingRenderer, capsys: pytest.CaptureFixture[str]
) -> None:
    original = package.utils.Progbar
    with kbar.installed(renderer=renderer):
        assert package.utils.Progbar is original
        progress = package.utils.Progbar(3)
        for step in range(3):
            progress.update(step + 1, [("loss", 0.5)])
    assert "3/3" in capsys.readouterr().out
    assert ends(renderer) == []
