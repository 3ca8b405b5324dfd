"""Bars of tqdm that kbar shows after `kbar.install(tqdm=True)`."""

from __future__ import annotations

import asyncio
import gc
import io
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import tqdm as tqdm_package
import tqdm.asyncio
import tqdm.auto
import tqdm.std

import kbar
from kbar.testing import FakeClock, RecordingRenderer

from ..helpers import Boom, ends, last, run_python

BAR: Any = tqdm.std.tqdm
CLASSES = [tqdm.std.tqdm, tqdm.auto.tqdm, tqdm.asyncio.tqdm]


@pytest.fixture(autouse=True)
def _installed(clock: FakeClock, renderer: RecordingRenderer) -> Iterator[None]:
    with kbar.installed(tqdm=True, renderer=renderer):
        yield


@pytest.fixture(autouse=True)
def _no_monitor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BAR, "monitor_interval", 0)


@pytest.mark.parametrize("kind", CLASSES)
def test_a_loop_has_its_count_total_label_and_unit(
    kind: Any, renderer: RecordingRenderer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert list(kind(range(5), desc="rows", unit=" row")) == [*range(5)]
    (end,) = [e.stage for e in renderer.events if e.kind == "end"]
    assert (end.label, end.done, end.total, end.unit, end.outcome) == ("rows", 5, 5, "row", "done")
    assert capsys.readouterr() == ("", "")


def test_a_bar_moved_by_hand_shows_metrics_and_changes(renderer: RecordingRenderer, clock: FakeClock) -> None:
    with BAR(total=10, initial=2, mininterval=0, miniters=1) as bar:
        bar.update(3)
        bar.set_postfix(loss=0.25, name="a")
        bar.set_description("load")
        clock.advance(1.0)
        view = last(renderer, "load")
        assert (view.done, view.total, dict(view.metrics)) == (5, 10, {"loss": 0.25, "name": "a"})
        bar.total = 20
        bar.set_postfix_str("almost there")
        clock.advance(1.0)
        assert last(renderer, "load").total == 20
        assert dict(last(renderer, "load").metrics)["postfix"] == "almost there"
        bar.update(15)
    assert ends(renderer) == [("load", 20, 20, "done")]


def test_a_label_has_no_escapes(renderer: RecordingRenderer) -> None:
    for _ in BAR(range(3), desc="\x1b[2m\x1b[36m(pid=7) \x1b[0mrows"):
        pass
    assert ends(renderer) == [("(pid=7) rows", 3, 3, "done")]


def test_steps_that_tqdm_has_not_shown_yet_count_at_the_end(renderer: RecordingRenderer) -> None:
    bar = BAR(total=10, mininterval=1e9)
    bar.update(4)
    bar.close()
    bar.close()
    assert ends(renderer) == [("tqdm", 4, 10, "stopped")]


@pytest.mark.parametrize(
    ("options", "seen"),
    [
        ({"total": None}, (4, 4, "done")),
        ({"total": float("inf")}, (4, 4, "done")),
        ({"total": 4.0}, (4, 4, "done")),
        ({"total": 12.5}, (32, 100, "stopped")),
        ({"total": 4, "unit_scale": 2}, (8, 8, "done")),
        ({"total": 4, "unit_scale": True}, (4, 4, "done")),
        ({"total": 3}, (4, 4, "done")),
    ],
)
def test_totals_of_all_kinds(renderer: RecordingRenderer, options: Any, seen: Any) -> None:
    with BAR(**options) as bar:
        bar.update(4)
    assert ends(renderer)[0][1:] == seen


def test_bars_nest_with_stages_of_kbar(renderer: RecordingRenderer) -> None:
    for _ in BAR(range(1), desc="outer"):
        for _ in kbar.track(range(2), "middle"):
            list(BAR(range(3), desc="inner", leave=False))
    begun = [(e.stage.label, [above.label for above in e.above]) for e in renderer.events if e.kind == "begin"]
    assert [*dict(begun)] == ["outer", "middle", "inner"]
    assert {*dict(begun)["inner"]} == {"outer", "middle"}
    assert renderer.opened == 1


def test_a_bar_that_is_reset_begins_again(renderer: RecordingRenderer) -> None:
    bar = BAR(total=4, mininterval=1e9)
    bar.update(4)
    bar.reset(total=6)
    bar.update(6)
    bar.close()
    assert ends(renderer) == [("tqdm", 4, 4, "done"), ("tqdm", 6, 6, "done")]


def test_a_bar_outlives_the_one_that_was_begun_before(renderer: RecordingRenderer) -> None:
    first, second = BAR(total=2, desc="first"), BAR(total=5, desc="second")
    second.update(2)
    first.update(2)
    first.close()
    second.update(3)
    second.close()
    assert ends(renderer, "first") == [("first", 2, 2, "done")]
    assert ends(renderer, "second")[-1] == ("second", 5, 5, "done")


@pytest.mark.parametrize(("error", "outcome"), [(Boom, "error"), (KeyboardInterrupt, "interrupted")])
def test_exceptions_that_leave_a_block_or_a_loop(renderer: RecordingRenderer, error: Any, outcome: str) -> None:
    def raises() -> None:
        with BAR(total=3, desc="block"):
            raise error

    with pytest.raises(error):
        raises()

    def raises_in_iterable() -> Iterator[int]:
        yield 1
        raise error

    with pytest.raises(error):
        list(BAR(raises_in_iterable(), desc="loop"))
    assert [e[3] for e in ends(renderer)] == [outcome] * 2


def test_a_loop_left_by_break_or_by_an_exception(renderer: RecordingRenderer, clock: FakeClock) -> None:
    for i in BAR(range(3), desc="left"):
        if i == 1:
            break
    try:
        for _ in BAR(range(3), desc="failed"):
            raise Boom
    except Boom:
        clock.advance(1.0)
    clock.advance(1.0)
    assert [(e[0], e[3]) for e in ends(renderer)] == [("left", "stopped"), ("failed", "error")]


def test_an_exception_that_was_handled_before_says_nothing_of_a_bar(renderer: RecordingRenderer) -> None:
    try:
        raise Boom
    except Boom:
        list(BAR(range(2)))
    assert ends(renderer) == [("tqdm", 2, 2, "done")]


def test_a_bar_that_is_never_closed_ends_with_the_object(renderer: RecordingRenderer, clock: FakeClock) -> None:
    bar = BAR(total=3)
    bar.update(3)
    del bar
    gc.collect()  # older versions of tqdm keep it in a cycle
    clock.advance(1.0)
    assert ends(renderer) == [("tqdm", 3, 3, "done")]


def test_asynchronous_loops(renderer: RecordingRenderer) -> None:
    async def items() -> Any:
        for i in range(3):
            yield i

    async def main() -> None:
        async for _ in tqdm.asyncio.tqdm(items(), desc="async"):
            pass
        for done in tqdm.asyncio.tqdm.as_completed([asyncio.sleep(0), asyncio.sleep(0)], desc="tasks"):
            await done

    asyncio.run(main())
    assert ends(renderer) == [("async", 3, 3, "done"), ("tasks", 2, 2, "done")]


def test_threads_update_one_bar(renderer: RecordingRenderer) -> None:
    with BAR(total=400, mininterval=0, miniters=1) as bar:
        lock = threading.Lock()

        def work() -> None:
            for _ in range(100):
                with lock:
                    bar.update()

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert ends(renderer) == [("tqdm", 400, 400, "done")]


def test_write_prints_above(renderer: RecordingRenderer, capsys: pytest.CaptureFixture[str]) -> None:
    for i in BAR(range(2)):
        BAR.write(f"line {i}")
    assert capsys.readouterr() == ("line 0\nline 1\n", "")


class OwnLook(tqdm.std.tqdm):
    def display(self, msg: Any = None, pos: Any = None) -> bool:
        return True


@pytest.mark.parametrize(
    ("kind", "options"),
    [(BAR, {"file": io.StringIO()}), (BAR, {"disable": True}), (OwnLook, {}), (BAR, {"disable": None})],
)
def test_bars_that_are_left_alone(renderer: RecordingRenderer, kind: Any, options: Any) -> None:
    assert list(kind(range(3), **options)) == [0, 1, 2]
    assert not ends(renderer)
    if options.get("file"):
        assert "3/3" in options["file"].getvalue()


def test_streams_that_are_given_by_name_or_position_are_known(renderer: RecordingRenderer) -> None:
    list(BAR(range(1), file=sys.stdout))
    list(BAR(range(1), "positional", None, True, sys.stderr))
    assert [e[0] for e in ends(renderer)] == ["tqdm", "positional"]


def test_a_delayed_bar_that_is_over_before_is_not_shown(renderer: RecordingRenderer) -> None:
    list(BAR(range(3), delay=1e9))
    assert not renderer.events


def test_errors_of_tqdm_itself_are_raised() -> None:
    with pytest.raises(tqdm.std.TqdmKeyError):
        BAR(range(3), nonsense=1)


def test_kbars_own_bars_of_tqdm_are_drawn(clock: FakeClock, capsys: pytest.CaptureFixture[str]) -> None:
    with kbar.stage("own", total=3, renderer=kbar.TqdmRenderer()) as stage:
        stage.advance(3)
    assert "own" in capsys.readouterr().out


def test_uninstall_restores_the_class_and_running_bars_go_on(capsys: pytest.CaptureFixture[str]) -> None:
    kbar.uninstall()
    before = dict(vars(BAR))
    renderer = RecordingRenderer()
    kbar.install(tqdm=True, renderer=renderer)
    bar = BAR(total=2, desc="goes on", mininterval=1e9)
    bar.update()
    kbar.install(renderer=renderer)  # without tqdm
    assert {name: value for name, value in vars(BAR).items() if name != "_instances"} == {
        name: value for name, value in before.items() if name != "_instances"
    }
    bar.update()
    bar.close()
    assert ends(renderer) == [("goes on", 1, 2, "stopped")]
    assert "2/2" in capsys.readouterr().err


def test_a_failure_of_kbar_costs_a_warning(renderer: RecordingRenderer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kbar.sources.tqdm._counts", lambda bar: 1 / 0)
    with pytest.warns(kbar.KbarWarning, match="kbar missed a change of tqdm's bar"):
        assert list(tqdm_package.tqdm(range(3))) == [0, 1, 2]


def test_a_class_for_notebooks_makes_no_widget(renderer: RecordingRenderer) -> None:
    notebook = pytest.importorskip("tqdm.notebook", reason="comes with tqdm")
    for _ in notebook.tqdm(range(2), desc="cell", display=True):
        pass
    bar = notebook.tqdm(total=2)
    bar.update(1)
    bar.reset(total=3)
    bar.close()
    assert ends(renderer) == [("cell", 2, 2, "done"), ("tqdm", 1, 2, "stopped"), ("tqdm", 0, 3, "stopped")]
    original = vars(notebook.tqdm_notebook)["__init__"]
    kbar.uninstall()
    assert vars(notebook.tqdm_notebook)["__init__"] is not original


def test_a_library_that_uses_tqdm_is_shown(renderer: RecordingRenderer) -> None:
    pandas = pytest.importorskip("pandas", reason="needs pandas: pip install pandas")
    tqdm.auto.tqdm.pandas(desc="apply")
    pandas.Series([1, 2, 3]).progress_apply(lambda x: x)
    assert ends(renderer) == [("apply", 3, 3, "done")]


def test_what_tqdm_writes_to_stderr_is_not_in_piped_output(capsys: pytest.CaptureFixture[str]) -> None:
    with kbar.installed(tqdm=True):
        for i in BAR(range(2), desc="outer"):
            print("data", i)
            list(BAR(range(2), desc="inner", leave=False))
        list(BAR(range(2), desc="asked", file=sys.stdout))
    shown = capsys.readouterr()
    assert "outer done 2/2" in shown.err
    assert shown.err.count("inner done") == 1  # later ones begin within the second in which a log is silent
    assert "outer" not in shown.out
    assert "asked done 2/2" in shown.out


def test_bars_of_tqdm_are_shown_where_the_stage_around_them_is(capsys: pytest.CaptureFixture[str]) -> None:
    with kbar.installed(tqdm=True), kbar.stage("around"):
        list(BAR(range(2), desc="inner"))
    shown = capsys.readouterr()
    assert "inner done 2/2" in shown.out
    assert not shown.err


@pytest.mark.slow
def test_a_bar_that_is_open_at_the_exit_shows_its_last_state() -> None:
    done = run_python(
        "import kbar; kbar.install(tqdm=True, renderer='log'); from tqdm import tqdm\n"
        "bar = tqdm(total=5, desc='open', mininterval=1e9); bar.update(2)"
    )
    assert "open stopped at 2/5" in done.stdout
    assert not done.stderr
