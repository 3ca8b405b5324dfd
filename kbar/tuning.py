"""Bars for searches: KerasTuner, Optuna, scikit-learn, and folds.

Each shows an outer bar with the trials done, the best result so far and the remaining time, and below it what runs.
Each trial leaves a line with its results and parameters; the epochs in it leave none, unless their own bar has
``leave="epochs"``.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from .core.outcome import outcome_of
from .core.snapshot import Goal, Outcome
from .core.trial import Result, Trial
from .options import DisplayOptions, Options, options_of
from .sources import arguments
from .sources.candidates import Candidates
from .sources.searches import Best, Fold, Search
from .sources.tracks import Track, track
from .system.replaced import ReplacedMethod
from .system.warnings import harmless, text_of

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
    names = getattr(study, "metric_names", None) or (["value"] if len(directions) == 1 else several)
    goals: dict[str, Goal] = {
        name: "max" if way == "MAXIMIZE" else "min" for name, way in zip(names, directions, strict=True)
    }
    best = Best(names[0], goals[names[0]]) if len(names) == 1 else Best(None)
    earlier = _best_of_study(study, best, names[0]) if len(names) == 1 else None
    pruned = importlib.import_module("optuna").TrialPruned

    def objective(trial: Any) -> Any:
        mark = search.begin(trial.number)  # counted from 0, as Optuna names them
        try:
            value = func(trial)
        except BaseException as error:
            is_pruned = isinstance(error, pruned)
            outcome: Outcome = "stopped" if is_pruned else outcome_of(error)
            note = "pruned" if is_pruned else ": ".join(filter(None, [type(error).__name__, text_of(error)]))
            result = Result(outcome, {}, _parameters(trial), note, goals)
            search.finish(mark, result, counts=outcome != "interrupted")
            raise
        values = value if isinstance(value, Sequence) else [value]
        numbers = [_number(each) for each in values]
        outcome = "error" if any(map(math.isnan, numbers)) or len(values) != len(names) else "done"
        found = dict(zip(names, numbers, strict=False))
        search.finish(mark, Result(outcome, found, _parameters(trial), "", goals))
        return value

    with Search(arguments.known(n_trials), best, options, found=earlier) as search:
        return original(objective, n_trials, *args, **kwargs)


@harmless("kbar misses the earlier trials")
def _best_of_study(study: Any, best: Best, name: str) -> Mapping[str, object]:
    """Add the best of the trials that the study has already to `best`, and return what that shows."""
    try:
        earlier = study.best_trial
    except ValueError:  # there is none
        return {}
    return best.add(Trial("trial", earlier.number, None, 0.0), {name: earlier.value})


def _parameters(trial: Any) -> Mapping[str, Any]:
    """The parameters of a trial of Optuna, which its storage may fail to give."""
    return harmless("kbar misses parameters")(lambda: trial.params)() or {}


def _number(value: Any) -> float:
    """The number that Optuna makes of an objective's value; NaN if there is none, which it takes for a failure."""
    try:
        return float(value)
    except (TypeError, ValueError):
        return math.nan


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
    oracle, best = tuner.oracle, Best(*_objective(tuner.oracle))
    with contextlib.ExitStack() as stack:
        search = stack.enter_context(
            Search(
                arguments.known(getattr(oracle, "max_trials", None)),
                best,
                options,
                initial=len(getattr(oracle, "end_order", ())),
                found=_best_of_oracle(oracle, best),
            )
        )
        trials = _Trials(tuner, search)
        stack.enter_context(ReplacedMethod(tuner, "on_trial_begin", trials.begin))
        stack.enter_context(ReplacedMethod(tuner, "on_trial_end", trials.end))
        if hasattr(tuner, "_build_and_fit_model"):  # other tuners have no fits that take callbacks
            stack.enter_context(ReplacedMethod(tuner, "_build_and_fit_model", _fit_with_bar))
        if "verbose" not in kwargs and hasattr(oracle, "verbose"):  # else it prints in another process
            before, oracle.verbose = oracle.verbose, 0
            stack.callback(setattr, oracle, "verbose", before)
        return original(*args, **kwargs)


def _fit_with_bar(original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Take the place of a method of a tuner that runs one fit."""
    from .sources.keras import ProgressBar

    callbacks = kwargs.get("callbacks") or []
    bars = [] if any(isinstance(each, ProgressBar) for each in callbacks) else [ProgressBar()]
    return original(*args, **{**kwargs, "callbacks": [*callbacks, *bars]})


@harmless("kbar misses the earlier trials")
def _best_of_oracle(oracle: Any, best: Best) -> Mapping[str, object]:
    """Add the best of the trials that are done already to `best`, and return what that shows."""
    for trial in oracle.get_best_trials(1):
        return best.add(Trial("trial", _order(trial), None, 0.0), {_objective(oracle)[0]: trial.score})
    return {}


def _order(trial: Any) -> int | None:
    """Which trial of the search it is, from 1, which KerasTuner says in its name."""
    name = str(trial.trial_id)
    return int(name) + 1 if name.isdecimal() else None


class _Trials:
    """Reports the trials of a tuner of KerasTuner, by its hooks."""

    def __init__(self, tuner: Any, search: Search) -> None:
        self._tuner, self._search = tuner, search
        self._running: Any = None

    def begin(self, original: Callable[..., Any], trial: Any) -> None:
        """Take the place of `on_trial_begin`."""
        total = arguments.known(getattr(self._tuner.oracle, "max_trials", None))
        self._running = self._search.begin(_order(trial), total)
        original(trial)

    def end(self, original: Callable[..., Any], trial: Any) -> None:
        """Take the place of `on_trial_end`, which computes the trial's score."""
        try:
            original(trial)
        finally:
            self._report(trial)

    @harmless("kbar missed a trial")
    def _report(self, trial: Any) -> None:
        trial = self._tuner.oracle.get_trial(trial.trial_id)  # which may be in another process, with the score
        name, goal = _objective(self._tuner.oracle)
        outcome: Outcome = "done" if trial.status == "COMPLETED" else "error"  # KerasTuner refuses a score of NaN
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
    shown = Search(None, Best(refit, "max"), options)
    candidates = Candidates(shown, halves=hasattr(search, "min_resources"))
    with shown, ReplacedMethod(search, "_run_search", candidates.run):
        return original(*args, **kwargs)


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
    items = _Folds(functools.partial(splitter.split, x, y, groups), splitter.get_n_splits(x, y, groups))
    items.track = track(items, "fold", unit="fold", **options)
    return items.track


class _Folds:
    """The folds, each of which is a trial of the stage of `track`.

    Attributes:
        track: what loops over them.
    """

    track: Track[Any]

    def __init__(self, split: Callable[[], Iterator[Any]], total: int) -> None:
        self._split, self._total = split, total

    def __len__(self) -> int:
        return self._total

    def __iter__(self) -> Iterator[Any]:
        best = Best(None)
        for number, item in enumerate(self._split(), 1):
            fold = Fold(self.track, number, self._total, best)
            yield item
            fold.finish()


def _check(argument: str, given: object, package: str, kind: str) -> None:
    """Raise an error unless `given` is of this kind."""
    path, _, name = f"{package}.{kind}".rpartition(".")
    try:
        wanted = getattr(importlib.import_module(path), name)
    except ImportError as error:
        raise ImportError(f"kbar.tuning.{package} needs {_NAMES[package]}: pip install 'keras-kbar[tuning]'") from error
    if not isinstance(given, wanted):
        raise TypeError(f"{argument} must be a {name} of {_NAMES[package]}; got {given!r:.100}")
