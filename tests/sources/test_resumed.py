"""Loops and stages that go on where an earlier run has ended."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

import kbar
from kbar.testing import FakeClock, RecordingRenderer, VirtualTerminal

from ..helpers import RENDERERS, Lines, ends, epochs, last, lines_of, views


def resumed(way: str, clock: FakeClock, **options: Any) -> Iterator[int]:
    """Does 20 of 40 units, two a second; the others were done in an earlier run."""
    if way == "stage":
        with kbar.stage("x", total=40, initial=20, **options) as stage:
            for i in range(20):
                clock.advance(0.5)
                stage.advance()
                yield i
    elif way == "steps":
        for epoch in kbar.loop(1, **options).epochs():
            for i in epoch.steps(range(20, 40), "x", initial=20):
                clock.advance(0.5)
                yield i
    else:
        for i in kbar.track(range(20, 40), "x", initial=20, **options):
            clock.advance(0.5)
            yield i


@pytest.mark.parametrize("way", ["track", "stage", "steps"])
def test_what_was_done_earlier_counts_into_neither_rate_nor_remaining_time(
    way: str, clock: FakeClock, renderer: RecordingRenderer
) -> None:
    for _ in resumed(way, clock, renderer=renderer, pacing=False):
        pass
    seen = views(renderer, "x")
    assert (seen[0].done, seen[0].total) == (20, 40)
    running = [view for view in seen if view.done > 24 and not view.outcome]
    assert all(view.rate == pytest.approx(2.0) for view in running)
    assert all(view.remaining == pytest.approx((40 - view.done) / 2, abs=0.6) for view in running)
    assert ends(renderer, "x") == [("x", 40, 40, "done")]
    assert last(renderer, "x").rate == pytest.approx(2.0)


@pytest.mark.parametrize("bars", RENDERERS)
@pytest.mark.parametrize("way", ["track", "stage", "steps"])
def test_screen_and_log_show_a_resumed_stage(bars: str, way: str, clock: FakeClock) -> None:
    terminal, log = VirtualTerminal(100, 8), io.StringIO()
    work = resumed(way, clock, renderer=[RENDERERS[bars](file=terminal), kbar.LogRenderer(log)], pacing=False)
    for _ in range(11):
        next(work)
    line = next(line for line in lines_of(terminal) if line.startswith("x"))
    assert "75%" in line
    assert "30/40" in line
    assert "2.00 " in line
    assert "eta 0:05" in line
    for _ in work:
        pass
    assert "x resumes at 20/40 50%" in log.getvalue()
    assert " 32/40 80% rate=2.00" in log.getvalue()
    assert "10/40" not in log.getvalue()


def test_asynchronous_items_may_be_resumed(clock: FakeClock, renderer: RecordingRenderer) -> None:
    async def later() -> AsyncIterator[int]:
        for i in range(3):
            clock.advance(0.5)
            yield i

    async def main() -> None:
        async for _ in kbar.track(later(), "x", total=10, initial=7, renderer=renderer):
            pass

    asyncio.run(main())
    assert ends(renderer) == [("x", 10, 10, "done")]


def test_the_whole_length_is_that_of_the_items_and_those_before(clock: FakeClock, renderer: RecordingRenderer) -> None:
    for _ in kbar.track(range(3), "known", initial=7, renderer=renderer):
        pass
    for _ in kbar.track(map(int, range(3)), "unknown", initial=7, renderer=renderer):
        pass
    assert [e.stage.total for e in renderer.events if e.kind == "begin"] == [10, None]
    assert ends(renderer) == [("known", 10, 10, "done"), ("unknown", 10, 10, "done")]


def test_later_epochs_are_expected_to_take_as_long_as_a_whole_one(
    clock: FakeClock, renderer: RecordingRenderer
) -> None:
    """The first one has 20 of 100 steps left, of half a second each; the next ones have all of them."""
    for epoch in kbar.loop(3, renderer=renderer).epochs():
        first = 0 if epoch.index else 80
        for _ in epoch.steps(range(first, 100), initial=first):
            clock.advance(0.5)
            if epoch.index == 1 or view_remaining_matters(renderer):
                check_remaining(renderer, epoch.index)
    assert [(view.done, view.total) for view in epochs(renderer)] == [(100, 100)] * 3


def view_remaining_matters(renderer: RecordingRenderer) -> bool:
    view = last(renderer, "train")
    return not view.outcome and view.remaining is not None and view.elapsed > 4


def check_remaining(renderer: RecordingRenderer, epoch: int) -> None:
    run = last(renderer, "loop")
    left = (100 - last(renderer, "train").done) * 0.5 + (2 - epoch) * 50
    assert run.remaining == pytest.approx(left, rel=0.1, abs=3)


def test_a_log_has_a_line_at_each_tenth_from_there_on(clock: FakeClock) -> None:
    lines = Lines(throttle=kbar.every(percent=10))
    for _ in kbar.track(range(50, 100), initial=50, renderer=lines):
        pass
    assert lines.positions == [60, 70, 80, 90]


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda: kbar.track([], initial=-1), ValueError, "initial must be a whole number of at least 0; got -1"),
        (lambda: kbar.stage("x", initial=1.5), TypeError, "initial must be a whole number of at least 0; got 1.5"),
        (lambda: kbar.stage("x", initial=None), TypeError, "initial must be a whole number of at least 0; got None"),
        (lambda: kbar.stage("x", total=3, initial=4), ValueError, "initial must be at most total=3; got 4"),
        (lambda: kbar.track([], initial=float("inf")), TypeError, "initial must be a whole number"),
    ],
)
def test_what_cannot_be_a_beginning_is_refused(call: Callable[[], object], error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        call()
