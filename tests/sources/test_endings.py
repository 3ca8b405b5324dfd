"""How loops end that nobody reports the end of: by break, return, exceptions from Python and C, a real Ctrl-C."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import gc
import io
import itertools
import signal
import sys
import threading
import weakref
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

import kbar
from kbar.display.process import current
from kbar.testing import FakeClock, RecordingRenderer, VirtualTerminal

from ..helpers import RENDERERS, Boom, lines_of


def outcomes(renderer: RecordingRenderer) -> list[tuple[str, int, str | None]]:
    """Label, position and outcome of each end."""
    return [(e.stage.label, e.stage.done, e.stage.outcome) for e in renderer.events if e.kind == "end"]


def fail() -> None:
    raise Boom


@pytest.fixture
def ctrl_c() -> Iterator[Callable[[], None]]:
    """Interrupts this process as a person at the keyboard does."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)

    def interrupt() -> None:
        signal.raise_signal(signal.SIGINT)
        for _ in range(10**9):
            pass

    yield interrupt
    signal.signal(signal.SIGINT, before)


# Bodies of a loop over ten items, at the third of which `raises` is called.


def in_a_call(items: Any, raises: Callable[[], Any]) -> None:
    for i in items:
        if i == 2:
            raises()


def in_try_finally(items: Any, raises: Callable[[], Any]) -> None:
    tidied = 0
    for i in items:
        try:
            try:
                if i == 2:
                    raises()
            finally:
                tidied += 1
        finally:
            tidied += 1


def in_a_with_block(items: Any, raises: Callable[[], Any]) -> None:
    for i in items:
        with contextlib.ExitStack(), contextlib.suppress(NotImplementedError):
            if i == 2:
                raises()


def with_handlers_of_other_exceptions(items: Any, raises: Callable[[], Any]) -> None:
    for i in items:
        try:
            if i == 2:
                raises()
        except (NotImplementedError, StopIteration):
            pass


def raised_again(items: Any, raises: Callable[[], Any]) -> None:
    for i in items:
        try:
            if i == 2:
                raises()
        except BaseException:
            raise


def raised_again_by_name(items: Any, raises: Callable[[], Any]) -> None:
    for i in items:
        try:
            if i == 2:
                raises()
        except BaseException as error:
            raise error


def within_an_except_block(items: Any, raises: Callable[[], Any]) -> None:
    try:
        {}["missing"]
    except KeyError:
        for i in items:
            if i == 2:
                raises()


def in_an_inner_loop(items: Any, raises: Callable[[], Any]) -> None:
    for _ in range(1):
        for i in items:
            for _ in range(i == 2):
                raises()


def in_a_list_comprehension(items: Any, raises: Callable[[], Any]) -> None:
    [i == 2 and raises() for i in items]


def in_a_generator_expression(items: Any, raises: Callable[[], Any]) -> None:
    sum(0 if i < 2 else raises() for i in items)


def in_a_loop_over_a_generator(items: Any, raises: Callable[[], Any]) -> None:
    def doubled() -> Iterator[int]:
        for i in items:
            yield 2 * i

    for i in doubled():
        if i == 4:
            raises()


