"""Loops that people write themselves, against what every target is given of them."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import io
import itertools
import os
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

import kbar
from kbar.display.display import Display
from kbar.display.process import current, install
from kbar.sources.iteration import Feed
from kbar.testing import FakeClock, RecordingRenderer, VirtualTerminal

from ..helpers import RENDERERS, Boom, Lines, ends, epochs, last, lines_of, run_python, views


def slowly(items: Iterable[Any], clock: FakeClock, seconds: float) -> Iterator[Any]:
    """Items that come only after so many seconds each."""
    for item in items:
        clock.advance(seconds)
        yield item


def boom() -> Iterator[int]:
    yield 1
    raise OSError("disk on fire")


# Loops.


def test_a_loop_shows_epochs_and_their_stages(clock: FakeClock, renderer: RecordingRenderer) -> None:
    seen = []
    with kbar.loop(epochs=2, renderer=renderer) as loop:
        for epoch in loop.epochs():
            for item in epoch.steps(["a", "b", "c"]):
                seen.append((epoch.index, item))
                clock.advance(1.0)
                epoch.log(loss=len(seen))
            for _ in epoch.steps(range(2), stage="validation", unit="batch"):
                clock.advance(0.5)
                epoch.log({"val_loss": 0.5})
    assert seen == [(e, i) for e in (0, 1) for i in "abc"]
    assert ends(renderer) == [
        ("train", 3, 3, "done"), ("validation", 2, 2, "done"),
        ("train", 3, 3, "done"), ("validation", 2, 2, "done"), ("loop", 2, 2, "done"),
    ]  # fmt: skip
    assert [(epoch.title, epoch.elapsed, epoch.rate, epoch.metrics) for epoch in epochs(renderer)] == [
        ("epoch 1/2", pytest.approx(4.0), pytest.approx(1.0), (("loss", 3), ("val_loss", 0.5))),
        ("epoch 2/2", pytest.approx(4.0), pytest.approx(1.0), (("loss", 6), ("val_loss", 0.5))),
    ]
    assert [s.title for s in renderer.snapshots[-3].stages] == ["loop", "epoch 2", "validation"]
    assert (renderer.opened, renderer.closed) == (1, 1)


def test_initial_epoch_begins_in_the_middle(clock: FakeClock, renderer: RecordingRenderer) -> None:
    with kbar.loop(epochs=5, initial_epoch=3, renderer=renderer) as loop:
        indices = [epoch.index for epoch in loop.epochs() if not clock.advance(2.0)]
    assert indices == [3, 4]
    assert [epoch.title for epoch in epochs(renderer)] == ["epoch 4/5", "epoch 5/5"]
    assert min(s.stages[0].done for s in renderer.snapshots) == 3
    with kbar.loop(epochs=5, initial_epoch=7) as loop:
        assert list(loop.epochs()) == []


class _Dataset:
    """As TensorFlow's, of which len() may not be asked."""

    def __init__(self, cardinality: int) -> None:
        self._cardinality = cardinality

    def __len__(self) -> int:
        raise TypeError("unknown")

    def cardinality(self) -> int:
        return self._cardinality

    def __iter__(self) -> Iterator[int]:
        return iter(range(3))


class Index:
    """A whole number as NumPy's are."""

    def __index__(self) -> int:
        return 3


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize(
    ("iterable", "total", "expected"),
    [
        (lambda: [1, 2, 3], None, 3),
        (lambda: [1, 2, 3], 4, 4),
        (lambda: _Dataset(3), None, 3),
        (lambda: _Dataset(-2), None, None),
        (lambda: _Dataset(-1), None, None),
        (lambda: iter([1, 2, 3]), None, 3),
        (lambda: map(str, [1, 2, 3]), None, None),
        (lambda: (i for i in range(3)), Index(), 3),
        (lambda: pytest.importorskip("numpy").zeros((3, 2)), None, 3),
        (lambda: {"a": 1}.items(), None, 1),
    ],
)
def test_the_length_is_what_the_iterable_knows(iterable: Any, total: Any, expected: int | None) -> None:
    for steps in (True, False):
        renderer = RecordingRenderer()
        if steps:
            with kbar.loop(epochs=1, renderer=renderer) as loop:
                for epoch in loop.epochs():
                    list(epoch.steps(iterable(), total=total))
        else:
            list(kbar.track(iterable(), total=total, renderer=renderer))
        begun = [e.stage for e in renderer.events if e.kind == "begin"]
        assert begun[-1].total == expected


def test_tf_data_knows_its_length(clock: FakeClock, renderer: RecordingRenderer) -> None:
    tf = pytest.importorskip("tensorflow")
    data = tf.data.Dataset.range(10)
    with kbar.loop(epochs=1, renderer=renderer) as loop:
        for epoch in loop.epochs():
            for stage, dataset in (("train", data.batch(2)), ("filtered", data.filter(lambda n: n % 2 == 0))):
                assert [type(x) for x in epoch.steps(dataset, stage)] == [type(tf.constant(1))] * 5
    assert [e.stage.total for e in renderer.events if e.kind == "begin"] == [1, 5, None]


def test_several_may_ask_for_asynchronous_items_at_once(clock: FakeClock, renderer: RecordingRenderer) -> None:
    class Items:
        given = 0

        def __aiter__(self) -> Items:
            return self

        async def __anext__(self) -> int:
            self.given += 1
            number = self.given
            for _ in range(number):
                await asyncio.sleep(0)
            if number > 3:
                raise StopAsyncIteration
            return number

    async def main() -> list[Any]:
        items = aiter(kbar.track(Items(), renderer=renderer))
        found = await asyncio.gather(*[anext(items) for _ in range(3)])
        clock.advance(0.1)
        assert last(renderer, "track").done == 0
        return [*found, await anext(items, "over")]

    assert asyncio.run(main()) == [1, 2, 3, "over"]
    assert ends(renderer) == [("track", 3, 3, "done")]


class _Odd:
    """Whatever is asked of it but its items is an error."""

    @property
    def cardinality(self) -> int:
        raise RuntimeError("odd")

    def __iter__(self) -> Iterator[int]:
        return iter([1, 2])

    async def __aiter__(self) -> AsyncIterator[int]:
        for item in (1, 2):
            yield item


@pytest.mark.usefixtures("clock")
def test_no_odd_iterable_ends_a_loop() -> None:
    async def main() -> list[int]:
        return [item async for item in kbar.track(_Odd())]

    with pytest.warns(kbar.KbarWarning, match="kbar shows nothing: RuntimeError: odd"):
        assert list(kbar.track(_Odd())) == [1, 2]
        assert asyncio.run(main()) == [1, 2]


def test_blocks_in_generators_may_end_in_any_order(clock: FakeClock, renderer: RecordingRenderer) -> None:
    def items(label: str, count: int) -> Iterator[int]:
        with kbar.stage(label, total=count, renderer=renderer) as stage:
            for i in range(count):
                yield i
                stage.advance()

    assert len(list(zip(items("a", 3), items("b", 5), strict=False))) == 3
    clock.advance(0.3)
    assert sorted(ends(renderer)) == [("a", 3, 3, "done"), ("b", 2, 5, "stopped")]


