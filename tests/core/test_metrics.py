"""Metrics: numbers of any framework's scalars, and values on devices, which only their own thread may fetch."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

import kbar
from kbar.core.metrics import Logged, fetched
from kbar.core.scalars import NO_MEAN, plain
from kbar.core.snapshot import Event, Snapshot, StageView
from kbar.testing import FakeClock, RecordingRenderer

from ..helpers import Lines


def ignore(text: str) -> None:
    """The warnings of tests that are about something else."""


class OnDevice:
    """A scalar on a device, as torch has them, that only the thread which made it may fetch.

    Attributes:
        fetched: how many were fetched.
        capturing: whether the device records a graph; then nothing may be fetched.
    """

    shape: tuple[int, ...] = ()
    device = SimpleNamespace(type="cuda")
    fetched = 0
    capturing = False

    def __init__(self, value: float) -> None:
        self.value, self._thread = value, threading.get_ident()

    def item(self) -> float:
        assert threading.get_ident() == self._thread, "fetched by another thread"
        assert not OnDevice.capturing, "fetched while a graph is recorded"
        OnDevice.fetched += 1
        return self.value

    def __str__(self) -> str:
        return f"tensor({self.item()}, device='cuda')"

    __repr__ = __str__

    def __radd__(self, other: float) -> OnDevice:
        return OnDevice(self.value + getattr(other, "value", other))

    __add__ = __radd__


@pytest.fixture(autouse=True)
def _torch(monkeypatch: pytest.MonkeyPatch) -> None:
    """A torch that knows whether a graph is recorded."""
    cuda = SimpleNamespace(is_current_stream_capturing=lambda: OnDevice.capturing)
    torch = SimpleNamespace(cuda=cuda, mps=SimpleNamespace(), Tensor=OnDevice)
    monkeypatch.setitem(sys.modules, "torch", torch)  # type: ignore[arg-type]  # no module, but what is asked of one
    monkeypatch.setattr(OnDevice, "fetched", 0)
    monkeypatch.setattr(OnDevice, "capturing", False)


def elsewhere(call: Callable[[], Any]) -> Any:
    """What `call` returns on another thread."""
    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.append(call()))
    thread.start()
    thread.join()
    return found[0]


def drawn(logged: Logged) -> dict[str, object]:
    """What another thread draws of these metrics."""

    def draw() -> dict[str, object]:
        view = StageView(
            1, 0, "x", "x", "x", "it", False, 0, None, 0.0, 0.0, None, None, None, tuple(logged.shown().items()), None
        )
        return dict(fetched(Snapshot((view,), ()), pytest.fail).stages[0].metrics)

    found: dict[str, object] = elsewhere(draw)
    return found


# Numbers.


class Odd:
    """An object whose `item()` raises, in frames that look like those of a signal's handler."""

    def __init__(self, error: BaseException) -> None:
        self._error = error

    def item(self) -> float:
        return self._handle(15, sys._getframe(1))

    def _handle(self, number: int, frame: object) -> float:
        raise self._error

    def __str__(self) -> str:
        return "odd"


class OddShape:
    shape = ("a", None)

    def __str__(self) -> str:
        return "odd"


@pytest.mark.parametrize(
    ("value", "number", "problem"),
    [
        (0.5, 0.5, ""), ("text", "text", ""), (None, None, ""),
        ([1, 2], "[1, 2]", "is no number (list: float() argument must be a string or a real number, not 'list')"),
        (Odd(ValueError("no")), "odd", "is no number (Odd: no) and is shown as text"),
        (Odd(SystemExit(3)), "odd", "is no number (Odd: 3) and is shown as text"),
        (OddShape(), "odd", "is no number (OddShape: "),
    ],
)  # fmt: skip
def test_a_value_as_pythons_own(value: object, number: object, problem: str) -> None:
    problems: list[str] = []
    assert plain(value, problems.append) == number
    assert type(plain(value)) is type(number)
    assert [text[: len(problem)] for text in problems] == ([problem] if problem else [])


def test_an_array_as_pythons_own() -> None:
    np = pytest.importorskip("numpy")
    assert (plain(np.float32(0.25)), plain(np.array([3]))) == (0.25, 3)
    problems: list[str] = []
    assert plain(np.zeros((3, 4)), problems.append) == "[3×4]"
    assert problems == ["is no number (ndarray: shape (3, 4)) and is shown as text"]


