"""Passes an iterable's items to a loop, counts them, and measures how long the loop waited for them."""

from __future__ import annotations

import contextlib
import itertools
import weakref
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from types import FrameType
from typing import Any, Generic, TypeVar

from ..core.outcome import outcome_of
from ..core.snapshot import Outcome
from ..core.stage import Stage
from ..display.process import current
from ..system.warnings import failure, warn
from .lifetime import Comprehension, LeftLoop, comprehension, on_release

T = TypeVar("T")

# Reading the clock for an item costs about a microsecond: too much for items that take fewer seconds than this.
_QUICK = 1e-5
_BULK = 1e-3  # seconds of quick items between two that are timed
_LARGEST = 10_000  # items in a bulk
_WAIT = 1e-5  # shorter waits for an item are Python's own way from one to the next
_STALL = 1e-2  # longer waits within a bulk are exceptional

_END: Any = object()


def end(stage: Stage, outcome: Outcome, error: BaseException | None = None) -> None:
    """End a stage with the outcome that `error` means, else `outcome`; a failure here does not end the loop."""
    try:
        if error is None and stage.outcome is None:
            stage.logged.fetch(current().clock(), warn)  # for the last state that is drawn
        current().end(stage, outcome if error is None else outcome_of(error))
    except Exception as problem:
        failure("kbar missed an end", problem)


class Bulks:
    """Decides how many items to pass on without reading the clock, by how long items took recently."""

    def __init__(self) -> None:
        self._seconds = self._items = 0.0  # sums in which the past counts less and less

    def plan(self, seconds: float, items: int) -> int:
        """Record that `items` took `seconds`, and return the size of the next bulk; 0 to time each item."""
        if self._seconds > 1.0:
            self._seconds, self._items = self._seconds / 2, self._items / 2
        self._seconds, self._items = self._seconds + seconds, self._items + items
        pace = self._seconds / self._items
        return 0 if pace > _QUICK else int(min(_LARGEST, _BULK / max(pace, 1e-9)))


class Waits:
    """How long a loop has waited for its items; all times are seconds.

    Attributes:
        asked: when the loop asked for the item it waits for; None if it does not wait, or the clock was not read.
        total: the sum of the waits that are over.
    """

    def __init__(self) -> None:
        self.asked: float | None = None
        self.total = 0.0
        self._seen: tuple[int, float] | None = None  # an untimed wait: at which position, and since when it was seen

    def update(self, now: float, position: int, waits: bool) -> None:
        """Record an untimed wait at time `now`, if `waits` says that there is one."""
        if self.asked is not None or not waits:
            self._seen = None
        elif self._seen is None or self._seen[0] != position:
            self._seen = (position, now)

    def running(self, now: float, position: int, waits: bool) -> float:
        """How long the loop has waited by now for its next item; 0 if it does not."""
        since = self.asked
        if since is None and waits and self._seen and self._seen[0] == position:
            since = self._seen[1]
        return 0.0 if since is None else max(0.0, now - since)

    def add_bulk(self, sample: float, items: int, position: int, began: float, now: float) -> None:
        """Add the waits within a bulk: an exceptional one that `update` saw, else `sample` seconds for each item."""
        seen, self._seen = self._seen, None
        if seen and seen[0] == position - 1 and now - seen[1] > _STALL:
            self.total += now - seen[1]
        elif sample > _WAIT and sample * items < 1.5 * (now - began):  # else the sample was exceptional
            self.total += min(sample * items, now - began)


