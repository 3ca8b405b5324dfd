"""One output of a notebook's cell, which is replaced as a run goes on."""

from __future__ import annotations

import threading
from typing import Any

from .environment import shell
from .replaced import Replacement

_PATIENCE = 0.5  # seconds by which the end of a cell is delayed at most

Bundle = dict[str, str]
"""What is shown, by MIME type; a front end takes the richest that it knows."""


class NotebookDisplay:
    """Shows something below the cell in which it is made, and something else with each update, from any thread.

    If the program clears the output of that cell, as it may do to show a plot anew, this is shown anew as well. The
    cell does not end before the first update: programs that run notebooks drop what comes later.

    Args:
        bundle: what is shown first.

    Raises:
        RuntimeError: if there is nothing that displays.
    """

    def __init__(self, bundle: Bundle) -> None:
        from IPython import display

        self._shown = bundle
        self.cell = _cell()
        self._updated = threading.Event()
        show: Any = display.display
        self._handle = show(bundle, raw=True, display_id=True)
        if self._handle is None:
            raise RuntimeError("no notebook takes what is displayed")
        _open.add(self)

    def update(self, bundle: Bundle) -> None:
        """Show `bundle` instead, unless it is shown already."""
        if bundle != self._shown:
            self._shown = bundle
            self._handle.update(bundle, raw=True)
        self._updated.set()

    def wait(self) -> None:
        """Wait for the first update, but not for long."""
        self._updated.wait(_PATIENCE)

    def show_anew(self) -> None:
        """Show it once more, where it is shown no longer."""
        self._handle.display(self._shown, raw=True)

    def close(self) -> None:
        """Let what is shown stay as it is."""
        _open.remove(self)


class _OpenDisplays:
    """Replaces IPython's `clear_output` as long as there are displays, and shows those of the cleared cell anew.

    Until then it also delays the end of a cell until its display was updated.
    """

    def __init__(self) -> None:
        self._displays: list[NotebookDisplay] = []
        self._lock = threading.Lock()
        self._clear: Any = None
        self._replaced: Replacement | None = None

    def add(self, display: NotebookDisplay) -> None:
        with self._lock:
            if not self._displays:
                publisher = shell().display_pub
                self._clear = publisher.clear_output
                self._replaced = Replacement(publisher, "clear_output", self._clear_and_show)
                shell().events.register("post_run_cell", self._wait)
            self._displays.append(display)

    def remove(self, display: NotebookDisplay) -> None:
        with self._lock:
            self._displays = [other for other in self._displays if other is not display]
            if self._replaced and not self._displays:
                self._replaced.undo()
                shell().events.unregister("post_run_cell", self._wait)

    def _wait(self, result: object) -> None:
        for display in list(self._displays):
            display.wait()

    def _clear_and_show(self, *args: Any, **kwargs: Any) -> None:
        self._clear(*args, **kwargs)
        for display in list(self._displays):
            if display.cell == _cell():
                display.show_anew()


_open = _OpenDisplays()


def _cell() -> object:
    """The number of the running cell, also in its threads."""
    return getattr(shell(), "execution_count", None)