LOOPS = [
    in_a_call, in_try_finally, in_a_with_block, with_handlers_of_other_exceptions, raised_again, raised_again_by_name,
    within_an_except_block, in_an_inner_loop, in_a_list_comprehension, in_a_generator_expression,
    in_a_loop_over_a_generator,
]  # fmt: skip
RAISES: dict[str, tuple[Callable[[], Any], str]] = {
    "raise": (fail, "error"),
    "1/0": (lambda: 1 // 0, "error"),
    "a missing key": (lambda: {}["a"], "error"),  # type: ignore[index]  # that is the point
    "C": (lambda: int("x"), "error"),
    "interrupt": (lambda: (_ for _ in ()).throw(KeyboardInterrupt), "interrupted"),
    "exit": (sys.exit, "stopped"),
}


@pytest.mark.parametrize("raises", RAISES)
@pytest.mark.parametrize("loop", LOOPS)
def test_an_exception_in_a_loop_is_known_while_it_is_handled(
    loop: Callable[..., None], raises: str, clock: FakeClock, renderer: RecordingRenderer
) -> None:
    call, outcome = RAISES[raises]
    with contextlib.suppress(BaseException):
        try:
            loop(kbar.track(range(10), renderer=renderer), call)
        finally:
            clock.advance(0.1)
    assert outcomes(renderer) == [("track", 2, outcome)]


@pytest.mark.parametrize("loop", LOOPS)
def test_ctrl_c_in_a_loop_is_known_while_it_is_handled(
    loop: Callable[..., None], ctrl_c: Callable[[], None], clock: FakeClock, renderer: RecordingRenderer
) -> None:
    try:
        loop(kbar.track(range(10), renderer=renderer), ctrl_c)
    except KeyboardInterrupt:
        clock.advance(0.1)
    assert outcomes(renderer) == [("track", 2, "interrupted")]


# Operations that C code carries out in the very frame of the loop.


def divides(items: Any) -> None:
    for i in items:
        1 // (i - 2)


def looks_up(items: Any) -> None:
    for i in items:
        {0: 0, 1: 1}[i]


def unpacks(items: Any) -> None:
    for i in items:
        _, _ = (0, 0) if i < 2 else (0, 0, 0)


def calls_c(items: Any) -> None:
    for i in items:
        int("0" if i < 2 else "x")


def asserts(items: Any) -> None:
    for i in items:
        assert i < 2


@pytest.mark.parametrize("loop", [divides, looks_up, unpacks, calls_c, asserts])
@pytest.mark.parametrize("way", ["track", "steps"])
def test_an_operation_that_fails_in_the_loop_itself_is_an_error(
    loop: Callable[[Any], None], way: str, clock: FakeClock, renderer: RecordingRenderer
) -> None:
    try:
        if way == "track":
            loop(kbar.track(range(10), "x", renderer=renderer))
        else:
            for epoch in kbar.loop(3, renderer=renderer).epochs():
                loop(epoch.steps(range(10), "x"))
    except Exception:
        clock.advance(0.1)
    assert outcomes(renderer)[0] == ("x", 2, "error")
    assert outcomes(renderer)[1:] == ([] if way == "track" else [("loop", 0, "error")])


# Ways out that are no failures.


def by_break(items: Any) -> None:
    for i in items:
        if i == 2:
            break


def by_break_in_try_finally(items: Any) -> None:
    tidied = 0
    for i in items:
        try:
            if i == 2:
                break
        finally:
            tidied += 1


def by_break_in_a_with_block(items: Any) -> None:
    for i in items:
        with contextlib.ExitStack():
            if i == 2:
                break


def by_return(items: Any) -> Any:
    for i in items:
        if i == 2:
            return i
    return None


def by_any(items: Any) -> None:
    assert any(i == 2 for i in items)


def by_break_from_a_generator(items: Any) -> None:
    def doubled() -> Iterator[int]:
        for i in items:
            yield 2 * i

    for i in doubled():
        if i == 4:
            break


WAYS_OUT = [by_break, by_break_in_try_finally, by_break_in_a_with_block, by_return, by_any, by_break_from_a_generator]


@pytest.mark.parametrize("loop", WAYS_OUT)
def test_a_loop_that_is_left_on_purpose_is_stopped(
    loop: Callable[[Any], Any], clock: FakeClock, renderer: RecordingRenderer
) -> None:
    loop(kbar.track(range(10), renderer=renderer))
    clock.advance(0.1)
    assert outcomes(renderer) == [("track", 2, "stopped")]


@pytest.mark.parametrize("loop", WAYS_OUT)
def test_an_exception_handled_before_the_loop_is_none_of_its_own(
    loop: Callable[[Any], Any], clock: FakeClock, renderer: RecordingRenderer
) -> None:
    try:
        {}["missing"]  # type: ignore[index]  # that is the point
    except KeyError:
        loop(kbar.track(range(10), renderer=renderer))
        for i in kbar.track(range(10), renderer=renderer):
            if i == 2:
                break
        clock.advance(0.1)
    assert outcomes(renderer) == [("track", 2, "stopped")] * 2


def test_an_exception_raised_after_the_loop_is_none_of_its_own(clock: FakeClock, renderer: RecordingRenderer) -> None:
    def run() -> None:
        for i in kbar.track(range(10), renderer=renderer):
            if i == 2:
                break
        fail()

    try:
        run()
    except Boom:
        clock.advance(0.1)
    assert outcomes(renderer) == [("track", 2, "stopped")]


def test_an_exception_on_its_way_through_slow_finalizers_is_waited_for(clock: FakeClock) -> None:
    """A frame that is drawn on another thread, between the loop and the handler, decides nothing yet."""
    renderer = RecordingRenderer()

    class Slow:
        def __del__(self) -> None:
            thread = threading.Thread(target=current().running)
            thread.start()
            thread.join()

    def run() -> None:
        slow = Slow()
        for _ in kbar.track(range(10), renderer=renderer):
            1 / 0  # noqa: B018  # raising is the point
        del slow

    try:
        run()
    except ZeroDivisionError:
        clock.advance(0.1)
    assert outcomes(renderer) == [("track", 0, "error")]


# Blocks.


class Blocks:
    """Ways out of the block of a track, each with the outcome that its bar is to show."""

    @staticmethod
    def done(t: Any) -> None:
        for _ in t:
            pass

    @staticmethod
    def stopped(t: Any) -> None:
        for i in t:
            if i == 2:
                break

    @staticmethod
    def error(t: Any) -> None:
        for i in t:
            if i == 2:
                raise Boom

    @staticmethod
    def interrupted(t: Any) -> None:
        for i in t:
            if i == 2:
                raise KeyboardInterrupt


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize("outcome", ["done", "stopped", "error", "interrupted"])
@pytest.mark.parametrize("total", [10, None])
def test_the_block_of_a_track_knows_how_it_ended_with_no_frame_drawn(
    outcome: str, total: int | None, renderer: RecordingRenderer
) -> None:
    items = range(10) if total else map(int, range(10))
    with contextlib.suppress(Boom, KeyboardInterrupt), kbar.track(items, renderer=renderer) as t:
        getattr(Blocks, outcome)(t)
    assert outcomes(renderer) == [("track", 10 if outcome == "done" else 2, outcome)]
    assert renderer.closed == 1


def test_several_loops_in_one_block_and_what_is_logged(clock: FakeClock, renderer: RecordingRenderer) -> None:
    with kbar.track(range(3), renderer=renderer) as t:
        for i in t:
            t.log(i=i)
            clock.advance(0.1)
            assert renderer.snapshots[-1].stages[0].metrics == (("i", i),)
        for i in t:
            if i == 1:
                break
        clock.advance(0.5)
        assert outcomes(renderer) == [("track", 3, "done")]
        assert len(list(t)) == 3
        assert len([None for _ in t for _ in t]) == 9
    assert outcomes(renderer) == [("track", 3, "done"), ("track", 1, "stopped")] + 5 * [("track", 3, "done")]


def test_a_block_that_is_never_looped_over_shows_nothing(clock: FakeClock, renderer: RecordingRenderer) -> None:
    with kbar.track(range(3), renderer=renderer):
        pass
    assert renderer.snapshots == []


def test_the_block_of_a_track_in_a_generator(clock: FakeClock, renderer: RecordingRenderer) -> None:
    def items() -> Iterator[int]:
        with kbar.track(range(10), renderer=renderer) as t:
            yield from t

    with contextlib.suppress(ZeroDivisionError):
        try:
            for i in items():
                1 // (i - 2)
        finally:
            clock.advance(0.1)
    for i in items():
        if i == 2:
            break
    clock.advance(0.1)
    assert outcomes(renderer) == [("track", 2, "error"), ("track", 2, "stopped")]


# What is released at any moment.


class _ForbiddenLock:
    """A lock that nobody may take."""

    def acquire(self, *args: Any) -> bool:
        raise AssertionError("a lock was taken")

    __enter__ = acquire

    def __exit__(self, *error: Any) -> None: ...


@pytest.mark.parametrize("kind", ["track", "steps", "epochs", "stage", "loop", "generator", "asynchronous"])
def test_what_is_forgotten_is_released_without_a_lock_and_ends_with_the_next_frame(
    kind: str, clock: FakeClock, renderer: RecordingRenderer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def generator() -> Iterator[int]:
        with kbar.stage("generator", renderer=renderer):
            yield 1

    async def items() -> Any:
        for i in range(3):
            yield i

    def make() -> Any:
        if kind == "track":
            made: Any = iter(kbar.track(range(5), renderer=renderer))
        elif kind == "generator":
            made = generator()
        elif kind == "asynchronous":
            made = aiter(kbar.track(items(), renderer=renderer))
            with contextlib.suppress(StopIteration):
                anext(made).send(None)
            return made
        elif kind == "stage":
            made = kbar.stage("x", renderer=renderer)
            made.advance()
            return made
        else:
            made = kbar.loop(3, renderer=renderer)
            epochs = made.epochs()
            epoch = next(epochs)
            if kind == "loop":
                return made, epochs
            if kind == "epochs":
                made = epochs
            else:
                made = epoch.steps(range(5))
                next(made)
                return made
            return made
        next(made)
        return made

    made = make()
    unraisable: list[Any] = []
    with monkeypatch.context() as patch:
        patch.setattr(sys, "unraisablehook", unraisable.append)
        patch.setattr(current(), "lock", _ForbiddenLock())
        del made
    assert unraisable == []
    clock.advance(0.1)
    assert current().running() == []
    assert outcomes(renderer)


class Tensor:
    """A value that somebody logs."""

    shape = ()

    def item(self) -> float:
        return 0.5


@pytest.mark.parametrize("way", ["track", "loop", "stage", "block"])
def test_nothing_of_a_failed_loop_is_alive_once_its_bars_are_gone(way: str, clock: FakeClock) -> None:
    def run(value: Tensor, data: list[Any]) -> None:
        if way == "track":
            for _ in (bar := kbar.track(data, renderer="tqdm")):
                bar.log(x=value)
                clock.advance(0.1)
                fail()
        elif way == "block":
            with kbar.track(data, renderer="tqdm") as t:
                for _ in t:
                    t.log(x=value)
                    clock.advance(0.1)
                    fail()
        elif way == "stage":
            with kbar.stage("x", renderer="tqdm") as stage:
                stage.log(x=value)
                clock.advance(0.1)
                fail()
        else:
            with kbar.loop(3, renderer="tqdm") as loop:
                for epoch in loop.epochs():
                    for _ in epoch.steps(data):
                        epoch.log(x=value)
                        epoch.mean(y=1.0)
                        clock.advance(0.1)
                        fail()

    class Data(list[Any]):
        pass

    value, data = Tensor(), Data([1, 2, 3])
    kept = [weakref.ref(value), weakref.ref(data)]
    gc.collect()
    gc.disable()
    try:
        try:
            run(value, data)
        except Boom:
            clock.advance(0.1)
        clock.advance(0.2)
        del value, data
        assert [ref() for ref in kept] == [None, None]
    finally:
        gc.enable()


# What is open within a stage that ends.


def by_hand(renderer: Any) -> object:
    with kbar.stage("outer", total=3, renderer=renderer) as outer:
        inner = kbar.stage("inner", total=10)
        inner.advance(2)
        outer.advance(3)
    return inner


def by_two_loops(renderer: Any) -> object:
    return list(zip(kbar.track(range(3), "outer", renderer=renderer), kbar.track(range(10), "inner"), strict=False))


def by_a_generator(renderer: Any) -> object:
    def items() -> Iterator[int]:
        yield from kbar.track(range(10), "inner")

    with kbar.stage("outer", total=3, renderer=renderer) as outer:
        some = items()
        assert [next(some) for _ in range(3)] == [0, 1, 2]
        outer.advance(3)
    return some


def by_an_outer_loop(renderer: Any) -> object:
    held = []
    for i in kbar.track(range(3), "outer", renderer=renderer):
        if i == 2:
            held.append(iter(kbar.track(map(int, range(10)), "inner", total=10)))
            assert [next(held[0]) for _ in range(3)] == [0, 1, 2]
    return held


def in_an_epoch(renderer: Any) -> object:
    with kbar.loop(1, label="outer", renderer=renderer) as loop:
        for epoch in loop.epochs():
            for _ in epoch.steps(range(3)):
                pass
            steps = epoch.steps(range(10), "inner")
            assert [next(steps) for _ in range(3)] == [0, 1, 2]
    return steps


OPEN = [by_hand, by_two_loops, by_a_generator, by_an_outer_loop, in_an_epoch]


@pytest.mark.parametrize("way", OPEN)
def test_what_is_open_within_a_stage_that_ends_has_an_end_of_its_own(
    way: Callable[[Any], object], clock: FakeClock
) -> None:
    renderer, log = RecordingRenderer(), io.StringIO()
    held = way([renderer, kbar.LogRenderer(log)])
    clock.advance(0.2)
    found = {e.stage.label: (e.stage.done, e.stage.total, e.stage.outcome) for e in renderer.events if e.kind == "end"}
    assert found["inner"] == (2, 10, "stopped")
    assert found["outer"][2] == "done"
    assert " done 2/2 " not in log.getvalue()
    if way is not in_an_epoch:  # of which the epoch's line tells
        assert "inner stopped at 2/10 20%" in log.getvalue()
    del held


@pytest.mark.parametrize("total", [None, 2])
def test_what_is_complete_within_a_stage_that_ends_is_done(
    total: int | None, clock: FakeClock, renderer: RecordingRenderer
) -> None:
    with kbar.stage("outer", total=5, renderer=renderer) as outer:
        inner = kbar.stage("inner", total=total)
        inner.advance(2)
        outer.advance()
    clock.advance(0.2)
    assert outcomes(renderer) == [("inner", 2, "stopped" if total is None else "done"), ("outer", 1, "stopped")]


def test_a_loop_of_unknown_length_within_a_stage_that_ends_is_stopped(
    clock: FakeClock, renderer: RecordingRenderer
) -> None:
    with kbar.stage("outer", renderer=renderer):
        items = iter(kbar.track(map(int, range(10)), "inner"))
        assert [next(items) for _ in range(3)] == [0, 1, 2]
    clock.advance(0.2)
    assert outcomes(renderer) == [("inner", 2, "stopped"), ("outer", 0, "done")]


# Loops that have used all items, but are not asked for another.


def zipped(items: Any, number: int) -> None:
    for _ in zip(range(number), items, strict=False):
        pass


def zipped_as_a_list(items: Any, number: int) -> None:
    assert len(list(zip(range(number), items, strict=False))) == number


def zipped_in_a_variable(items: Any, number: int) -> None:
    pairs = zip(range(number), items, strict=False)
    for _ in pairs:
        pass


def sliced(items: Any, number: int) -> None:
    for _ in itertools.islice(items, number):
        pass


def mapped(items: Any, number: int) -> None:
    for _ in map(max, range(number), items):
        pass


def by_next(items: Any, number: int) -> None:
    iterator = iter(items)
    for _ in range(number):
        next(iterator)


def in_a_comprehension(items: Any, number: int) -> None:
    assert len([i for _, i in zip(range(number), items, strict=False)]) == number


def through_a_generator(items: Any, number: int) -> None:
    for _ in zip(range(number), (i for i in items), strict=False):
        pass


ALL_USED = [
    zipped, zipped_as_a_list, zipped_in_a_variable, sliced, mapped, by_next, in_a_comprehension, through_a_generator,
]  # fmt: skip


@pytest.mark.parametrize("loop", ALL_USED)
@pytest.mark.parametrize("way", ["track", "block", "steps"])
def test_a_loop_that_has_used_the_last_item_has_done_all(
    loop: Callable[[Any, int], None], way: str, clock: FakeClock, renderer: RecordingRenderer
) -> None:
    """Nobody asks for an eleventh item of ten, and no time is left in which one could.

    It is called done where only the loop held the iterator; else an exception may have left it and been caught at once.
    """
    if way == "track":
        loop(kbar.track(range(10), "x", renderer=renderer), 10)
    elif way == "block":
        with kbar.track(range(10), "x", renderer=renderer) as items:
            loop(items, 10)
    else:
        for epoch in kbar.loop(1, renderer=renderer).epochs():
            loop(epoch.steps(range(10), "x"), 10)
    clock.advance(0.1)
    label, done, outcome = outcomes(renderer)[0]
    assert (label, done) == ("x", 10)
    certain = way != "steps" and loop in (zipped, sliced, mapped, through_a_generator)
    assert outcome == "done" if certain else outcome in ("done", "stopped")
    assert outcomes(renderer)[1:] == ([("loop", 1, "done")] if way == "steps" else [])


@pytest.mark.parametrize("loop", [zipped, sliced, mapped])
def test_a_loop_that_another_iterable_ends_counts_the_last_item_it_used(
    loop: Callable[[Any, int], None], clock: FakeClock, renderer: RecordingRenderer
) -> None:
    loop(kbar.track(range(10), renderer=renderer), 5)
    clock.advance(0.1)
    assert outcomes(renderer) == [("track", 5, "stopped")]


def test_an_asynchronous_loop_that_has_used_the_last_item_has_done_all(
    clock: FakeClock, renderer: RecordingRenderer
) -> None:
    async def main() -> None:
        items = aiter(kbar.track(later(3), total=3, renderer=renderer))
        assert [await anext(items) for _ in range(3)] == [0, 1, 2]

    asyncio.run(main())
    clock.advance(0.1)
    assert outcomes(renderer) == [("track", 3, "stopped")]


def plainly(work: Callable[[int], Any], items: Any) -> None:
    for i in items:
        work(i)


def enumerated(work: Callable[[int], Any], items: Any) -> None:
    for _, i in enumerate(items):
        work(i)


def zipped_with(work: Callable[[int], Any], items: Any) -> None:
    for _, i in zip(range(5), items, strict=False):
        work(i)


def by_map(work: Callable[[int], Any], items: Any) -> None:
    list(map(work, items))


def by_max(work: Callable[[int], Any], items: Any) -> None:
    max(items, key=work)


def in_a_list(work: Callable[[int], Any], items: Any) -> None:
    assert [work(i) for i in items]


@pytest.mark.parametrize("total", [5, 20])
@pytest.mark.parametrize("loop", [plainly, enumerated, zipped_with, by_map, by_max, in_a_list])
@pytest.mark.parametrize("way", ["track", "block", "steps"])
def test_a_loop_whose_last_item_fails_is_never_done(
    loop: Callable[[Any, Any], None], way: str, total: int, clock: FakeClock, renderer: RecordingRenderer
) -> None:
    """Also if the exception is caught at once, so that nobody can see it."""

    def work(i: int) -> int:
        return 1 // (4 - i)

    failures = []
    with contextlib.ExitStack() as block:
        if way == "steps":
            items: Any = next(block.enter_context(kbar.loop(2, renderer=renderer)).epochs()).steps(range(total), "x")
        else:
            items = kbar.track(range(total), "x", renderer=renderer)
            items = block.enter_context(items) if way == "block" else items
        try:
            loop(work, items)
        except ZeroDivisionError as error:
            failures.append(type(error))
        del items
        clock.advance(0.2)
    assert failures
    assert outcomes(renderer)[0][2] in ("error", "stopped")


@pytest.mark.parametrize("leaves", ["break", "exit", "exit of a block", "error"])
def test_a_loop_that_is_left_within_its_last_item_is_not_done(
    leaves: str, clock: FakeClock, renderer: RecordingRenderer
) -> None:
    items = kbar.track(range(3), renderer=renderer)

    def run(items: Any) -> None:
        for i in items:
            if i == 2 and leaves == "break":
                break
            if i == 2:
                raise Boom if leaves == "error" else SystemExit

    with contextlib.suppress(Boom, SystemExit):
        try:
            with items if leaves == "exit of a block" else contextlib.nullcontext():
                run(items)
        finally:
            clock.advance(0.1)
    assert outcomes(renderer) == [("track", 2, "error" if leaves == "error" else "stopped")]


# Exceptions that are kept for others, or that keep the iterator.


async def later(number: int) -> AsyncIterator[int]:
    for i in range(number):
        await asyncio.sleep(0)
        yield i


async def fails_in_a_loop(renderer: RecordingRenderer) -> None:
    for i in kbar.track(range(10), renderer=renderer):
        await asyncio.sleep(0)
        if i == 2:
            fail()


async def fails_in_async_for(renderer: RecordingRenderer) -> None:
    async for i in kbar.track(later(10), total=10, renderer=renderer):
        if i == 2:
            fail()


async def fails_further_in(renderer: RecordingRenderer) -> None:
    await fails_in_async_for(renderer)


@pytest.mark.parametrize("work", [fails_in_a_loop, fails_in_async_for, fails_further_in])
@pytest.mark.parametrize("awaited", ["later", "by gather"])
def test_an_exception_that_a_task_keeps_is_an_error(
    work: Callable[[Any], Any], awaited: str, clock: FakeClock, renderer: RecordingRenderer
) -> None:
    async def main() -> None:
        task = asyncio.create_task(work(renderer))
        for _ in range(100):
            await asyncio.sleep(0)
        clock.advance(0.2)
        if awaited == "later":
            with pytest.raises(Boom):
                await task
        else:
            assert isinstance((await asyncio.gather(task, return_exceptions=True))[0], Boom)

    asyncio.run(main())
    assert outcomes(renderer) == [("track", 2, "error")]


def test_to_look_for_an_exception_in_a_task_hides_it_from_nobody(clock: FakeClock, renderer: RecordingRenderer) -> None:
    """asyncio says that nobody has asked for a task's exception, where that is so."""
    told: list[dict[str, Any]] = []

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
        task = asyncio.create_task(fails_in_a_loop(renderer))
        for _ in range(100):
            await asyncio.sleep(0)
        clock.advance(0.2)
        del task
        gc.collect()

    asyncio.run(main())
    assert outcomes(renderer) == [("track", 2, "error")]
    assert [context["message"] for context in told] == ["Task exception was never retrieved"]


def test_an_exception_that_a_future_keeps_is_an_error(clock: FakeClock, renderer: RecordingRenderer) -> None:
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        future = pool.submit(in_a_call, kbar.track(range(10), renderer=renderer), fail)
        concurrent.futures.wait([future])
        clock.advance(0.2)
        clock.advance(0.2)
        assert isinstance(future.exception(), Boom)
    assert outcomes(renderer) == [("track", 2, "error")]


def in_a_set_comprehension(items: Any, raises: Callable[[], Any]) -> None:
    {i == 2 and raises() for i in items}


def in_a_variable(items: Any, raises: Callable[[], Any]) -> None:
    iterator = iter(items)
    for i in iterator:
        if i == 2:
            raises()


KEEPING: list[Callable[..., None]] = [in_a_variable]
if sys.version_info < (3, 15):  # later ones let go of their iterator before the handler, as loops do
    KEEPING += [in_a_generator_expression]
if sys.version_info < (3, 12):  # later ones have no frames of their own
    KEEPING += [in_a_list_comprehension, in_a_set_comprehension]


@pytest.mark.parametrize("loop", KEEPING)
@pytest.mark.parametrize("handler", ["except", "except as", "suppress"])
def test_an_exception_that_keeps_the_iterator_is_known_after_its_handler(
    loop: Callable[..., None], handler: str, clock: FakeClock, renderer: RecordingRenderer
) -> None:
    items = kbar.track(range(10), renderer=renderer)
    if handler == "suppress":
        with contextlib.suppress(Boom):
            loop(items, fail)
    elif handler == "except":
        try:  # noqa: SIM105  # this is the handler in question
            loop(items, fail)
        except Boom:
            pass
    else:
        try:
            loop(items, fail)
        except Boom as error:
            print(error)
    clock.advance(0.1)
    assert outcomes(renderer) == [("track", 2, "error")]


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="they have no frames of their own")
@pytest.mark.parametrize("loop", [in_a_list_comprehension, in_a_set_comprehension])
def test_a_comprehension_whose_exception_is_kept_has_failed(
    loop: Callable[..., None], clock: FakeClock, renderer: RecordingRenderer
) -> None:
    kept = []
    try:
        loop(kbar.track(range(10), renderer=renderer), fail)
    except Boom as error:
        kept.append(error)
    clock.advance(0.1)
    assert outcomes(renderer) == [("track", 2, "error")]
    del kept


# What has failed within something that goes on.


def a_failing_stage(label: str = "fit") -> None:
    with kbar.stage(label, total=3) as stage:
        stage.advance()
        stage.log(loss=0.5)
        fail()


def folds(renderer: Any, fails: int = 1) -> None:
    for i in kbar.track(range(3), "fold", renderer=renderer):
        with contextlib.suppress(Boom):
            if i == fails:
                a_failing_stage()


def tries(renderer: Any) -> None:
    """A second try begins at once."""
    with kbar.stage("search", total=3, renderer=renderer) as search:
        search.advance()
        for _ in range(2):
            with contextlib.suppress(Boom):
                a_failing_stage()
        search.advance(2)


@pytest.mark.parametrize("bars", RENDERERS)
def test_what_failed_and_was_caught_leaves_a_line_on_the_screen(bars: str, clock: FakeClock) -> None:
    for program, beginning, number in ((folds, "fold 2/3  fit", 1), (tries, "search 2/3  fit", 2)):
        terminal, log = VirtualTerminal(100, 12), io.StringIO()
        program([RENDERERS[bars](file=terminal), kbar.LogRenderer(log)])
        clock.advance(0.2)
        found = [line for line in lines_of(terminal) if "failed at 1/3" in line]
        assert len(found) == number
        assert all(line.startswith(beginning) and "loss=0.5" in line for line in found)
        assert log.getvalue().count("fit failed at 1/3") == number
        assert "100%" in lines_of(terminal)[-1]


def test_what_failed_last_leaves_its_line_as_well(clock: FakeClock) -> None:
    terminal = VirtualTerminal(100, 12)
    folds(kbar.RichRenderer(file=terminal), fails=2)
    assert lines_of(terminal)[-2].startswith("fold 3/3  fit")


def test_without_lines_to_keep_what_failed_leaves_none(clock: FakeClock) -> None:
    terminal = VirtualTerminal(100, 12)
    for i in kbar.track(range(3), "fold", renderer=kbar.RichRenderer(file=terminal), leave="none"):
        with contextlib.suppress(Boom):
            if i == 1:
                a_failing_stage()
    clock.advance(0.2)
    assert "failed" not in "".join(terminal.received[-1:])
    assert lines_of(terminal) == []


def test_what_ended_the_program_leaves_no_second_line(clock: FakeClock) -> None:
    terminal = VirtualTerminal(100, 12)
    with contextlib.suppress(Boom):
        for _ in kbar.track(range(3), "fold", renderer=kbar.RichRenderer(file=terminal)):
            try:
                a_failing_stage()
            finally:
                clock.advance(0.1)
    assert [line.split()[0] for line in lines_of(terminal)] == ["fold", "fit"]
