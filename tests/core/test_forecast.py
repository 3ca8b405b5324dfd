"""Where bars stand, and what they say of time, in whole runs on a fake clock."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator

import pytest

import kbar
from kbar.core.text import step_fact
from kbar.testing import FakeClock, RecordingRenderer, VirtualTerminal

from ..helpers import RENDERERS, Lines, last, views


def test_bars_glide_and_log_lines_give_the_true_count(clock: FakeClock, renderer: RecordingRenderer) -> None:
    lines = Lines(throttle=kbar.always)
    with kbar.stage("train", total=1200, unit="step", renderer=[renderer, lines]) as stage:
        for _ in range(12):
            clock.advance(1.0)
            stage.advance(100)
    found = views(renderer, "train")
    assert all((view.shown or 0) <= view.done for view in found)
    assert len({view.shown for view in found}) > 100
    assert found[-1].shown == 1200
    told = {e.stage.shown for e in lines.events if e.kind == "progress"}
    assert told == set(range(100, 1200, 100))


def test_without_pacing_bars_show_the_true_count(clock: FakeClock, renderer: RecordingRenderer) -> None:
    with kbar.stage("outer", renderer=renderer, pacing=False), kbar.stage("train", total=300) as stage:
        for _ in range(3):
            clock.advance(1.0)
            stage.advance(100)
    assert {view.shown for view in views(renderer, "train")} <= {0, 100, 200, 300}


def test_within_long_steps_the_bar_moves_but_not_the_count(clock: FakeClock, renderer: RecordingRenderer) -> None:
    with kbar.stage("train", total=5, unit="step", renderer=renderer) as stage:
        for _ in range(4):
            clock.advance(3.0)
            stage.advance()
            clock.advance(0.1)
            # The first may have been long for its compilation alone.
            assert stage.done == 1 or last(renderer, "train").shown == stage.done
        clock.advance(1.5)
        half_way = last(renderer, "train").fraction or 0
        assert 0.8 < half_way < 1.0


@pytest.mark.parametrize("end", ["stop", "fail"])
def test_an_early_end_shows_the_true_count_at_once(end: str, clock: FakeClock, renderer: RecordingRenderer) -> None:
    try:
        with kbar.stage("train", total=500, renderer=renderer) as stage:
            stage.advance(100)
            if end == "fail":
                raise ValueError
    except ValueError:
        pass
    assert (last(renderer, "train").shown, last(renderer, "train").fraction) == (100, 0.2)


def test_the_runs_bar_moves_within_an_epoch_and_never_back(clock: FakeClock, renderer: RecordingRenderer) -> None:
    with kbar.loop(epochs=3, renderer=renderer) as loop:
        for epoch in loop.epochs():
            for _ in epoch.steps(range(50)):
                clock.advance(0.1)
            for _ in epoch.steps(range(10), "validation"):
                clock.advance(0.1)
    runs = views(renderer, "loop")
    shares = [view.fraction or 0.0 for view in runs]
    assert shares == sorted(shares)
    assert len({round(share, 2) for share in shares}) > 60
    for view in runs:
        assert view.shown == view.done
        assert view.done == 3 or (view.fraction or 0) < (view.done + 1) / 3
    remaining = [view.remaining for view in runs if view.remaining is not None and not view.uncertain]
    assert remaining[10] == pytest.approx(11.0, abs=1.0)


def test_the_remaining_time_uses_stages_within_the_first_step(clock: FakeClock, renderer: RecordingRenderer) -> None:
    """Four trials of two minutes: the first one already tells."""
    for trial in kbar.track(range(4), "trial", renderer=renderer):
        for step in kbar.track(range(60), "inner"):
            clock.advance(2.0)
            if (trial, step) == (0, 30):
                assert last(renderer, "trial").remaining == pytest.approx(3.5 * 120, rel=0.05)
                assert last(renderer, "trial").fraction == pytest.approx(0.5 / 4, rel=0.1)
    assert last(renderer, "trial").done == 4


def test_where_an_epochs_time_went(clock: FakeClock, renderer: RecordingRenderer) -> None:
    def data() -> object:
        for i in range(10):
            clock.advance(0.1)
            yield i

    with kbar.loop(epochs=2, renderer=renderer, summary=True) as loop:
        for epoch in loop.epochs():
            for i in epoch.steps(data()):  # type: ignore[var-annotated,arg-type]
                clock.advance(3.0 if not i and not epoch.index else 0.2)
            for _ in epoch.steps(range(4), "validation"):
                clock.advance(0.25)
            clock.advance(0.5)
    first, second = [dict(event.epoch.spent) for event in renderer.events if event.epoch]
    assert first == {k: pytest.approx(v, abs=0.01) for k, v in
                     {"first": 3.0, "steps": 1.8, "data": 1.0, "validation": 1.0, "other": 0.5}.items()}  # fmt: skip
    assert second == {k: pytest.approx(v, abs=0.01) for k, v in
                      {"first": 0.0, "steps": 2.0, "data": 1.0, "validation": 1.0, "other": 0.5}.items()}  # fmt: skip


@pytest.mark.parametrize("renderer", RENDERERS)
def test_an_epochs_line_says_where_its_time_went_if_asked(renderer: str, clock: FakeClock) -> None:
    terminal = VirtualTerminal(120, 20)
    with kbar.loop(epochs=1, renderer=RENDERERS[renderer](file=terminal), summary=True) as loop:
        for epoch in loop.epochs():
            for _ in epoch.steps(range(10)):
                clock.advance(0.5)
    assert re.search(r"epoch 1/1 .* first 0\.50s  steps 4\.5s", terminal.text), terminal.text


@pytest.mark.parametrize("renderer", RENDERERS)
def test_a_step_that_takes_long_is_named_meanwhile(renderer: str, clock: FakeClock) -> None:
    terminal = VirtualTerminal(120, 20)
    with kbar.stage("train", total=100, unit="step", renderer=RENDERERS[renderer](file=terminal)) as stage:
        clock.advance(3.5)
        assert "step 1 for 3s" in terminal.text
        for _ in range(10):
            stage.advance()
            clock.advance(0.5)
        assert " for " not in terminal.text
        clock.advance(8.0)
        assert "stalled at step 11 for 8s" in terminal.text
        stage.advance()
        clock.advance(0.2)
        assert " for " not in terminal.text


def test_the_screen_changes_every_second_whatever_the_steps_do(clock: FakeClock) -> None:
    for renderer in RENDERERS.values():
        for columns in (40, 60, 80, 120):
            terminal = VirtualTerminal(columns, 20)
            with kbar.loop(epochs=3, renderer=renderer(file=terminal)) as loop:
                for epoch in loop.epochs():
                    for _ in epoch.steps(range(3)):
                        for _ in range(9):
                            before = terminal.text
                            clock.advance(1.0)
                            assert terminal.text != before, terminal.text
                    break


def test_remaining_times_count_down(clock: FakeClock, renderer: RecordingRenderer) -> None:
    with kbar.stage("train", total=2000, unit="step", renderer=renderer) as stage:
        for i in range(200):
            clock.advance(0.25 if i % 2 else 0.05)
            stage.advance(10)
    told = [view.remaining for view in views(renderer, "train") if view.remaining is not None]
    assert told[0] == pytest.approx(28.0, rel=0.1)
    rises = sum(b > a + 0.01 for a, b in itertools.pairwise(told))
    assert rises < len(told) / 20


def test_a_step_does_not_run_while_the_loop_waits_for_data(clock: FakeClock, renderer: RecordingRenderer) -> None:
    def data() -> Iterator[int]:
        for i in range(24):
            clock.advance(4.0 if i == 12 else 0.0)
            yield i

    for i in kbar.track(data(), "fold", total=24, renderer=renderer):
        clock.advance(0.1)
        if i == 12:
            assert step_fact(last(renderer, "fold")) == ""
            clock.advance(2.0)
            assert step_fact(last(renderer, "fold")) == "stalled at item 13 for 2s"


def test_the_runs_bar_is_no_further_than_its_steps(clock: FakeClock, renderer: RecordingRenderer) -> None:
    with kbar.loop(epochs=1, renderer=renderer) as loop:
        for epoch in loop.epochs():
            for i in epoch.steps(range(10)):
                clock.advance(20.0 if i == 5 else 0.3)
                assert (last(renderer, "loop").fraction or 0.0) <= (last(renderer, "train").fraction or 0.0) + 0.01


def test_a_remaining_time_is_uncertain_while_a_step_stalls(clock: FakeClock, renderer: RecordingRenderer) -> None:
    with kbar.stage("train", total=100, renderer=renderer) as stage:
        for _ in range(50):
            clock.advance(0.1)
            stage.advance()
        assert not last(renderer, "train").uncertain
        clock.advance(3.0)
        assert last(renderer, "train").uncertain


@pytest.mark.parametrize("name", ["pacing", "summary"])
def test_mistakes_raise_at_once(name: str) -> None:
    pytest.importorskip("keras")
    with pytest.raises(TypeError, match=f"{name} must be True or False; got 1"):
        kbar.ProgressBar(**{name: 1})


def test_an_epoch_left_half_way_says_nothing_of_the_next(clock: FakeClock, renderer: RecordingRenderer) -> None:
    with kbar.loop(epochs=3, renderer=renderer, summary=True) as loop:
        for epoch in loop.epochs():
            for _ in epoch.steps(range(4)):
                clock.advance(10.0)
                break
            break
        for epoch in loop.epochs():
            for _ in epoch.steps(range(4)):
                clock.advance(1.0)
            if epoch.index == 1:
                assert last(renderer, "loop").rate == pytest.approx(1 / 4.0)
    spent = [dict(event.epoch.spent) for event in renderer.events if event.epoch]
    assert [sum(epoch.values()) for epoch in spent] == [pytest.approx(4.0, abs=0.01)] * 3


def test_the_time_of_callbacks_is_not_the_steps(clock: FakeClock, renderer: RecordingRenderer) -> None:
    """Keras calls the bar after the other callbacks, whose time must not count as the steps'."""
    pytest.importorskip("keras")
    bar = kbar.ProgressBar(renderer, summary=True)
    bar.set_params({"epochs": 3, "steps": 100})
    bar.on_train_begin()
    for epoch in range(3):
        bar.on_epoch_begin(epoch)
        for i in range(100):
            clock.advance(0.1)
            bar.on_train_batch_end(i, {})
        clock.advance(5.0)
        assert step_fact(last(renderer, "train")) == ""
        bar.on_epoch_end(epoch, {})
        clock.advance(0.1)
        if epoch < 2:
            assert last(renderer, "fit").remaining == pytest.approx((2 - epoch) * 15.0, rel=0.1)
    bar.on_train_end()
    spent = [dict(event.epoch.spent) for event in renderer.events if event.epoch]
    assert [epoch["other"] for epoch in spent] == [pytest.approx(5.0)] * 3