def _wrapped() -> None:
    try:
        _raising()
    except ValueError as error:
        raise RuntimeError("wrapped") from error


def _raising() -> None:
    for x in kbar.track(range(5), "x"):
        if x == 3:
            raise ValueError


def _grouped() -> None:
    try:
        _raising()
    except ValueError as error:
        group = Exception("group")
        group.exceptions = [error]  # type: ignore[attr-defined]  # as ExceptionGroup has since Python 3.11
    raise group


def _generated() -> None:
    def epochs() -> Iterator[Any]:
        with kbar.loop(epochs=3, label="x") as loop:
            yield from loop.epochs()

    for epoch in epochs():
        if epoch.index == 1:
            raise ValueError


@pytest.mark.parametrize("program", [_wrapped, _grouped, _generated])
def test_an_exception_is_seen_also_behind_another(
    program: Callable[[], None], clock: FakeClock, renderer: RecordingRenderer
) -> None:
    with kbar.stage("outer", renderer=renderer):
        try:
            program()
        except Exception:
            clock.advance(0.3)
    assert [outcome for *_, outcome in ends(renderer, "x")] == ["error"]


def test_an_exception_handled_before_is_none_that_left_the_loop(clock: FakeClock, renderer: RecordingRenderer) -> None:
    try:
        raise ValueError
    except ValueError:
        list(itertools.islice(kbar.track(range(10), renderer=renderer), 3))
        clock.advance(0.3)
    assert ends(renderer) == [("track", 2, 10, "stopped")]


@pytest.mark.skipif(sys.version_info < (3, 11), reason="tasks do not tell that they are being cancelled")
def test_a_cancelled_body_is_interrupted(clock: FakeClock, renderer: RecordingRenderer) -> None:
    async def work() -> None:
        for _ in kbar.track(range(10), renderer=renderer):
            await asyncio.sleep(10)

    async def main() -> None:
        task = asyncio.create_task(work())
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        clock.advance(0.3)

    asyncio.run(main())
    assert ends(renderer) == [("track", 0, 10, "interrupted")]


def test_an_epochs_line_has_what_was_true_when_it_ended(clock: FakeClock, renderer: RecordingRenderer) -> None:
    total = pytest.importorskip("numpy").zeros(())
    with kbar.loop(epochs=2, renderer=renderer) as loop:
        for epoch in loop.epochs():
            total[...] = 0
            for _ in epoch.steps(range(5)):
                total += 1
                epoch.log(total=total)
    assert [dict(epoch.metrics) for epoch in epochs(renderer)] == [{"total": 5}, {"total": 5}]


def test_a_second_loop_over_a_track_has_its_own_metrics(clock: FakeClock, renderer: RecordingRenderer) -> None:
    bar = kbar.track(range(3), renderer=renderer)
    for x in bar:
        bar.log(x=x)
    for _ in bar:
        clock.advance(0.1)
    assert last(renderer, "track").metrics == ()


def test_one_log_may_serve_several_threads(clock: FakeClock) -> None:
    lines = Lines()
    first = iter(kbar.track(range(3), "first", renderer=lines))
    next(first)
    thread = threading.Thread(target=lambda: list(kbar.track(range(3), "second", renderer=lines)))
    thread.start()
    thread.join()
    list(first)
    assert ends(lines) == [("second", 3, 3, "done"), ("first", 3, 3, "done")]
    assert (lines.opened, lines.closed) == (1, 1)


def test_what_failed_tells_where_until_something_else_goes_on(clock: FakeClock) -> None:
    renderer = RecordingRenderer(screen=True)
    for fold in kbar.track(range(2), "fold", renderer=renderer):
        with contextlib.suppress(ValueError), kbar.stage("step", total=3) as stage:
            stage.advance()
            if not fold:
                raise ValueError
        clock.advance(0.2)
        shown = [(s.label, s.outcome) for s in renderer.snapshots[-1].stages]
        assert shown == ([("fold", None)] if fold else [("fold", None), ("step", "error")])


@pytest.mark.usefixtures("clock")
def test_an_unknown_length_is_learned_in_the_first_epoch(renderer: RecordingRenderer) -> None:
    lengths = iter([5, 5, 7, 3])
    with kbar.loop(epochs=4, renderer=renderer) as loop:
        for epoch in loop.epochs():
            list(epoch.steps(i for i in range(next(lengths))))
    begun = [e.stage.total for e in renderer.events if e.kind == "begin"]
    assert begun == [4, None, 5, 5, 7]
    assert ends(renderer, "train") == [("train", n, n, "done") for n in (5, 5, 7, 3)]


def test_each_epoch_after_the_data_were_used_up_says_so(clock: FakeClock, tmp_path: Path) -> None:
    terminal, items = VirtualTerminal(100, 12), (i for i in range(10))
    renderers: Any = [kbar.RichRenderer(file=terminal), kbar.LogRenderer(tmp_path / "run.log")]
    for epoch in kbar.loop(3, renderer=renderers).epochs():
        for _ in epoch.steps(items):
            clock.advance(0.1)
        for _ in epoch.steps(range(2), "validation"):
            clock.advance(0.1)
    lines = [line for line in lines_of(terminal) if line.startswith("epoch")]
    assert ["0/10" in line for line in lines] == [False, True, True]
    assert (tmp_path / "run.log").read_text().count("0/10 0%") == 2


@pytest.mark.parametrize("bars", RENDERERS)
def test_a_validation_whose_data_were_used_up_says_so(bars: str, clock: FakeClock, tmp_path: Path) -> None:
    """In the line of its epoch; not one that the loop left."""
    terminal, items = VirtualTerminal(100, 12), (i for i in range(5))
    renderers: Any = [RENDERERS[bars](file=terminal), kbar.LogRenderer(tmp_path / "run.log")]
    for epoch in kbar.loop(3, renderer=renderers).epochs():
        for _ in epoch.steps(range(2)):
            clock.advance(0.1)
        for _ in epoch.steps(itertools.islice(items, 2), "validation"):
            clock.advance(0.1)
        for _ in epoch.steps(range(9), "test"):
            break
    lines = [line for line in lines_of(terminal) if line.startswith("epoch")]
    assert ["validation 1/2" in line for line in lines] == [False, False, True]
    assert "test" not in "".join(lines)
    assert (tmp_path / "run.log").read_text().count(" validation_1/2 ") == 1


