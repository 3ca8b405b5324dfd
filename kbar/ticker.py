"""Owns the one background thread."""

from __future__ import annotations

import threading
from collections.abc import Callable

from .report import failure

# A burst of wakings within this many seconds makes one call.
_BURST = 0.03


class Ticker:
    """The one background thread: calls `tick` as often as it asks, and when woken.

    It is started by the first `wake` and ends when `tick` returns None.
    """

    def __init__(self, tick: Callable[[], float | None]) -> None:
        self._tick = tick
        self._lock = threading.Lock()
        self._woken, self._hurried = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None

    def wake(self, urgent: bool = False) -> None:
        """Calls `tick` now, or in a moment together with other wakings, if not urgent."""
        if urgent:
            self._hurried.set()
        self._woken.set()
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="kbar", daemon=True)
                self._thread.start()

    def wait(self, event: threading.Event, seconds: float) -> None:
        """Waits for something that `tick` does; not on the ticker's own thread."""
        if threading.current_thread() is not self._thread:
            event.wait(max(0.0, seconds))

    def _run(self) -> None:
        while True:
            self._woken.clear()
            self._hurried.clear()
            try:
                period = self._tick()
            except Exception as error:
                failure("kbar failed to draw", error)
                period = 1.0
            if period is None:
                with self._lock:
                    if not self._woken.is_set():
                        self._thread = None
                        return
            elif self._woken.wait(period):
                self._hurried.wait(_BURST)
