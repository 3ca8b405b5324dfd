"""`install`: kbar's bars where Keras, in code of others, would show its own."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest

import kbar
from kbar.sources import install as installing
from kbar.system.imports import AfterImport
from kbar.testing import FakeClock, RecordingRenderer

from ..helpers import ends, run_python

keras = pytest.importorskip("keras", reason="needs Keras: pip install 'keras-kbar[tensorflow]'")
np = pytest.importorskip("numpy", reason="comes with Keras")
makers = pytest.importorskip("keras.src.callbacks.callback_list", reason="where Keras 3 makes its bars")
pytestmark = pytest.mark.keras


@pytest.fixture(autouse=True)
def _uninstalled(clock: FakeClock) -> Iterator[None]:
    yield
    kbar.uninstall()


@pytest.fixture
def model() -> Any:
    model = keras.Sequential([keras.layers.Input((2,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse", run_eagerly=True)
    return model


X, Y = np.zeros((8, 2)), np.zeros((8,))


def fit(model: Any, **options: Any) -> None:
    model.fit(X, Y, batch_size=4, **options)


@pytest.mark.parametrize("verbose", [1, "auto", True])
def test_calls_that_would_show_a_bar_show_kbars(
    model: Any, renderer: RecordingRenderer, verbose: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    kbar.install(renderer=renderer)
    fit(model, epochs=2, validation_data=(X, Y), verbose=verbose)
    model.evaluate(X, Y, batch_size=4, verbose=verbose)
    model.predict(X, batch_size=4, verbose=verbose)
    assert [e for e in ends(renderer) if e[0] in ("fit", "evaluate", "predict")] == [
        ("fit", 2, 2, "done"),
        ("evaluate", 2, 2, "done"),
        ("predict", 2, 2, "done"),
    ]
    assert ends(renderer, "validation") == [("validation", 2, 2, "done")] * 2
    assert not capsys.readouterr().out


def test_silent_calls_show_nothing(model: Any, renderer: RecordingRenderer, capsys: pytest.CaptureFixture[str]) -> None:
    kbar.install(renderer=renderer)
    fit(model, verbose=0)
    model.predict(X, verbose=0)
    assert not ends(renderer)
    assert not capsys.readouterr().out


@pytest.mark.parametrize("renderer", ["auto", "rich", ["tqdm"], kbar.RichRenderer()])
def test_calls_that_ask_for_lines_get_lines(model: Any, capsys: pytest.CaptureFixture[str], renderer: Any) -> None:
    kbar.install(renderer=renderer)
    fit(model, epochs=2, verbose=2)
    shown = capsys.readouterr().out
    assert "fit epoch 2/2" in shown
    assert "\x1b" not in shown


def test_a_bar_among_the_callbacks_is_not_doubled(
    model: Any, renderer: RecordingRenderer, capsys: pytest.CaptureFixture[str]
) -> None:
    own = RecordingRenderer()
    kbar.install(renderer=renderer)
    fit(model, callbacks=[kbar.ProgressBar(own)])
    assert ends(own, "fit")
    fit(model, callbacks=[keras.callbacks.ProgbarLogger()])
    assert "2/2" in capsys.readouterr().out
    assert not ends(renderer)


def test_a_list_of_callbacks_made_by_hand_shows_one_bar(model: Any, renderer: RecordingRenderer) -> None:
    kbar.install(renderer=renderer)
    parts = {"verbose": 1, "epochs": 1, "steps": 2}
    fit(model, callbacks=keras.callbacks.CallbackList(model=model, add_history=True, add_progbar=True, **parts))
    assert ends(renderer, "fit") == [("fit", 1, 1, "done")]


def test_subclasses_and_patched_methods_show_kbars_bar(
    renderer: RecordingRenderer, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Own(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.dense = keras.layers.Dense(1)

        def call(self, x: Any) -> Any:
            return self.dense(x)

    original = keras.Model.fit
    kbar.install(renderer=renderer)
    monkeypatch.setattr(keras.Model, "fit", lambda *args, **kwargs: original(*args, **kwargs))
    model = Own()
    model.compile("sgd", "mse", run_eagerly=True)
    fit(model)
    assert ends(renderer, "fit") == [("fit", 1, 1, "done")]


def test_a_callback_that_evaluates_shows_a_bar_within_that_of_fit(model: Any, renderer: RecordingRenderer) -> None:
    class Evaluates(keras.callbacks.Callback):
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            self.model.evaluate(X, Y, batch_size=4)

    kbar.install(renderer=renderer)
    fit(model, callbacks=[Evaluates()])
    assert [e[0] for e in ends(renderer)] == ["evaluate", "train", "fit"]


def test_uninstall_restores_what_was_there() -> None:
    before, finders = makers.ProgbarLogger, [*sys.meta_path]
    kbar.install()
    assert makers.ProgbarLogger is not before
    kbar.uninstall()
    assert makers.ProgbarLogger is before
    assert sys.meta_path == finders
    kbar.uninstall()  # once more does nothing


def test_uninstall_leaves_the_patches_of_others_which_still_work(
    model: Any, renderer: RecordingRenderer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(makers, "ProgbarLogger", makers.ProgbarLogger)  # restores it in the end
    kbar.install(renderer=renderer)
    ours = makers.ProgbarLogger

    class Other(kbar.ProgressBar):
        def __new__(cls, *args: Any) -> Any:
            return ours(*args)

    makers.ProgbarLogger = Other
    kbar.uninstall()
    assert makers.ProgbarLogger is Other
    fit(model, callbacks=[])
    assert not ends(renderer)
    assert "2/2" in capsys.readouterr().out


def test_a_second_install_replaces_the_options(model: Any, renderer: RecordingRenderer) -> None:
    before, other = makers.ProgbarLogger, RecordingRenderer()
    kbar.install(renderer=other)
    kbar.install(renderer=renderer, label="run")
    fit(model)
    assert ends(renderer, "run")
    assert not ends(other)
    kbar.uninstall()
    assert makers.ProgbarLogger is before


def test_installed_blocks_nest(model: Any, renderer: RecordingRenderer) -> None:
    before, outer = makers.ProgbarLogger, RecordingRenderer()
    with kbar.installed(renderer=outer):
        with contextlib.suppress(KeyError), kbar.installed(renderer=renderer):
            fit(model)
            raise KeyError
        fit(model)
        assert len(ends(renderer, "fit")) == len(ends(outer, "fit")) == 1
    assert makers.ProgbarLogger is before


@pytest.mark.parametrize("function", [kbar.install, kbar.installed])
@pytest.mark.parametrize(
    ("options", "error", "says"),
    [
        ({"renderer": "nonsense"}, ValueError, "renderer must be one of"),
        ({"tqdm": 1}, TypeError, "tqdm must be True or False; got 1"),
        ({"label": 3}, TypeError, "label must be a string; got 3"),
        ({"samples_per_step": "x"}, TypeError, "samples_per_step must be a number"),
        ({"nonsense": 1}, TypeError, "there is no option 'nonsense'"),
        ({"leave": "x"}, ValueError, "leave must be one of"),
    ],
)
def test_wrong_options_are_named_at_once(function: Any, options: Any, error: Any, says: str) -> None:
    before = makers.ProgbarLogger
    with pytest.raises(error, match=says):
        function(**options)
    assert makers.ProgbarLogger is before


def test_a_wrong_second_install_leaves_the_first(model: Any, renderer: RecordingRenderer) -> None:
    kbar.install(renderer=renderer)
    with pytest.raises(ValueError, match="renderer"):
        kbar.install(renderer="nonsense")
    fit(model)
    assert ends(renderer, "fit")


def test_a_missing_tqdm_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tqdm.std", None)
    with pytest.raises(ImportError, match="pip install tqdm"):
        kbar.install(tqdm=True)


def test_a_keras_with_another_inside_costs_one_warning(
    model: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(makers, "CallbackList", object)
    with pytest.warns(kbar.KbarWarning, match="kbar does not know where keras .* makes its bars") as warned:
        kbar.install()
    fit(model)
    assert len(warned) == 1
    assert "2/2" in capsys.readouterr().out


def test_a_bar_that_cannot_be_made_costs_a_warning_and_shows_keras_own(
    model: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "kbar.sources.default_bar", None)
    kbar.install()
    with pytest.warns(kbar.KbarWarning, match="Keras shows its own bar"):
        fit(model)
    assert "2/2" in capsys.readouterr().out


def test_bars_within_one_another_write_one_log(model: Any, tmp_path: Any) -> None:
    kbar.install(renderer="none", log_file=tmp_path / "log.jsonl", tqdm=True)
    from tqdm import tqdm

    for _ in tqdm(range(2), desc="folds"):
        fit(model)
        fit(model, verbose=2)
    events = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [e["stage"] for e in events if e["event"] == "begin" and e["stage"] in ("folds", "fit")] == [
        *("folds", "fit", "fit"),
        *("fit", "fit"),
    ]


def test_what_is_imported_later_is_patched_after_its_import(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "imported_later.py").write_text("x = 1")
    (tmp_path / "imported_badly.py").write_text("x = 1")
    monkeypatch.syspath_prepend(tmp_path)
    seen: list[int] = []

    def fails(module: ModuleType) -> None:
        raise KeyError

    hook = AfterImport({"imported_later": lambda module: seen.append(module.x), "imported_badly": fails})
    import imported_later  # type: ignore[import-not-found]

    assert seen == [1]
    assert "exec_module" not in vars(imported_later.__loader__)
    with pytest.warns(kbar.KbarWarning, match="kbar is not installed in imported_badly"):
        import imported_badly  # type: ignore[import-not-found]  # noqa: F401
    hook.remove()
    assert hook not in sys.meta_path


@pytest.mark.slow
def test_keras_is_not_imported_but_patched_when_it_is() -> None:
    code = """if True:
        import sys, kbar
        kbar.install(renderer="log")
        assert "keras" not in sys.modules
        import keras, numpy as np
        model = keras.Sequential([keras.layers.Input((2,)), keras.layers.Dense(1)])
        model.compile("sgd", "mse")
        model.fit(np.zeros((8, 2)), np.zeros(8))
        kbar.uninstall()
        from keras.src.callbacks import callback_list
        assert callback_list.ProgbarLogger is keras.callbacks.ProgbarLogger
    """
    done = run_python(code)
    assert done.returncode == 0, done.stderr
    assert "fit done 1/1" in done.stdout


def test_scikeras_shows_kbars_bars(renderer: RecordingRenderer, model: Any) -> None:
    wrappers = pytest.importorskip("scikeras.wrappers", reason="needs scikeras: pip install scikeras")
    kbar.install(renderer=renderer)
    wrappers.KerasRegressor(model, batch_size=4).fit(X, Y).predict(X)
    assert [e[0] for e in ends(renderer) if e[0] != "train"] == ["fit", "predict"]


@pytest.mark.slow
def test_mlflow_autolog_and_predict_show_kbars_bars(
    renderer: RecordingRenderer, model: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    mlflow = pytest.importorskip("mlflow", reason="needs MLflow: pip install mlflow")
    pytest.importorskip("sqlalchemy", reason="needs MLflow's database: pip install mlflow")
    monkeypatch.chdir(tmp_path)
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path / 'runs.db'}")
    kbar.install(renderer=renderer)
    mlflow.keras.autolog(log_models=False)
    try:
        fit(model)
    finally:
        mlflow.keras.autolog(disable=True)
    assert ends(renderer, "fit") == [("fit", 1, 1, "done")]
    assert mlflow.search_runs(output_format="list")[0].data.metrics["loss"] >= 0
    mlflow.keras.save_model(model, str(tmp_path / "model"))
    mlflow.pyfunc.load_model(str(tmp_path / "model")).predict(X)
    assert [e[0] for e in ends(renderer)][-1] == "predict"


@pytest.mark.slow
def test_trials_of_keras_tuner_show_kbars_bars(renderer: RecordingRenderer, tmp_path: Any) -> None:
    tuner = pytest.importorskip("keras_tuner", reason="needs KerasTuner: pip install keras-tuner")
    pytest.importorskip("tensorboard", reason="KerasTuner imports it: pip install tensorboard")

    def build(choice: Any) -> Any:
        model = keras.Sequential(
            [keras.layers.Input((2,)), keras.layers.Dense(choice.Int("units", 1, 4)), keras.layers.Dense(1)]
        )
        model.compile("sgd", "mse", run_eagerly=True)
        return model

    kbar.install(renderer=renderer)
    search = tuner.RandomSearch(build, "val_loss", max_trials=2, directory=str(tmp_path))
    search.search(X, Y, validation_data=(X, Y))
    assert ends(renderer, "fit") == [("fit", 1, 1, "done")] * 2


def test_the_state_is_empty_without_an_install() -> None:
    assert installing._current is None
    assert installing._patches is None
