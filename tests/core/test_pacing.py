"""Where a bar stands, and remaining times that count down, from times and counts alone."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kbar.core.pace import Pace
from kbar.core.pacing import Countdown, Pacer

FRAME = 0.1
moves = st.lists(st.tuples(st.floats(-10, 1000), st.integers(-5, 10_000)), max_size=60)


def shown(landings: list[tuple[float, int]], seconds: float) -> list[tuple[float, float, int]]:
    """For each frame: time, shown position and true position; `landings` are times and positions of steps."""
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


def test_the_bar_glides_where_many_steps_land_at_once() -> None:
    """A hundred steps land every second."""
    frames = shown([(i * 1.0, i * 100) for i in range(1, 20)], 19.0)
    assert evenness(frames, 1.0) < 0.15


def test_the_bar_glides_from_the_beginning_of_the_next_epoch() -> None:
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


def test_the_bar_glides_through_stalls() -> None:
    landings = [(i * 2.3 + j * 0.08, i * 100 + j * 10) for i in range(8) for j in range(1, 11)]
    assert evenness(shown(landings, 18.0), 2.3) < 0.7 < evenness([(t, n, n) for t, _, n in shown(landings, 18.0)], 2.3)


def test_the_bar_moves_within_long_steps_but_not_to_their_end() -> None:
    frames = shown([(i * 3.0, i) for i in range(1, 8)], 23.9)
    assert evenness(frames, 3.0) < 0.35
    for now, position, done in frames:
        assert now < 6.0 or done - 0.6 <= position < done + 1
    late = shown([(3.0, 1), (6.0, 2)], 60.0)
    assert 2.9 < late[-1][1] < 3.0


def test_the_bar_does_not_jump_after_a_long_first_execution() -> None:
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


def test_a_jump_moves_the_bar_forward_only() -> None:
    pacer = Pacer(0.0, 0)
    pacer.jump(1, 0.5)
    pacer.jump(1, 0.2)
    assert (pacer.position, pacer.count) == (1.5, 1)


@given(st.lists(st.tuples(st.floats(0.0, 1.9), st.integers(1, 1000)), min_size=1, max_size=40))
def test_near_steps_are_shown_within_two_seconds_and_never_early(found: list[tuple[float, int]]) -> None:
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
def test_far_steps_are_shown_within_two_seconds(found: list[tuple[float, int]]) -> None:
    landings = [*zip(*(itertools.accumulate(column) for column in zip(*found, strict=True)), strict=True)]
    for at, position, _ in shown(landings, landings[-1][0] + 2.0):
        assert position >= max((n for when, n in landings if when <= at - 2.0), default=0) - 1e-6


@given(moves, st.lists(st.floats(-5, 5), min_size=60, max_size=60))
def test_the_bar_never_goes_back_whatever_the_clock_does(found: list[tuple[float, int]], looks: list[float]) -> None:
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


# Remaining times.


def test_a_countdown_is_corrected_without_jumps() -> None:
    countdown = Countdown()
    values = []
    for i in range(100):
        now = i * FRAME
        countdown.correct(now, 100 - now if i < 50 else 50 - (now - 5.0))  # half as much all of a sudden
        values.append(countdown.at(now) or 0.0)
    assert values == sorted(values, reverse=True)
    assert max(a - b for a, b in itertools.pairwise(values)) < 10
    assert values[-1] == pytest.approx(45.1, abs=1.5)


def test_small_changes_of_the_estimate_are_not_seen() -> None:
    """An estimate that wavers by one percent leaves an even countdown."""
    countdown = Countdown()
    values = []
    for i in range(200):
        now = i * FRAME
        countdown.correct(now, (1000 - now) * (1.01 if i % 10 < 5 else 0.99))
        values.append(countdown.at(now) or 0.0)
    assert all(abs(a - b - FRAME) < 0.6 for a, b in itertools.pairwise(values))


def test_without_an_estimate_there_is_no_countdown() -> None:
    countdown = Countdown()
    countdown.correct(0.0, 10.0)
    countdown.correct(1.0, None)
    assert countdown.at(1.0) is None


def test_an_estimate_that_was_far_off_is_replaced_at_once() -> None:
    countdown = Countdown()
    countdown.correct(0.0, 2400.0)
    countdown.correct(0.1, 20.0)
    assert countdown.at(0.1) == pytest.approx(20.0)
