"""What people ask of bars every day: to be off, to have another name, to be asked what their items are asked."""

from __future__ import annotations

import asyncio
import copy
import threading
from pathlib import Path
from typing import Any

import pytest

import kbar
from kbar.testing import FakeClock, RecordingRenderer, VirtualTerminal

from ..helpers import last, views

BARS = {"rich": kbar.RichRenderer, "tqdm": kbar.TqdmRenderer}


@pytest.fixture(params=BARS)
def screen(request: pytest.FixtureRequest) -> tuple[VirtualTerminal, kbar.Renderer]:
    """A terminal, and a renderer that draws there."""
    terminal = VirtualTerminal(80, 20)
    return terminal, BARS[request.param](file=terminal)


OFF: list[dict[str, Any]] = [{"disable": True}, {"renderer": "none"}, {"renderer": kbar.NullRenderer()}]


@pytest.mark.parametrize("off", OFF, ids=["disable", "none", "instance"])
def test_what_is_off_hides_all_within_and_nothing_around(
    off: dict[str, Any], clock: FakeClock, screen: tuple[VirtualTerminal, kbar.Renderer], tmp_path: Path,
    recwarn: pytest.WarningsRecorder,
) -> None:  # fmt: skip
    terminal, renderer = screen
    log = tmp_path / "run.log"
    with kbar.stage("outer", total=2, renderer=renderer) as outer:
        for _ in kbar.track(range(3), "hidden", log_file=log, **off):
            for _ in kbar.track(range(2), "within", renderer="rich"):
                clock.advance(0.2)
                assert "outer" in terminal.text
                assert not any(word in terminal.text for word in ("hidden", "within"))
        outer.advance(2)
    assert "2/2" in terminal.text
    assert "hidden done 3/3" in log.read_text()
    assert not recwarn.list


