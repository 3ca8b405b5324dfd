"""The tree of stages and what each target is given of it, when."""

from __future__ import annotations

import io
import signal
import threading
from collections import deque
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

import kbar
from kbar.core.snapshot import Snapshot
from kbar.core.stage import Stage
from kbar.display.display import Display
from kbar.display.process import current, install
from kbar.options import Options
from kbar.testing import FakeClock, RecordingRenderer, fake_clock

from ..helpers import Lines, begin


def test_a_beginning_and_an_end_always_draw(clock: FakeClock) -> None:
    renderer = RecordingRenderer()
    stage = begin(renderer, throttle=kbar.never)
    assert [e.kind for e in renderer.events] == ["begin"]
    stage.advance_to(50, current().clock())
    clock.advance(10)
    assert len(renderer.snapshots) == 1
    current().end(stage, "stopped")
    assert [e.kind for e in renderer.events] == ["begin", "end"]
    (last,) = renderer.snapshots[-1].stages
    assert (last.done, last.outcome) == (50, "stopped")
    assert (renderer.opened, renderer.closed) == (1, 1)


def test_frames_come_as_time_passes_though_no_step_is_done(clock: FakeClock) -> None:
    renderer = RecordingRenderer()
    begin(renderer)
    before = len(renderer.snapshots)
    clock.advance(1.0)
    assert len(renderer.snapshots) - before == 10
    assert renderer.snapshots[-1].stages[0].elapsed == pytest.approx(1.0)


def test_a_line_for_step_500_shows_step_500_and_its_metrics(clock: FakeClock) -> None:
    """Whatever has been done by the time the line is written."""
    lines = Lines()
    stage = begin(lines, total=1500, throttle=kbar.every(steps=500))
    for done in range(1, 1401):
        stage.advance_to(done, current().clock(), {"loss": done / 1000})
    clock.advance(1)
    progress = [e.stage for e in lines.events if e.kind == "progress"]
    assert [(s.done, s.metrics) for s in progress] == [(500, (("loss", 0.5),)), (1000, (("loss", 1.0),))]


@pytest.mark.usefixtures("clock")
def test_a_jump_past_several_boundaries_makes_one_line() -> None:
    lines = Lines()
    stage = begin(lines, total=1500, throttle=kbar.every(steps=100))
    for done in (99, 130, 450, 499, 500, 520):
        stage.advance_to(done, current().clock())
    assert lines.positions == [130, 450, 500]


@pytest.mark.usefixtures("clock")
def test_a_callable_without_known_boundaries_is_asked_at_every_step() -> None:
    lines = Lines()
    stage = begin(lines, throttle=lambda tick: tick.done in (13, 37))
    for done in range(1, 60):
        stage.advance_to(done, current().clock())
    assert lines.positions == [13, 37]


@pytest.mark.usefixtures("clock")
def test_always_writes_a_line_for_every_step() -> None:
    lines = Lines()
    stage = begin(lines, total=5, throttle=kbar.always)
    for done in range(1, 6):
        stage.advance_to(done, current().clock())
    current().end(stage, "done")
    assert [(e.kind, e.stage.done) for e in lines.events] == [
        ("begin", 0), ("progress", 1), ("progress", 2), ("progress", 3), ("progress", 4), ("end", 5),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("step_seconds", "expected"),
    [
        (0.009, []),  # a second at most: nothing but its end
        (0.05, [19, 39, 59, 79]),  # a tenth each half a second: one a second
        (1.0, [10, 20, 30, 40, 50, 60, 70, 80, 90]),  # every tenth
        (20.0, [2, 5, 8, 10]),  # at least one a minute
    ],
)
def test_log_lines_come_at_every_tenth_within_limits_of_time(
    step_seconds: float, expected: list[int], clock: FakeClock
) -> None:
    lines = Lines()
    stage = begin(lines, throttle=kbar.LogRenderer.default_throttle)
    for done in range(1, 101):
        clock.advance(step_seconds)
        stage.advance_to(done, current().clock())
    assert lines.positions[: len(expected)] == expected
    if not expected:
        assert lines.positions == []


