"""Reports the candidates of a search of scikit-learn as the trials of a search."""

from __future__ import annotations

import inspect
import itertools
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from ..core.trial import Result, Trial
from ..system.warnings import harmless
from .searches import Search

_harmless = harmless("kbar missed a trial")

Facts = Mapping[str, Any]
"""What scikit-learn says of a task, or what it returns of it: the fit of a candidate on one split."""


class Candidates:
    """Candidates, each of which has several tasks in a row.

    Args:
        search: what they are reported to.
        halves: whether it is one by successive halving, whose best candidate is one of the last round.
    """

    def __init__(self, search: Search, *, halves: bool = False) -> None:
        self._search, self._halves = search, halves
        self._trial: Trial | None = None
        self._results: list[Facts] = []  # of the running candidate
        self._number = self._total = 0  # of the running candidate, from 1; of the candidates by now

    def run(self, original: Callable[..., None], evaluate: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        """Take the place of `_run_search`, which gives candidates to `evaluate`; what comes after it is the refit."""
        self._follow(evaluate)
        original(evaluate, *args, **kwargs)
        self._search.begin(None, name="refit")

    @_harmless
    def _follow(self, evaluate: Callable[..., Any]) -> None:
        """Have the tasks of `evaluate` reported.

        It is a function within the search's `fit`, and the `parallel` there is its own: neither other searches nor
        those within its candidates are affected.
        """
        parallel = inspect.getclosurevars(evaluate).nonlocals["parallel"]
        parallel.return_generator = True  # results arrive one by one, where joblib can do that
        parallel.__class__ = _reporting(type(parallel), self)

    @_harmless
    def begin_round(self, first: Facts) -> None:
        """Begin candidates of which this is the first task; successive halving has several rounds of them."""
        if self._halves:
            self._search.best.restart()
        _, count = first["candidate_progress"]
        self._total = self._number + count
        self._search.expect(self._total)
        self._begin()

    def _begin(self) -> None:
        self._number += 1
        self._trial = self._search.begin(self._number, self._total)

    @_harmless
    def add(self, task: Facts, result: Facts) -> None:
        """Add the result of a task."""
        self._results.append(result)
        split, splits = task["split_progress"]
        if split + 1 == splits:
            results, self._results = self._results, []
            self._search.finish(self._trial, _result(results, task["parameters"]))
            if self._number < self._total:
                self._begin()


def _reporting(kind: Any, candidates: Candidates) -> Any:
    """A subclass of joblib's `Parallel` that reports what it runs."""

    class Reporting(kind):  # type: ignore[misc]  # a class that is known at run time only
        def __call__(self, iterable: Iterable[Any]) -> list[Any]:
            pending: deque[Facts] = deque()  # tasks in their order, which is that of the results
            tasks = iter(iterable)
            first = list(itertools.islice(tasks, 1))

            def noted() -> Iterator[Any]:
                for task in itertools.chain(first, tasks):
                    pending.append(task[2])
                    yield task

            for _, _, facts in first:
                candidates.begin_round(facts)
            results = []
            for result in super().__call__(noted()):
                results.append(result)
                candidates.add(pending.popleft(), result)
            return results

    return Reporting


def _result(results: Sequence[Facts], parameters: Mapping[str, Any]) -> Result:
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
