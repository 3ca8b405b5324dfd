"""Rates and remaining times of work whose steps do not land evenly, as screens and logs show them."""

from __future__ import annotations

import heapq
import io
import itertools
import random
import re
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import kbar
from kbar.core.snapshot import StageView
from kbar.testing import FakeClock, RecordingRenderer, VirtualTerminal, fake_clock

from ..helpers import RENDERERS, lines_of, views


def results(clock: FakeClock, ends: list[float]) -> Iterator[int]:
    """Something that is there at each of these times, in seconds from now."""
    began = clock()
    for number, end in enumerate(ends):
        clock.advance(max(0.0, began + end - clock()))
        yield number


def in_bunches(number: int, size: int, every: float, apart: float) -> list[float]:
    """When each is there of `size` results every so many seconds, the last on time, these so many seconds apart."""
    return [every * (i + 1) - apart * (size - 1 - j) for i in range(number) for j in range(size)]


def by_workers(number: int, workers: int, seconds: float, scatter: float, seed: int) -> list[float]:
    """When each of so many tasks is done by workers that take so many seconds for each, more or less."""
    chance, busy, ends = random.Random(seed), [0.0] * workers, []
    for _ in range(number):
        end = heapq.heappop(busy) + max(seconds / 10, chance.gauss(seconds, scatter))
        heapq.heappush(busy, end)
        ends.append(end)
    return sorted(ends)


def errors(seen: list[StageView], since: float, end: float, share: float = 0.1) -> list[float]:
    """By which share of the truth each remaining time was off from time `since` until so much is left."""
    until = end - share * (end - seen[0].seen)
    told = [(end - v.seen, v.remaining) for v in seen if since < v.seen < until and v.remaining is not None]
    return [abs(remaining - left) / left for left, remaining in told]


@pytest.mark.parametrize("way", ["track", "stage"])
@pytest.mark.parametrize(
    ("number", "size", "every", "apart"), [(10, 4, 30.0, 0.001), (10, 4, 30.0, 0.33), (20, 8, 5.0, 0.01)]
)
def test_results_in_bunches_are_estimated_from_the_second_bunch_on(
    way: str, number: int, size: int, every: float, apart: float, clock: FakeClock, renderer: RecordingRenderer
) -> None:
    began, ends = clock(), in_bunches(number, size, every, apart)
    if way == "track":
        for _ in kbar.track(results(clock, ends), total=number * size, renderer=renderer):
            pass
    else:
        with kbar.stage("track", total=number * size, renderer=renderer) as stage:
            for _ in results(clock, ends):
                stage.advance()
    seen = views(renderer, "track")
    off = errors(seen, began + 2 * every + 1, clock())
    assert len(off) > 0.8 * len([v for v in seen if v.seen > began + 2 * every + 1])
    assert max(off) < 0.25
    first = [v for v in seen if v.seen < began + 2 * every - 1 and v.remaining is not None]
    assert all(v.uncertain or abs(v.remaining - (clock() - v.seen)) < 0.25 * v.remaining for v in first if v.remaining)
    rates = [v.rate for v in seen if v.seen > began + 2 * every + 1 and v.rate]
    assert rates == [pytest.approx(size / every, rel=0.25)] * len(rates)


@pytest.mark.parametrize("bars", RENDERERS)
def test_screen_and_log_show_results_in_bunches(bars: str, clock: FakeClock) -> None:
    terminal, log = VirtualTerminal(100, 8), io.StringIO()
    targets: Any = [RENDERERS[bars](file=terminal), kbar.LogRenderer(log, throttle=1.0)]
    screens = []
    with kbar.stage("tasks", total=40, renderer=targets) as tasks:
        for _ in range(4):
            clock.advance(25.0)
            screens.append(lines_of(terminal)[0])
            clock.advance(5.0)
            for _ in range(4):
                tasks.advance()
                clock.advance(0.001)
    assert not any("eta" in screen for screen in screens[:2])
    for bunches, screen in enumerate(screens[2:], 2):
        left = 30 * (10 - bunches) - 25
        assert re.search(rf" {4 * bunches}/40 +7\.50 s/it .*eta {left // 60}:{left % 60:02}", screen)
    told = re.findall(r"(\d+)/40 .*?rate=(\S+) .*?(?:eta=(\S+))?$", log.getvalue(), re.MULTILINE)
    assert told
    assert {rate for _, rate, _ in told} == {"7.50s/it"}


