"""Bars for searches: KerasTuner, Optuna, scikit-learn, and folds.

Each shows an outer bar with the trials done, the best result so far and the remaining time, and below it what runs.
Each trial leaves a line with its results and parameters; the epochs in it leave none, unless their own bar has
``leave="epochs"``.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from .core.outcome import outcome_of
from .core.scalars import plain
from .core.snapshot import Goal, Outcome
from .core.trial import Result
from .options import DisplayOptions, Options, options_of
from .sources import arguments
from .sources.searches import Best, Fold, Search
from .sources.tracks import Track, track
from .system.replaced import ReplacedMethod, Replacement
from .system.warnings import harmless

if TYPE_CHECKING:
    from typing_extensions import Unpack

_NAMES = {"optuna": "optuna", "keras_tuner": "keras-tuner", "sklearn": "scikit-learn"}


def optuna(study: Any, **options: Unpack[DisplayOptions]) -> AbstractContextManager[None]:
    """Show what `study.optimize` does, in a `with` block: with one job or several, with pruning and failures.

    ``with kbar.tuning.optuna(study): study.optimize(objective, n_trials=20)``

    Args:
        study: an `optuna.Study`.
        options: as `kbar.loop` takes them.

    Raises:
        TypeError, ValueError: naming the argument, what was given and what is allowed.
        ImportError: if Optuna, or the library a renderer draws with, is missing.
    """
    _check("study", study, "optuna", "Study")
    return ReplacedMethod(study, "optimize", functools.partial(_optimize, study, options_of(options)))


def _optimize(
    study: Any,
    options: Options,
    original: Callable[..., Any],
    func: Callable[[Any], Any],
    n_trials: int | None = None,
    *args: Any,
    **kwargs: Any,
) -> Any:
    directions = [direction.name for direction in study.directions]
    several = [f"value_{i}" for i in range(len(directions))]
    names = study.metric_names or (["value"] if len(directions) == 1 else several)
    goals: dict[str, Goal] = {
        name: "max" if way == "MAXIMIZE" else "min" for name, way in zip(names, directions, strict=True)
    }
    best = Best(names[0], goals[names[0]]) if len(names) == 1 else Best(None)
    pruned = importlib.import_module("optuna").TrialPruned

    def objective(trial: Any) -> Any:
        mark = search.begin(trial.number)  # counted from 0, as Optuna names them
        try:
            value = func(trial)
        except BaseException as error:
            is_pruned = isinstance(error, pruned)
            outcome: Outcome = "stopped" if is_pruned else outcome_of(error)
            note = "pruned" if is_pruned else type(error).__name__
            search.finish(mark, Result(outcome, {}, trial.params, note, goals))
            raise
        found = dict(zip(names, value if isinstance(value, Sequence) else [value], strict=False))
        search.finish(mark, Result(_outcome(found), found, trial.params, "", goals))
        return value

    with Search(arguments.known(n_trials), best, options) as search:
        return original(objective, n_trials, *args, **kwargs)


def keras_tuner(tuner: Any, **options: Unpack[DisplayOptions]) -> AbstractContextManager[None]:
    """Show what `tuner.search` does, in a `with` block, in place of what KerasTuner prints itself.

    ``with kbar.tuning.keras_tuner(tuner): tuner.search(x, y, epochs=5, validation_split=0.2)``

    The fits of the trials get a `ProgressBar`, unless there is one among their callbacks.

    Args:
        tuner: a `keras_tuner.Tuner`, or any other of its tuners.
        options: as `kbar.loop` takes them.

    Raises:
        TypeError, ValueError: naming the argument, what was given and what is allowed.
        ImportError: if KerasTuner, or the library a renderer draws with, is missing.
    """
    _check("tuner", tuner, "keras_tuner", "engine.base_tuner.BaseTuner")
    return ReplacedMethod(tuner, "search", functools.partial(_search, tuner, options_of(options)))


def _search(tuner: Any, options: Options, original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    from .sources.keras import ProgressBar

    oracle = tuner.oracle
    with contextlib.ExitStack() as stack:
        search = stack.enter_context(
            Search(
                arguments.known(getattr(oracle, "max_trials", None)),
                Best(*_objective(oracle)),
                options,
                initial=len(getattr(oracle, "end_order", ())),
            )
        )
        trials = _Trials(tuner, search)
        stack.enter_context(ReplacedMethod(tuner, "on_trial_begin", trials.begin))
        stack.enter_context(ReplacedMethod(tuner, "on_trial_end", trials.end))
        if _has_fits(tuner):
            callbacks = kwargs.get("callbacks") or []
            bars = [] if any(isinstance(each, ProgressBar) for each in callbacks) else [ProgressBar()]
            kwargs["callbacks"] = [*callbacks, *bars]
        if "verbose" not in kwargs:
            before, oracle.verbose = oracle.verbose, 0
            stack.callback(setattr, oracle, "verbose", before)
        return original(*args, **kwargs)


class _Trials:
    """Reports the trials of a tuner of KerasTuner, by its hooks."""

    def __init__(self, tuner: Any, search: Search) -> None:
        self._tuner, self._search = tuner, search
        self._running: Any = None

    def begin(self, original: Callable[..., Any], trial: Any) -> None:
        """Take the place of `on_trial_begin`."""
        oracle = self._tuner.oracle
        order = [*getattr(oracle, "start_order", ()), trial.trial_id]
        self._running = self._search.begin(
            order.index(trial.trial_id) + 1, arguments.known(getattr(oracle, "max_trials", None))
        )
        original(trial)

    def end(self, original: Callable[..., Any], trial: Any) -> None:
        """Take the place of `on_trial_end`, which computes the trial's score."""
        try:
            original(trial)
        finally:
            self._report(trial)

    @harmless("kbar missed a trial")
    def _report(self, trial: Any) -> None:
        name, goal = _objective(self._tuner.oracle)
        outcome: Outcome = "done" if trial.score is not None else "error"
        error, colon, reason = (trial.message or "").strip().rpartition("\n")[2].partition(":")
        result = Result(
            outcome,
            {} if trial.score is None else {name: trial.score},
            trial.hyperparameters.values,
            "" if outcome == "done" else error.rpartition(".")[2] + colon + reason,
            {name: goal},
        )
        retried = trial.trial_id not in getattr(self._tuner.oracle, "end_order", [trial.trial_id])
        self._search.finish(self._running, result, counts=not retried)


