"""How fast a stage goes, estimated from times and counts alone."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kbar.core.pace import Pace
from kbar.core.pacing import Countdown

FRAME = 0.1


def paced(*runs: tuple[float, int, int], initial: int = 0) -> tuple[Pace, float]:
    """A pace that has seen intervals of so many seconds and units, so many times each; and the time after them."""
    pace = Pace(0.0, initial)
    now, done = 0.0, initial
    for seconds, units, times in runs:
        for _ in range(times):
            now, done = now + seconds, done + units
            pace.sample(now, done)
    return pace, now


def test_the_first_execution_does_not_count() -> None:
    """Four seconds of compilation, then fifty steps a second."""
    pace, now = paced((4.0, 1, 1))
    assert pace.rate is None
    assert pace.remaining(now, 100) is None
    pace, now = paced((4.0, 1, 1), (0.02, 1, 100))
    assert pace.rate == pytest.approx(50.0)
    assert pace.first_excess == pytest.approx(4.0 - 0.02)
    assert pace.remaining(now, 100) == pytest.approx(2.0)


def test_the_first_execution_alone_says_nothing_of_those_to_come() -> None:
    """It may have compiled, or been a quick one; steps of three seconds each, without any compilation."""
    pace, now = paced((3.0, 1, 1))
    assert pace.remaining(now + 2.9, 9) is None
    pace, now = paced((3.0, 1, 2))
    assert pace.remaining(now, 8) == pytest.approx(24.0)


def test_no_remaining_time_is_given_in_the_first_two_seconds() -> None:
    pace, now = paced((0.1, 1, 15))
    assert pace.remaining(now, 100) is None
    pace, now = paced((0.1, 1, 21))
    assert pace.remaining(now, 100) == pytest.approx(10.0)
    pace.restart(now, 0)  # the next epoch: all is known
    assert pace.remaining(now, 100) == pytest.approx(10.0)


def test_many_steps_landing_at_once_leave_no_bias() -> None:
    pace, _ = paced((1.0, 100, 20))
    assert pace.rate == pytest.approx(100.0)


def test_the_remaining_time_falls_within_an_execution_but_not_further() -> None:
    pace, now = paced((1.0, 100, 20))
    left = [pace.remaining(now + late, 500) for late in (0.0, 0.5, 1.0, 1.5)]
    assert left == [pytest.approx(x) for x in (5.0, 4.5, 4.0, 4.0)]


@pytest.mark.parametrize(("before", "after"), [(0.02, 0.1), (0.1, 0.02)])
def test_a_lasting_change_of_speed_is_followed_soon(before: float, after: float) -> None:
    pace, _ = paced((before, 1, 1), (before, 1, round(20 / before)), (after, 1, round(4 / after)))
    assert pace.rate == pytest.approx(1 / after, rel=0.15)


def test_recurring_stalls_count_fully_and_a_single_one_in_part() -> None:
    """A hundred steps in 0.8 s, then 1.5 s without data."""
    period = 2.3 / 100
    pace, now = paced((0.1, 12, 8), (1.6, 12, 1))
    assert 500 * 0.008 < (pace.remaining(now, 500) or 0) < 500 * period
    pace, now = paced(*[(0.1, 12, 8), (1.6, 12, 1)] * 4)
    for done in range(5):  # wherever in the period it is
        assert pace.rate == pytest.approx(1 / ((0.8 + 1.6) / 108), rel=0.1)
        pace.sample(now + 0.1 * (done + 1), pace.done + 12)


def test_stalls_without_end_become_the_usual_speed() -> None:
    """A buffer of data is drained, and then each step waits for its own."""
    pace, _ = paced((0.1, 1, 16), (2.0, 1, 20))
    assert not pace.stalls(3.0)
    assert pace.interval == pytest.approx(2.0)
    assert pace.error < 0.1


def test_a_long_pause_is_not_expected_again_for_ever() -> None:
    pace, now = paced((0.01, 1, 1000), (600.0, 1, 1), (0.01, 1, 2000))
    assert pace.remaining(now, 8000) == pytest.approx(80.0, rel=0.1)


def test_a_slow_beginning_of_each_epoch_is_kept_apart() -> None:
    pace, now = paced((0.1, 1, 100))
    for _ in range(3):
        pace.restart(now, 0)
        for step in range(1, 101):
            pace.sample(now + 5.0 + step * 0.1, step)
        now += 15.0
    assert pace.opening == pytest.approx(5.0, abs=0.1)
    assert pace.rate == pytest.approx(10.0)


def test_a_later_compilation_is_soon_outweighed() -> None:
    before, now = paced((0.02, 1, 500))
    after, now = paced((0.02, 1, 500), (4.0, 1, 1), (0.02, 1, 500))
    assert after.remaining(now, 100) == pytest.approx(before.remaining(10.0, 100), rel=0.3)


def test_the_error_of_the_rate_is_known() -> None:
    steady, _ = paced((0.1, 1, 100))
    stalling, _ = paced((0.1, 12, 9), (1.6, 12, 1))
    assert steady.error < 0.01
    assert stalling.error > 0.25
    assert paced((0.1, 1, 1))[0].error == float("inf")


def frames_of(pace_of: Callable[[int], float], count: int) -> list[tuple[float, float | None, float, float]]:
    """For each frame: time, shown and true remaining time, and error; `pace_of` gives the seconds of a step."""
    landings = list(itertools.accumulate(pace_of(i) for i in range(count)))
    pace, countdown, found, done = Pace(0.0, 0), Countdown(), [], 0
    for frame in range(1, int(landings[-1] / FRAME)):
        now = frame * FRAME
        while landings[done] <= now:
            done += 1
        pace.sample(landings[done - 1] if done else 0.0, done)
        countdown.correct(now, pace.remaining(now, count - done))
        error = math.inf if pace.stalls(now - pace.at) else pace.error
        found.append((now, countdown.at(now), landings[-1] - now, error))
    return found


@pytest.mark.parametrize("compiled", [(0, 1), (0, 2), (0, 1, 2), (0, 60), (0, 20, 50, 90)])
def test_further_compilations_do_not_upset_the_remaining_time(compiled: tuple[int, ...]) -> None:
    """Compilations take three seconds, all other steps 20 ms."""
    frames = frames_of(lambda i: 3.0 if i in compiled else 0.02, 1500)
    over = 3.0 * len(compiled) + 0.02 * compiled[-1]
    for now, left, true, _ in frames:
        if now > over + 1.5:
            assert left == pytest.approx(true, rel=0.5 if len(compiled) > 3 and now < over + 5.0 else 0.25, abs=1.0)
        elif left is not None and now < over - 3.0 * (len(compiled) > 2):
            assert left < 120.0
    certain = [left for _, left, _, error in frames if left is not None and error < 0.25]
    assert sorted(certain)[-3] < 45.0


@given(st.floats(0.05, 0.6), st.floats(2.0, 8.0), st.booleans())
def test_the_remaining_time_follows_a_change_after_three_steps(each: float, factor: float, slower: bool) -> None:
    before, after = (each, each * factor) if slower else (each * factor, each)
    for now, left, true, error in frames_of(lambda i: before if i < 30 else after, 90):
        if now > 30 * before + 3 * after + 3.0:
            assert left == pytest.approx(true, rel=0.25, abs=1.0)
        elif slower and now > 30 * before + max(after, 5 * before) + 0.2 and now < 30 * before + 2 * after - 0.1:
            assert error > 0.25


moves = st.lists(st.tuples(st.floats(-10, 1000), st.integers(-5, 10_000)), max_size=60)


@given(moves)
def test_pace_is_a_number_whatever_clock_and_count_do(found: list[tuple[float, int]]) -> None:
    pace = Pace(0.0, 0)
    now, done = 0.0, 0
    for seconds, units in found:
        now, done = now + seconds, done + units
        pace.sample(now, done)
        assert pace.rate is None or pace.rate > 0
        assert pace.first_excess >= 0
        assert pace.error >= 0
        left = pace.remaining(now, 100)
        assert left is None or left >= 0