@pytest.mark.usefixtures("clock")
def test_stages_of_an_epoch_come_in_any_order_and_again(renderer: RecordingRenderer) -> None:
    """One that comes again takes the place of the one before; one within steps of another is gone once it is done."""
    with kbar.loop(epochs=1, renderer=renderer) as loop:
        for epoch in loop.epochs():
            for _ in epoch.steps(range(2), "collect"):
                pass
            for _ in epoch.steps(range(4)):
                for _ in epoch.steps(range(1), "validation"):
                    epoch.log(val_loss=1)
                epoch.log(loss=2)
            shown = [(s.title, s.done, s.outcome) for s in renderer.snapshots[-1].stages]
            for _ in epoch.steps(range(3), "collect"):
                again = [(s.title, s.done, s.outcome) for s in renderer.snapshots[-1].stages]
    assert shown == [("loop", 0, None), ("collect", 2, "done"), ("epoch 1", 4, "done")]
    assert again == [("loop", 0, None), ("epoch 1", 4, "done"), ("collect", 0, None)]
    assert last(renderer, "train").metrics == (("loss", 2),)
    assert [e.stage.metrics for e in renderer.events if e.kind == "end" and e.stage.label == "validation"] == [
        (("val_loss", 1),)
    ] * 4


def validated_every_so_many_steps(every: int, way: str, clock: FakeClock, **options: Any) -> None:
    """Two epochs of steps of 0.1 s, each with two validations within, of as many steps of 0.15 s."""
    for epoch in kbar.loop(2, **options).epochs():
        for i in epoch.steps(range(2 * every)):
            clock.advance(0.1)
            if i % every == every - 1:
                inner = range(every)
                steps = epoch.steps(inner, "validation") if way == "steps" else kbar.track(inner, "validation")
                for _ in steps:
                    clock.advance(0.15)
                    epoch.log(val_loss=0.5)


@pytest.mark.parametrize("way", ["steps", "track"])
def test_steps_within_steps_are_a_stage_of_the_running_step(way: str, clock: FakeClock) -> None:
    """A validation in the midst of an epoch, as by Lightning's `val_check_interval`."""
    renderer = RecordingRenderer()
    validated_every_so_many_steps(100, way, clock, renderer=renderer, summary=True)
    assert {(v.depth, v.title) for v in views(renderer, "validation")} == {(2, "validation")}
    assert not any(view.stalled for snapshot in renderer.snapshots for view in snapshot.stages)
    assert ends(renderer, "validation") == [("validation", 100, 100, "done")] * 4
    for epoch in epochs(renderer):
        spent = dict(epoch.spent)
        assert epoch.elapsed == pytest.approx(50.0)
        assert sum(spent.values()) == pytest.approx(50.0)
        assert (epoch.done, epoch.total, epoch.outcome) == (200, 200, "done")
        assert dict(epoch.metrics) == {"val_loss": 0.5}
    runs = views(renderer, "loop")
    at_epoch_2 = next(view for view in runs if view.done == 1 and view.rate)
    assert at_epoch_2.rate == pytest.approx(1 / 50)
    shares = [(view.position or 0) - (view.elapsed / 50) for view in runs]
    assert max(map(abs, shares)) < 0.35


@pytest.mark.parametrize("bars", RENDERERS)
def test_a_screen_and_a_log_show_steps_within_steps_as_nested(bars: str, clock: FakeClock) -> None:
    terminal, log = VirtualTerminal(110, 8), io.StringIO()
    seen: list[list[str]] = []

    def look(tick: object) -> bool:
        seen.append([line.split()[0] for line in lines_of(terminal)])
        return True

    renderers = [RENDERERS[bars](file=terminal), kbar.LogRenderer(log, throttle=look)]
    validated_every_so_many_steps(15, "steps", clock, renderer=renderers)
    assert ["loop", "epoch", "validation"] in seen
    assert "stalled" not in log.getvalue()
    assert "loop epoch 1/2 train step 15/30 validation done 15/15" in log.getvalue()


def test_steps_after_other_steps_are_no_part_of_them(clock: FakeClock, renderer: RecordingRenderer) -> None:
    """Also where the loop over the others was left by `break`."""
    for epoch in kbar.loop(1, renderer=renderer).epochs():
        for i in epoch.steps(range(10)):
            if i == 5:
                break
        for _ in epoch.steps(range(3), "validation"):
            clock.advance(0.2)
    assert {view.depth for view in views(renderer, "validation")} == {1}


def test_each_stage_of_a_label_learns_its_own_length(clock: FakeClock) -> None:
    """Two loaders of unknown length in each epoch, of 3 and 5 items."""
    renderer = RecordingRenderer()
    seen: list[list[int | None]] = []
    for epoch in kbar.loop(3, renderer=renderer).epochs():
        for _ in epoch.steps(range(2)):
            clock.advance(0.2)
        for length in (3, 5):
            totals = []
            for _ in epoch.steps(map(int, range(length)), stage="validation"):
                clock.advance(0.2)
                totals.append(last(renderer, "validation").total)
            seen.append(totals)
    assert seen == [[None] * 3, [None] * 5, [3] * 3, [5] * 5, [3] * 3, [5] * 5]
    assert [done for _, done, _, _ in ends(renderer, "validation")] == [3, 5] * 3


@pytest.mark.parametrize("bars", RENDERERS)
def test_a_second_stage_of_a_label_has_no_total_at_first(bars: str, clock: FakeClock) -> None:
    terminal = VirtualTerminal(100, 8)
    log = io.StringIO()
    renderers = [RENDERERS[bars](file=terminal), kbar.LogRenderer(log, throttle=kbar.always)]
    shown = []
    for epoch in kbar.loop(2, renderer=renderers, pacing=False).epochs():
        for length in (3, 5):
            for i in epoch.steps(map(int, range(length)), stage="validation"):
                clock.advance(0.4)
                if i == 3:
                    shown.append(next(line for line in lines_of(terminal) if line.startswith("validation")))
    assert "/?" in shown[0]
    assert "3/5" in shown[1]
    assert "epoch 1/2 validation 3/3" not in log.getvalue()
    assert "epoch 2/2 validation 3/5" in log.getvalue()


@pytest.mark.usefixtures("clock")
def test_breaks_say_where_they_stopped(renderer: RecordingRenderer) -> None:
    with kbar.loop(epochs=3, renderer=renderer) as loop:
        for epoch in loop.epochs():
            for i in epoch.steps(range(10)):
                if i == 4:
                    break
            if epoch.index == 1:
                break
    assert ends(renderer) == [("train", 4, 10, "stopped")] * 2 + [("loop", 1, 3, "stopped")]
    assert [(epoch.title, epoch.outcome) for epoch in epochs(renderer)] == [("epoch 1/3", "stopped")]