def _objective(oracle: Any) -> tuple[str, Goal]:
    """The name of what is optimised, and which way."""
    objective = getattr(oracle, "objective", None)
    return getattr(objective, "name", "score"), "max" if getattr(objective, "direction", "") == "max" else "min"


def _has_fits(tuner: Any) -> bool:
    """Whether what the tuner is given goes to `fit`, so that it may have callbacks."""
    kind = importlib.import_module("keras_tuner").Tuner
    return isinstance(tuner, kind) and type(tuner).run_trial is kind.run_trial


def sklearn(search: Any, **options: Unpack[DisplayOptions]) -> AbstractContextManager[None]:
    """Show what `search.fit` does, in a `with` block, also with several jobs.

    ``with kbar.tuning.sklearn(search): search.fit(x, y)``

    A trial is a candidate with all its splits. Fits of Keras within show their own bar if they have a `ProgressBar`.

    Args:
        search: a `GridSearchCV`, or any other search of scikit-learn.
        options: as `kbar.loop` takes them.

    Raises:
        TypeError, ValueError: naming the argument, what was given and what is allowed.
        ImportError: if scikit-learn, or the library a renderer draws with, is missing.
    """
    _check("search", search, "sklearn", "model_selection._search.BaseSearchCV")
    return ReplacedMethod(search, "fit", functools.partial(_fit, search, options_of(options)))