class Feed(Generic[T]):
    """Passes items to one loop; owner and source of the stage that shows it.

    Slow items are timed one by one. Quick ones pass in bulks of about a millisecond, each after one item that is timed
    and stands for the others. A display that looks ends the bulk, so that a change of pace is soon noticed.

    Args:
        begin: makes the stage; called when the loop asks for its first item.

    Attributes:
        display: the display that has the clock.
        waits: how long the loop has waited for items.
        position: how many items are done.
        given: how many the loop was given; None if one more than are done.
        fails: whether an exception leaves the loop's `with` block.
    """

    fails = False
    _is_over = False  # whether there are no more items

    def __init__(self, begin: Callable[[Feed[T]], Stage]) -> None:
        self._begin: Callable[[Feed[T]], Stage] | None = begin
        self.display = current()
        self._bulks, self.waits = Bulks(), Waits()
        self._iterator: weakref.ref[Any] | None = None
        self._comprehension: Comprehension | None = None
        self._left: LeftLoop | None = None
        self.position: Callable[[], int] = lambda: 0
        self.given: Callable[[], int] | None = None
        self._end_bulk: Callable[[], None] = lambda: None

    def items(self, iterable: Iterable[T]) -> Iterator[T]:
        """The same items. The stage ends with them, or when the loop lets go of them."""
        iterator = self._pass_on(iterable)
        self.follow(iterator)
        return iterator

    def follow(self, iterator: object) -> None:
        """Watch `iterator`, which the loop holds as long as it runs."""
        self._iterator = on_release(iterator, self._release)

    def _release(self, frame: FrameType | None) -> None:
        self._left = LeftLoop(frame)

    def begin(self) -> Stage | None:
        """Begin the stage and return it; None if that fails, which must not end the loop."""
        begin, self._begin = self._begin, None  # it refers to the items, which are to be released with the loop
        try:
            return begin(self) if begin else None
        except Exception as error:
            failure("kbar shows nothing", error)
            return None

    def finish(self, stage: Stage | None, error: BaseException | None = None) -> None:
        """End the stage: there are no more items, or asking for the next one has raised `error`."""
        self.waits.asked = None
        if isinstance(error, GeneratorExit):
            return  # the loop has let go of the items: `ended` tells how
        self._iterator, self._is_over = None, True
        if stage:
            end(stage, "done", error)

    # The stage's owner.

    @property
    def is_left(self) -> bool:
        """Whether the loop has let go of the items before the last one."""
        iterator = self._held
        return self._left is not None or (iterator is not None and getattr(iterator, "gi_frame", self) is None)

    def ended(self) -> Outcome | None:
        """How the loop ended if not with its last item; None while it runs."""
        if self._left:
            return self._left.ended()
        if self.is_left:
            return "stopped"  # by a call of close()
        return self._comprehension.ended() if self._comprehension else None

    # The stage's source; all but `position` are called by the display.

    def update(self, now: float) -> None:
        """End the bulk before a frame, so that the next item is reported as soon as it is done."""
        self.waits.update(now, self.position(), self._is_asking)
        self._end_bulk()

    def waiting(self, now: float) -> float:
        """Seconds for which the loop has been waiting for its next item; 0 if it is not."""
        return self.waits.running(now, self.position(), self._is_asking)

    def waited(self, now: float) -> float:
        """Seconds for which the loop has waited for items in all."""
        return self.waits.total + self.waiting(now)

    def end(self, total: int | None) -> bool:
        """Count the item that the loop has as done if it has used it; return whether a loop that has done all is done.

        It has if all items were given to it, or if it was left because another iterable had no more, as in zip(); but
        not if it was left by `break` or by an exception. Where it may have been an exception that was not seen, such
        as one that was caught at once, the loop is not done.
        """
        left = self._left
        if self.fails or self._is_over or self._is_asking or (left and (left.by_break or left.by_exception)):
            return True
        position = self.position()
        given = self.given() if self.given else position + 1
        if given == total or (left and left.by_other):
            self.position = lambda: given
            return left is None or left.by_other
        return True

    @property
    def _is_asking(self) -> bool:
        return bool(getattr(self._held, "gi_running", False))

    @property
    def _held(self) -> Any:
        """What the loop holds as long as it runs; None if that is gone, or the loop is over."""
        iterator = self._iterator  # read once, as the loop's thread may set it to None
        return iterator and iterator()

    def _pass_on(self, iterable: Iterable[T]) -> Iterator[T]:
        done = limit = 0  # local variables: an attribute would cost each quick item a tenth more

        def position() -> int:
            return done

        def end_bulk() -> None:
            nonlocal limit
            limit = 0

        self.position, self._end_bulk = position, end_bulk
        self._comprehension = comprehension(1, self._held)
        stage = self.begin()
        if stage is None:
            yield from iterable
            return
        done = stage.counts.initial
        display, waits, plan = self.display, self.waits, self._bulks.plan
        waits.asked = now = display.clock()
        with contextlib.ExitStack() as ending:
            ending.push(lambda *raised: self.finish(stage, raised[1]))
            # The inner `for` calls `iter(iterator)`. Built-in iterators return themselves; others may start over.
            own = type(iterable).__module__ == "builtins"
            iterator = iter(iterable) if own else itertools.chain(iterable)
            while True:
                waits.asked = now
                item = next(iterator, _END)
                sample = display.clock() - now
                waits.asked = None
                if item is _END:
                    return
                waits.total += sample
                yield item
                done += 1
                since, now = now, display.clock()
                stage.advance_to(done, now)
                untimed = plan(now - since, 1)
                if not untimed:
                    continue
                first, limit = done, min(done + untimed, int(stage.next_due))
                for item in iterator:
                    yield item
                    done += 1
                    if done >= limit:
                        break
                else:
                    return
                since, now = now, display.clock()
                stage.advance_to(done, now)
                plan(now - since, done - first)
                waits.add_bulk(sample, done - first, done, since, now)


class _Tally:
    """How many items a loop was given, and how many of them are done."""

    given = done = 0


class AsyncItems(AsyncIterator[T]):
    """The items of an asynchronous iterable, each of them timed. The stage ends as with `Feed.items`."""

    def __init__(self, iterator: AsyncIterator[T], begin: Callable[[Feed[T]], Stage]) -> None:
        self._iterator = iterator
        self._feed: Feed[T] = Feed(begin)
        self._feed.follow(self)
        self._stage: Stage | None = None
        self._tally = tally = _Tally()
        self._feed.position, self._feed.given = lambda: tally.done, lambda: tally.given

    async def __anext__(self) -> T:
        if self._stage is None:
            self._stage = self._feed.begin()
            self._tally.given = self._tally.done = self._stage.counts.initial if self._stage else 0
        if self._tally.done < self._tally.given:  # a task that asks for an item has done one that was given
            self._tally.done += 1
            self._advance()
        try:
            item = await self._next()
        except StopAsyncIteration:
            self._tally.done = self._tally.given
            self._advance()
            self._feed.finish(self._stage)
            raise
        except BaseException as error:
            self._feed.finish(self._stage, error)
            raise
        self._tally.given += 1
        return item

    async def _next(self) -> T:
        """The next item; where several tasks wait for one, the wait of the first is timed."""
        waits, display = self._feed.waits, self._feed.display
        since = display.clock()
        first = waits.asked is None
        if first:
            waits.asked = since
        try:
            return await self._iterator.__anext__()
        finally:
            if first:
                waits.total += display.clock() - since
                waits.asked = None

    def _advance(self) -> None:
        if self._stage:
            self._stage.advance_to(self._tally.done, self._feed.display.clock())
