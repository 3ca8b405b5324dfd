"""One output of a notebook's cell, which is replaced as a run goes on."""

from __future__ import annotations

from typing import Any

from .environment import cell, shell
from .replaced import Replacement

Bundle = dict[str, str]
"""What is shown, by MIME type; a front end takes the richest that it knows."""


class NotebookDisplay:
    """Shows something below the cell in which it is made, and something else with each update, from any thread.

    If the program clears the output of that cell, as those do that draw plots of their own, it is shown anew.

    Args:
        bundle: what is shown first.

    Raises:
        RuntimeError: if there is nothing that displays.
    """

    def __init__(self, bundle: Bundle) -> None:
        from IPython import display

        self._shown = bundle
        self._cell = cell()
        show: Any = display.display
        self._handle = show(bundle, raw=True, display_id=True)
        if self._handle is None:
            raise RuntimeError("no notebook takes what is displayed")
        self._publisher: Any = shell().display_pub
        self._clear = self._publisher.clear_output
        self._replaced = Replacement(self._publisher, "clear_output", self._clear_and_show)

    def update(self, bundle: Bundle) -> None:
        """Show `bundle` instead, unless it is shown already."""
        if bundle != self._shown:
            self._shown = bundle
            self._handle.update(bundle, raw=True)

    def close(self) -> None:
        """Let what is shown stay as it is."""
        self._replaced.undo()

    def _clear_and_show(self, *args: Any, **kwargs: Any) -> None:
        self._clear(*args, **kwargs)
        if cell() == self._cell:
            self._handle.display(self._shown, raw=True)