def test_phases_of_one_label_may_recur_in_an_epoch(clock: FakeClock, renderer: RecordingRenderer) -> None:
    """As with a discriminator and a generator in turns."""
    with kbar.loop(epochs=2, renderer=renderer) as loop:
        for epoch in loop.epochs():
            for label in ("D", "G", "D", "G"):
                for i in epoch.steps(range(100), label):
                    clock.advance(0.1)
                    if epoch.index and i == 50:
                        run = last(renderer, "loop")
                        assert run.remaining == pytest.approx(80.0 - (clock.now - 1000.0), abs=2.0)
    spent = [dict(event.epoch.spent) for event in renderer.events if event.epoch]
    assert spent[1]["G"] == pytest.approx(20.0)
    assert spent[1]["other"] == pytest.approx(0.0, abs=0.01)


def test_steps_within_steps_do_not_disturb_each_other(clock: FakeClock, renderer: RecordingRenderer) -> None:
    with kbar.loop(epochs=1, renderer=renderer) as loop:
        for epoch in loop.epochs():
            for i in epoch.steps(range(10)):
                for _ in epoch.steps(range(20)):
                    clock.advance(0.1)
                if i == 4:
                    outer = renderer.snapshots[-1].stages[1]
                    assert outer.remaining == pytest.approx(10.0, rel=0.1)
                    assert last(renderer, "loop").remaining == pytest.approx(10.0, rel=0.1)


def test_no_bar_is_full_before_its_stage_is_done(clock: FakeClock, renderer: RecordingRenderer) -> None:
    with kbar.stage("train", total=20, unit="step", renderer=renderer) as stage:
        for _ in range(2):
            clock.advance(3.0)
            stage.advance(8)
        clock.advance(60.0)
        assert 0.9 < (last(renderer, "train").fraction or 0) < 1.0


@pytest.mark.parametrize("renderer", RENDERERS)
def test_the_bar_on_the_screen_glides(renderer: str, clock: FakeClock) -> None:
    terminal = VirtualTerminal(120, 20)
    with kbar.stage("train", total=1000, unit="step", renderer=RENDERERS[renderer](file=terminal)) as stage:
        for _ in range(5):
            clock.advance(1.0)
            stage.advance(100)
        bars = set()
        for _ in range(10):
            clock.advance(0.1)
            buffer = terminal.screen.buffer[2]
            bars.add("".join(buffer[i].data + buffer[i].fg for i in range(10, 31)))
    assert len(bars) > 2
