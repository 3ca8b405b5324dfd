"""Searches: an outer bar with the best result so far, and a line for each trial."""

from __future__ import annotations

import importlib
import json
import sys
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import kbar
from kbar import tuning
from kbar.core.trial import Result, Trial
from kbar.history.read import read
from kbar.options import Options
from kbar.sources.searches import Best, Search
from kbar.testing import FakeClock, RecordingRenderer, VirtualTerminal

from .helpers import Boom, ends, epochs, last, lines_of, views


def fit(clock: FakeClock, epochs: int = 2, label: str = "fit", fails_in: int | None = None, **options: Any) -> None:
    """A fit as Keras reports it, of two steps of half a second each in an epoch."""
    with kbar.loop(epochs, label=label, **options) as loop:
        for epoch in loop.epochs():
            for n in epoch.steps(range(2)):
                clock.advance(0.5)
                epoch.log(loss=1.0 - n / 10, val_loss=2.0 - n / 10)
                if epoch.index == fails_in:
                    raise Boom


class Splits:
    """A splitter as scikit-learn has them."""

    def get_n_splits(self, x: Any = None, y: Any = None, groups: Any = None) -> int:
        return 3

    def split(self, x: Any, y: Any = None, groups: Any = None) -> Iterator[tuple[int, int]]:
        for n in range(3):
            yield n, n + 1


# The trials of a search.


def search(renderer: kbar.Renderer, total: int | None = 3, best: Best | None = None, **more: Any) -> Search:
    return Search(total, best or Best("value", "min"), Options(renderer), **more)


def test_each_trial_leaves_a_line_and_its_epochs_none(clock: FakeClock) -> None:
    terminal = VirtualTerminal(100, 12)
    with search(kbar.RichRenderer(file=terminal)) as s:
        for n in (1, 2, 3):
            trial = s.begin(n, 3)
            fit(clock)
            s.finish(trial, Result("done", {"value": 4.0 - n}, {"lr": 0.1 * n, "kind": "sgd"}))
    *trials, bar = lines_of(terminal)
    assert [line.split() for line in trials] == [
        ["trial", "1/3", "2.0s", "1.00", "epoch/s", "value=3.0000", "lr=0.1000", "kind=sgd"],
        ["trial", "2/3", "2.0s", "1.00", "epoch/s", "value=2.0000", "lr=0.2000", "kind=sgd"],
        ["trial", "3/3", "2.0s", "1.00", "epoch/s", "value=1.0000", "lr=0.3000", "kind=sgd"],
    ]
    assert bar.split()[0] == "search"
    assert bar.endswith("best_value=1.0000  best_trial=3")


def test_epochs_leave_lines_if_their_bar_asks_for_them(clock: FakeClock) -> None:
    terminal = VirtualTerminal(100, 12)
    with search(kbar.RichRenderer(file=terminal), 1) as s:
        trial = s.begin(1, 1)
        fit(clock, leave="epochs")
        s.finish(trial, Result())
    assert [" ".join(line.split()[:4]) for line in lines_of(terminal)[:2]] == ["search trial 1/1 epoch"] * 2


def test_a_running_fit_is_named_by_its_trial(clock: FakeClock) -> None:
    recorder = RecordingRenderer()
    with search(recorder) as s:
        trial = s.begin(2, 3)
        fit(clock)
        fit(clock, label="extra")
        s.finish(trial, Result())
        fit(clock)
    assert last(recorder, "extra").title == "trial 2/3 extra"
    assert {view.title for view in views(recorder, "fit")} == {"trial 2/3", "fit"}
    assert {view.path for view in views(recorder, "train")} >= {"search trial 2/3 fit epoch 1/2 train"}


