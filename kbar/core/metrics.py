"""Metrics by name, and how their numbers are fetched without harm to a run."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

from .scalars import Plain, Report, detached, device_of, is_capturing, is_deleted, is_plain, plain
from .snapshot import Event, Message, Snapshot, StageView


def named(metrics: Mapping[str, object] | None, more: Mapping[str, object]) -> dict[str, object]:
    """Return all these metrics by name, as references, apart from what autograd would keep alive.

    Raises:
        TypeError: if `metrics` is no mapping, or a name is no string.
    """
    if metrics is not None and not isinstance(metrics, Mapping):
        raise TypeError(f"metrics have names: write log(loss=…) or log({{'loss': …}}); got {metrics!r}")
    found = {**(metrics or {}), **more}
    for name, value in found.items():
        if not isinstance(name, str):
            raise TypeError(f"a metric's name must be a string, as in log({{'loss': …}}); got {name!r}")
        if type(value) is not float:
            found[name] = detached(value)
    return found


class Logged:
    """The latest metrics of one stage, and the numbers fetched of those that are on a device.

    To fetch a number from a device waits for the device. Where another thread does so than the one that computed the
    value, that can even end the process: on Apple's GPUs, and while a CUDA graph is recorded. So threads that draw take
    the numbers that were fetched last, and ask for new ones; the thread that logs fetches these the next time it is
    here. Values that any thread may fetch are left to those that draw.

    Attributes:
        values: the latest values, by name, as they were given.
    """

    _PERIOD = 0.25  # seconds between two fetches at least

    def __init__(self, values: Mapping[str, object] | None = None) -> None:
        self.values = dict(values or {})
        self._numbers: dict[str, Plain] = {}
        self._asked = False
        self._fetched_at = -math.inf

    def log(self, metrics: Mapping[str, object], now: float, report: Report, *, soon: bool = False) -> None:
        """Record `metrics` at time `now` (s); on the thread that computed them.

        `soon` says that they will be drawn soon, so that there is no need to wait until they are asked for.
        `report` gets a warning for each metric that is no number.
        """
        self.values.update(metrics)
        if (soon or self._asked) and now >= self._fetched_at + self._PERIOD:
            self.fetch(now, report)

    def fetch(self, now: float, report: Report) -> None:
        """Fetch the numbers that are on devices and not being recorded; on the thread that computed them."""
        self._asked, self._fetched_at = False, now
        for name, value in self.values.copy().items():
            device = device_of(value)
            if not device:
                continue
            if is_capturing(device):
                self._asked = True  # again, when that is over
            else:
                self._numbers[name] = _plain(name, value, report)

    def shown(self) -> dict[str, object]:
        """Return what can be drawn by now, on any thread: what is on a device as the number fetched last, if any."""
        found = {}
        for name, value in self.values.copy().items():  # of a copy, as another thread may add to it
            if not device_of(value):
                found[name] = value
            else:
                self._asked = True
                if name in self._numbers:
                    found[name] = self._numbers[name]
        return found

    def numbers(self, now: float, report: Report) -> dict[str, Plain]:
        """Fetch all there is; on the thread that computed it."""
        self.fetch(now, report)
        return {
            name: _plain(name, value, report) for name, value in self.shown().items() if _is_there(name, value, report)
        }


def _plain(name: str, value: object, report: Report) -> Plain:
    return plain(value, lambda problem: report(f"the metric {name!r} {problem}"))


def _is_there(name: str, value: object, report: Report) -> bool:
    """Whether this thread may fetch the value; it is not shown if not."""
    if is_deleted(value):
        report(f"the metric {name!r} was deleted or donated to a function before it was drawn, and is not shown")
        return False
    device = device_of(value)
    if device:
        report(
            f"the metric {name!r} is on {device}, where only the thread that computed it may fetch it, "
            f"and is not shown: pass a number, as its item() returns it"
        )
    return not device


def fetched(snapshot: Snapshot, report: Report) -> Snapshot:
    """Return the same snapshot with all metrics as Python's own numbers.

    Args:
        snapshot: the snapshot, whose metrics may be tensors.
        report: gets a warning for each metric that is no number or cannot be fetched.
    """
    known: dict[int, Plain] = {}  # by the ids of values, which `snapshot` keeps alive

    def number(name: str, value: object) -> Plain:
        if id(value) not in known:
            known[id(value)] = _plain(name, value, report)
        return known[id(value)]

    def view_of(view: StageView) -> StageView:
        if all(is_plain(value) for _, value in view.metrics):
            return view  # nothing is to be fetched, which is the rule with Keras
        metrics = [(name, value) for name, value in view.metrics if is_plain(value) or _is_there(name, value, report)]
        return replace(view, metrics=tuple((name, number(name, value)) for name, value in metrics))

    def event_of(event: Event | Message) -> Event | Message:
        if isinstance(event, Message):
            return event
        epoch, line = event.epoch and view_of(event.epoch), event.line and view_of(event.line)
        above = tuple(map(view_of, event.above))
        return replace(event, stage=view_of(event.stage), epoch=epoch, line=line, above=above)

    return Snapshot(tuple(map(view_of, snapshot.stages)), tuple(map(event_of, snapshot.events)))
