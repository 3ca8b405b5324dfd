"""Searches: an outer bar with the best result so far, and a line for each trial."""

from __future__ import annotations

import copy
import importlib
import io
import json
import pickle
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
from kbar.history.run import Run
from kbar.history.show import show, summaries
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
    table = io.StringIO()
    show(summaries(filter(None, map(read, log.read_text().splitlines())))[0], table)
    assert "trial 1/1 2.0s 2.0000* 0.1000 sgd" in [" ".join(row.split()) for row in table.getvalue().splitlines()]


def test_a_log_has_the_best_result_and_all_parameters(clock: FakeClock, tmp_path: Path) -> None:
    log, table = tmp_path / "run.jsonl", io.StringIO()
    chosen = {f"parameter_{n}": n for n in range(20)}
    with Search(2, Best("value", "max"), Options("none", log_file=log)) as s:
        for n in (1, 2):
            s.finish(s.begin(n, 2), Result("done", {"value": float(n)}, chosen))
    records = [record for record in map(read, log.read_text().splitlines()) if record]
    run = Run(records[0], "run.jsonl")
    for record in records:
        run.take(record)
    (bar,) = run.views(records[-1].time)
    assert dict(bar.metrics) == {"best_value": 2.0, "best_trial": 2}
    show(summaries(records)[0], table)
    assert {*chosen} < {*table.getvalue().split()}


def test_a_trial_without_a_fit_does_not_say_where_it_failed(clock: FakeClock) -> None:
    terminal = VirtualTerminal(100, 12)
    with search(kbar.RichRenderer(file=terminal), 1) as s:
        s.finish(s.begin(1, 1), Result("error", {}, {"lr": 1}, "Boom:\n\x1b[31mred"))
    assert lines_of(terminal)[0].split()[-4:] == ["failed", "Boom:", "red", "lr=1"]


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


def test_folds_can_be_looped_over_again(clock: FakeClock) -> None:
    recorder = RecordingRenderer()
    folds = tuning.folds(Splits(), None, renderer=recorder)
    assert list(folds) == list(folds)
    assert len(folds) == 3
    assert ends(recorder, "fold") == [("fold", 3, 3, "done")] * 2


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
    assert dict(last(recorder, "search").metrics) == {"best_score": found.best_score_, "best_trial": 4}
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


def test_a_search_within_a_candidate_is_none_of_its_candidates(clock: FakeClock) -> None:
    from sklearn.model_selection import GridSearchCV

    recorder = RecordingRenderer()
    found = GridSearchCV(grid(), {"estimator__fit_intercept": [True, False]}, cv=2)
    with tuning.sklearn(found, renderer=recorder):
        found.fit(X, X[:, 0])
    assert [e.title for e in epochs(recorder)] == ["trial 1/2", "trial 2/2"]
    assert ends(recorder) == [("search", 2, 2, "done")]