@pytest.mark.parametrize("error", [RuntimeError("boom"), StopIteration(), SystemExit(3), OSError(5, "lost")])
def test_an_object_that_raises_costs_only_its_own_metric(
    error: BaseException, clock: FakeClock, renderer: RecordingRenderer
) -> None:
    with (
        pytest.warns(kbar.KbarWarning, match="'odd' is no number"),
        kbar.loop(epochs=1, renderer=renderer) as loop,
    ):
        for epoch in loop.epochs():
            for _ in epoch.steps(range(3)):
                epoch.log(loss=0.5, odd=Odd(error))
                clock.advance(1.0)
    assert {view.metrics for snapshot in renderer.snapshots for view in snapshot.stages if view.metrics} == {
        (("loss", 0.5), ("odd", "odd"))
    }
    assert renderer.events[-1].stage.outcome == "done"


def test_logs_get_the_metrics_of_all_stages_around_as_numbers() -> None:
    np = pytest.importorskip("numpy")
    metrics: Any = (("loss", np.float32(0.25)),)
    view = StageView(1, 0, "x", "x", "x", "it", False, 0, None, 0.0, 0.0, None, None, None, metrics, None)
    (event,) = fetched(Snapshot((), (Event("progress", 0.0, view, view, view, (view,)),)), pytest.fail).events
    assert isinstance(event, Event)
    for each in (event.stage, event.epoch, event.line, *event.above):
        assert each is not None
        assert [type(value) for _, value in each.metrics] == [float]


class Deleted:
    """A JAX array that was donated to a function."""

    shape = ()

    def is_deleted(self) -> bool:
        return True

    def item(self) -> float:
        pytest.fail("touched")

    __str__ = __float__ = item  # type: ignore[assignment]


def test_a_deleted_array_is_not_touched_and_told_of(clock: FakeClock, renderer: RecordingRenderer) -> None:
    with (
        pytest.warns(kbar.KbarWarning, match="'donated' was deleted or donated to a function"),
        kbar.loop(epochs=1, renderer=renderer) as loop,
    ):
        for epoch in loop.epochs():
            for _ in epoch.steps(range(3)):
                epoch.log(loss=0.5, donated=Deleted())
                clock.advance(1.0)
    assert {view.metrics for snapshot in renderer.snapshots for view in snapshot.stages if view.metrics} == {
        (("loss", 0.5),)
    }


# Devices.