def test_an_epoch_that_is_left_when_its_stages_are_done_counts(clock: FakeClock, renderer: RecordingRenderer) -> None:
    """Early stopping: what stops after an epoch's validation has done the epoch."""
    with kbar.loop(epochs=9, renderer=renderer) as loop:
        for epoch in loop.epochs():
            list(epoch.steps(range(10)))
            epoch.log(val_loss=1)
            if epoch.index == 2:
                break
        clock.advance(0.1)
        assert last(renderer, "loop").done == 3  # at once, not only where the block ends
    assert ends(renderer, "loop") == [("loop", 3, 9, "stopped")]
    assert len(epochs(renderer)) == 3


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize(("epochs", "outcome"), [(0, "done"), (3, "stopped"), (None, "done")])
def test_a_loop_without_epochs(epochs: int | None, outcome: str, renderer: RecordingRenderer) -> None:
    with kbar.loop(epochs, renderer=renderer):
        pass
    assert ends(renderer) == [("loop", 0, epochs or 0, outcome)]


@pytest.mark.usefixtures("clock")
def test_epochs_without_steps_and_without_end(renderer: RecordingRenderer) -> None:
    with kbar.loop(label="until it converges", renderer=renderer) as loop:
        for epoch in loop.epochs():
            epoch.log(loss=1 / (1 + epoch.index))
            if epoch.index == 4:
                break
    assert ends(renderer) == [("until it converges", 4, 4, "done")]
    assert [epoch.title for epoch in epochs(renderer)] == [f"until it converges  epoch {n}" for n in (1, 2, 3, 4)]


# Tracks and stages by hand.


def test_a_track_passes_on_the_very_items(clock: FakeClock, renderer: RecordingRenderer) -> None:
    items = [object() for _ in range(5)]
    passed = []
    for item in kbar.track(items, label="fold", unit="fold", renderer=renderer):
        clock.advance(1.0)
        passed.append(item)
    assert all(a is b for a, b in zip(items, passed, strict=True))
    assert ends(renderer) == [("fold", 5, 5, "done")]
    assert sorted({s.stages[0].done for s in renderer.snapshots}) == [0, 1, 2, 3, 4, 5]


@pytest.mark.usefixtures("clock")
def test_a_track_can_be_looped_over_again_and_logs(renderer: RecordingRenderer) -> None:
    bar = kbar.track(range(3), "trial", renderer=renderer)
    for _ in range(2):
        for i in bar:
            bar.log(best=i)
    assert ends(renderer) == [("trial", 3, 3, "done")] * 2
    assert renderer.snapshots[-1].stages[0].metrics == (("best", 2),)


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize(("total", "end"), [(10, (3, 3)), (2, (3, 3)), (None, (3, 3))])
def test_a_total_that_was_wrong_is_believed_no_more(total: int | None, end: Any, renderer: RecordingRenderer) -> None:
    list(kbar.track(map(int, range(3)), total=total, renderer=renderer))
    assert ends(renderer) == [("track", *end, "done")]


def test_quick_items_are_counted_too(renderer: RecordingRenderer) -> None:
    """On the real clock, where they go in bulks."""
    lines = Lines(throttle=kbar.every(steps=1000))
    for i in kbar.track(range(5500), renderer=[renderer, lines]):
        if i == 5400:
            break
    current().close()  # waits until all is drawn
    assert ends(renderer) == [("track", 5400, 5500, "stopped")]
    assert [e.stage.done for e in lines.events if e.kind == "progress"] == [1000, 2000, 3000, 4000, 5000]


@pytest.mark.usefixtures("clock")
def test_a_line_for_step_500_shows_what_was_logged_then() -> None:
    lines = Lines(throttle=kbar.every(steps=500))
    with kbar.loop(epochs=1, renderer=lines) as loop:
        for epoch in loop.epochs():
            for i in epoch.steps(range(1200)):
                epoch.log(step=i + 1)
                epoch.mean(mean=i + 1)
    progress = [(e.stage.done, dict(e.stage.metrics)) for e in lines.events if e.kind == "progress"]
    assert [(done, m["step"], m["mean"]) for done, m in progress] == [(500, 500, 250.5), (1000, 1000, 500.5)]


@pytest.mark.usefixtures("clock")
def test_a_stage_moves_by_hand(renderer: RecordingRenderer) -> None:
    with kbar.stage("export", total=1000, unit="file", renderer=renderer) as stage:
        stage.advance(10)
        stage.log(size=3.2)
        stage.advance()
        assert (stage.done, stage.total) == (11, 1000)
    assert ends(renderer) == [("export", 11, 1000, "stopped")]
    assert renderer.snapshots[-1].stages[0].metrics == (("size", 3.2),)


def test_a_total_may_change(clock: FakeClock, renderer: RecordingRenderer) -> None:
    shown = []
    with kbar.stage("scan", renderer=renderer) as stage:
        for total in (None, 10, 20, 3, None, 8):
            stage.total = total
            stage.advance(1)
            clock.advance(0.1)
            shown.append((last(renderer, "scan").done, last(renderer, "scan").total))
        stage.advance(2)
    assert shown == [(1, None), (2, 10), (3, 20), (4, None), (5, None), (6, 8)]
    assert ends(renderer) == [("scan", 8, 8, "done")]


