"""Rate and remaining time, told from times and counts alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kbar.timing import RateMeter, run_remaining


def test_the_first_execution_is_no_basis() -> None:
    """Four seconds of compilation, then fifty steps a second."""
    meter = RateMeter(0.0, 0)
    meter.sample(4.0, 1)
    assert meter.rate is None
    for step in range(1, 100):
        meter.sample(4.0 + step * 0.02, 1 + step)
    assert meter.rate == pytest.approx(50.0)
    assert meter.first_excess == pytest.approx(4.0 - 0.02)


def test_lumps_leave_no_bias() -> None:
    meter = RateMeter(0.0, 0)
    for second in range(1, 20):
        meter.sample(float(second), second * 100)
    assert meter.rate == pytest.approx(100.0)


def test_a_lasting_change_of_speed_is_followed() -> None:
    meter = RateMeter(0.0, 0)
    now = 0.0
    for step in range(1, 201):
        now += 0.1 if step <= 100 else 1.0
        meter.sample(now, step)
    assert meter.rate == pytest.approx(1.0, rel=0.05)


@given(st.lists(st.tuples(st.floats(-10, 1000), st.integers(-5, 10_000)), max_size=60))
def test_whatever_the_clock_and_the_count_do_the_rate_is_a_positive_number(moves: list[tuple[float, int]]) -> None:
    meter = RateMeter(0.0, 0)
    now, done = 0.0, 0
    for seconds, steps in moves:
        now, done = now + seconds, done + steps
        meter.sample(now, done)
        assert meter.rate is None or meter.rate > 0
        assert meter.first_excess >= 0


@pytest.mark.parametrize(
    ("left", "laps", "elapsed", "steps_left", "steps_all", "seconds"),
    [
        (9, [], 0.0, None, None, None),  # no basis
        (9, [], 3.0, 7.0, 10.0, 97.0),  # the first epoch: by its steps
        (9, [12.0], 3.0, 7.0, 10.0, 117.0),  # later: by whole epochs, validation and all
        (0, [12.0, 12.0], 11.0, 0.0, 10.0, 1.0),  # steps done, validation running
        (0, [12.0], 15.0, 2.0, 10.0, 2.0),  # longer than the others: never negative
        (0, [12.0], 15.0, None, None, 0.0),
    ],
)
def test_the_rest_of_a_run_is(
    left: int,
    laps: list[float],
    elapsed: float,
    steps_left: float | None,
    steps_all: float | None,
    seconds: float | None,
) -> None:
    assert run_remaining(left, laps, elapsed, steps_left, steps_all) == seconds
