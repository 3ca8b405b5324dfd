"""Owns the passing on of an iterable's items: how many are done with, how long each was waited for."""

from __future__ import annotations

import itertools
import weakref
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from typing import Generic, TypeVar

from ..core.outcome import outcome_of
from ..core.snapshot import Outcome
from ..core.stage import Stage
from ..display.display import current
from ..system.warnings import failure, from_signal, warn
from .lifetime import caller

T = TypeVar("T")

# Items that take less than this many seconds are not timed one by one; to do so costs about a
# microsecond.
_QUICK = 1e-5
_BULK = 1e-3  # so many seconds of them go between two that are timed
_LARGEST = 10_000
# Shorter waits are Python's own way from item to item, longer ones while nothing moves a stall.
_WAIT = 1e-5
_STALL = 1e-2

_END = object()


class Feed(Generic[T]):
    """Passes items on to one loop, and is the source of what its stage says of them.

    A slow item (from 10 µs) is timed each time. Quick ones go in bulks of about a millisecond,
    with one between them that is timed and stands for the others. Whoever draws looks in every
    now and then: that ends the bulk, and finds the wait that is longer than all of it should
    have been.

    Args:
        begin: makes the stage; called when the loop asks for its first item.
    """

    def __init__(self, begin: Callable[[Feed[T]], Stage]) -> None:
        self._begin: Callable[[Feed[T]], Stage] | None = begin
        self._clock = current().clock
        self._waited = 0.0  # seconds, of waits that are over
        self._asked: float | None = None  # since when an item is waited for, if it is timed
        self._sighted: tuple[int, float] | None = None  # where, since when a wait was seen that is not
        self._seconds = self._items = 0.0  # the recent pace, in a sum that forgets
        self._running: Callable[[], object] = lambda: self
        self._gone = self._leaving = False
        self.position: Callable[[], int] = lambda: 0
        self._hurry: Callable[[], None] = lambda: None

    def items(self, iterable: Iterable[T]) -> Iterator[T]:
        """The same items. What ends them ends the stage."""
        generator = self._pass_on(iterable)
        self._running = weakref.ref(generator)  # it is to be closed once its loop lets go of it
        return generator

    def begin(self) -> Stage | None:
        """The stage, begun; None where that fails, which is no reason to end a loop."""
        begin, self._begin = self._begin, None  # it has the items, which are the loop's alone to let go of
        try:
            return begin(self) if begin else None
        except Exception as error:
            failure("kbar shows nothing", error)
            return None

    def ended(self) -> Outcome | None:
        """As a stage's owner: None while there are items to come, or the end is being told otherwise."""
        if self._running() is not None or self._leaving:
            return None
        gone, self._gone = self._gone, True
        return "interrupted" if gone else None

    # A stage's source; all but `position` on the thread that draws.

    def look(self, now: float) -> None:
        """The next item to be done with is to land; seconds of the display's clock."""
        at = self.position()
        if self._asked is not None or not self._in_next():
            self._sighted = None
        elif self._sighted is None or self._sighted[0] != at:
            self._sighted = (at, now)
        self._hurry()

    def waiting(self, now: float) -> float:
        """Seconds for which the loop has been waiting for its next item; 0 if it is not."""
        asked, sighted = self._asked, self._sighted
        if asked is None and sighted and sighted[0] == self.position() and self._in_next():
            asked = sighted[1]
        return 0.0 if asked is None else max(0.0, now - asked)

    def waited(self, now: float) -> float:
        """Seconds the loop has waited for items in all."""
        return self._waited + self.waiting(now)

    def _in_next(self) -> bool:
        return bool(getattr(self._running(), "gi_running", False))

    # The way of an item.

    def _pass_on(self, iterable: Iterable[T]) -> Iterator[T]:
        done = limit = 0

        def position() -> int:
            return done

        def hurry() -> None:
            nonlocal limit
            limit = 0

        self.position, self._hurry = position, hurry
        clock = self._clock
        stage = self.begin()
        if stage is None:
            yield from iterable
            return
        self._asked = asked = clock()
        try:
            # Each bulk asks for the iterator's iterator, which with Python's own is the same; others may begin anew.
            own = type(iterable).__module__ == "builtins"
            iterator = iter(iterable) if own else itertools.chain(iterable)
            while True:
                self._asked = asked
                item = next(iterator, _END)
                wait = clock() - asked
                self._asked = None
                if item is _END:
                    break
                self._waited += wait
                yield item  # type: ignore[misc]  # _END is none of theirs
                done += 1
                _land(stage, done)
                since, asked = asked, clock()
                quick = self._plan(asked - since, 1)
                if not quick:
                    continue
                first, limit = done, min(done + quick, int(stage.watch))
                for item in iterator:
                    yield item
                    done += 1
                    if done >= limit:
                        break
                else:
                    break
                _land(stage, done)
                since, asked = asked, clock()
                self._plan(asked - since, done - first)
                self._waited += self._bulk_waited(wait, done, done - first, since, asked)
        except GeneratorExit:
            self._leaving = True  # lest that is seen first that nobody has this any more
            try:
                _left(stage, done)
            finally:
                self._leaving = False
            raise
        except BaseException as error:
            self._asked = None
            _end(stage, done, error)
            raise
        _end(stage, done)

    def _plan(self, seconds: float, items: int) -> int:
        """Takes note that so many items took so long; returns how many to pass on untimed."""
        if self._seconds > 1.0:
            self._seconds, self._items = self._seconds / 2, self._items / 2
        self._seconds, self._items = self._seconds + seconds, self._items + items
        pace = self._seconds / self._items
        return 0 if pace > _QUICK else int(min(_LARGEST, _BULK / max(pace, 1e-9)))

    def _bulk_waited(self, wait: float, done: int, items: int, since: float, now: float) -> float:
        sighted, self._sighted = self._sighted, None
        if sighted and sighted[0] == done - 1 and now - sighted[1] > _STALL:
            return now - sighted[1]
        return min(wait * items, now - since) if wait > _WAIT else 0.0

    # Asynchronous items; an event loop costs more than a clock, so all of them are timed.

    async def next_of(self, iterator: AsyncIterator[T]) -> T:
        """The next of the asynchronous items; where several wait for theirs, the first is timed."""
        asked = self._clock()
        timed = self._asked is None
        if timed:
            self._asked = asked
        try:
            return await iterator.__anext__()
        finally:
            if timed:
                self._waited += self._clock() - asked
                self._asked = None