def _fit(search: Any, options: Options, original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    refit = search.refit if isinstance(search.refit, str) else "score"
    with Search(None, Best(refit, "max"), options) as shown:
        module = importlib.import_module("sklearn.model_selection._search")
        replaced = Replacement(module, "Parallel", _parallel(module.Parallel, shown))
        try:
            return original(*args, **kwargs)
        finally:
            replaced.undo()


def _parallel(kind: Any, search: Search) -> Any:
    """A subclass of joblib's `Parallel` that reports candidates, of which each has several tasks in a row."""
    before = 0  # candidates of earlier calls, which successive halving makes

    class Parallel(kind):  # type: ignore[misc]  # a class that is known at run time only
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **{**kwargs, "return_as": "generator"})

        def __call__(self, iterable: Any) -> Any:
            nonlocal before
            tasks = list(iterable)
            results = super().__call__(tasks)
            total = before + len({task[2]["candidate_progress"][0] for task in tasks})
            search.expect(total)
            found: list[Any] = []
            for number, group in itertools.groupby(tasks, lambda task: task[2]["candidate_progress"][0] + 1):
                mark = search.begin(before + number, total)
                mine = [next(results) for _ in group]
                search.finish(mark, _scores(mine, tasks[len(found)][2]["parameters"]))
                found += mine
            before = total
            search.begin(
                None, name="refit"
            )  # what runs after the candidates; or more candidates, in a trial of their own
            return found

    return Parallel


def _scores(results: Sequence[Mapping[str, Any]], parameters: Mapping[str, Any]) -> Result:
    """The result of a candidate: the means of its splits' scores, and how long these took together."""
    scores = [each["test_scores"] for each in results]
    if all(isinstance(each, Mapping) for each in scores):
        names = list(scores[0])
        found = {name: sum(each[name] for each in scores) / len(scores) for name in names}
    elif any(isinstance(each, Mapping) for each in scores):  # scorers of which some have failed
        found = {}
    else:
        found = {"score": sum(scores) / len(scores)}
    failed = sum(each.get("fit_error") is not None for each in results)
    note = f"{failed}/{len(results)} fits failed" if failed else ""
    seconds = sum(each.get("fit_time", 0.0) + each.get("score_time", 0.0) for each in results)
    return Result("error" if failed else "done", found, parameters, note, dict.fromkeys(found, "max"), seconds)


def folds(splitter: Any, x: Any, y: Any = None, groups: Any = None, **options: Unpack[DisplayOptions]) -> Track[Any]:
    """The folds of a splitter of scikit-learn, as a bar with a line for each fold: what its fit reached.

    ``for train, test in kbar.tuning.folds(KFold(5), x): …``

    Args:
        splitter: a `KFold`, or anything else with `split` and `get_n_splits`.
        x: the samples, as `split` takes them.
        y: likewise, the targets.
        groups: likewise, the groups.
        options: as `kbar.loop` takes them.

    Raises:
        TypeError, ValueError: naming the argument, what was given and what is allowed.
        ImportError: if the library a renderer draws with is missing.
    """
    if not all(callable(getattr(splitter, name, None)) for name in ("split", "get_n_splits")):
        raise TypeError(f"splitter must have split() and get_n_splits(), as KFold has; got {splitter!r:.100}")
    total = splitter.get_n_splits(x, y, groups)
    items = _Folds(splitter.split(x, y, groups), total)
    items.track = track(items, "fold", total=total, unit="fold", **options)
    return items.track


class _Folds:
    """The folds, each of which is a trial of the stage of `track`.

    Attributes:
        track: what loops over them.
    """

    track: Track[Any]

    def __init__(self, items: Iterator[Any], total: int) -> None:
        self._items, self._total = items, total

    def __iter__(self) -> Iterator[Any]:
        best = Best(None)
        for number, item in enumerate(self._items, 1):
            fold = Fold(self.track, number, self._total, best)
            yield item
            fold.finish()


def _outcome(found: Mapping[str, object]) -> Outcome:
    """The outcome of a trial with these values: Optuna takes one without a number for a failure."""
    values = [plain(value) for value in found.values()]
    return "done" if all(isinstance(value, (int, float)) and not math.isnan(value) for value in values) else "error"


def _check(argument: str, given: object, package: str, kind: str) -> None:
    """Raise an error unless `given` is of this kind."""
    path, _, name = f"{package}.{kind}".rpartition(".")
    try:
        wanted = getattr(importlib.import_module(path), name)
    except ImportError as error:
        raise ImportError(f"kbar.tuning.{package} needs {_NAMES[package]}: pip install 'keras-kbar[tuning]'") from error
    if not isinstance(given, wanted):
        raise TypeError(f"{argument} must be a {name} of {_NAMES[package]}; got {given!r:.100}")