def test_trials_in_threads_are_told_apart(clock: FakeClock) -> None:
    """Optuna runs them so; a thread knows nothing of the stages of the one that has started it."""
    recorder = RecordingRenderer()
    with search(recorder, None) as s:
        first = s.begin(0)
        with kbar.loop(2, label="fit") as loop:
            for epoch in loop.epochs():
                for _ in epoch.steps([1]):
                    clock.advance(0.5)

                def other() -> None:
                    trial = s.begin(1)
                    fit(clock)
                    s.finish(trial, Result("done", {"value": 1.0}))

                if epoch.index == 0:
                    thread = threading.Thread(target=other)
                    thread.start()
                    thread.join()
        s.finish(first, Result("done", {"value": 2.0}))
    assert [(e.title, e.done, e.total, e.elapsed) for e in epochs(recorder) if e.label == "trial"] == [
        ("trial 1", 2, 2, 2.0),
        ("trial 0", 2, 2, 3.0),
    ]
    assert {v.title for v in views(recorder, "fit")} == {"trial 0", "trial 1"}
    assert ends(recorder, "search") == [("search", 2, 2, "done")]


def test_a_failed_fit_is_told_of_by_the_line_of_its_trial_alone(clock: FakeClock) -> None:
    terminal = VirtualTerminal(100, 12)
    with search(kbar.RichRenderer(file=terminal), 2) as s:
        trial = s.begin(1, 2)
        with pytest.raises(Boom):
            fit(clock, 3, fails_in=1)
        s.finish(trial, Result("error", {}, {"lr": 1}, "Boom"))
        trial = s.begin(2, 2)
        fit(clock)
        s.finish(trial, Result("stopped", {}, {"lr": 2}, "pruned"))
    failed, pruned, bar = lines_of(terminal)
    assert failed.split("  ")[-3:] == ["failed at 1/3", "Boom", "lr=1"]
    assert pruned.split("  ")[-3:] == ["stopped at 2/2", "pruned", "lr=2"]
    assert "2/2" in bar
    assert "best" not in bar


def test_a_search_that_fails_says_where(clock: FakeClock) -> None:
    recorder = RecordingRenderer()

    def fails() -> None:
        with search(recorder) as s:
            s.finish(s.begin(1, 3), Result())
            raise Boom

    with pytest.raises(Boom):
        fails()
    assert ends(recorder) == [("search", 1, 3, "error")]


def test_an_exhausted_search_is_stopped_and_a_resumed_one_goes_on(clock: FakeClock) -> None:
    recorder = RecordingRenderer()
    with search(recorder, 10, initial=4) as s:
        clock.advance(2.0)
        s.finish(s.begin(5, 10), Result())
    assert ends(recorder) == [("search", 5, 10, "stopped")]
    assert last(recorder, "search").rate == pytest.approx(0.5)


def test_a_trial_that_is_run_again_counts_once(clock: FakeClock) -> None:
    recorder = RecordingRenderer()
    with search(recorder, 1) as s:
        s.finish(s.begin(1, 1), Result("error"), counts=False)
        s.finish(s.begin(1, 1), Result())
    assert ends(recorder) == [("search", 1, 1, "done")]
    assert [e.outcome for e in epochs(recorder)] == ["error", "done"]


def test_the_best_is_compared_by_the_goal_and_not_by_the_name(clock: FakeClock) -> None:
    best = Best("loss", "max")
    assert best.add(Trial("trial", 1, None, 0.0), {"loss": 1.0}) == {"best_loss": 1.0, "best_trial": 1}
    assert best.add(Trial("trial", 2, None, 0.0), {"loss": np.float32(3.0)}) == {"best_loss": 3.0, "best_trial": 2}
    for nothing in ({}, {"loss": float("nan")}, {"loss": "odd"}, {"loss": 2.0}):
        assert best.add(Trial("trial", 3, None, 0.0), nothing) == {"best_loss": 3.0, "best_trial": 2}


def test_the_remaining_time_is_that_of_trials_like_those_before(clock: FakeClock) -> None:
    recorder = RecordingRenderer()
    with search(recorder, 4) as s:
        for n in (1, 2, 3, 4):
            trial = s.begin(n, 4)
            fit(clock, epochs=5)
            s.finish(trial, Result())
    at_half = [v for v in views(recorder, "search") if v.done == 2]
    assert at_half[0].remaining == pytest.approx(10.0, rel=0.1)
    assert at_half[-1].remaining == pytest.approx(5.0, rel=0.2)


