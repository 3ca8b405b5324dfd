"""`DefaultBar`: the bar that takes the place of Keras's own after `kbar.install`."""

from __future__ import annotations

from typing import Any

from ..options import Options
from .keras import ProgressBar
from .runs import Runs


class DefaultBar(ProgressBar):
    """A bar that follows the argument ``verbose`` of `fit`, `evaluate` and `predict`, as Keras's own does.

    Args:
        options: how the bar is shown.
        lines: the same for ``verbose=2``, which asks for lines.
        label: what it is called; None for ``fit``, ``evaluate`` or ``predict``.
        per_step: what a step consists of; None if that is for the data to say.
    """

    def __init__(
        self, options: Options, lines: Options, label: str | None, per_step: tuple[tuple[str, float], ...] | None
    ) -> None:
        super().__init__()
        self._bar, self._lines = options, lines
        self._options, self._runs = options, Runs(label, per_step)

    def set_params(self, params: dict[str, Any]) -> None:
        """Take the parameters of the next run."""
        super().set_params(params)
        verbose = (params or {}).get("verbose")
        if verbose == 2:
            self._options = self._lines
        else:
            self._options = self._bar if verbose in (None, True, "auto") else Options("none")
