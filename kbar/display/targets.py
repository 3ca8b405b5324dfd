"""The targets of a display: opens and closes them, wakes them, waits for them, and takes the streams they need."""

from __future__ import annotations

import copy
import os
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING

from ..core.snapshot import Message, StreamName
from ..core.stage import Stage
from ..core.throttle import Throttle
from ..options import Options
from ..renderers import Renderer
from ..system.owner import is_shown_by_another, offered
from ..system.warnings import failure, warn
from ..system.worker import imports_main, may_use_the_screen, serves_a_pool
from .pause import InputPauses, paused
from .prints import Prints
from .target import Target
from .thread import DrawingThread, is_held

if TYPE_CHECKING:
    from .display import Display

PATIENCE = 0.5  # seconds for which the end of a run waits for its last lines
_FLOOD = 20_000  # a thread that prints is slowed down if a log has more printed lines yet to write


class Targets:
    """The targets of a display that are open.

    Args:
        display: the display they belong to.
        thread: makes the thread of a target, from the function that this thread will call.

    Attributes:
        silent: True if nothing may be drawn on the screen, as in a forked child.
    """

    def __init__(self, display: Display, thread: Callable[[Callable[[], float | None]], DrawingThread]) -> None:
        self._display, self._thread = display, thread
        self._open: list[Target] = []
        # Held while streams are taken and given back, which calls their methods, perhaps the user's. So the display's
        # lock must not be held when this one is acquired: a print that holds a lock of the user's waits for it.
        self._streams_lock = threading.RLock()
        self._prints = Prints(display.before_print, self._report)
        self._input = InputPauses(lambda: paused(display, explicit=False), self._answered)
        self._waiting: set[int] = set()  # the threads that wait for last lines
        self.silent = False

    def __iter__(self) -> Iterator[Target]:
        return iter(self._open)

    def receiving(self, stage: Stage) -> list[Target]:
        """The targets that receive the events of `stage`."""
        return [target for target in self._open if target.receives(stage)]

    @property
    def own_this_thread(self) -> bool:
        """Whether the current thread is that of a target."""
        return any(target.thread.is_this_thread for target in self._open)

    def open(self, options: Options, stage: Stage) -> None:
        """Open the targets that `options` want for `stage`. The lock is not held, as renderers may be the user's."""
        try:
            wanted = options.targets(self._screen(stage) is not None)
            hidden = stage.settings.hidden or imports_main()
            wanted = [(r, throttle) for r, throttle in wanted if not (r.screen and (hidden or _is_off(r)))]
            on_screen = any(r.screen for r, _ in wanted)
            elsewhere = on_screen and not self._may_use_the_screen()
            if elsewhere:
                wanted = [(r, throttle) for r, throttle in wanted if not r.screen]
            if elsewhere and (folder := offered(forked=self.silent)):  # another process shows this one's runs
                from ..renderers.worker import WorkerLog

                wanted.append((log := WorkerLog(folder), log.default_throttle))
        except Exception as error:
            failure("kbar draws nothing", error)
            return
        with self._display.lock:
            found = [self._new(renderer, throttle, stage) for renderer, throttle in wanted]
        for target in filter(None, found):
            target.open()
            with self._streams_lock:
                if target.output and target.output.is_terminal:
                    self._input.install()
                if options.capture:
                    self._capture(target)
            if target.thread.start():
                continue
            if target.is_closed:  # it was over by the time its streams were taken
                self.close(target)
            else:
                target.close()

    def _new(self, renderer: Renderer, throttle: Throttle, stage: Stage) -> Target | None:
        """A new target, not opened yet; None if there is one already, or must be none. The lock must be held."""
        same = [target for target in self._open if _are_one(target.renderer, renderer)]
        for target in same:
            if not target.closing:
                target.include(stage)
                return None
        if same:  # they have not closed the renderer yet, which this one would open
            renderer = copy.copy(renderer)
        screen = self._screen(stage)
        if renderer.screen and screen:
            if type(screen) is not type(renderer):
                text = f"{type(renderer).__name__} is not used: the screen belongs to the outermost stage, "
                self._display.call_after_unlock(partial(warn, f"{text}which draws with {type(screen).__name__}"))
            return None
        stages = [] if renderer.screen and renderer.shares_screen else [stage]
        shows_workers = renderer.screen and not any(target.shows_workers for target in self._open)
        self._open.append(Target(self._display, renderer, throttle, stages, shows_workers, self._thread))
        return self._open[-1]

    def _may_use_the_screen(self) -> bool:
        """Whether the screen is this process's. The lock is not held, as this may issue a warning."""
        return not (self.silent or serves_a_pool() or is_shown_by_another()) and may_use_the_screen()

    def _screen(self, stage: Stage) -> Renderer | None:
        """The renderer that draws `stage` on the screen, None if there is none."""
        return next((t.renderer for t in self._open if t.renderer.screen and t.receives(stage)), None)

    def _capture(self, target: Target) -> None:
        """Keep the user's prints apart from what `target` draws, and post them to it if it wants them."""
        if target.output:
            self._prints.attach(target.output)
        target.captures = target.renderer.captures
        if target.captures:
            self._prints.listen()

    def close(self, target: Target) -> None:
        """Remove `target`, which is finished, and give back the streams that no other target uses."""
        with self._display.lock:
            self._display.pauses.end(target)
            self._open = [other for other in self._open if other is not target]
        with self._streams_lock:
            outputs = {other.output for other in self._open if other.output}
            self._prints.release(outputs, any(other.captures for other in self._open))
            if not any(output.is_terminal for output in outputs):
                self._input.remove()

    def release_streams(self) -> None:
        """Give back all streams, and `input`. This takes no lock: in a forked child, it would never be released."""
        self._prints.release(set(), listening=False)
        self._input.remove()

    def _report(self, stream: StreamName, text: str) -> None:
        """Post a printed line to the logs that want it. This takes no lock, as signal handlers print as well."""
        roots = self._display.stages.roots
        message = Message(stream, text, self._display.wall(), roots[-1].run if roots else "")
        for target in self._open:
            if target.captures:
                target.events.append(message)
                target.thread.wake()
                if len(target.events) > _FLOOD and not target.thread.is_this_thread:
                    time.sleep(0.001)

    @property
    def are_closing(self) -> bool:
        """Whether any has yet to draw its last or a line that stays, and is waited for."""
        for target in self._open:  # asked before each print, where a generator would cost
            if (target.final is not None or target.has_unwritten_lines) and not target.timed_out:
                return True
        return False

    def hide(self) -> None:
        """Take the bars away."""
        for target in self._open:
            if target.output:
                target.output.hide()

    def _answered(self) -> None:
        """Record that an answer was typed, which has ended the line on the terminal."""
        for target in self._open:
            if target.output and target.output.is_terminal:
                target.output.column = 0
                target.output.turn.begun.clear()

    def wake(self) -> None:
        """Have everything that is due drawn soon."""
        for target in self._open:
            target.wake()

    def wait(self, *, with_lines: bool) -> None:
        """Wait until what is over is drawn and, `with_lines`, all lines are written where the user prints."""
        with self._display.lock:
            waited = [
                t for t in self._open if t.closing or (with_lines and (t.has_unwritten_lines or _is_log_with_lines(t)))
            ]
        until = time.monotonic() + PATIENCE
        thread = threading.get_ident()
        # A signal handler that interrupts a change or a wait would hold up what it waits for.
        if thread in self._waiting or is_held(self._display.lock) or is_held(self._streams_lock):
            return
        try:
            self._waiting.add(thread)
            for target in waited:
                if not (target.output and is_held(target.output.lock)):
                    target.wait(until - time.monotonic())
        finally:
            self._waiting.discard(thread)


_NO = ("", "0", "false", "no", "off")  # what switches nothing, in the environment


def _are_one(renderer: Renderer, other: Renderer) -> bool:
    """Whether both are the same object, or write to the same file."""
    return renderer is other or (renderer.place is not None and renderer.place == other.place)


def _is_log_with_lines(target: Target) -> bool:
    """Whether it has yet to write lines of a log to the stream that the user prints to."""
    return target.renderer.screen and not (target.renderer.live or target.events.are_drawn)


def _is_off(renderer: Renderer) -> bool:
    """Whether the environment switches all such renderers off."""
    return any(os.environ.get(name, "").strip().lower() not in _NO for name in renderer.switches)