class AsyncItems(AsyncIterator[T]):
    """The items of an asynchronous iterable. What ends them ends the stage."""

    def __init__(self, iterator: AsyncIterator[T], begin: Callable[[Feed[T]], Stage]) -> None:
        self._iterator = iterator
        self._feed: Feed[T] = Feed(begin)
        self._stage: Stage | None = None
        self._asked = False
        self._given = self._done = 0

    async def __anext__(self) -> T:
        if not self._asked:
            self._asked = True
            self._stage = self._feed.begin()
        if self._done < self._given:  # whoever asks has done one of those it was given
            self._done += 1
            self._land()
        try:
            item = await self._feed.next_of(self._iterator)
        except StopAsyncIteration:
            self._done = self._given
            self._end()
            raise
        except BaseException as error:
            self._end(error)
            raise
        self._given += 1
        return item

    def _land(self) -> None:
        if self._stage is not None:
            _land(self._stage, self._done)

    def _end(self, error: BaseException | None = None) -> None:
        if self._stage is not None:
            _end(self._stage, self._done, error)

    def __del__(self) -> None:
        if self._stage is not None and not self._stage.outcome:
            _left(self._stage, self._done)


# What goes wrong with a display is no reason to end a loop.


def _land(stage: Stage, done: int) -> None:
    try:
        stage.advance_to(done, current().clock())
    except Exception as error:
        if not stage.outcome or from_signal(error):  # else whatever is around it has ended it
            failure("kbar missed a step", error)


def _end(stage: Stage, done: int, error: BaseException | None = None) -> None:
    _land(stage, done)
    try:
        if error is None:
            stage.logged.fetch(current().clock(), warn)
        current().end(stage, "done" if error is None else outcome_of(error))
    except Exception as problem:
        failure("kbar missed an end", problem)


def _left(stage: Stage, done: int) -> None:
    _land(stage, done)
    try:
        current().leave(stage, caller(2))  # who lets go of the items
    except Exception as problem:
        failure("kbar missed an end", problem)
