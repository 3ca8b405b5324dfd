"""Calls of code that may be the user's: renderers and throttles."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from ..system.warnings import from_signal

_T = TypeVar("_T")


class Guard:
    """Makes calls until one fails, which then costs a target, not the run.

    Attributes:
        error: what the first call that failed has raised.
    """

    def __init__(self) -> None:
        self.error: BaseException | None = None

    def call(self, function: Callable[[], _T]) -> _T | None:
        """Return what `function` returns; None without a call once one has failed."""
        if self.error:
            return None
        try:
            return function()
        except KeyboardInterrupt:  # the user's, on the thread of a step
            raise
        except BaseException as error:  # SystemExit as well: no output is a reason to end the process
            if from_signal(error):
                raise
            self.error = error
            return None
