"""Owns the one background thread."""

from __future__ import annotations

import queue
import signal
import threading
import time
from collections.abc import Callable

from ..system.warnings import failure

# Signals that a thread brings upon itself.
_OWN = {signal.SIGABRT, signal.SIGFPE, signal.SIGILL, signal.SIGSEGV, getattr(signal, "SIGBUS", signal.SIGSEGV)}
# A burst of wakings within this many seconds makes one call.
_BURST = 0.03


class Ticker:
    """Calls `tick` as often as it asks, and when woken, on a thread of its own.

    The thread is started when first needed and ends when `tick` returns None. A signal handler
    may wake it in the midst of a waking, so what passes between is a queue made for that.
    """

    def __init__(self, tick: Callable[[], float | None]) -> None:
        self._tick = tick
        self._lock = threading.RLock()
        self._wakings: queue.SimpleQueue[bool] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def wake(self, urgent: bool = False) -> None:
        """Calls `tick` now, or in a moment together with other wakings, if not urgent."""
        self._wakings.put(urgent)
        self.start()

    def notice(self) -> None:
        """Calls `tick` in a moment, if the thread runs; takes no lock."""
        self._wakings.put(False)

    def start(self) -> bool:
        """Starts the thread if need be; whether there is one."""
        with self._lock:
            if self._thread is None or self._killed:
                self._thread = threading.Thread(target=self._run, name="kbar", daemon=True)
                try:
                    self._thread.start()
                except BaseException as error:
                    if self._thread in threading.enumerate():  # else it was a signal's, once that had begun
                        raise
                    self._thread = None
                    failure("kbar shows nothing", error)  # the interpreter is ending, or there are no more threads
                    return False
            return True

    @property
    def _killed(self) -> bool:
        thread = self._thread
        return thread is not None and thread.ident is not None and not thread.is_alive()

    def anew(self) -> Ticker:
        """Another one of its kind that has not begun."""
        return type(self)(self._tick)

    def wait(self, event: threading.Event, seconds: float) -> bool:
        """Waits for something that `tick` does; returns whether there is no more to wait for, as on its own thread."""
        return self.is_this_thread or event.wait(seconds)

    def join(self, seconds: float) -> None:
        """Waits for the thread's end, for so long at most."""
        thread = self._thread
        if thread is not None and not self.is_this_thread:
            self._wakings.put(True)
            thread.join(seconds)

    @property
    def is_this_thread(self) -> bool:
        """Whether the ticker's thread asks."""
        return threading.current_thread() is self._thread

    def _run(self) -> None:
        if hasattr(signal, "pthread_sigmask"):
            # They are for those who wait for them, or have blocked them for a while.
            signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals() - _OWN)
        while True:
            try:
                period = self._tick()
            except BaseException as error:  # this thread has nobody to pass it on to
                failure("kbar failed to draw", error)
                period = 1.0
            if period is None:
                with self._lock:
                    if self._wakings.empty():
                        self._thread = None
                        return
            self._rest(period or 0.0)

    def _rest(self, period: float) -> None:
        """Returns after `period` seconds, or once woken and the burst that may follow is over."""
        until = time.monotonic() + period
        urgent = woken = False
        while not urgent:
            try:
                urgent = self._wakings.get(timeout=max(0.0, until - time.monotonic()))
            except queue.Empty:
                return
            until = until if woken else min(until, time.monotonic() + _BURST)
            woken = True