@pytest.mark.parametrize("name", ["KBAR_DISABLE", "TQDM_DISABLE"])
@pytest.mark.parametrize("value", ["1", "0"])
def test_the_environment_switches_screens_off_and_leaves_logs(
    name: str, value: str, clock: FakeClock, screen: tuple[VirtualTerminal, kbar.Renderer], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv(name, value)
    terminal, renderer = screen
    log = tmp_path / "run.log"
    for _ in kbar.track(range(2), renderer=renderer, log_file=log):
        clock.advance(0.2)
    off = value == "1" and (name == "KBAR_DISABLE" or isinstance(renderer, kbar.TqdmRenderer))
    assert ("track" in terminal.text) is not off
    assert "track done 2/2" in log.read_text()


def test_labels_may_change_while_a_loop_runs(clock: FakeClock, renderer: RecordingRenderer) -> None:
    with kbar.stage("export", total=2, renderer=renderer) as stage:
        for name in (items := kbar.track("ab", "file")):
            items.label = f"file {name}"
            clock.advance(0.2)
            assert last(renderer, f"file {name}").title == f"file {name}"
        stage.label = "upload"
        clock.advance(0.2)
        assert (last(renderer, "upload").title, stage.label) == ("upload", "upload")
    with pytest.raises(TypeError, match="label must be a string; got 3"):
        stage.label = 3  # type: ignore[assignment]  # the mistake


def test_a_track_answers_as_its_items(clock: FakeClock, renderer: RecordingRenderer) -> None:
    items = kbar.track([1, 2, 3], renderer=renderer)
    assert len(items) == 3
    assert 2 in items
    assert 5 not in items
    for item in reversed(items):
        items.log(item=item)
    assert last(renderer, "track").metrics == (("item", 1),)
    assert list(reversed(items)) == [3, 2, 1]
    clock.advance(0.2)
    assert (last(renderer, "track").done, last(renderer, "track").total) == (3, 3)
    with pytest.raises(TypeError, match="len"):
        len(kbar.track(map(str, [1])))


def test_plain_items_can_be_looped_over_asynchronously(clock: FakeClock, renderer: RecordingRenderer) -> None:
    async def run() -> list[int]:
        return [n async for n in kbar.track([1, 2, 3], renderer=renderer)]

    assert asyncio.run(run()) == [1, 2, 3]
    clock.advance(0.2)
    assert last(renderer, "track").outcome == "done"


@pytest.mark.parametrize(("leave", "stays"), [(True, True), (False, False)])
def test_leave_is_true_or_false_too(
    leave: bool, stays: bool, clock: FakeClock, screen: tuple[VirtualTerminal, kbar.Renderer]
) -> None:
    terminal, renderer = screen
    for _ in kbar.track(range(2), renderer=renderer, leave=leave):
        clock.advance(0.2)
    assert ("track" in terminal.text) is stays


def test_a_number_is_the_seconds_between_two_draws(clock: FakeClock, renderer: RecordingRenderer) -> None:
    for _ in kbar.track(range(10), renderer=renderer, throttle=2.0):
        clock.advance(1.0)
    assert 4 <= len({view.seen for view in views(renderer, "track")}) <= 8


@pytest.mark.parametrize("make", [lambda **o: kbar.track([1], **o), lambda **o: kbar.stage("x", **o), kbar.loop])
@pytest.mark.parametrize("name", ["desc", "description"])
def test_what_tqdm_and_rich_call_a_label_is_named(make: Any, name: str) -> None:
    with pytest.raises(TypeError, match=f"{name}= is called label= here; got {name}='x'"):
        make(**{name: "x"})


def test_types_are_public() -> None:
    with kbar.loop(1, renderer="none") as loop:
        assert isinstance(loop, kbar.Loop)
        assert isinstance(next(loop.epochs()), kbar.Epoch)
    assert isinstance(kbar.track([1]), kbar.Track)
    assert isinstance(kbar.stage("x"), kbar.Stage)


def test_short_loops_within_another_write_a_line_a_second(clock: FakeClock, tmp_path: Path) -> None:
    log = tmp_path / "run.log"
    for n in kbar.track(range(2000), "outer", renderer="none", log_file=log):
        with kbar.stage("inner", total=1) as stage:
            clock.advance(0.005)
            stage.advance()
            if n == 1000:
                stage.log(loss=1.0)
    inner = [line for line in log.read_text().splitlines() if " inner done " in line]
    assert 8 <= len(inner) <= 12


def test_leave_none_leaves_no_line_where_there_are_no_bars(
    clock: FakeClock, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("log", "rich", "tqdm"):
        with kbar.loop(2, renderer=name, leave="none") as loop:
            for epoch in loop.epochs():
                for _ in epoch.steps(range(2)):
                    clock.advance(0.1)
    assert capsys.readouterr().out == ""


def test_braces_of_the_working_directory_are_no_placeholders(
    clock: FakeClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "run{1}" / "{x"
    folder.mkdir(parents=True)
    monkeypatch.chdir(folder)
    for _ in kbar.track(range(2), renderer="none", log_file="run-{rank}.log"):
        clock.advance(0.1)
    assert "track done 2/2" in (folder / "run-0.log").read_text()


def test_labels_tell_fits_apart_on_every_line(
    clock: FakeClock, screen: tuple[VirtualTerminal, kbar.Renderer], tmp_path: Path
) -> None:
    keras = pytest.importorskip("keras")
    np = pytest.importorskip("numpy")
    terminal, renderer = screen
    log = kbar.LogRenderer(tmp_path / "run.log", throttle=kbar.every(steps=1))

    def fit(number: int) -> None:
        model = keras.Sequential([keras.layers.Input((2,)), keras.layers.Dense(1)])
        model.compile("sgd", "mse")
        bar = kbar.ProgressBar([renderer, log], label=f"fold {number}")
        model.fit(np.ones((8, 2)), np.ones(8), epochs=2, batch_size=2, verbose=0, callbacks=[bar])
        model.evaluate(np.ones((8, 2)), np.ones(8), verbose=0, callbacks=[copy.copy(bar)])

    for number in (1, 2):
        thread = threading.Thread(target=fit, args=(number,))
        thread.start()
        thread.join()
    clock.advance(0.2)
    starts = [line.split("  ")[0].rstrip() for line in terminal.text.splitlines() if "loss=" in line]
    assert starts[:3] == ["fold 1", "fold 1", "fold 1"]
    assert starts[3:] == ["fold 2"] * 3
    assert [line for line in terminal.text.splitlines() if line.startswith("fold 2  epoch 2/2 ")]
    said = [line.split(" ", 1)[1] for line in (tmp_path / "run.log").read_text().splitlines()]
    assert {line[:6] for line in said} == {"fold 1", "fold 2"}
