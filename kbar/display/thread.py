"""The threads that draw: one for each target."""

from __future__ import annotations

import queue
import signal
import threading
import time
from collections.abc import Callable

from ..system.portable import block_signals
from ..system.warnings import failure

# Signals that a fault of a thread sends to this very thread.
_OWN = {signal.SIGABRT, signal.SIGFPE, signal.SIGILL, signal.SIGSEGV, getattr(signal, "SIGBUS", signal.SIGSEGV)}
_BURST = 0.03  # seconds for which further wakings are awaited, to answer all by one call


def is_held(lock: threading.RLock) -> bool:
    """Whether the thread that asks holds `lock`."""
    try:
        threading.Condition(lock).notify()  # no thread waits for it, but it raises where the lock is not held
    except RuntimeError:
        return False
    return True


class DrawingThread:
    """Calls `step` on a thread of its own: after the seconds that `step` has returned, and when it is woken.

    `wake` takes no lock and never waits, so signal handlers, `__del__` and callbacks of weak references may call it.

    Args:
        step: returns the seconds until the next call, None for no more calls.
    """

    def __init__(self, step: Callable[[], float | None]) -> None:
        self._step = step
        self._wakings: queue.SimpleQueue[bool] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()  # never waited for
        self._over = False

    def start(self) -> bool:
        """Start the thread, also if it was killed; do nothing if it runs. Return whether there is one."""
        if self._over or self._runs:
            return not self._over
        if not self._starting.acquire(blocking=False):  # another thread is at it, or what a signal has interrupted
            return True
        try:
            return self._runs or self._start()
        finally:
            self._starting.release()

    @property
    def _runs(self) -> bool:
        thread = self._thread
        return thread is not None and (thread.ident is None or thread.is_alive())

    def _start(self) -> bool:
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
        """Have `step` called now or, if not `urgent`, in a moment, once for several calls of this."""
        self._wakings.put(urgent)

    def notice(self) -> None:
        """Have `step` called in a moment, but not on this thread, not even in tests."""
        self._wakings.put(False)

    def wait(self, is_done: Callable[[], bool], seconds: float) -> bool:
        """Wait until `is_done` returns True, `seconds` at most; return whether it did.

        This uses no lock, for which a signal handler that also waits would wait for ever. The thread itself does not
        wait, as it would wait for itself.
        """
        until = time.monotonic() + seconds
        while not (is_done() or self.is_this_thread):
            if time.monotonic() >= until:
                return False
            time.sleep(0.0005)
        return True

    @property
    def is_this_thread(self) -> bool:
        """Whether the current thread is this one."""
        return threading.current_thread() is self._thread

    def _run(self) -> None:
        block_signals(but=_OWN)  # they are for the threads of the program, which may wait for them or have blocked them
        while not self._over:
            try:
                seconds = self._step()
            except BaseException as error:  # else it would be lost
                failure("kbar failed to draw", error)
                seconds = 1.0
            self._over = seconds is None
            if seconds is not None:
                self._rest(seconds)

    def _rest(self, seconds: float) -> None:
        """Return after `seconds`, or when woken: at once if urgent, else after `_BURST` seconds."""
        until = time.monotonic() + seconds
        urgent = woken = False
        while not urgent:
            try:
                urgent = self._wakings.get(timeout=max(0.0, until - time.monotonic()))
            except queue.Empty:
                return
            until = until if woken else min(until, time.monotonic() + _BURST)
            woken = True