def test_several_targets_draw_each_at_its_own_pace(clock: FakeClock) -> None:
    """`throttle=` is for those that have none of their own."""
    fast, slow, own = RecordingRenderer(), Lines(), Lines(throttle=kbar.every(steps=7))
    stage = begin([fast, slow, own], throttle=kbar.every(seconds=0.5))
    for done in range(1, 21):
        clock.advance(0.1)
        stage.advance_to(done, current().clock())
    assert 4 <= len(fast.snapshots) - 1 <= 5
    assert 3 <= len(slow.positions) <= 4
    assert own.positions == [7, 14]


@pytest.mark.usefixtures("clock")
def test_the_screen_belongs_to_the_outermost_stage() -> None:
    outer, same, other = RecordingRenderer(screen=True), RecordingRenderer(screen=True), kbar.RichRenderer()
    run = begin(outer, label="outer")
    inner = begin(same, label="inner")
    assert same.opened == 0
    with pytest.warns(kbar.KbarWarning, match="RichRenderer is not used: the screen belongs to the outermost"):
        innermost = begin(other, label="innermost")
    assert [s.title for s in outer.snapshots[-1].stages] == ["outer", "inner", "innermost"]
    assert [s.depth for s in outer.snapshots[-1].stages] == [0, 1, 2]
    current().end(innermost, "done")
    current().end(inner, "done")
    assert [s.title for s in outer.snapshots[-1].stages] == ["outer"]
    assert outer.closed == 0
    current().end(run, "done")
    assert outer.closed == 1


@pytest.mark.usefixtures("clock")
def test_a_log_asked_for_further_in_gets_the_stages_below_it() -> None:
    screen, log = RecordingRenderer(screen=True), Lines()
    run = begin(screen, label="outer")
    inner = begin(log, label="inner")
    current().end(begin(RecordingRenderer(), label="innermost"), "done")
    current().end(inner, "done")
    assert log.closed == 1
    current().end(run, "done")
    assert [(e.kind, e.stage.label) for e in log.events] == [
        ("begin", "inner"), ("begin", "innermost"), ("end", "innermost"), ("end", "inner"),
    ]  # fmt: skip


@pytest.mark.usefixtures("clock")
def test_of_two_that_wait_for_lines_the_first_to_go_on_leaves_the_other_waiting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stage = begin(kbar.LogRenderer(io.StringIO()))
    (target,) = current().targets
    output = target.output
    assert output
    waits: list[bool] = []

    def wait(is_done: object, seconds: float) -> bool:
        if not waits:
            waits.append(bool(output.waits))
            target.wait(0.1)  # as another thread does
        waits.append(bool(output.waits))
        return True

    monkeypatch.setattr(target.thread, "wait", wait)
    target.wait(0.1)
    assert waits == [True, True, True]
    assert not output.waits
    monkeypatch.undo()
    current().end(stage, "done")


class Faulty(RecordingRenderer):
    """Fails where it is told to."""

    def __init__(self, where: str, **options: Any) -> None:
        super().__init__(**options)
        self.where = where

    def open(self) -> None:
        super().open()
        self._fail("open")

    def draw(self, snapshot: Snapshot) -> None:
        super().draw(snapshot)
        self._fail("draw")

    def close(self) -> None:
        super().close()
        self._fail("close")

    def _fail(self, where: str) -> None:
        if where == self.where:
            raise RuntimeError(f"no {where} today")


@pytest.mark.parametrize("where", ["open", "draw", "close"])
def test_a_renderer_that_fails_is_given_up_and_the_others_go_on(where: str, clock: FakeClock) -> None:
    """It is told once, is still closed, and the run never hears of it."""
    faulty, sound = Faulty(where), RecordingRenderer()
    with pytest.warns(kbar.KbarWarning, match=f"Faulty is given up: RuntimeError: no {where} today") as told:
        stage = begin([faulty, sound])
        stage.advance_to(10, current().clock())
        clock.advance(1)
        current().end(stage, "done")
    assert len(told) == 1
    assert faulty.closed == 1
    assert len(faulty.snapshots) == {"open": 0, "draw": 1}.get(where, len(sound.snapshots))
    assert sound.snapshots[-1].stages[0].outcome == "done"
    assert len(sound.snapshots) > 10