def test_searches_in_threads_do_not_mix(clock: FakeClock) -> None:
    from sklearn.linear_model import Ridge

    both_run = threading.Barrier(2)

    class Model(Ridge):  # type: ignore[misc]  # scikit-learn has no types
        def fit(self, x: Any, y: Any) -> Any:
            both_run.wait(timeout=60)
            return super().fit(x, y)

    def run(recorder: RecordingRenderer) -> None:
        found = grid()
        found.set_params(estimator=Model(), refit=False)
        with tuning.sklearn(found, renderer=recorder):
            found.fit(X, X[:, 0])

    recorders = [RecordingRenderer(), RecordingRenderer()]
    threads = [threading.Thread(target=run, args=(recorder,)) for recorder in recorders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for recorder in recorders:
        assert [e.title for e in epochs(recorder)] == ["trial 1/2", "trial 2/2"]
        assert ends(recorder) == [("search", 2, 2, "done")]


@pytest.mark.parametrize("backend", ["threading", pytest.param("multiprocessing", marks=pytest.mark.slow)])
def test_other_backends_of_joblib(backend: str, clock: FakeClock) -> None:
    """That with processes yields no results one by one."""
    import joblib

    recorder, found = RecordingRenderer(), grid(n_jobs=2)
    with joblib.parallel_backend(backend), tuning.sklearn(found, renderer=recorder):
        found.fit(X, X[:, 0])
    assert [e.title for e in epochs(recorder)] == ["trial 1/2", "trial 2/2"]


def test_models_of_candidates_are_copied_when_they_run(clock: FakeClock) -> None:
    """As without kbar: all at once would not fit into memory."""
    from sklearn.linear_model import Ridge

    copied: list[int] = []

    class Model(Ridge):  # type: ignore[misc]  # scikit-learn has no types
        def __sklearn_clone__(self) -> Any:
            copied.append(1)
            return Model(**self.get_params())

        def fit(self, x: Any, y: Any) -> Any:
            counts.append(len(copied))
            return super().fit(x, y)

    counts: list[int] = []
    found = grid(refit=False)
    found.estimator = Model()
    with tuning.sklearn(found, renderer=RecordingRenderer()):
        found.fit(X, X[:, 0])
    assert counts[-1] - counts[0] > 1


def test_a_scikit_learn_that_is_built_differently_costs_a_warning(
    clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def changed(*_: object) -> None:
        raise KeyError("parallel")

    monkeypatch.setattr("inspect.getclosurevars", changed)
    found = grid()
    with pytest.warns(kbar.KbarWarning, match="kbar missed a trial"), tuning.sklearn(found, renderer="none"):
        found.fit(X, X[:, 0])
    assert found.best_params_


def test_a_copy_that_is_made_in_the_block_knows_nothing_of_it(clock: FakeClock) -> None:
    """Searches are sent to processes, and saved while they run."""
    found = grid()
    with tuning.sklearn(found, renderer=kbar.LogRenderer(io.StringIO())):
        found.fit(X, X[:, 0])
        copies = [pickle.loads(pickle.dumps(found)), copy.deepcopy(found)]
    for each in copies:
        assert each.fit.__func__ is type(found).fit
        assert each.fit.__self__ is each
        assert each.best_params_ == found.best_params_


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
    terminal = VirtualTerminal(100, 24)
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


def test_what_an_objective_may_return(optuna: Any, clock: FakeClock) -> None:
    returned = [None, np.float32(3.0), np.array(2.5), [2.0], [1.0, 0.0], float("nan"), float("inf"), "odd"[:0]]
    recorder, study = RecordingRenderer(), optuna.create_study()
    with tuning.optuna(study, renderer=recorder):
        study.optimize(lambda trial: returned[trial.number], n_trials=len(returned))
    states = {"COMPLETE": "done", "FAIL": "error"}
    assert [e.outcome for e in epochs(recorder)] == [states[t.state.name] for t in study.trials]
    assert dict(last(recorder, "search").metrics) == {"best_value": 2.0, "best_trial": 3}


def test_the_best_trial_of_a_study_may_be_an_earlier_one(optuna: Any, clock: FakeClock) -> None:
    recorder, study = RecordingRenderer(), optuna.create_study()
    study.optimize(lambda trial: 1.0, n_trials=1)
    with tuning.optuna(study, renderer=recorder):
        study.optimize(lambda trial: 1.0 + trial.number, n_trials=2)
    shown = {view.metrics for view in views(recorder, "search")} - {()}  # nothing as it begins
    assert shown == {(("best_value", 1.0), ("best_trial", 0))}


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


def test_an_interrupted_trial_of_optuna_does_not_count(optuna: Any, clock: FakeClock) -> None:
    def interrupts(_: object) -> None:
        raise KeyboardInterrupt

    recorder, study = RecordingRenderer(), optuna.create_study()
    with tuning.optuna(study, renderer=recorder), pytest.raises(KeyboardInterrupt):
        study.optimize(interrupts, n_trials=2)
    assert ends(recorder) == [("search", 0, 2, "interrupted")]


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

        def run_trial(self, trial: Any, *args: Any, **kwargs: Any) -> Any:  # as Hyperband, and tuners of batch sizes
            return super().run_trial(trial, *args, batch_size=5, **kwargs)

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
    assert {v.total for v in views(recorder, "train")} == {2}
    assert {"on_trial_begin", "on_trial_end", "search", "_build_and_fit_model"} & {*vars(tuner)} == set()
    assert tuner.oracle.verbose == 1
    assert "Running Trial" not in capsys.readouterr().out


@pytest.mark.slow
def test_a_search_of_keras_tuner_that_is_resumed(tmp_path: Path) -> None:
    """A score that is no number fails; the best trial may be an earlier one."""
    keras_tuner = pytest.importorskip("keras_tuner", reason="pip install 'keras-kbar[tuning]'")

    class Tuner(keras_tuner.RandomSearch):  # type: ignore[misc]  # KerasTuner has no types
        def run_trial(self, trial: Any) -> dict[str, float]:
            trial.hyperparameters.Float("x", 0.0, 1.0)
            return {"score": [1.0, float("nan"), 3.0][int(trial.trial_id)]}

    for trials, how in ((2, ["done", "error"]), (3, ["done"])):
        recorder = RecordingRenderer()
        tuner = Tuner(objective=keras_tuner.Objective("score", "min"), max_trials=trials, directory=tmp_path, seed=1)
        with tuning.keras_tuner(tuner, renderer=recorder):
            tuner.search()
        assert [e.outcome for e in epochs(recorder)] == how
        assert dict(last(recorder, "search").metrics) == {"best_score": 1.0, "best_trial": 1}
        assert ends(recorder) == [("search", trials, trials, "done")]


@pytest.mark.slow
def test_an_oracle_of_keras_tuner_in_another_process(tmp_path: Path) -> None:
    """Its client has only some of its attributes."""
    keras_tuner = pytest.importorskip("keras_tuner", reason="pip install 'keras-kbar[tuning]'")

    class Client:
        def __init__(self, oracle: Any) -> None:
            self._oracle = oracle

        def __getattr__(self, name: str) -> Any:
            if name in ("verbose", "start_order", "end_order", "trials"):
                raise AttributeError(name)
            return getattr(self._oracle, name)

    class Tuner(keras_tuner.RandomSearch):  # type: ignore[misc]  # KerasTuner has no types
        def run_trial(self, trial: Any) -> dict[str, float]:
            return {"score": trial.hyperparameters.Float("x", 0.0, 1.0)}

    recorder = RecordingRenderer()
    tuner = Tuner(objective=keras_tuner.Objective("score", "min"), max_trials=2, directory=tmp_path, seed=1)
    tuner.oracle = Client(tuner.oracle)
    with tuning.keras_tuner(tuner, renderer=recorder):
        tuner.search()
    assert [e.title for e in epochs(recorder)] == ["trial 1/2", "trial 2/2"]
    assert ends(recorder, "search") == [("search", 2, 2, "done")]
