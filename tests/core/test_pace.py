"""Pace, remaining time and where a bar stands, told from times and counts alone."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kbar.core.epochs import EpochForecast, Outlook, RunningPhase
from kbar.core.pace import Pace
from kbar.core.pacing import Countdown, Pacer

FRAME = 0.1


def paced(*runs: tuple[float, int, int], initial: int = 0) -> tuple[Pace, float]:
    """A pace that has seen, for each run, an interval of so many seconds and units, so many times."""
    pace = Pace(0.0, initial)
    now, done = 0.0, initial
    for seconds, units, times in runs:
        for _ in range(times):
            now, done = now + seconds, done + units
            pace.sample(now, done)
    return pace, now


# Pace.


def test_the_first_execution_is_no_basis() -> None:
    """Four seconds of compilation, then fifty steps a second."""
    pace, now = paced((4.0, 1, 1))
    assert pace.rate is None
    assert pace.remaining(now, 100) is None
    pace, now = paced((4.0, 1, 1), (0.02, 1, 100))
    assert pace.rate == pytest.approx(50.0)
    assert pace.first_excess == pytest.approx(4.0 - 0.02)
    assert pace.remaining(now, 100) == pytest.approx(2.0)


def test_an_execution_that_runs_as_long_as_the_first_is_of_its_kind() -> None:
    """Steps of three seconds each: there is no compilation to wait for."""
    pace, now = paced((3.0, 1, 1))
    assert pace.remaining(now + 1.0, 9) is None
    assert pace.remaining(now + 2.0, 9) == pytest.approx(25.0)


def test_nothing_is_told_in_the_first_two_seconds() -> None:
    pace, now = paced((0.1, 1, 15))
    assert pace.remaining(now, 100) is None
    pace, now = paced((0.1, 1, 21))
    assert pace.remaining(now, 100) == pytest.approx(10.0)
    pace.restart(now, 0)  # the next epoch: all is known
    assert pace.remaining(now, 100) == pytest.approx(10.0)


def test_lumps_leave_no_bias() -> None:
    pace, _ = paced((1.0, 100, 20))
    assert pace.rate == pytest.approx(100.0)


def test_the_running_execution_counts_down_but_not_below_the_next() -> None:
    pace, now = paced((1.0, 100, 20))
    left = [pace.remaining(now + late, 500) for late in (0.0, 0.5, 1.0, 1.5)]
    assert left == [pytest.approx(x) for x in (5.0, 4.5, 4.0, 4.0)]


@pytest.mark.parametrize(("before", "after"), [(0.02, 0.1), (0.1, 0.02)])
def test_a_lasting_change_of_speed_is_followed_soon(before: float, after: float) -> None:
    pace, _ = paced((before, 1, 1), (before, 1, round(20 / before)), (after, 1, round(4 / after)))
    assert pace.rate == pytest.approx(1 / after, rel=0.15)


def test_stalls_that_recur_count_fully_and_one_alone_in_part() -> None:
    """A hundred steps in 0.8 s, then 1.5 s without data."""
    period = 2.3 / 100
    pace, now = paced((0.1, 12, 8), (1.6, 12, 1))
    assert 500 * 0.008 < (pace.remaining(now, 500) or 0) < 500 * period
    pace, now = paced(*[(0.1, 12, 8), (1.6, 12, 1)] * 4)
    for done in range(5):  # wherever in the period it is
        assert pace.rate == pytest.approx(1 / ((0.8 + 1.6) / 108), rel=0.1)
        pace.sample(now + 0.1 * (done + 1), pace.done + 12)


def test_nothing_but_stalls_is_no_stall_any_more() -> None:
    """A buffer of data is drained, and then each step waits for its own."""
    pace, _ = paced((0.1, 1, 16), (2.0, 1, 20))
    assert not pace.stalls(3.0)
    assert pace.interval == pytest.approx(2.0)
    assert pace.error < 0.1


def test_a_long_pause_is_not_expected_again_for_ever() -> None:
    pace, now = paced((0.01, 1, 1000), (600.0, 1, 1), (0.01, 1, 2000))
    assert pace.remaining(now, 8000) == pytest.approx(80.0, rel=0.1)


def test_what_begins_each_epoch_is_no_part_of_its_steps() -> None:
    pace, now = paced((0.1, 1, 100))
    for _ in range(3):
        pace.restart(now, 0)
        for step in range(1, 101):
            pace.sample(now + 5.0 + step * 0.1, step)
        now += 15.0
    assert pace.opening == pytest.approx(5.0, abs=0.1)
    assert pace.rate == pytest.approx(10.0)


def test_a_compilation_later_on_is_soon_outweighed() -> None:
    before, now = paced((0.02, 1, 500))
    after, now = paced((0.02, 1, 500), (4.0, 1, 1), (0.02, 1, 500))
    assert after.remaining(now, 100) == pytest.approx(before.remaining(10.0, 100), rel=0.3)


def test_how_far_the_rate_may_be_off_is_known() -> None:
    steady, _ = paced((0.1, 1, 100))
    stalling, _ = paced((0.1, 12, 9), (1.6, 12, 1))
    assert steady.error < 0.01
    assert stalling.error > 0.25
    assert paced((0.1, 1, 1))[0].error == float("inf")


def told(pace_of: Callable[[int], float], count: int) -> list[tuple[float, float | None, float, float]]:
    """For each frame of steps of so many seconds: now, what is told, what is true, and the error."""
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
    """Three seconds each, and 20 ms all other steps."""
    frames = told(lambda i: 3.0 if i in compiled else 0.02, 1500)
    over = 3.0 * len(compiled) + 0.02 * compiled[-1]
    for now, left, true, _ in frames:
        if now > over + 1.5:
            assert left == pytest.approx(true, rel=0.5 if len(compiled) > 3 and now < over + 5.0 else 0.25, abs=1.0)
        elif left is not None and now < over - 3.0 * (len(compiled) > 2):
            assert left < 120.0
    certain = [left for _, left, _, error in frames if left is not None and error < 0.25]
    assert sorted(certain)[-3] < 45.0


@given(st.floats(0.05, 0.6), st.floats(2.0, 8.0), st.booleans())
def test_a_lasting_change_is_followed_after_three_steps(each: float, factor: float, slower: bool) -> None:
    before, after = (each, each * factor) if slower else (each * factor, each)
    for now, left, true, error in told(lambda i: before if i < 30 else after, 90):
        if now > 30 * before + 3 * after + 3.0:
            assert left == pytest.approx(true, rel=0.25, abs=1.0)
        elif slower and now > 30 * before + max(after, 5 * before) + 0.2 and now < 30 * before + 2 * after - 0.1:
            assert error > 0.25


moves = st.lists(st.tuples(st.floats(-10, 1000), st.integers(-5, 10_000)), max_size=60)


@given(moves)
def test_whatever_the_clock_and_the_count_do_the_pace_is_a_number(found: list[tuple[float, int]]) -> None:
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


# Where a bar stands.


def shown(landings: list[tuple[float, int]], seconds: float) -> list[tuple[float, float, int]]:
    """Time, position shown and true position for each frame over so many seconds; landings are times and counts."""
    pacer, pace = Pacer(0.0, 0), Pace(0.0, 0)
    frames: list[tuple[float, float, int]] = []
    counts: list[int] = []
    landed, at = 0, 0.0
    for i in range(round(seconds / FRAME) + 1):
        now = i * FRAME
        for when, done in landings:
            if when <= now and done > landed:
                landed, at = done, when
        if landed:
            pace.sample(at, landed)
            pacer.sample(at, landed)
        pacer.move(now, pace.rate)
        assert frames == [] or pacer.count >= counts[-1]
        counts.append(pacer.count)
        assert pacer.count <= landed
        frames.append((now, pacer.position, landed))
    return frames


def evenness(frames: list[tuple[float, float, int]], start: float) -> float:
    """Standard deviation over mean of the advance per half second."""
    positions = [position for now, position, _ in frames if now >= start][::5]
    steps = [b - a for a, b in itertools.pairwise(positions)]
    mean = sum(steps) / len(steps)
    return float((sum((s - mean) ** 2 for s in steps) / len(steps)) ** 0.5 / mean)


def test_lumps_glide() -> None:
    """A hundred steps land every second."""
    frames = shown([(i * 1.0, i * 100) for i in range(1, 20)], 19.0)
    assert evenness(frames, 1.0) < 0.15


def test_the_next_epoch_glides_from_its_beginning() -> None:
    pacer, pace = Pacer(0.0, 0), Pace(0.0, 0)
    frames: list[tuple[float, float, int]] = []
    for epoch in range(2):
        pacer.restart(epoch * 10.0, 0)
        pace.restart(epoch * 10.0, 0)
        frames.clear()
        for i in range(100):
            now, done = epoch * 10.0 + i * FRAME, i // 10 * 100
            pacer.sample(epoch * 10.0 + i // 10, done)
            pace.sample(epoch * 10.0 + i // 10, done)
            pacer.move(now, pace.rate)
            frames.append((now, pacer.position, done))
    assert evenness(frames, 11.0) < 0.05


def test_stalls_are_bridged() -> None:
    landings = [(i * 2.3 + j * 0.08, i * 100 + j * 10) for i in range(8) for j in range(1, 11)]
    assert evenness(shown(landings, 18.0), 2.3) < 0.7 < evenness([(t, n, n) for t, _, n in shown(landings, 18.0)], 2.3)


def test_far_steps_move_within_and_do_not_reach_their_end() -> None:
    frames = shown([(i * 3.0, i) for i in range(1, 8)], 23.9)
    assert evenness(frames, 3.0) < 0.35
    for now, position, done in frames:
        assert now < 6.0 or done - 0.6 <= position < done + 1
    late = shown([(3.0, 1), (6.0, 2)], 60.0)
    assert 2.9 < late[-1][1] < 3.0


def test_a_long_first_execution_is_no_reason_to_jump() -> None:
    """Four seconds of compilation, then lumps."""
    frames = shown([(4.0 + i * 0.4, (i + 1) * 32) for i in range(20)], 11.6)
    assert evenness(frames, 4.0) < 0.3


def test_the_last_execution_may_be_shorter() -> None:
    pacer = Pacer(0.0, 0)
    for i in range(1, 119):
        now, done = i * FRAME, i // 40 * 4
        pacer.sample(i // 40 * 4.0, done)
        pacer.move(now, None, total=10)
    assert 8.9 < pacer.position < 10


def test_something_else_may_know_better_but_nothing_goes_back() -> None:
    pacer = Pacer(0.0, 0)
    pacer.jump(1, 0.5)
    pacer.jump(1, 0.2)
    assert (pacer.position, pacer.count) == (1.5, 1)


@given(st.lists(st.tuples(st.floats(0.0, 1.9), st.integers(1, 1000)), min_size=1, max_size=40))
def test_however_near_steps_land_none_is_shown_early_or_late(found: list[tuple[float, int]]) -> None:
    """Never ahead, never back, two seconds behind at most, and all there in the end."""
    landings, now, done = [], 0.0, 0
    for seconds, units in found:
        now, done = now + seconds, done + units
        landings.append((now, done))
    frames = shown(landings, now + 2.0)
    positions = [position for _, position, _ in frames]
    assert positions == sorted(positions)
    for at, position, landed in frames:
        assert position <= landed + 1e-6
        assert position >= max((n for when, n in landings if when <= at - 2.0), default=0) - 1e-6
    assert positions[-1] == pytest.approx(done)


@given(st.lists(st.tuples(st.floats(0.0, 40.0), st.integers(1, 1000)), min_size=1, max_size=8))
def test_nothing_is_more_than_two_seconds_behind_or_early_however_far_steps_are(found: list[tuple[float, int]]) -> None:
    landings = [*zip(*(itertools.accumulate(column) for column in zip(*found, strict=True)), strict=True)]
    for at, position, _ in shown(landings, landings[-1][0] + 2.0):
        assert position >= max((n for when, n in landings if when <= at - 2.0), default=0) - 1e-6


@given(moves, st.lists(st.floats(-5, 5), min_size=60, max_size=60))
def test_whatever_the_clock_does_a_bar_neither_goes_back_nor_breaks(
    found: list[tuple[float, int]], looks: list[float]
) -> None:
    pacer, pace = Pacer(0.0, 0), Pace(0.0, 0)
    now, done, last, most = 0.0, 0, 0.0, 0
    for (seconds, units), look in zip(found, looks, strict=False):
        now, done = now + seconds, done + units
        most = max(most, done)
        pace.sample(now, done)
        pacer.sample(now, done)
        pacer.move(now + look, pace.rate)
        assert last <= pacer.position <= most + 10_000  # within an execution at most
        assert pacer.count <= most
        last = pacer.position


# The clock.


def test_it_counts_down_and_is_corrected_without_jumps() -> None:
    countdown = Countdown()
    values = []
    for i in range(100):
        now = i * FRAME
        countdown.correct(now, 100 - now if i < 50 else 50 - (now - 5.0))  # half as much all of a sudden
        values.append(countdown.at(now) or 0.0)
    assert values == sorted(values, reverse=True)
    assert max(a - b for a, b in itertools.pairwise(values)) < 10
    assert values[-1] == pytest.approx(45.1, abs=1.5)


def test_what_does_not_matter_is_not_seen() -> None:
    """An estimate that wavers by one percent leaves an even countdown."""
    countdown = Countdown()
    values = []
    for i in range(200):
        now = i * FRAME
        countdown.correct(now, (1000 - now) * (1.01 if i % 10 < 5 else 0.99))
        values.append(countdown.at(now) or 0.0)
    assert all(abs(a - b - FRAME) < 0.6 for a, b in itertools.pairwise(values))


def test_without_an_estimate_nothing_is_told() -> None:
    countdown = Countdown()
    countdown.correct(0.0, 10.0)
    countdown.correct(1.0, None)
    assert countdown.at(1.0) is None


def test_what_was_nonsense_is_replaced_at_once() -> None:
    countdown = Countdown()
    countdown.correct(0.0, 2400.0)
    countdown.correct(0.1, 20.0)
    assert countdown.at(0.1) == pytest.approx(20.0)


# EpochForecast.


def epochs(*before: tuple[float, float, float]) -> EpochForecast:
    """EpochForecast that had so many seconds of training, of validation (0: none) and in between."""
    known = EpochForecast()
    for train, validation, between in before:
        known.phase_over("train", train, 0.0)
        if validation:
            known.phase_over("validation", validation, 0.0)
        known.epoch_over(train + validation + between)
    return known


def train(seconds: float, left: float | None, whole: float | None = 10.0, once: float = 0.0) -> RunningPhase:
    return RunningPhase("train", seconds, once, left, whole)


@pytest.mark.parametrize(
    ("known", "elapsed", "running", "expected"),
    [
        (epochs(), 3.0, [train(3.0, None, None)], None),  # no basis
        (epochs(), 3.0, [train(3.0, 7.0)], (10.0, 7.0, 10.0)),  # the first epoch: by its steps
        (epochs(), 7.0, [train(3.0, 7.0, once=4.0)], (10.0, 7.0, 10.0)),  # which do not compile again
        (epochs((10.0, 2.0, 1.0)), 3.0, [train(3.0, 7.0)], (13.0, 10.0, 13.0)),  # later: validation and all
        (epochs((10.0, 2.0, 1.0)), 6.0, [train(6.0, 14.0, 20.0)], (23.0, 17.0, 23.0)),  # at half the speed
        (epochs((10.0, 2.0, 1.0)), 3.5, [train(3.0, 7.0)], (13.0, 9.5, 13.0)),  # half a second before the steps
        (epochs((10.0, 0.0, 0.0), (10.0, 2.0, 0.0)), 3.0, [train(3.0, 7.0)], (11.0, 8.0, 11.0)),  # every other epoch
        (epochs((10.0, 2.0, 1.0)), 0.0, [], (13.0, 13.0, 13.0)),  # just begun
    ],
)
def test_an_epoch_is_its_parts_and_what_is_between(
    known: EpochForecast, elapsed: float, running: list[RunningPhase], expected: tuple[float, float, float] | None
) -> None:
    found = known.outlook(elapsed, running)
    assert (found and (found.whole, found.left, found.later)) == (expected and pytest.approx(expected))


def test_what_is_over_of_an_epoch_is_not_expected_again() -> None:
    known = epochs((10.0, 2.0, 1.0))
    known.phase_over("train", 8.0, 0.0)
    assert known.outlook(8.0, []) == Outlook(11.0, 3.0, 13.0, 8 / 11)
    known.phase_over("validation", 3.0, 0.0)
    assert known.outlook(11.5, []) == Outlook(12.0, 0.5, 13.0, 11.5 / 12)
    assert known.rate == pytest.approx(1 / 13)


def test_epochs_that_change_for_good_are_followed_and_the_first_is_no_measure() -> None:
    assert epochs((10.0, 2.0, 20.0), (10.0, 2.0, 1.0)).rate == pytest.approx(1 / 13)
    assert epochs((10.0, 2.0, 20.0)).error > 0.25
    assert epochs(*[(10.0, 2.0, 1.0)] * 9, *[(10.0, 2.0, 8.0)] * 2).rate == pytest.approx(1 / 20)
    assert epochs(*[(10.0, 1.0, 1.0)] * 9, *[(10.0, 6.0, 1.0)] * 2).rate == pytest.approx(1 / 17)
    assert epochs(*[(10.0, 2.0, 1.0)] * 3).error < 0.05


def test_an_epochs_share_is_that_of_its_parts_whatever_the_time() -> None:
    """At half its steps while one of them takes twenty seconds, before a validation of five."""
    known = epochs((15.0, 5.0, 0.0))
    found = known.outlook(25.0, [RunningPhase("train", 25.0, 0.0, 15.0, 15.0, 0.5)])
    assert found
    assert found.share == pytest.approx(20.0 / 45.0)


def test_parts_of_one_label_may_come_several_times() -> None:
    """As those of generator and discriminator."""
    known = EpochForecast()
    for _ in range(4):
        for label in ("D", "G", "D", "G"):
            known.phase_over(label, 10.0, 0.0)
        known.epoch_over(40.0)
    known.phase_over("D", 10.0, 0.0)
    found = known.outlook(15.0, [RunningPhase("G", 5.0, 0.0, 5.0, 10.0)])
    assert found
    assert (found.whole, found.left, found.later) == pytest.approx((40.0, 25.0, 40.0))