@pytest.mark.filterwarnings("error")
@pytest.mark.usefixtures("clock")
def test_warnings_made_errors_do_not_reach_the_run(capsys: pytest.CaptureFixture[str]) -> None:
    stage = begin(Faulty("draw"))
    current().end(stage, "done")
    assert "Faulty is given up" in capsys.readouterr().err


def test_a_throttle_that_fails_costs_its_target_only(clock: FakeClock) -> None:
    sound = RecordingRenderer()
    with pytest.warns(kbar.KbarWarning, match="ZeroDivisionError"):
        stage = begin([RecordingRenderer(throttle=lambda tick: bool(1 / tick.done)), sound])
        clock.advance(0.5)
    stage.advance_to(1, current().clock())
    assert len(sound.snapshots) == 6


@pytest.mark.usefixtures("clock")
def test_no_failure_of_kbars_own_reaches_a_step(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = Lines(throttle=kbar.always)
    stage = begin(lines)

    def fail() -> None:
        raise IndexError("boom")

    with monkeypatch.context() as patch:
        patch.setattr(current(), "wake", fail)
        with pytest.warns(kbar.KbarWarning, match="kbar missed a line: IndexError: boom"):
            stage.advance_to(1, current().clock())
    stage.advance_to(2, current().clock())
    assert lines.positions == [1, 2]


@pytest.mark.usefixtures("clock")
def test_two_threads_may_make_the_calls_for_later_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    class Raced(deque[Any]):
        """Each time it is found to have calls, another thread makes the last."""

        def __bool__(self) -> bool:
            return True

    made: list[int] = []
    monkeypatch.setattr(current(), "_later", Raced([lambda: made.append(1)]))
    current().wake()
    assert made == [1]


def test_stages_of_another_thread_stand_beside(clock: FakeClock) -> None:
    """The innermost open stage of this thread is the parent, of no other."""
    renderer = RecordingRenderer(screen=True)
    here = begin(renderer, label="here")
    there: list[Stage] = []
    thread = threading.Thread(target=lambda: there.append(begin(RecordingRenderer(), label="there")))
    thread.start()
    thread.join()
    clock.advance(0.1)
    assert [(s.title, s.depth) for s in renderer.snapshots[-1].stages] == [("here", 0), ("there", 0)]
    current().end(here, "done")
    assert renderer.closed == 0
    current().end(there[0], "done")
    assert renderer.closed == 1


@pytest.mark.usefixtures("clock")
def test_nothing_is_drawn_before_the_renderer_is_open() -> None:
    """Though another thread begins and ends a stage while it opens."""

    class Opens(RecordingRenderer):
        def open(self) -> None:
            thread = threading.Thread(target=lambda: current().end(begin(self, "other"), "done"))
            thread.start()
            thread.join()
            super().open()

        def draw(self, snapshot: Snapshot) -> None:
            assert self.opened
            super().draw(snapshot)

    renderer = Opens(screen=True)
    current().end(begin(renderer, "first"), "done")
    assert {e.stage.label for e in renderer.events} == {"other", "first"}


@pytest.mark.usefixtures("clock")
def test_runs_that_begin_while_a_log_of_the_same_file_closes_share_one() -> None:
    class File(Lines):
        place = "a file"

    open_ones: list[int] = []

    class Closing(File):
        def draw(self, snapshot: Snapshot) -> None:
            super().draw(snapshot)
            if self.events[-1].kind == "end":  # other runs begin just now
                begin(File(), "outer")
                begin(File(), "inner")
                open_ones.append(len(list(current().targets)))

    current().end(begin(Closing()), "done")
    assert open_ones == [2]  # the one that closes, and the one that both share


@pytest.mark.usefixtures("clock")
def test_an_ending_closes_all_within_and_is_final() -> None:
    renderer = RecordingRenderer()
    outer = begin(renderer, label="outer")
    inner = begin("none", label="inner")
    current().end(outer, "error")
    current().end(inner, "done")
    current().end(outer, "done")
    assert [(e.stage.label, e.stage.outcome) for e in renderer.events if e.kind == "end"] == [
        ("inner", "error"),
        ("outer", "error"),
    ]


@pytest.mark.usefixtures("clock")
def test_a_new_stage_after_an_abandoned_one_nests_in_what_is_open() -> None:
    outer = begin(RecordingRenderer(), label="outer")
    current().end(begin("none", label="lost"), "interrupted")
    assert begin("none", label="next").parent is outer


@pytest.mark.usefixtures("clock")
def test_where_in_the_run_a_stage_is() -> None:
    lines = Lines()
    folds = current().begin("fold", unit="fold", total=5, options=Options(lines))
    run = current().begin("fit", unit="epoch", total=None)
    current().start_epoch(run)
    current().begin("train", unit="step", total=9, parent=run, phase=True)
    folds.advance_to(1, current().clock())
    assert lines.events[-1].stage.path == "fold 1/5 fit epoch 1 train"


def test_the_first_execution_is_set_apart_from_steps_after_it(clock: FakeClock) -> None:
    renderer = RecordingRenderer()
    stage = begin(renderer, total=1000)
    clock.now += 4.0
    stage.advance_to(1, current().clock())
    for done in range(2, 102):
        clock.now += 0.01
        stage.advance_to(done, current().clock())
    clock.advance(0.1)
    view = renderer.snapshots[-1].stages[0]
    assert view.rate == pytest.approx(100, rel=0.01)
    assert view.remaining == pytest.approx(9.0, rel=0.02)


@given(st.lists(st.integers(1, 1000), min_size=1, max_size=200), st.integers(0, 1000))
def test_positions_only_ever_grow_and_never_pass_the_total(positions: list[int], total: int) -> None:
    with fake_clock() as clock:
        renderer = RecordingRenderer()
        stage = begin(renderer, total=total)
        for position in positions:
            stage.advance_to(position, current().clock())
            clock.advance(0.1)
        current().end(stage, "stopped")
    shown = [s.stages[0].done for s in renderer.snapshots]
    assert shown == sorted(shown)
    assert shown[-1] == min(total, max(positions))


@pytest.mark.usefixtures("clock")
def test_a_renderer_of_one_thread_sees_that_threads_stages_only() -> None:
    mine, theirs = RecordingRenderer(), RecordingRenderer()
    here = begin(mine, label="here")
    there: list[Stage] = []
    thread = threading.Thread(target=lambda: there.append(begin(theirs, label="there")))
    thread.start()
    thread.join()
    current().end(here, "stopped")
    current().end(there[0], "done")
    assert {view.label for s in mine.snapshots for view in s.stages} == {"here"}
    assert {view.label for s in theirs.snapshots for view in s.stages} == {"there"}


@pytest.mark.slow
def test_a_signal_handler_may_run_a_whole_stage_in_the_midst_of_anything() -> None:
    """On the real ticker: no lock is waited for by the one who holds it."""
    previous = install(Display())
    handled = 0

    def handler(number: int, frame: object) -> None:
        nonlocal handled
        handled += 1
        current().end(current().begin("inner", unit="step", total=1), "done")

    old = signal.signal(signal.SIGALRM, handler)
    try:
        stage = begin(RecordingRenderer())
        signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
        while handled < 100:
            current().end(current().begin("step", unit="step", total=1), "done")
        signal.setitimer(signal.ITIMER_REAL, 0)
        current().end(stage, "done")
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, old)
        install(previous)