@pytest.mark.parametrize(
    ("number", "workers", "seconds", "scatter"), [(40, 4, 30.0, 1.0), (40, 4, 30.0, 5.0), (400, 4, 3.0, 0.3)]
)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_workers_that_drift_apart_are_estimated_as_a_whole(
    number: int, workers: int, seconds: float, scatter: float, seed: int, clock: FakeClock, renderer: RecordingRenderer
) -> None:
    ends = by_workers(number, workers, seconds, scatter, seed)
    began = clock()
    for _ in kbar.track(results(clock, ends), total=number, renderer=renderer):
        pass
    off = errors(views(renderer, "track"), began + ends[3 * workers - 1], clock())
    assert sum(off) / len(off) < 0.25


@pytest.mark.parametrize("bars", RENDERERS)
def test_one_quick_item_says_nothing_of_the_others(bars: str, clock: FakeClock, renderer: RecordingRenderer) -> None:
    """Such as a cached one."""
    terminal = VirtualTerminal(100, 8)
    log = io.StringIO()
    targets: Any = [renderer, RENDERERS[bars](file=terminal), kbar.LogRenderer(log, throttle=kbar.every(steps=1))]
    for i in kbar.track(range(10), renderer=targets):
        if i:
            clock.advance(5.0)
            if i < 3:
                assert ("eta" in terminal.text) == (i > 1)
    seen = [v for v in views(renderer, "track") if not v.outcome]
    assert all(v.remaining is None for v in seen if v.done < 2)
    told = [(v.remaining, 5.0 * (10 - v.done)) for v in seen if v.remaining is not None and v.done < 10]
    assert told
    assert all(left - 5.1 <= remaining <= left + 5.1 for remaining, left in told)
    assert " 1/10 10%" not in "".join(line for line in log.getvalue().splitlines() if "eta=" in line)


@pytest.mark.parametrize("bars", RENDERERS)
def test_epochs_that_are_left_early_are_expected_to_be_short(bars: str, clock: FakeClock) -> None:
    renderer, terminal, log = RecordingRenderer(), VirtualTerminal(100, 8), io.StringIO()
    targets: Any = [renderer, RENDERERS[bars](file=terminal), kbar.LogRenderer(log)]
    screens = []
    began = clock()
    for epoch in kbar.loop(6, renderer=targets).epochs():
        for i in epoch.steps(range(100)):
            clock.advance(0.36)
            if i == 4:
                break
        screens.append(lines_of(terminal)[-2])
    off = errors(views(renderer, "loop"), began + 2.1, clock())
    assert off
    assert max(off) < 0.25
    assert re.search("epoch .*eta ~?0:0[67]", screens[1])
    assert re.search("loop epoch 2/6 33%.* eta=~?0:0[67]", log.getvalue()) or "eta" not in log.getvalue()


def test_epochs_left_at_different_places_have_rough_times(clock: FakeClock) -> None:
    renderer = RecordingRenderer()
    for epoch, last in zip(kbar.loop(6, renderer=renderer).epochs(), (4, 8, 6, 5, 7, 5), strict=True):
        for i in epoch.steps(range(100)):
            clock.advance(0.36)
            if i == last:
                break
    later = [v for v in views(renderer, "loop") if v.done >= 3 and v.remaining is not None and not v.outcome]
    off = errors(later, 0.0, clock(), share=0.3)
    assert sum(off) / len(off) < 0.35


def test_one_epoch_that_was_left_early_does_not_shorten_the_others(clock: FakeClock) -> None:
    renderer = RecordingRenderer()
    for epoch in kbar.loop(5, renderer=renderer).epochs():
        for i in epoch.steps(range(100)):
            clock.advance(0.05)
            if epoch.index == 1 and i == 4:
                break
    in_steps = [s.stages[0] for s in renderer.snapshots if any(v.label == "train" and not v.outcome for v in s.stages)]
    later = [v for v in in_steps if v.done >= 3]
    assert max(errors(later, later[0].seen + 0.2, clock())) < 0.25


