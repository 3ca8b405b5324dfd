"""The threads that draw: one for each target."""

from __future__ import annotations

import queue
import signal
import threading
import time
from collections.abc import Callable

from ..system.warnings import failure

# Signals that a thread brings upon itself.
_OWN = {signal.SIGABRT, signal.SIGFPE, signal.SIGILL, signal.SIGSEGV, getattr(signal, "SIGBUS", signal.SIGSEGV)}
_BURST = 0.03  # seconds within which several wakings make one call


class DrawingThread:
    """Calls `step` as often as it asks, and when woken, on a thread of its own.

    `wake` takes no lock and never waits, so that signal handlers, `__del__` and weak references may call it.

    Args:
        step: returns the seconds until it is to be called again, None once there is no more to do.
    """

    def __init__(self, step: Callable[[], float | None]) -> None:
        self._step = step
        self._wakings: queue.SimpleQueue[bool] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._over = False

    def start(self) -> bool:
        """Start the thread, again if it was killed; whether there is one."""
        thread = self._thread
        if self._over or (thread is not None and (thread.ident is None or thread.is_alive())):
            return not self._over
        self._thread = thread = threading.Thread(target=self._run, name="kbar", daemon=True)
        try:
            thread.start()
        except BaseException as error:
            if thread in threading.enumerate():  # it runs: the exception is a signal handler's
                raise
            self._thread = None
            failure("kbar shows nothing", error)  # the interpreter is ending, or there are no more threads
            return False
        return True

    def wake(self, urgent: bool = False) -> None:
        """Call `step` now or, if not urgent, in a moment, together with other wakings."""
        self._wakings.put(urgent)

    def notice(self) -> None:
        """Have `step` called in a moment, never by this very call."""
        self._wakings.put(False)

    def wait(self, is_done: Callable[[], bool], seconds: float) -> bool:
        """Wait for something that `step` does, so many seconds at most; whether it is done.

        There is no lock in it, which a signal handler that waits as well could not get. Its own thread cannot wait.
        """
        until = time.monotonic() + seconds
        while not (is_done() or self.is_this_thread):
            if time.monotonic() >= until:
                return False
            time.sleep(0.0005)
        return True

    def join(self, seconds: float) -> None:
        """Wait for the thread's end, so many seconds at most."""
        if self._thread is not None and not self.is_this_thread:
            self.wake(urgent=True)
            self._thread.join(seconds)

    @property
    def is_this_thread(self) -> bool:
        """Whether the thread that asks is this one."""
        return threading.current_thread() is self._thread

    def _run(self) -> None:
        if hasattr(signal, "pthread_sigmask"):
            # They are for those who wait for them, or have blocked them for a while.
            signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals() - _OWN)
        while not self._over:
            try:
                seconds = self._step()
            except BaseException as error:  # nobody else would hear of it
                failure("kbar failed to draw", error)
                seconds = 1.0
            self._over = seconds is None
            if seconds is not None:
                self._rest(seconds)

    def _rest(self, seconds: float) -> None:
        """Return after so many seconds, or once woken and the burst that may follow is over."""
        until = time.monotonic() + seconds
        urgent = woken = False
        while not urgent:
            try:
                urgent = self._wakings.get(timeout=max(0.0, until - time.monotonic()))
            except queue.Empty:
                return
            until = until if woken else min(until, time.monotonic() + _BURST)
            woken = True