@pytest.mark.parametrize(
    ("arguments", "error", "says"),
    [
        ({"renderer": []}, ValueError, "at least one"),
        ({"renderer": ["rich", "tqdm"]}, ValueError, "one for the screen"),
        ({"renderer": ["rich", kbar.LogRenderer()]}, ValueError, r"kbar\.LogRenderer\('train\.log'\)"),
        ({"throttle": kbar.every}, TypeError, "throttle must be"),
        ({"metrics": {"loss"}}, TypeError, "metrics must be a list"),
        ({"metrics": []}, TypeError, "metrics must be a list"),
        ({"capture": "yes"}, TypeError, "capture must be True or False; got 'yes'"),
    ],
)
def test_options_that_make_no_sense_are_refused(arguments: dict[str, Any], error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        Options(**arguments)


class Tree(RuleBasedStateMachine):
    """Any legal sequence of events, against what every target was given."""

    @initialize()
    def open(self) -> None:
        self.time = fake_clock()
        self.clock = self.time.__enter__()
        self.display: Display = current()
        self.open_stages: list[Stage] = []
        self.screen, self.lines = RecordingRenderer(screen=True), Lines()
        self.begun: list[int] = []

    @property
    def innermost(self) -> Stage:
        return self.open_stages[-1]

    @rule(total=st.none() | st.integers(0, 50), epoch=st.booleans())
    def begin(self, total: int | None, epoch: bool) -> None:
        if not self.open_stages:
            self.screen, self.lines = RecordingRenderer(screen=True), Lines(throttle=kbar.always)
            self.begun = []
        phase = bool(self.open_stages) and epoch
        if phase:
            self.display.start_epoch(self.innermost)
        stage = self.display.begin(
            "stage", unit="it", total=total, phase=phase, options=Options([self.screen, self.lines])
        )
        assert stage.parent is (self.open_stages[-1] if self.open_stages else None)
        self.open_stages.append(stage)
        self.begun.append(stage.key)

    @precondition(lambda self: self.open_stages)
    @rule(steps=st.integers(-3, 40), index=st.integers(0, 5))
    def advance(self, steps: int, index: int) -> None:
        stage = self.open_stages[index % len(self.open_stages)]
        stage.advance_to(stage.done + steps, current().clock(), {"loss": stage.done})

    @precondition(lambda self: self.open_stages)
    @rule()
    def finish_epoch(self) -> None:
        self.display.finish_epoch(self.innermost, {"loss": 1.0})

    @rule(seconds=st.floats(0, 5))
    def wait(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @precondition(lambda self: self.open_stages)
    @rule(index=st.integers(0, 5), outcome=st.sampled_from(["done", "stopped", "interrupted", "error"]))
    def end(self, index: int, outcome: Any) -> None:
        """Any open stage may end, and takes with it what is open within."""
        index %= len(self.open_stages)
        self.display.end(self.open_stages[index], outcome)
        del self.open_stages[index:]
        if not self.open_stages:
            self.all_over()

    def all_over(self) -> None:
        assert (self.screen.opened, self.screen.closed) == (1, 1)
        assert (self.lines.opened, self.lines.closed) == (1, 1)
        for renderer in (self.screen, self.lines):
            for kind in ("begin", "end"):
                assert sorted(e.stage.key for e in renderer.events if e.kind == kind) == self.begun

    @invariant()
    def what_was_drawn_is_true(self) -> None:
        if not self.open_stages or not self.screen.snapshots:
            return
        shown: dict[int, list[int]] = {}
        for snapshot in self.screen.snapshots:
            for view in snapshot.stages:
                shown.setdefault(view.key, []).append(view.done)
                assert view.total is None or 0 <= view.done <= view.total
                assert view.remaining is None or view.remaining >= 0
        assert all(positions == sorted(positions) for positions in shown.values())
        live = {s.key for s in self.open_stages}
        assert live <= {view.key for view in self.screen.snapshots[-1].stages}

    def teardown(self) -> None:
        if hasattr(self, "time"):
            self.time.__exit__(None, None, None)
            if self.open_stages:
                self.all_over()


def test_any_legal_sequence_of_events_is_drawn_truthfully() -> None:
    run_state_machine_as_test(Tree, settings=settings(stateful_step_count=30))