@pytest.mark.usefixtures("clock")
def test_several_threads_advance_one_stage(renderer: RecordingRenderer) -> None:
    with kbar.stage("export", total=8000, renderer=renderer) as stage:
        threads = [threading.Thread(target=lambda: [stage.advance() for _ in range(1000)]) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert ends(renderer) == [("export", 8000, 8000, "done")]


# Asynchronous loops.


async def later(count: int, clock: FakeClock, seconds: float = 0.0) -> AsyncIterator[int]:
    for i in range(count):
        await asyncio.sleep(0)
        clock.advance(seconds)
        yield i


def test_async_for_works(clock: FakeClock, renderer: RecordingRenderer) -> None:
    async def main() -> list[int]:
        return [i async for i in kbar.track(later(5, clock, 0.3), "arrivals", total=5, renderer=renderer)]

    assert asyncio.run(main()) == [0, 1, 2, 3, 4]
    assert ends(renderer) == [("arrivals", 5, 5, "done")]
    assert last(renderer, "arrivals").data_share == pytest.approx(1.0)


@pytest.mark.parametrize(("leave", "outcome"), [("break", "stopped"), ("error", "error"), ("cancel", "interrupted")])
def test_async_loops_end_as_others_do(leave: str, outcome: str, clock: FakeClock, renderer: RecordingRenderer) -> None:
    async def main() -> None:
        async for i in kbar.track(later(5, clock), renderer=renderer):
            if i == 2:
                if leave == "break":
                    break
                raise {"error": OSError, "cancel": asyncio.CancelledError}[leave]()
        clock.advance(0.1)
        assert ends(renderer) == [("track", 2, None, "stopped")]

    try:
        asyncio.run(main())
    except (OSError, asyncio.CancelledError):
        clock.advance(0.5)
    assert ends(renderer) == [("track", 2, None, outcome)]


def test_tasks_have_their_own_innermost_stage(clock: FakeClock, renderer: RecordingRenderer) -> None:
    """Those begun within a stage lie within it, side by side."""

    async def fold(n: int) -> None:
        async for _ in kbar.track(later(2, clock, 0.1), f"fold {n}"):
            await asyncio.sleep(0)

    async def main() -> None:
        with kbar.stage("folds", renderer=renderer):
            await asyncio.gather(fold(1), fold(2))

    asyncio.run(main())
    depths = {(s.title, s.depth) for snapshot in renderer.snapshots for s in snapshot.stages}
    assert depths == {("folds", 0), ("fold 1", 1), ("fold 2", 1)}
    assert any(len(snapshot.stages) == 3 for snapshot in renderer.snapshots)


# Nesting.


@pytest.mark.usefixtures("clock")
@pytest.mark.filterwarnings("error")
def test_what_is_not_said_further_in_is_as_further_out() -> None:
    renderer = RecordingRenderer(screen=True)
    with (
        kbar.stage("outer", renderer=renderer, metrics=["loss"], leave="run"),
        kbar.loop(epochs=1, label="inner") as loop,
    ):
        for epoch in loop.epochs():
            for _ in epoch.steps(range(1)):
                epoch.log(loss=1, accuracy=2)
    assert not any(e.line for e in renderer.events)
    assert last(renderer, "train").metrics == (("loss", 1),)


def test_a_different_screen_further_in_gets_one_warning(clock: FakeClock) -> None:
    with (
        pytest.warns(kbar.KbarWarning, match="RichRenderer is not used: the screen belongs to the outermost") as told,
        kbar.stage("outer", renderer=RecordingRenderer(screen=True)),
    ):
        for _ in range(3):
            list(kbar.track(range(2), renderer="rich"))
    assert len(told) == 1


# Metrics.


class Tensor:
    """A scalar of some framework, which counts how often it is fetched."""

    shape = ()
    fetched = 0

    def __init__(self, value: float) -> None:
        self.value = value

    def item(self) -> float:
        Tensor.fetched += 1
        return self.value

    __float__ = __int__ = __bool__ = item  # type: ignore[assignment]  # counted alike

    def __add__(self, other: Any) -> Tensor:
        return Tensor(self.value + getattr(other, "value", other))

    def __mul__(self, other: Any) -> Tensor:
        return Tensor(self.value * getattr(other, "value", other))

    __radd__, __rmul__ = __add__, __mul__


@pytest.mark.parametrize("renderer_class", [kbar.RichRenderer, kbar.TqdmRenderer])
def test_nothing_is_fetched_but_for_a_frame(renderer_class: Any, clock: FakeClock) -> None:
    """At most once for each drawn frame and metric."""
    frames = 0

    class Counting(renderer_class):  # type: ignore[misc]
        def draw(self, snapshot: kbar.Snapshot) -> None:
            nonlocal frames
            frames += 1
            super().draw(snapshot)

    Tensor.fetched = 0
    terminal = VirtualTerminal(120, 20)
    with kbar.loop(epochs=1, renderer=Counting(file=terminal)) as loop:
        for epoch in loop.epochs():
            for i in epoch.steps(range(1000)):
                before = Tensor.fetched
                epoch.log(loss=Tensor(i))
                epoch.mean(accuracy=Tensor(i), weight=2)
                assert Tensor.fetched == before
                if i % 100 == 50:
                    clock.advance(0.1)
            assert "loss=999  accuracy=499.50" in terminal.text
    assert 10 <= frames <= 20
    assert Tensor.fetched <= 2 * frames


FRAMEWORKS: dict[str, Callable[[Any, str], Any]] = {
    "tensorflow": lambda tf, kind: lambda value: tf.constant(value, kind),
    "torch": lambda torch, kind: lambda value: torch.tensor(value, dtype=getattr(torch, kind)),
    "jax.numpy": lambda jnp, kind: lambda value: jnp.asarray(value, kind),
    "numpy": lambda np, kind: lambda value: np.asarray(value, kind)[()],
    "builtins": lambda builtins, kind: int if "int" in kind else float,
}


@pytest.mark.parametrize("kind", ["float32", "float16", "bfloat16", "int32"])
@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_scalars_of_any_framework(framework: str, kind: str, clock: FakeClock) -> None:
    """And their means, also of types in which a sum of thousands would stand still."""
    module = pytest.importorskip(framework)
    if framework == "numpy" and kind == "bfloat16":
        pytest.skip("NumPy has none")
    scalar = FRAMEWORKS[framework](module, kind)
    terminal = VirtualTerminal(120, 20)
    with kbar.loop(epochs=1, renderer=kbar.TqdmRenderer(file=terminal)) as loop:
        for epoch in loop.epochs():
            for i in epoch.steps(range(3000)):
                epoch.log({"last": scalar(i % 4)})
                epoch.mean(mean=scalar(i % 4), weight=scalar(2))
            clock.advance(0.2)
            assert "last=3" in terminal.text
            assert "mean=1.5000" in terminal.text


def test_autograd_graphs_are_not_kept() -> None:
    torch = pytest.importorskip("torch")
    weight = torch.ones(1, requires_grad=True)
    with kbar.loop(epochs=1, renderer="none") as loop:
        for epoch in loop.epochs():
            epoch.log(loss=(weight * 2).sum())
            epoch.mean(mean=(weight * 2).sum())
            assert not epoch.metrics["loss"].requires_grad  # type: ignore[attr-defined]
            assert not epoch.metrics["mean"].total.requires_grad  # type: ignore[attr-defined]


def test_means_are_weighted_and_start_anew_with_each_stage(clock: FakeClock, renderer: RecordingRenderer) -> None:
    with kbar.loop(epochs=2, renderer=renderer) as loop:
        for epoch in loop.epochs():
            for value, weight in epoch.steps([(1.0, 3), (5.0, 1)]):
                epoch.mean(loss=value + epoch.index, weight=weight)
            for value in epoch.steps([4.0, 8.0], "validation"):
                epoch.mean({"loss": value})
                epoch.mean(val_loss=value, weight=0)
    trained = [s for snap in renderer.snapshots for s in snap.stages if s.label == "train" and s.outcome]
    assert {s.metrics[0][1] for s in trained} == {2.0, 3.0}
    loss, val_loss = (value for _, value in epochs(renderer)[-1].metrics)
    assert loss == 6.0
    assert val_loss != val_loss  # of nothing there is no mean


def test_what_raised_is_not_waited_for(clock: FakeClock, renderer: RecordingRenderer) -> None:
    with kbar.loop(epochs=1, renderer=renderer) as loop:
        for epoch in loop.epochs():
            with contextlib.suppress(OSError):
                for _ in epoch.steps(boom()):
                    clock.advance(1.0)
            clock.advance(3.0)
    assert epochs(renderer)[-1].data_share < 0.1


class Grid(Tensor):
    """An array of several values."""

    shape = (2, 3)  # type: ignore[assignment]  # not a scalar's

    def __init__(self, value: float = 0.0) -> None:
        super().__init__(value)

    def __add__(self, other: Any) -> Grid:
        return self

    __radd__ = __mul__ = __rmul__ = __add__


@pytest.mark.usefixtures("clock")
def test_a_mean_of_arrays_is_shown_by_its_shape(renderer: RecordingRenderer) -> None:
    with (
        pytest.warns(kbar.KbarWarning, match="the metric 'grid' is no number"),
        kbar.loop(epochs=1, renderer=renderer) as loop,
    ):
        for epoch in loop.epochs():
            for _ in epoch.steps(range(2)):
                epoch.mean(grid=Grid())
    assert epochs(renderer)[-1].metrics == (("grid", "[2×3]"),)


class _Unreadable:
    def __float__(self) -> float:
        raise RuntimeError("deleted buffer")

    def __str__(self) -> str:
        return "somewhere"


@pytest.mark.parametrize(
    ("value", "shown"), [(_Unreadable(), "=somewhere"), (Grid(), "=[2×3]"), ([*range(5)], "=[0, 1, 2, 3, 4]")]
)
def test_what_is_no_number_is_shown_as_text_and_told_once(value: object, shown: str, clock: FakeClock) -> None:
    terminal = VirtualTerminal(120, 20)
    with (
        pytest.warns(kbar.KbarWarning, match="'odd' is no number") as told,
        kbar.stage("x", renderer=kbar.RichRenderer(file=terminal)) as stage,
    ):
        stage.log(odd=value, word="plain text")
        clock.advance(1.0)
        assert shown in terminal.text
        assert "word=plain text" in terminal.text
    assert len(told) == 1


def test_what_has_no_mean_is_shown_as_it_is(clock: FakeClock, renderer: RecordingRenderer) -> None:
    with (
        pytest.warns(kbar.KbarWarning, match="'loss' has no mean") as told,
        kbar.loop(epochs=1, renderer=renderer) as loop,
    ):
        for epoch in loop.epochs():
            for _ in epoch.steps(range(3)):
                epoch.mean(loss=None)
    assert len(told) == 1
    assert last(renderer, "train").metrics == (("loss", None),)


# Waiting for data.


@pytest.mark.parametrize(
    ("wait", "work", "share"), [(0.35, 0.65, 0.35), (0.05, 0.95, 0.05), (0.0, 0.5, 0.0), (2.0, 0.0, 1.0)]
)
def test_the_share_of_waiting_for_data_is_known(
    wait: float, work: float, share: float, clock: FakeClock, renderer: RecordingRenderer
) -> None:
    terminal = VirtualTerminal(120, 20)
    with kbar.loop(epochs=1, renderer=[renderer, kbar.LogRenderer(terminal)]) as loop:
        for epoch in loop.epochs():
            for _ in epoch.steps(slowly(range(20), clock, wait)):
                clock.advance(work)
    assert last(renderer, "train").data_share == pytest.approx(share)
    (epoch,) = epochs(renderer)
    assert epoch.data_share == pytest.approx(share)
    assert (f" data={share:.0%}" in terminal.text) == (share > 0.1)


@pytest.mark.parametrize("renderer", [kbar.RichRenderer, kbar.TqdmRenderer])
def test_a_stall_is_named_while_it_lasts(renderer: Any, clock: FakeClock) -> None:
    terminal = VirtualTerminal(100, 20)

    def data() -> Iterator[int]:
        yield from slowly(range(10), clock, 0.0)
        clock.advance(0.9)
        assert "waiting" not in terminal.text
        clock.advance(3.2)
        assert "waiting for data 4s" in terminal.text
        yield 10

    for _ in kbar.track(data(), total=11, renderer=renderer(file=terminal)):
        clock.advance(1.0)
        assert "waiting" not in terminal.text
    assert "data 27%" in terminal.text  # 4.1 s of 15.1


def test_a_stall_among_quick_items_is_found(clock: FakeClock, renderer: RecordingRenderer) -> None:
    """They go in bulks, untimed; what is waited for within one is seen all the same."""

    def data() -> Iterator[int]:
        for i in range(50_000):
            if i == 40_500:
                clock.advance(6.0)
                assert last(renderer, "track").waiting == pytest.approx(6.0, abs=0.2)
            yield i

    for i in kbar.track(data(), renderer=renderer):
        clock.now += 1e-6
        if i == 45_000:
            clock.advance(4.0)
            assert last(renderer, "track").waiting == 0.0
    assert last(renderer, "track").data_share == pytest.approx(0.6, abs=0.02)


def test_quick_items_that_are_waited_for_are_timed_by_sample(clock: FakeClock, renderer: RecordingRenderer) -> None:
    def data() -> Iterator[int]:
        for i in range(20_000):
            clock.now += 3e-5
            yield i

    for _ in kbar.track(data(), renderer=renderer):
        clock.now += 2e-5
    assert last(renderer, "track").data_share == pytest.approx(0.6, abs=0.05)


def test_a_loop_over_nothing_but_numbers_does_not_wait(renderer: RecordingRenderer) -> None:
    for _ in kbar.track(range(100_000), renderer=renderer):
        pass
    assert last(renderer, "track").data_share < 0.1


# Endings.


@pytest.mark.parametrize(
    ("error", "outcome"), [(Boom, "error"), (KeyboardInterrupt, "interrupted"), (SystemExit, "stopped")]
)
def test_an_exception_closes_all_it_leaves_and_goes_on_unchanged(
    error: type[BaseException], outcome: str, clock: FakeClock, renderer: RecordingRenderer
) -> None:
    raised = error("why")
    caught: BaseException | None = None
    try:
        for _ in kbar.track(range(3), "fold", renderer=renderer):
            with kbar.loop(epochs=3) as loop:
                for epoch in loop.epochs():
                    for i in epoch.steps(range(10)):
                        with kbar.stage("inner", total=5) as stage:
                            stage.advance(2)
                            if i == 4:
                                raise raised
    except BaseException as why:
        caught = why
        clock.advance(0.5)
    assert caught is raised
    assert caught.__context__ is None
    assert ends(renderer)[-4:] == [
        ("inner", 2, 5, outcome), ("train", 4, 10, outcome), ("loop", 0, 3, outcome), ("fold", 0, 3, outcome),
    ]  # fmt: skip
    assert renderer.closed == 1


@pytest.mark.usefixtures("clock")
def test_what_the_items_raise_comes_through(renderer: RecordingRenderer) -> None:
    with pytest.raises(OSError, match="disk on fire"):
        list(kbar.track(boom(), renderer=renderer))
    with pytest.raises(TypeError, match="not today"):
        list(kbar.track(_NotReally(), renderer=renderer))
    assert ends(renderer) == [("track", 1, None, "error"), ("track", 0, None, "error")]


class _NotReally:
    def __iter__(self) -> Iterator[int]:
        raise TypeError("not today")


@pytest.mark.parametrize("how", ["break", "return", "del", "close", "zip", "islice"])
def test_an_iterator_abandoned_half_way_is_stopped(how: str, clock: FakeClock, renderer: RecordingRenderer) -> None:
    def leave() -> None:
        iterator = iter(kbar.track(range(5), renderer=renderer))
        if how == "zip":
            list(zip(iterator, range(2), strict=False))
        elif how == "islice":
            list(itertools.islice(iterator, 3))
        elif how in ("break", "return"):
            del iterator
            for i in kbar.track(range(5), renderer=renderer):
                if i == 2 and how == "break":
                    break
                if i == 2:
                    return
            clock.advance(0.1)
            assert ends(renderer) == [("track", 2, 5, "stopped")]  # with the next frame
        else:
            for _ in range(3):
                next(iterator)
            if how == "close":
                iterator.close()  # type: ignore[attr-defined]

    leave()
    clock.advance(0.3)
    assert ends(renderer) == [("track", 2, 5, "stopped")]
    assert renderer.closed == 1


@pytest.mark.usefixtures("clock")
def test_the_next_use_cleans_up(renderer: RecordingRenderer) -> None:
    """Forgotten blocks and abandoned iterators are no parents of what follows."""
    stage = kbar.stage("forgotten", total=5, renderer=renderer)
    stage.advance(2)
    iterator = iter(kbar.track(range(5), "abandoned"))
    next(iterator)
    del stage, iterator
    for epoch in kbar.loop(epochs=3, label="no with", renderer=renderer).epochs():
        if epoch.index == 1:
            break
    gc.collect()
    list(kbar.track(range(3), "next", renderer=renderer))
    assert ends(renderer) == [
        ("abandoned", 0, 5, "stopped"), ("forgotten", 2, 5, "stopped"), ("no with", 1, 3, "stopped"),
        ("next", 3, 3, "done"),
    ]  # fmt: skip
    assert all(s.depth == 0 for s in renderer.snapshots[-1].stages)


@pytest.mark.usefixtures("clock")
def test_a_loop_without_with_ends_with_its_epochs(renderer: RecordingRenderer) -> None:
    loop = kbar.loop(epochs=2, renderer=renderer)
    for epoch in loop.epochs():
        list(epoch.steps(range(2)))
    assert ends(renderer, "loop") == [("loop", 2, 2, "done")]
    assert renderer.closed == 1


@pytest.mark.usefixtures("clock")
def test_what_closes_a_stage_from_outside_does_not_end_its_loop(renderer: RecordingRenderer) -> None:
    with kbar.stage("outer", renderer=renderer) as outer:
        inner = kbar.stage("inner")
        inner.advance()
        numbers = iter(kbar.track(range(5)))
        next(numbers)
        epochs = kbar.loop(epochs=3).epochs()
        next(epochs)
        outer.close()
        inner.advance()
        inner.log(loss=1)
        assert list(numbers) == [1, 2, 3, 4]
        assert [epoch.index for epoch in epochs] == [1, 2]
    assert renderer.closed == 1


def test_generators_end_with_the_loop_over_them(clock: FakeClock, renderer: RecordingRenderer) -> None:
    def batches() -> Iterator[int]:
        for i in kbar.track(range(5), renderer=renderer):
            yield i * 10

    assert list(itertools.islice(batches(), 3)) == [0, 10, 20]
    clock.advance(0.3)
    assert list(batches()) == [0, 10, 20, 30, 40]
    assert ends(renderer) == [("track", 2, 5, "stopped"), ("track", 5, 5, "done")]


LOOP = """
import os, signal, sys, time, kbar
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs begin by ignoring it
def body():
    for fold in kbar.track(range(3), "fold"):
        with kbar.loop(epochs=2) as loop:
            for epoch in loop.epochs():
                for step in epoch.steps(range(50)):
                    time.sleep(0.002)
                    if fold == 1 and step == 20: {trouble}
body()
"""


@pytest.mark.slow
@pytest.mark.parametrize("renderer", RENDERERS)
@pytest.mark.parametrize(
    ("trouble", "code", "ends"),
    [
        ("raise RuntimeError('boom')", 1, "failed at 1/3"),
        ("os.kill(os.getpid(), signal.SIGINT)", -2, "interrupted at 1/3"),
        ("sys.exit(3)", 3, "stopped at 1/3"),
        ("return", 0, "stopped at 1/3"),
    ],
)
def test_however_a_program_ends_the_last_state_stays_true(renderer: str, trouble: str, code: int, ends: str) -> None:
    """And the exit code is what it would have been."""
    terminal = VirtualTerminal(100, 40)
    program = LOOP.format(trouble=trouble)
    assert terminal.run([sys.executable, "-c", program], env={"KBAR_RENDERER": renderer}) == code
    assert ends in terminal.text
    assert terminal.text.count("fold 1/3  epoch 2/2") == 1
    assert not terminal.screen.cursor.hidden


SLOW = """
import kbar, time
class Slow:
    def __float__(self):
        time.sleep(1.2)
        return 1.5
for i in (bar := kbar.track(range(5))):
    bar.log(slow=Slow())
    time.sleep(0.05)
print("result: 42")
raise ValueError("to be seen")
"""


@pytest.mark.slow
def test_a_print_beside_a_slow_metric_is_there_at_the_exit() -> None:
    terminal = VirtualTerminal(100, 40)
    assert terminal.run([sys.executable, "-c", SLOW], env={"KBAR_RENDERER": "rich"}) == 1
    for text in ("result: 42", "ValueError: to be seen", "5/5"):
        assert text in terminal.text


TRIALS = """
import kbar, time
for trial in kbar.track(range(3), "trial", renderer="log"):
    with kbar.loop(epochs=1) as loop:
        for epoch in loop.epochs():
            for _ in epoch.steps(range(10)):
                epoch.log(loss=0.5)
                time.sleep(0.11)  # shorter loops would share a line a second
    print("after trial", trial, flush=True)
"""


@pytest.mark.slow
def test_lines_of_what_is_over_stand_before_what_is_printed_next() -> None:
    lines = [line for line in run_python(TRIALS).stdout.splitlines() if "loop done" in line or line.startswith("after")]
    assert ["loop" in line for line in lines] == [True, False] * 3


FORKS = """
import kbar, os, sys
for i in kbar.track(range(2), "parent"):
    if not os.fork():
        for j in kbar.track(range(3), "child"): print("said by", j)
        sys.exit("child's last words")
    os.wait()
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
@pytest.mark.parametrize("renderer", RENDERERS)
def test_forked_children_have_the_streams_but_no_share_in_the_screen(renderer: str) -> None:
    terminal = VirtualTerminal(100, 40)
    assert terminal.run([sys.executable, "-W", "ignore", "-c", FORKS], env={"KBAR_RENDERER": renderer}) == 0
    assert terminal.text.count("said by") == 6
    assert terminal.text.count("child's last words") == 2
    assert "child " not in terminal.text
    assert "2/2" in terminal.text


def test_without_a_thread_nothing_is_shown_and_all_else_is(
    renderer: RecordingRenderer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    streams = sys.stdout, sys.stderr
    previous = install(Display())
    try:
        monkeypatch.setattr(threading.Thread, "start", refuse)
        with pytest.warns(kbar.KbarWarning, match="kbar shows nothing: RuntimeError: can't start new thread"):
            assert list(kbar.track(range(3), renderer="rich")) == [0, 1, 2]
            with kbar.stage("files", renderer="rich") as stage:
                stage.advance()
                assert (sys.stdout, sys.stderr) == streams
            with kbar.stage("files", renderer=renderer):
                assert (renderer.opened, renderer.closed) == (1, 1)
    finally:
        install(previous)


def test_a_loop_may_end_while_a_display_asks_whether_it_has() -> None:
    feed: Feed[int] = Feed(lambda _: pytest.fail("begun"))

    class Reference:
        def __bool__(self) -> bool:
            feed.finish(None)  # as the loop's thread does
            return True

        def __call__(self) -> None:
            """What it refers to is gone."""

    for ask in (lambda: feed.is_left, lambda: feed.waiting(0.0)):
        feed._iterator = Reference()  # type: ignore[assignment]  # in place of a weak reference
        assert not ask()


@pytest.mark.usefixtures("clock")
def test_what_an_interrupt_leaves_of_a_beginning_is_cleaned_up(
    renderer: RecordingRenderer, monkeypatch: pytest.MonkeyPatch, clock: FakeClock
) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(renderer, "open", interrupted)
    for begin in (lambda: list(kbar.track(range(3), renderer=renderer)), kbar.stage("x", renderer=renderer).__enter__):
        with pytest.raises(KeyboardInterrupt):
            begin()
    del begin
    gc.collect()
    clock.advance(0.3)
    assert current().running() == []


# Mistakes.


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda: kbar.loop(epochs=-1), ValueError, "epochs must be a whole number of at least 0; got -1"),
        (lambda: kbar.loop(epochs=1.5), TypeError, "epochs must be a whole number of at least 0; got 1.5"),
        (lambda: kbar.loop(epochs=3, initial_epoch="2"), TypeError, "initial_epoch must be .* got '2'"),
        (lambda: kbar.loop(3, rendrer="rich"), TypeError, "no option 'rendrer'; display options are renderer, thr"),
        (lambda: kbar.loop(3, renderer="richh"), ValueError, "renderer must be one of .* got 'richh'"),
        (lambda: kbar.track(5), TypeError, "iterable must be something to loop over; got 5"),
        (lambda: kbar.track([], total="3"), TypeError, "total must be a whole number of at least 0; got '3'"),
        (lambda: kbar.track([], leave="all"), ValueError, "leave must be one of"),
        (lambda: kbar.stage("x", total=-3), ValueError, "total must be a whole number of at least 0; got -3"),
        (lambda: kbar.stage("x").advance(-1), ValueError, "n must be a whole number of at least 0; got -1"),
        (lambda: kbar.stage("x").advance(0.5), TypeError, "n must be a whole number of at least 0; got 0.5"),
        (lambda: kbar.stage("x").log({5: 1}), TypeError, r"a metric's name must be a string, as in log\(.*; got 5"),
        (lambda: kbar.stage("x").log(5), TypeError, r"write log\(loss=…\)"),
        (lambda: setattr(kbar.stage("x"), "total", "many"), TypeError, "total must be .* got 'many'"),
        (lambda: kbar.track(list), TypeError, "iterable must be something to loop over; got <class 'list'>"),
        (lambda: kbar.track([], 100), TypeError, "label must be a string; got 100"),
        (lambda: kbar.stage("x", unit=None), TypeError, "unit must be a string; got None"),
        (lambda: kbar.loop(True), TypeError, "epochs must be a whole number of at least 0; got True"),
        (lambda: kbar.stage("x", total=10**400), ValueError, r"total must be at most 10\*\*18"),
        (lambda: iter(kbar.track(later(1, FakeClock()))), TypeError, "loop over these items by `async for`; <async"),
    ],
)
def test_mistakes_raise_at_once(call: Callable[[], object], error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        call()


def _in_epoch(use: Callable[[Any], object]) -> None:
    with kbar.loop(epochs=1, renderer="none") as loop:
        for epoch in loop.epochs():
            use(epoch)


def _over(use: Callable[[Any], object]) -> None:
    with kbar.stage("export", renderer="none") as stage:
        pass
    use(stage)


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda: _in_epoch(lambda e: e.steps(5)), TypeError, "iterable must be something to loop over"),
        (lambda: _in_epoch(lambda e: e.steps([], total=-1)), ValueError, "total must be a whole number"),
        (lambda: _in_epoch(lambda e: e.log({None: 1})), TypeError, "name must be a string"),
        (lambda: _in_epoch(lambda e: e.mean(x=1, weight=-1)), ValueError, "weight must be a number of at least 0"),
        (lambda: _over(lambda s: s.advance()), RuntimeError, "'export' is over; make another one"),
        (lambda: _over(lambda s: s.log(x=1)), RuntimeError, "'export' is over"),
        (lambda: _over(lambda s: setattr(s, "total", 3)), RuntimeError, "'export' is over"),
        (lambda: _over(lambda s: s.__enter__()), RuntimeError, "'export' has begun already; make another one"),
    ],
)
def test_misuse_says_what_to_write_instead(call: Callable[[], object], error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        call()


@pytest.mark.usefixtures("clock")
def test_an_epoch_that_is_over_takes_nothing_more() -> None:
    with kbar.loop(epochs=2, renderer="none") as loop:
        first, _ = loop.epochs()
        with pytest.raises(RuntimeError, match=r"epoch 1 is over; use the epoch that loop\.epochs\(\) gave last"):
            first.steps([1])
    with pytest.raises(RuntimeError, match="epoch 1 is over"):
        first.log(loss=1)
    with pytest.raises(RuntimeError, match="'loop' is over"):
        loop.epochs()


@pytest.mark.usefixtures("clock")
def test_ending_out_of_order_is_told_and_closes_all(renderer: RecordingRenderer) -> None:
    outer, inner = kbar.stage("outer", renderer=renderer), kbar.stage("inner")
    outer.__enter__()
    inner.__enter__()
    with pytest.raises(RuntimeError, match="'outer' cannot end while 'inner' within it is open: leave that block"):
        outer.close()
    outer.__exit__(None, None, None)
    inner.__exit__(None, None, None)
    assert [label for label, *_ in ends(renderer)] == ["inner", "outer"]
    assert renderer.closed == 1


@pytest.mark.slow
def test_loops_need_no_keras() -> None:
    code = (
        "import sys; sys.modules['keras'] = None; import kbar\n"
        "with kbar.loop(1) as loop:\n    for e in loop.epochs(): list(e.steps(kbar.track([1])))\n"
        "print({'keras', 'tensorflow', 'numpy', 'asyncio'} & {m for m in sys.modules if sys.modules[m]})"
    )
    assert run_python(code).stdout.splitlines()[-1] == "set()"
