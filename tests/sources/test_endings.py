"""How loops end that nobody reports the end of: by break, return, exceptions from Python and C, a real Ctrl-C."""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import kbar
from kbar.display.process import current
from kbar.testing import FakeClock, RecordingRenderer

from ..helpers import Boom


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
        os.kill(os.getpid(), signal.SIGINT)
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
    items = range(10) if total else iter(range(10))
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
