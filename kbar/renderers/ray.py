"""Bars that Ray's driver draws below each other: one for each run of each worker."""

from __future__ import annotations

import itertools
import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, ClassVar

from ..core.snapshot import Event, Snapshot, StageView
from ..core.text import count, metric_texts, shorten, step_fact
from ..core.throttle import Throttle, ThrottleSpec, every
from ..system.cells import cells
from ..system.ray import in_worker, trial
from ..system.terminal import output_of
from .base import Renderer

_WIDTH = 52  # columns of a bar's description; the driver's terminal may be narrow, and tqdm adds texts of its own


class RayRenderer(Renderer):
    """Has Ray's driver draw a bar for each run, below those of other workers.

    A worker writes the state of a bar as a line, which the driver finds in the worker's output. The class of
    `ray.experimental.tqdm_ray` does so by `print`, which Train's workers replace by one that writes each line twice,
    and the driver would draw a closed bar anew. So that class is only asked what such a line consists of.

    Args:
        throttle: when to draw between a stage's beginning and end; every 0.5 s by default.

    Raises:
        ImportError, AttributeError, TypeError: if there is no such class, or if it is another one by now.
    """

    default_throttle: ClassVar[Throttle] = every(seconds=0.5)

    def __init__(self, *, throttle: ThrottleSpec | None = None) -> None:
        super().__init__(throttle=throttle)
        from ray.experimental.tqdm_ray import tqdm

        self._initial: dict[str, Any] = dict(tqdm()._get_state())
        self._bars: dict[str, dict[str, Any]] = {}  # the state of each, by `StageView.run`
        self._epochs: dict[str, StageView] = {}  # the latest finished one of each run that has some
        self._trial = ""

    def open(self) -> None:
        """Begin a run."""
        self.output = output_of(sys.stdout) if in_worker() else None  # the driver has bars of its own drawn at once
        self._trial = trial()

    def draw(self, snapshot: Snapshot) -> None:
        """Send the state of each run's bar, and close the bars of runs that are over."""
        for event in snapshot.events:
            if isinstance(event, Event) and event.epoch and not event.stage.depth:
                self._epochs[event.stage.run] = event.epoch
        runs: dict[str, list[StageView]] = {}
        for view in snapshot.stages:
            runs.setdefault(view.run, []).append(view)
        closed = [self._closed(run) for run in {*self._bars} - {*runs}]
        self._send([*closed, *(self._state(run, views) for run, views in runs.items())])

    def _state(self, run: str, views: Sequence[StageView]) -> dict[str, Any]:
        """The state of the bar of a run: where its outermost stage stands, and what happens inside as text."""
        if run not in self._bars:
            used = {bar["pos"] for bar in self._bars.values()}
            position = next(n for n in itertools.count() if n not in used)
            name = f"{self._initial['uuid']}-{run}"  # among all bars of all workers
            self._bars[run] = {**self._initial, "uuid": name, "pos": position, "unit": views[0].unit}
        text = _description(self._trial, views, self._epochs.get(run))
        self._bars[run] |= {"x": views[0].stands_at, "total": views[0].total, "desc": text}
        return self._bars[run]

    def _closed(self, run: str) -> dict[str, Any]:
        self._epochs.pop(run, None)
        return {**self._bars.pop(run), "closed": True}

    def _send(self, states: Iterable[dict[str, Any]]) -> None:
        if self.output is not None:
            self.output.write_lines([json.dumps(state) for state in states])
            return
        from ray.experimental.tqdm_ray import instance

        for state in states:
            instance().process_state_update({**state})  # which changes it

    def close(self) -> None:
        """End the run, and leave its last state."""
        self._send([self._closed(run) for run in [*self._bars]])
        self.output = None


def _description(trial: str, views: Sequence[StageView], epoch: StageView | None) -> str:
    """Where the innermost stage is that runs, and as many metrics as there is space for."""
    root = views[0]
    inner = next((view for view in reversed(views) if not view.outcome), root)
    # The bar says where the root is; other counts are exact, as metrics are, for there is no bar that glides.
    at = count(replace(inner, shown=None)).strip() if inner is not root or root.outcome else ""
    at = "done" if root.outcome == "done" and root.done == root.total else at
    text = shorten(" ".join(filter(None, [trial, inner.path, at])), _WIDTH)
    with_metrics = next((view for view in (inner, *reversed(views), epoch) if view and view.metrics), inner)
    for fact in filter(None, [step_fact(inner), *metric_texts(with_metrics)]):
        text += f" {fact}" if cells(text) + 1 + cells(fact) <= _WIDTH else ""
    return text
