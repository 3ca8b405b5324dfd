"""Throttles as truth tables, and the algebra that holds for all of them."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import kbar
from kbar.core.throttle import Throttle, Tick, as_throttle

TICK = Tick(now=10.0, done=50, total=100, started=0.0, drawn_at=9.0, drawn_done=40)

ticks = st.builds(
    Tick,
    now=st.floats(0, 1e6),
    done=st.integers(0, 10_000),
    total=st.none() | st.integers(0, 10_000),
    started=st.just(0.0),
    drawn_at=st.floats(0, 1e6),
    drawn_done=st.integers(0, 10_000),
)


def combined(simple: st.SearchStrategy[Throttle]) -> st.SearchStrategy[Throttle]:
    return st.recursive(
        simple,
        lambda inner: st.builds(lambda a, b: a | b, inner, inner) | st.builds(lambda a, b: a & b, inner, inner),
        max_leaves=4,
    )


multiples = st.builds(lambda s: kbar.every(steps=s), st.integers(1, 1000)) | st.builds(
    lambda p: kbar.every(percent=p), st.floats(0.01, 100)
)
times = st.builds(lambda s: kbar.every(seconds=s), st.floats(0.01, 1e4))
throttles = combined(st.sampled_from([kbar.always, kbar.never]) | times | multiples)
counting = combined(st.just(kbar.never) | multiples)


@pytest.mark.parametrize(
    ("throttle", "changes", "due"),
    [
        (kbar.every(seconds=1), {}, True),
        (kbar.every(seconds=1), {"now": 9.999}, False),
        (kbar.every(seconds=1), {"now": 3.0}, False),  # a clock that went back
        (kbar.every(steps=10), {}, True),
        (kbar.every(steps=10), {"done": 49}, False),
        (kbar.every(steps=10), {"done": 49, "drawn_done": 39}, True),  # 40 was passed
        (kbar.every(steps=7), {"done": 400, "drawn_done": 6}, True),  # and so were 56 others
        (kbar.every(steps=7), {"done": 13, "drawn_done": 7}, False),
        (kbar.every(percent=10), {}, True),
        (kbar.every(percent=10), {"done": 49}, False),
        (kbar.every(percent=10), {"total": None}, False),
        (kbar.every(percent=10), {"total": 0}, False),
        (kbar.every(percent=10), {"total": 7, "done": 1, "drawn_done": 0}, True),  # 14 % is past 10 %
        (kbar.every(percent=50), {"total": 3, "done": 1, "drawn_done": 0}, False),
        (kbar.every(percent=50), {"total": 3, "done": 2, "drawn_done": 1}, True),
        (kbar.every(percent=0.1), {"total": 10, "done": 1, "drawn_done": 0}, True),
        (kbar.every(percent=100), {"done": 99}, False),
        (kbar.every(percent=100), {"done": 100}, True),
        (kbar.every(seconds=5, steps=10), {}, True),  # any of several suffices
        (kbar.every(seconds=5, steps=100), {}, False),
        (kbar.every(seconds=1) & kbar.every(steps=100), {}, False),
        (kbar.every(seconds=1) & kbar.every(steps=10), {}, True),
        (kbar.every(seconds=5) | kbar.every(steps=10), {}, True),
        (kbar.always, {}, True),
        (kbar.never, {}, False),
        (kbar.never | (lambda tick: tick.done > 49), {}, True),
        ((lambda tick: tick.done > 50) | kbar.never, {}, False),
        (kbar.always & (lambda tick: tick.done), {}, True),
        ((lambda _: None) & kbar.always, {}, False),
    ],
)
def test_when_a_throttle_is_due(throttle: Throttle, changes: dict[str, Any], due: bool) -> None:
    assert throttle(replace(TICK, **changes)) is due


@given(throttles, throttles, ticks)
def test_throttles_combine_as_logic_does(a: Throttle, b: Throttle, tick: Tick) -> None:
    assert (a | b)(tick) == (a(tick) or b(tick))
    assert (a & b)(tick) == (a(tick) and b(tick))
    assert (a | b)(tick) == (b | a)(tick)
    assert (a & b)(tick) == (b & a)(tick)
    assert (a | kbar.never)(tick) == a(tick) == (a & kbar.always)(tick)
    assert (a & kbar.never)(tick) is False
    assert (a | kbar.always)(tick) is True


@given(throttles, ticks)
def test_throttles_are_pure(throttle: Throttle, tick: Tick) -> None:
    assert throttle(tick) == throttle(tick)


@given(counting, ticks)
def test_no_throttle_that_counts_is_due_before_its_next_due_position(throttle: Throttle, tick: Tick) -> None:
    """Lines are asked for only from `next_due` on: a step that is due earlier would be missed."""
    if throttle(tick):
        assert tick.done >= throttle.next_due(tick).position


@given(st.integers(1, 500), st.integers(1, 10_000), st.lists(st.integers(1, 700), min_size=1, max_size=50))
def test_each_multiple_of_steps_is_due_once_despite_jumps(steps: int, total: int, jumps: list[int]) -> None:
    throttle = kbar.every(steps=steps)
    done, drawn = 0, 0
    for jump in jumps:
        before, done = done, done + jump
        due = throttle(Tick(0.0, done, total, 0.0, 0.0, drawn))
        assert due == (done // steps > before // steps)
        if due:
            drawn = done


@given(st.floats(0.05, 100), st.integers(1, 5000))
def test_percent_is_due_as_often_as_it_says(percent: float, total: int) -> None:
    throttle = kbar.every(percent=percent)
    drawn, draws = 0, 0
    for done in range(1, total + 1):
        if throttle(Tick(0.0, done, total, 0.0, 0.0, drawn)):
            drawn, draws = done, draws + 1
    assert draws == min(total, math.floor(100 / percent + 1e-9))


@pytest.mark.parametrize(
    ("arguments", "error", "says"),
    [
        ({}, TypeError, "needs at least one"),
        ({"seconds": 0}, ValueError, r"seconds=….*above 0.*got 0"),
        ({"seconds": -1}, ValueError, "got -1"),
        ({"seconds": math.nan}, ValueError, "got nan"),
        ({"seconds": math.inf}, ValueError, "got inf"),
        ({"seconds": "1"}, TypeError, r"seconds=….*number.*got '1'"),
        ({"seconds": True}, TypeError, "got True"),
        ({"steps": 0}, ValueError, r"steps=….*at least 1.*got 0"),
        ({"steps": 2.5}, TypeError, r"whole number.*got 2.5"),
        ({"steps": True}, TypeError, "got True"),
        ({"percent": 0}, ValueError, r"percent=….*got 0"),
        ({"percent": 101}, ValueError, r"at most 100.*got 101"),
        ({"percent": math.nan}, ValueError, "got nan"),
    ],
)
def test_every_refuses_senseless_arguments(arguments: dict[str, Any], error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        kbar.every(**arguments)


@pytest.mark.parametrize("value", [True, "always", None, kbar.Tick])
def test_an_argument_that_is_no_throttle_is_named(value: object) -> None:
    with pytest.raises(TypeError, match=r"brake must be kbar\.every"):
        as_throttle(value, "brake")
    with pytest.raises(TypeError, match="throttle must be"):
        kbar.always | value  # type: ignore[operator]  # the mistake under test