@pytest.mark.parametrize("kind", ["cuda", "mps", "xpu"])
def test_a_value_on_a_device_is_fetched_by_its_own_thread(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(OnDevice, "device", SimpleNamespace(type=kind))
    logged = Logged()
    for i in range(5):
        logged.log({"loss": OnDevice(i), "lr": 0.1}, now=float(i), report=pytest.fail)
    assert OnDevice.fetched == 0
    assert drawn(logged) == {"lr": 0.1}  # nobody has asked before
    logged.log({"loss": OnDevice(5)}, now=5.0, report=pytest.fail)
    logged.log({"loss": OnDevice(6)}, now=6.0, report=pytest.fail)
    assert OnDevice.fetched == 1
    assert list(drawn(logged).items()) == [("loss", 5), ("lr", 0.1)]


def test_values_are_fetched_four_times_a_second_at_most() -> None:
    logged = Logged()
    for i in range(1000):
        logged.log({"loss": OnDevice(i)}, now=i / 100, report=pytest.fail)
        logged.shown()
    assert 39 <= OnDevice.fetched <= 41


def test_nothing_is_fetched_while_a_graph_is_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    logged = Logged()
    logged.log({"loss": OnDevice(0)}, now=0.0, report=pytest.fail, soon=True)
    monkeypatch.setattr(OnDevice, "capturing", True)
    for i in range(1, 5):
        assert drawn(logged) == {"loss": 0}
        logged.log({"loss": OnDevice(i)}, now=float(i), report=pytest.fail)
    assert logged.numbers(5.0, pytest.fail) == {"loss": 0}
    monkeypatch.setattr(OnDevice, "capturing", False)
    logged.log({"loss": OnDevice(6)}, now=6.0, report=pytest.fail)
    assert drawn(logged) == {"loss": 6}


def test_a_torch_that_cannot_tell_whether_it_records_is_taken_to_do_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> bool:
        raise RuntimeError("no driver")

    monkeypatch.setattr(sys.modules["torch"].cuda, "is_current_stream_capturing", broken)
    logged = Logged()
    assert logged.numbers(0.0, pytest.fail) == {}
    logged.log({"loss": OnDevice(0), "lr": 0.1}, now=0.0, report=pytest.fail, soon=True)
    assert logged.numbers(1.0, pytest.fail) == {"lr": 0.1}
    assert OnDevice.fetched == 0


@pytest.mark.parametrize("value", [lambda: NO_MEAN.plus(OnDevice(2.0), 1), lambda: [OnDevice(2.0), OnDevice(3.0)]])
def test_means_and_lists_of_values_on_a_device_are_fetched_like_them(value: Callable[[], object]) -> None:
    logged = Logged()
    logged.log({"value": value()}, now=0.0, report=ignore)
    assert drawn(logged) == {}
    logged.log({"value": value()}, now=1.0, report=ignore)
    assert str(drawn(logged)["value"]) in ("2.0", "[tensor(2.0, device='cuda'), tensor(3.0, device='cuda')]")


def test_of_a_larger_tensor_on_a_device_only_the_shape_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(OnDevice, "shape", (3, 4))
    logged, problems = Logged(), list[str]()
    logged.log({"grid": OnDevice(0)}, now=0.0, report=ignore)
    assert logged.numbers(0.0, problems.append) == {"grid": "[3×4]"}
    assert problems == ["the metric 'grid' is no number (OnDevice: shape (3, 4)) and is shown as text"]
    assert OnDevice.fetched == 0


def test_a_device_that_fails_costs_only_its_own_metric(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(OnDevice, "item", Odd(RuntimeError("CUDA error: device-side assert triggered")).item)
    logged, problems = Logged(), list[str]()
    logged.log({"loss": OnDevice(0), "lr": 0.1}, now=0.0, report=problems.append, soon=True)
    assert drawn(logged) == {"loss": "<OnDevice>", "lr": 0.1}
    assert "device-side assert" in problems[0]


def frames_elsewhere(clock: FakeClock, seconds: float) -> None:
    """Time passes, and another thread draws what is due."""
    elsewhere(lambda: clock.advance(seconds))


def test_a_loop_on_a_device_shows_its_metrics_and_ends_with_the_latest(
    clock: FakeClock, renderer: RecordingRenderer
) -> None:
    with kbar.loop(epochs=2, renderer=renderer) as loop:
        for epoch in loop.epochs():
            for i in epoch.steps(range(10)):
                epoch.log(loss=OnDevice(i + 10 * epoch.index))
                epoch.mean(mean=OnDevice(i))
                frames_elsewhere(clock, 0.3)
    shown = [dict(view.metrics) for snapshot in renderer.snapshots for view in snapshot.stages if view.label == "train"]
    assert {metrics.get("loss") for metrics in shown} == {None, *range(20)}
    assert shown[-1] == {"loss": 19, "mean": 4.5}
    lines = [dict(event.epoch.metrics) for event in renderer.events if event.epoch]
    assert lines == [{"loss": 9, "mean": 4.5}, {"loss": 19, "mean": 4.5}]


@pytest.mark.parametrize("way", ["stage", "track"])
def test_every_kind_of_stage_ends_with_the_latest_metrics(
    way: str, clock: FakeClock, renderer: RecordingRenderer
) -> None:
    if way == "stage":
        with kbar.stage("x", renderer=renderer) as stage:
            for i in range(3):
                stage.log(loss=OnDevice(i))
                stage.advance()
    else:
        items = kbar.track(range(3), renderer=renderer)
        for i in items:
            items.log(loss=OnDevice(i))
    assert renderer.snapshots[-1].stages[0].metrics == (("loss", 2),)


def test_a_line_of_a_log_has_the_latest_number(clock: FakeClock) -> None:
    """Also if nothing else asks for it than lines that are far apart."""
    lines = Lines(throttle=kbar.every(steps=100))
    with kbar.loop(epochs=1, renderer=lines) as loop:
        for epoch in loop.epochs():
            for i in epoch.steps(range(1, 1001)):
                epoch.log(loss=OnDevice(i))
                frames_elsewhere(clock, 0.1)
    told = {event.stage.done: dict(event.stage.metrics) for event in lines.events if event.kind == "progress"}
    assert told == {done: {"loss": done} for done in range(100, 1000, 100)}
    assert OnDevice.fetched < 3 * len(told)  # and not four a second


def test_a_hooks_value_on_a_device_is_left_out_and_told_of(clock: FakeClock, renderer: RecordingRenderer) -> None:
    """Keras gives callbacks numbers; other code that calls the hooks may not."""
    pytest.importorskip("keras")
    bar = kbar.ProgressBar(renderer)
    with bar, pytest.warns(kbar.KbarWarning, match="'loss' is on cuda, where only the thread that computed it may"):
        bar.set_params({"epochs": 1, "steps": 2})
        bar.on_train_begin()
        bar.on_epoch_begin(0)
        bar.on_train_batch_end(0, {"loss": OnDevice(0), "accuracy": 0.5})
        frames_elsewhere(clock, 1.0)
    assert dict(renderer.snapshots[-1].stages[-1].metrics) == {"accuracy": 0.5}
    assert OnDevice.fetched == 0
