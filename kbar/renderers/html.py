"""A run as one live display of a notebook, which stays right when the notebook is saved."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any, ClassVar

from ..core.snapshot import Event, Snapshot, StageView
from ..core.throttle import Throttle, ThrottleSpec, every
from ..system.notebook import NotebookDisplay
from .base import Renderer
from .log import text_of_event
from .page import Results, html

_PERIOD = 0.2  # seconds between two updates at least; epochs that end sooner share one
_EARLY = 0.02  # seconds by which a frame may come too early
_LATEST = 12  # lines of text beside the bars while the run goes on
_MOST_LINES = 1000  # lines of text that are kept
_MOST_TABLES = 12  # tables of finished stages within the run that are kept


class HtmlRenderer(Renderer):
    """Draws bars, a table of results and curves in a notebook: one display for each outermost stage.

    Args:
        throttle: when to draw between a stage's beginning and end; every 0.2 s by default.
    """

    default_throttle: ClassVar[Throttle] = every(seconds=_PERIOD)
    shares_screen: ClassVar[bool] = False

    def __init__(self, *, throttle: ThrottleSpec | None = None) -> None:
        super().__init__(throttle=throttle)
        self._display: NotebookDisplay | None = None
        self._updated = -math.inf
        self._results: dict[int, Results] = {}
        self._lines: list[str] = []
        self._stages: tuple[StageView, ...] = ()

    def open(self) -> None:
        """Begin a run: put an empty display below the cell that runs."""
        self._results, self._lines, self._stages = {}, [], ()
        self._display = NotebookDisplay({"text/html": "", "text/plain": ""})
        self._updated = -math.inf

    def draw(self, snapshot: Snapshot) -> None:
        """Update the display."""
        for event in snapshot.events:
            if isinstance(event, Event):
                self._take(event)
        self._stages = snapshot.stages
        now = max((view.seen for view in snapshot.stages), default=self._updated + _PERIOD)
        if now - self._updated >= _PERIOD - _EARLY:
            self._updated = now
            self._update(over=False)

    def close(self) -> None:
        """Leave the last state, with all results."""
        try:
            self._update(over=True)
        finally:
            display, self._display = self._display, None
            if display is not None:
                display.close()

    def _update(self, *, over: bool) -> None:
        if self._display is not None:
            lines = self._lines if over else self._lines[-_LATEST:]
            page = html(self._stages, [*self._results.values()], over=over)
            self._display.update({"text/html": page, "text/plain": "\n".join(lines)})

    def _take(self, event: Event) -> None:
        """Add the event's result and its line of text."""
        stage = event.stage
        if event.epoch:
            self._add(stage, stage.unit, event.epoch)
        elif event.kind == "end" and event.above:
            if stage.key in self._results:
                self._results[stage.key].is_over = True
                self._forget_earlier()
            if stage.metrics and not stage.phase:
                self._add(event.above[-1], event.above[-1].label, replace(stage, title=stage.path))
        line = text_of_event(event)
        if line and event.kind in ("epoch", "end"):
            self._lines = [*self._lines[-_MOST_LINES:], line]

    def _add(self, stage: StageView, unit: str, row: StageView) -> None:
        if stage.key not in self._results:
            self._results[stage.key] = Results(stage.path, unit, depth=stage.depth)
        self._results[stage.key].add(row)

    def _forget_earlier(self) -> None:
        for key in [key for key, results in self._results.items() if results.is_over][:-_MOST_TABLES]:
            del self._results[key]

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_display": None, "_results": {}, "_lines": [], "_stages": ()}
