"""What the user prints while bars are up: written through at once, above them."""

from __future__ import annotations

import builtins
import contextlib
import io
import sys
from typing import Any

import pytest

import kbar
from kbar.display.prints import Prints
from kbar.display.process import current
from kbar.display.thread import is_held
from kbar.system.terminal import output_of
from kbar.testing import FakeClock, VirtualTerminal

from ..helpers import RENDERERS, begin, lines_of


def standard_output(monkeypatch: pytest.MonkeyPatch) -> VirtualTerminal:
    """A terminal that is this process's standard output; a fixture's would be pytest's again by the test."""
    terminal = VirtualTerminal(60, 20)
    monkeypatch.setattr(sys, "stdout", terminal)
    return terminal


@pytest.mark.parametrize("renderer", RENDERERS)
def test_prints_are_there_at_once_unchanged_and_in_order_above_the_bars(
    renderer: str, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = standard_output(monkeypatch)
    stage = begin(RENDERERS[renderer]())
    print("one")
    assert lines_of(terminal)[:-1] == ["one"]
    print("[bold]two[/] {x}", end="")
    assert lines_of(terminal)[:-1] == ["one", "[bold]two[/] {x}"]
    assert lines_of(terminal)[-1].startswith("train")  # a line now and then lets no bar flicker
    clock.advance(0.1)
    assert lines_of(terminal)[-1].startswith("train")
    print(" three\n" + "x" * 70)
    stage.advance_to(5, current().clock())
    clock.advance(0.1)
    lines = lines_of(terminal)
    assert lines[:4] == ["one", "[bold]two[/] {x} three", "x" * 60, "x" * 10]
    assert lines[4].startswith("train")
    print("unfinished", end="")
    current().end(stage, "done")
    print("after")
    assert lines_of(terminal)[4] == "unfinished"
    assert lines_of(terminal)[5].startswith("train")
    assert lines_of(terminal)[6:] == ["after"]


@pytest.mark.parametrize("renderer", RENDERERS)
def test_a_line_of_dots_grows_with_bars_below_it(
    renderer: str, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = standard_output(monkeypatch)
    stage = begin(RENDERERS[renderer]())
    for n in range(1, 6):
        print(".", end="", flush=True)
        clock.advance(0.1)
        assert lines_of(terminal)[0] == "." * n
        assert lines_of(terminal)[1].startswith("train")
    current().end(stage, "done")
    assert lines_of(terminal)[0] == "....."


def test_the_stream_object_stays_and_gets_its_own_write_back(clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = standard_output(monkeypatch)
    stage = begin("rich")
    assert sys.stdout is terminal
    assert sys.stdout.write("five\n") == 5
    current().end(stage, "done")
    assert "write" not in vars(terminal)
    assert "flush" not in vars(terminal)


def test_a_write_that_was_replaced_before_is_called_and_comes_back(
    clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = standard_output(monkeypatch)
    seen: list[str] = []
    original = terminal.write

    def replaced(text: str) -> int:
        seen.append(text)
        return original(text)

    monkeypatch.setattr(terminal, "write", replaced)
    stage = begin("rich")
    print("here")
    current().end(stage, "done")
    assert "here" in "".join(seen)
    assert vars(terminal)["write"] is replaced


def test_a_write_that_is_replaced_meanwhile_stays_and_works(clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = standard_output(monkeypatch)
    stage = begin("rich")
    seen: list[str] = []
    shadowed = terminal.write

    def replaced(text: str) -> int:
        seen.append(text)
        return shadowed(text)

    monkeypatch.setattr(terminal, "write", replaced)
    print("during")
    current().end(stage, "done")
    print("after")
    assert "during" in "".join(seen)
    assert "after" in "".join(seen)
    assert lines_of(terminal)[-1] == "after"


def test_a_stream_that_takes_the_place_of_stdout_is_left_there(
    clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    standard_output(monkeypatch)
    stage = begin(kbar.RichRenderer())
    other = VirtualTerminal(60, 20)
    monkeypatch.setattr(sys, "stdout", other)
    current().end(stage, "done")
    assert sys.stdout is other


class Proxy:
    """A stream that stands for another one, and sets and gets what is the other's."""

    def __init__(self, stream: Any) -> None:
        vars(self).update(stream=stream)

    def write(self, text: str) -> int:
        return int(self.stream.write(text))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self.stream, name, value)


@pytest.mark.usefixtures("clock")
def test_prints_to_a_proxy_are_seen_and_the_stream_behind_it_stays_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = VirtualTerminal(60, 20)
    proxy: Any = Proxy(terminal)
    monkeypatch.setattr(sys, "stdout", proxy)
    log = io.StringIO()
    stage = begin(["rich", kbar.LogRenderer(log, messages=True)])
    print("one")
    current().end(stage, "done")
    assert "message one" in log.getvalue()
    assert lines_of(terminal)[0] == "one"
    assert not {"write", "flush"} & ({*vars(terminal)} | {*vars(proxy)})


class Wrapper(VirtualTerminal):
    """A stream of the user's, which notes whether the display's lock is held while it is called."""

    def __init__(self) -> None:
        self.locked: dict[str, bool] = {}
        super().__init__(60, 20)

    def fileno(self) -> int:
        self.note("fileno")
        return super().fileno()

    def isatty(self) -> bool:
        self.note("isatty")
        return super().isatty()

    def write(self, text: str) -> int:
        self.note("write")
        return super().write(text)

    def note(self, what: str) -> None:
        if "locked" in vars(self):
            self.locked[what] = self.locked.get(what, False) or is_held(current().lock)


def test_no_method_of_a_stream_is_called_under_the_displays_lock(
    clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A print on another thread may hold a lock of the stream's while it waits for the display's."""
    stream = Wrapper()
    monkeypatch.setattr(sys, "stdout", stream)
    current().end(begin(kbar.RichRenderer()), "done")
    assert {"fileno", "isatty", "write"} <= {*stream.locked}
    assert [what for what, locked in stream.locked.items() if locked] == []


class Silent(io.StringIO):
    """A stream that does not say how much of a text it takes."""

    def write(self, text: str) -> None:  # type: ignore[override]  # as many replacements have it
        super().write(text)


@pytest.mark.parametrize(("kind", "taken"), [(io.StringIO, 9), (Silent, None)])
def test_a_print_that_ends_a_line_above_waiting_ones_returns_what_the_stream_does(
    kind: type[io.StringIO], taken: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = kind()
    monkeypatch.setattr(sys, "stdout", stream)
    output = output_of(stream)
    prints = Prints(lambda: None, lambda name, text: None)
    prints.attach(output)
    stream.write("loading ")
    output.waiting = "a line\n"
    assert stream.write("done\nnext") == taken
    prints.release(set(), listening=False)
    assert stream.getvalue() == "loading done\na line\nnext"


@pytest.mark.parametrize("options", [{"renderer": "none"}, {"renderer": "rich", "capture": False}])
def test_streams_are_left_alone_where_nothing_is_to_be_kept_apart(
    options: dict[str, Any], clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = standard_output(monkeypatch)
    stage = begin(**options)
    assert "write" not in vars(terminal)
    print("here")
    assert "here" in terminal.text
    current().end(stage, "done")


@pytest.mark.parametrize("renderer", RENDERERS)
@pytest.mark.parametrize("text", ["t", "training… "])
def test_what_is_left_of_a_run_begins_on_a_line_of_its_own(
    renderer: str, text: str, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = standard_output(monkeypatch)
    print(text, end="")
    current().end(begin(RENDERERS[renderer]()), "done")
    first, second = lines_of(terminal)
    assert first == text.strip()
    assert second.startswith("train")


def test_a_renderer_that_fails_gives_the_streams_back_at_once(
    clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is printed from then on is no longer touched."""
    terminal = standard_output(monkeypatch)

    def fails(tick: kbar.Tick) -> bool:
        raise RuntimeError("no")

    with pytest.warns(kbar.KbarWarning, match="RichRenderer is given up: RuntimeError: no"):
        stage = begin("rich", throttle=fails)
    assert "write" not in vars(terminal)
    print("mine")
    before = terminal.text
    clock.advance(1.0)
    current().end(stage, "done")
    assert terminal.text == before


def test_lines_of_a_log_begin_a_line_beside_begun_prints(clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stdout", stream)
    stage = begin("log", throttle=kbar.every(steps=5))
    print("loading ... ", end="", flush=True)
    stage.advance_to(5, clock())
    print("done")
    current().end(stage, "done")
    lines = stream.getvalue().splitlines()
    assert [line for line in lines if not line.startswith("1970")] == ["loading ... ", "done"]
    assert sum(" train " in line for line in lines) == 3


class Recorded(kbar.NullRenderer):
    """A log that wants to know what is printed."""

    live = False
    captures = True

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []

    def draw(self, snapshot: kbar.Snapshot) -> None:
        self.texts += [event.text for event in snapshot.events if isinstance(event, kbar.Message)]


def test_a_log_gets_each_printed_line_as_it_is_at_last(clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    log = Recorded()
    stage = begin(log)
    print("one\ntwo", end="")
    print(" three")
    for percent in range(100):
        print(f"\rdownloading {percent}%", end="")
    print("\nafter")
    with contextlib.redirect_stdout(io.StringIO()):
        print("elsewhere")
    current().end(stage, "done")
    assert log.texts == ["one", "two three", "\rdownloading 99%"[1:], "after"]


def test_input_hides_the_bars_and_its_time_counts_for_nothing(
    clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = standard_output(monkeypatch)

    def answer(prompt: str = "") -> str:
        terminal.write(prompt)
        clock.advance(100.0)
        assert lines_of(terminal) == [prompt.strip()]
        return "yes"

    monkeypatch.setattr(builtins, "input", answer)
    stage = begin("rich")
    stage.advance_to(5, clock())
    clock.advance(1.0)
    assert input("Continue? ") == "yes"
    clock.advance(0.2)
    assert lines_of(terminal)[-1].startswith("train")
    with current().lock:
        view = stage.view(current().clock())
    assert view.elapsed == pytest.approx(1.2)
    assert not view.stalled
    current().end(stage, "done")
    assert builtins.input is answer


def test_a_pause_hides_the_bars_and_counts_once_steps_go_on_meanwhile(
    clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = standard_output(monkeypatch)
    stage = begin("rich")
    clock.advance(1.0)
    with kbar.pause(), kbar.pause():
        assert lines_of(terminal) == []
        clock.advance(5.0)
        for done in range(1, 6):
            stage.advance_to(done, current().clock())
            clock.advance(1.0)
        assert lines_of(terminal) == []
    clock.advance(0.2)
    with current().lock:
        assert stage.view(current().clock()).elapsed == pytest.approx(6.2)
    current().end(stage, "done")
