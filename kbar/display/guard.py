"""Calls code that may be the user's: renderers and throttles."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from ..system.warnings import from_signal

_T = TypeVar("_T")


class Guard:
    """Makes calls until one raises an exception, which ends a target instead of the run.

    Attributes:
        error: the first exception; None if there was none.
    """

    def __init__(self) -> None:
        self.error: BaseException | None = None

    def call(self, function: Callable[[], _T]) -> _T | None:
        """Return what `function` returns; None if it fails, or if a call has failed before."""
        return None if self.error else self.call_in_any_case(function)

    def call_in_any_case(self, function: Callable[[], _T]) -> _T | None:
        """Return what `function` returns; None if it fails."""
        try:
            return function()
        except BaseException as error:  # also SystemExit: an output must not end the process
            if from_signal(error):
                raise
            self.error = self.error or error
            return None