def test_a_wait_that_may_be_another_compilation_makes_times_rough(clock: FakeClock) -> None:
    """Or it may be the time between two bunches of results that are a second apart."""
    renderer = RecordingRenderer()
    for _ in kbar.track(results(clock, in_bunches(8, 16, 60.0, 1.0)), total=128, renderer=renderer):
        pass
    began = renderer.snapshots[0].stages[0].seen
    off = [v for v in views(renderer, "track") if v.seen > began + 66 and v.remaining is not None and not v.outcome]
    wrong = [v for v in off if abs(v.remaining - (clock() - v.seen)) > 0.25 * (clock() - v.seen) + 1]
    assert all(v.uncertain for v in wrong)


@pytest.mark.parametrize(("nested", "bars"), [("steps", "rich"), ("steps", "tqdm"), ("track", "rich")])
def test_a_validation_within_steps_is_part_of_its_epoch(nested: str, bars: str, clock: FakeClock) -> None:
    """Twenty seconds of steps and, half way, thirty of a validation."""
    renderer, terminal, log = RecordingRenderer(), VirtualTerminal(110, 10), io.StringIO()
    targets: Any = [renderer, RENDERERS[bars](file=terminal), kbar.LogRenderer(log)]
    began = clock()
    for epoch in kbar.loop(2, renderer=targets, summary=True).epochs():
        for i in epoch.steps(range(200)):
            clock.advance(0.1)
            if i == 99:
                inner = range(100)
                validation = epoch.steps(inner, "validation") if nested == "steps" else kbar.track(inner, "validation")
                for _ in validation:
                    clock.advance(0.3)
                    assert "stalled" not in terminal.text
    assert "stalled" not in log.getvalue()
    loop = [v for v in views(renderer, "loop") if v.seen > began + 50.5 and not v.outcome]
    assert all(v.rate == pytest.approx(1 / 50, rel=0.01) for v in loop)
    assert max(errors(loop, 0.0, clock())) < 0.1
    # The run's bar is where the time is, and does not stand still.
    assert all(abs(v.position - (v.seen - began) / 50) < 0.03 for v in loop)
    assert all(b.position > a.position for a, b in itertools.pairwise(loop[::20]))
    ended = [line for line in lines_of(terminal) if line.startswith("epoch ")][-1]
    assert re.search("50s .*steps 50s", ended)


@pytest.mark.parametrize("bars", RENDERERS)
def test_long_times_are_readable(bars: str, clock: FakeClock) -> None:
    terminal, log = VirtualTerminal(120, 8), io.StringIO()
    targets: Any = [RENDERERS[bars](file=terminal), kbar.LogRenderer(log)]
    loop = kbar.loop(219, renderer=targets)
    for epoch in loop.epochs():
        for _ in epoch.steps(range(2)):
            clock.now += 3600.0
            clock.advance(0.1)
        if epoch.index == 2:
            assert any("2:00:00/epoch" in line and "eta 18d 0h" in line for line in lines_of(terminal))
            break
    assert "rate=2:00:00/epoch" in log.getvalue()
    assert re.search(r"eta=~?18d_[01]h", log.getvalue())


@given(st.lists(st.tuples(st.floats(0.0, 40.0), st.integers(1, 30)), min_size=1, max_size=60))
def test_no_estimate_is_negative_or_infinite(steps: list[tuple[float, int]]) -> None:
    renderer = RecordingRenderer()
    with fake_clock() as clock, kbar.stage("x", total=sum(n for _, n in steps), renderer=renderer) as stage:
        for seconds, units in steps:
            clock.now += seconds
            clock.advance(0.1)
            stage.advance(units)
    for view in views(renderer, "x"):
        assert view.remaining is None or 0 <= view.remaining < 1e9
        assert view.rate is None or 0 < view.rate < 1e9