def test_a_failure_of_kbar_does_not_end_the_search(clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise Boom

    monkeypatch.setattr("kbar.sources.searches.end_trial", fails)
    with pytest.warns(kbar.KbarWarning, match="kbar missed a trial"), search(RecordingRenderer()) as s:
        s.finish(s.begin(1), Result())
    monkeypatch.setattr("kbar.sources.searches.begin_trial", fails)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with search(RecordingRenderer()) as s:
            assert s.begin(1) is None
            s.finish(None, Result())


def test_logs_have_parameters_and_goals(clock: FakeClock, tmp_path: Path) -> None:
    log, text = tmp_path / "run.jsonl", tmp_path / "run.log"
    with Search(1, Best("value", "max"), Options(["none", kbar.LogRenderer(text)], log_file=log)) as s:
        trial = s.begin(1, 1)
        fit(clock)
        s.finish(trial, Result("done", {"value": 2.0}, {"lr": 0.1, "kind": "sgd"}, "", {"value": "max"}))
    lines = [line for line in log.read_text().splitlines() if json.loads(line)["stage"] == "trial"]
    record = read(lines[0])
    assert record
    assert record.stage
    assert record.is_epoch
    assert record.stage.parameters == (("lr", 0.1), ("kind", "sgd"))
    assert record.stage.goals == (("value", "max"),)
    (line,) = [line for line in text.read_text().splitlines() if " search trial 1/1 done" in line]
    assert "value=2.0000 lr=0.1000 kind=sgd" in line


def test_a_page_marks_the_best_by_the_goal_and_no_parameter(clock: FakeClock) -> None:
    from kbar.renderers.page import Results, html

    recorder = RecordingRenderer()
    with search(recorder, 2, Best("value", "max")) as s:
        for n in (1, 2):
            s.finish(s.begin(n, 2), Result("done", {"value": float(n)}, {"units": 10 + n}, "", {"value": "max"}))
    results = Results("search", "trial")
    for row in epochs(recorder):
        results.add(row)
    page = html([], [results], over=True)
    assert "<b>2.0000</b>" in page
    assert "<b>1.0000</b>" not in page
    assert "<b>11</b>" not in page


# Folds.


def test_each_fold_leaves_a_line_with_what_its_fit_reached(clock: FakeClock) -> None:
    recorder = RecordingRenderer()
    seen = []
    for train, _ in tuning.folds(Splits(), None, renderer=recorder):
        fit(clock, epochs=2 + train)
        seen.append(train)
    assert seen == [0, 1, 2]
    assert [(e.title, e.done, e.total, e.metrics) for e in epochs(recorder) if e.label == "fold"] == [
        (f"fold {n}/3", 1 + n, 1 + n, (("loss", 0.9), ("val_loss", 1.9))) for n in (1, 2, 3)
    ]
    assert ends(recorder, "fold") == [("fold", 3, 3, "done")]
    assert dict(last(recorder, "fold").metrics) == {"best_val_loss": 1.9, "best_fold": 1}


def test_what_is_logged_for_a_fold_stands_in_its_line(clock: FakeClock) -> None:
    recorder = RecordingRenderer()
    folds = tuning.folds(Splits(), None, renderer=recorder)
    for n, _ in folds:
        clock.advance(1.0)
        folds.log(score=n)
    assert [dict(e.metrics) for e in epochs(recorder)] == [{"score": n} for n in range(3)]


@pytest.mark.parametrize("how", ["break", "raise"])
def test_folds_that_are_left_end_as_any_loop(how: str, clock: FakeClock) -> None:
    recorder = RecordingRenderer()

    def loop() -> None:
        for n, _ in tuning.folds(Splits(), None, renderer=recorder):
            fit(clock)
            if n == 1 and how == "raise":
                raise Boom
            if n == 1:
                break

    if how == "raise":
        with pytest.raises(Boom):
            loop()
    else:
        loop()
    kbar.pause().__enter__()
    clock.advance(1.0)
    assert [e[3] for e in ends(recorder, "fold")] == ["stopped" if how == "break" else "error"]


def test_a_splitter_must_split() -> None:
    with pytest.raises(TypeError, match=r"splitter must have split\(\) and get_n_splits\(\).*got \[1\]"):
        tuning.folds([1], None)


# Tuners.


@pytest.mark.parametrize(
    ("show", "package", "name"),
    [(tuning.optuna, "optuna", "optuna"), (tuning.keras_tuner, "keras_tuner", "keras-tuner")],
)
def test_a_missing_package_names_the_extra(show: Any, package: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ImportError, match=rf"{name}: pip install 'keras-kbar\[tuning\]'"):
        show(object())


@pytest.mark.parametrize(
    ("show", "package"), [(tuning.optuna, "optuna"), (tuning.keras_tuner, "keras_tuner"), (tuning.sklearn, "sklearn")]
)
def test_a_tuner_of_another_library_is_refused_at_once(show: Any, package: str) -> None:
    pytest.importorskip(package, reason="pip install 'keras-kbar[tuning]'")
    with pytest.raises(TypeError, match=r"must be a .* of .*; got 5"):
        show(5)


def grid(**options: Any) -> Any:
    from sklearn.linear_model import Ridge
    from sklearn.model_selection import GridSearchCV

    return GridSearchCV(Ridge(), {"alpha": [1.0, 2.0]}, cv=3, **options)


X = np.arange(12.0).reshape(12, 1)


def test_candidates_of_scikit_learn_are_trials(clock: FakeClock) -> None:
    recorder, found = RecordingRenderer(), grid()
    with tuning.sklearn(found, renderer=recorder):
        found.fit(X, X[:, 0])
    expected = grid().fit(X, X[:, 0])
    assert found.best_params_ == expected.best_params_
    trials = epochs(recorder)
    assert [(e.title, dict(e.parameters)) for e in trials] == [
        ("trial 1/2", {"alpha": 1.0}),
        ("trial 2/2", {"alpha": 2.0}),
    ]
    assert [dict(e.metrics)["score"] for e in trials] == pytest.approx(expected.cv_results_["mean_test_score"])
    assert dict(last(recorder, "search").metrics)["best_trial"] == 1
    assert "fit" not in vars(found)
    found.fit(X, X[:, 0])
    assert len(ends(recorder)) == 1


def test_a_wrong_option_is_refused_at_once() -> None:
    with pytest.raises(TypeError, match="there is no option 'colour'"):
        tuning.sklearn(grid(), colour=1)  # type: ignore[call-arg]  # that is what is refused


def test_the_fit_after_the_candidates_is_named(clock: FakeClock) -> None:
    from sklearn.linear_model import Ridge

    class Model(Ridge):  # type: ignore[misc]  # scikit-learn has no types
        def fit(self, x: Any, y: Any) -> Any:
            for _ in kbar.track([1], "fit"):
                clock.advance(0.5)
            return super().fit(x, y)

    recorder, found = RecordingRenderer(), grid()
    found.estimator = Model()
    with tuning.sklearn(found, renderer=recorder):
        found.fit(X, X[:, 0])
    assert {view.title for view in views(recorder, "fit")} == {"trial 1/2", "trial 2/2", "refit"}


def test_successive_halving_goes_on_counting(clock: FakeClock) -> None:
    importlib.import_module("sklearn.experimental.enable_halving_search_cv")
    from sklearn.linear_model import Ridge
    from sklearn.model_selection import HalvingGridSearchCV

    recorder = RecordingRenderer()
    found = HalvingGridSearchCV(Ridge(), {"alpha": [1.0, 2.0, 3.0]}, cv=2, factor=3, min_resources=4)
    with tuning.sklearn(found, renderer=recorder):
        found.fit(X, X[:, 0])
    assert [e.title for e in epochs(recorder)] == ["trial 1/3", "trial 2/3", "trial 3/3", "trial 4/4"]
    assert ends(recorder) == [("search", 4, 4, "done")]


def test_several_scores_and_failed_fits(clock: FakeClock) -> None:
    recorder, found = RecordingRenderer(), grid(scoring=["r2", "neg_mean_absolute_error"], refit="r2")
    found.param_grid = {"alpha": [1.0, -1.0]}
    with tuning.sklearn(found, renderer=recorder), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found.fit(X, X[:, 0])
    good, bad = epochs(recorder)
    assert {name for name, _ in good.metrics} == {"r2", "neg_mean_absolute_error"}
    assert (bad.outcome, bad.note) == ("error", "3/3 fits failed")
    assert "best_r2" in dict(last(recorder, "search").metrics)


def test_an_error_of_a_candidate_ends_the_search_as_without_kbar(clock: FakeClock) -> None:
    recorder, found = RecordingRenderer(), grid(error_score="raise")
    found.param_grid = {"alpha": [1.0, -1.0]}
    with tuning.sklearn(found, renderer=recorder), pytest.raises(ValueError, match="alpha"):
        found.fit(X, X[:, 0])
    assert ends(recorder) == [("search", 1, 2, "error")]
    assert importlib.import_module("sklearn.model_selection._search").Parallel.__module__.startswith("sklearn")


def test_of_two_blocks_the_inner_one_counts(clock: FakeClock) -> None:
    outer, inner, found = RecordingRenderer(), RecordingRenderer(), grid()
    with tuning.sklearn(found, renderer=outer):
        with tuning.sklearn(found, renderer=inner):
            found.fit(X, X[:, 0])
        found.fit(X, X[:, 0])
    assert len(ends(inner)) == len(ends(outer)) == 1


def test_a_method_that_other_code_has_replaced_is_called(clock: FakeClock) -> None:
    recorder, found = RecordingRenderer(), grid()
    calls, own = [], found.fit
    found.fit = lambda *args: (calls.append(1), own(*args))[1]
    patched = found.fit
    with tuning.sklearn(found, renderer=recorder):
        found.fit(X, X[:, 0])
    assert calls == [1]
    assert found.fit is patched
    assert len(ends(recorder)) == 1


@pytest.mark.slow
def test_candidates_in_other_processes(tmp_path: Path) -> None:
    """Each worker has a row below the search."""
    program = tmp_path / "program.py"
    program.write_text(JOBS)
    terminal = VirtualTerminal(100, 12)
    assert terminal.run([sys.executable, str(program)]) == 0
    text = terminal.text
    assert [f"trial {n}/4" in text for n in (1, 2, 3, 4)] == [True] * 4, text
    assert "worker 2 fit" in text
    assert "search" in text.splitlines()[-1]


JOBS = """
import time, kbar, kbar.tuning, numpy as np
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV
class Model(Ridge):
    def fit(self, x, y):
        with kbar.loop(2, label="fit") as loop:
            for epoch in loop.epochs():
                for _ in epoch.steps(range(3)): time.sleep(0.05)
        return super().fit(x, y)
if __name__ == "__main__":
    x = np.arange(12.0).reshape(12, 1)
    grid = GridSearchCV(Model(), {"alpha": [1, 2, 3, 4]}, cv=2, n_jobs=2, refit=False)
    with kbar.tuning.sklearn(grid):
        grid.fit(x, x[:, 0])
"""


@pytest.fixture
def optuna() -> Any:
    package = pytest.importorskip("optuna", reason="pip install 'keras-kbar[tuning]'")
    package.logging.set_verbosity(package.logging.ERROR)
    return package


@pytest.mark.parametrize("jobs", [1, 2])
def test_trials_of_optuna(jobs: int, optuna: Any, clock: FakeClock) -> None:
    recorder, study = RecordingRenderer(), optuna.create_study(direction="maximize")

    def objective(trial: Any) -> Any:
        x = trial.suggest_float("x", 1.0, 2.0)
        for _ in kbar.track([1], "fit"):
            pass
        if trial.number == 1:
            raise optuna.TrialPruned
        if trial.number == 2:
            raise Boom
        return float("nan") if trial.number == 3 else x * 0 + trial.number

    with tuning.optuna(study, renderer=recorder):
        study.optimize(objective, n_trials=6, n_jobs=jobs, catch=(Boom,))
    how = {e.title: (e.outcome, e.note, {name for name, _ in e.parameters}) for e in epochs(recorder)}
    assert how == {
        "trial 0": ("done", "", {"x"}),
        "trial 1": ("stopped", "pruned", {"x"}),
        "trial 2": ("error", "Boom", {"x"}),
        "trial 3": ("error", "", {"x"}),
        "trial 4": ("done", "", {"x"}),
        "trial 5": ("done", "", {"x"}),
    }
    assert dict(last(recorder, "search").metrics) == {"best_value": 5.0, "best_trial": 5}
    assert ends(recorder, "search") == [("search", 6, 6, "done")]
    assert {e[3] for e in ends(recorder, "fit")} == {"done"}
    assert [t.state.name for t in study.trials] == ["COMPLETE", "PRUNED", "FAIL", "FAIL", "COMPLETE", "COMPLETE"]


def test_a_study_of_several_objectives_has_no_best(optuna: Any, clock: FakeClock) -> None:
    recorder, study = RecordingRenderer(), optuna.create_study(directions=["minimize", "maximize"])
    with tuning.optuna(study, renderer=recorder):
        study.optimize(lambda trial: (trial.number, 1.0), n_trials=2)
    assert [dict(e.metrics) for e in epochs(recorder)] == [
        {"value_0": 0, "value_1": 1.0},
        {"value_0": 1, "value_1": 1.0},
    ]
    assert last(recorder, "search").metrics == ()


def test_a_study_that_is_stopped(optuna: Any, clock: FakeClock) -> None:
    recorder, study = RecordingRenderer(), optuna.create_study()
    with tuning.optuna(study, renderer=recorder):
        study.optimize(lambda trial: trial.study.stop() or 1.0, n_trials=9)
        with pytest.raises(Boom):
            study.optimize(raise_boom, n_trials=9)
    assert ends(recorder) == [("search", 1, 9, "stopped"), ("search", 1, 9, "error")]


def raise_boom(*_: object) -> None:
    raise Boom


@pytest.mark.slow
def test_trials_of_keras_tuner(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keras_tuner = pytest.importorskip("keras_tuner", reason="pip install 'keras-kbar[tuning]'")
    import keras

    fails: list[int] = []

    def build(hp: Any) -> Any:
        units = hp.Int("units", 1, 64)
        if fails:
            raise keras_tuner.errors.FailedTrialError("too large")
        model = keras.Sequential([keras.layers.Dense(units), keras.layers.Dense(1)])
        model.compile("sgd", "mse")
        return model

    class Tuner(keras_tuner.RandomSearch):  # type: ignore[misc]  # KerasTuner has no types
        def on_trial_begin(self, trial: Any) -> None:
            fails[:] = [1] if trial.trial_id == "1" else []

    recorder = RecordingRenderer()
    tuner = Tuner(build, "val_loss", 3, executions_per_trial=2, directory=tmp_path, seed=1)
    x, y = np.zeros((20, 3)), np.zeros(20)
    with tuning.keras_tuner(tuner, renderer=recorder):
        tuner.search(x, y, epochs=2, validation_split=0.5)
    trials = [e for e in epochs(recorder) if e.label == "trial"]
    assert [(e.title, e.outcome) for e in trials] == [
        ("trial 1/3", "done"),
        ("trial 2/3", "error"),
        ("trial 3/3", "done"),
    ]
    assert trials[1].note == "FailedTrialError: too large"
    assert [name for e in trials for name, _ in e.parameters] == ["units"] * 3
    assert ends(recorder, "search") == [("search", 3, 3, "done")]
    assert {v.title for v in views(recorder, "fit")} == {"trial 1/3", "trial 3/3"}
    assert {"on_trial_begin", "on_trial_end", "search"} & {*vars(tuner)} == set()
    assert tuner.oracle.verbose == 1
    assert "Running Trial" not in capsys.readouterr().out
