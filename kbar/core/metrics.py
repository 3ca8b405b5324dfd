"""Owns metrics: which of them are shown, running means, and numbers from the scalars of any framework."""

from __future__ import annotations

import fnmatch
import functools
import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Union

from ..system.warnings import from_signal, said, warn
from .snapshot import Event, Message, Metrics, Snapshot, StageView

Plain = Union[bool, int, float, str, None]


@dataclass(frozen=True)
class Selection:
    """Which metrics are shown, and in which order: by the first pattern each name matches.

    Args:
        patterns: shell patterns (``val_*``); what matches none is not shown.
    """

    patterns: tuple[str, ...] = ("loss", "val_loss", "*")

    def pick(self, metrics: Mapping[str, object] | None) -> Metrics:
        """The chosen ones of `metrics`."""
        found = dict(metrics or ())
        return tuple((name, found[name]) for name in _chosen(self.patterns, tuple(found)))


@functools.lru_cache(100)  # a run has the same names again and again
def _chosen(patterns: tuple[str, ...], names: tuple[str, ...]) -> list[str]:
    def rank(name: str) -> int:
        return next((i for i, pattern in enumerate(patterns) if fnmatch.fnmatchcase(str(name), pattern)), len(patterns))

    return sorted((name for name in names if rank(name) < len(patterns)), key=rank)


def named(metrics: Mapping[str, object] | None, more: Mapping[str, object]) -> dict[str, object]:
    """All these metrics by name, as references, apart from the graph that autograd would keep alive.

    Raises:
        TypeError: where there is no mapping of names to values.
    """
    if metrics is not None and not isinstance(metrics, Mapping):
        raise TypeError(f"metrics have names: write log(loss=…) or log({{'loss': …}}); got {metrics!r}")
    found = {**(metrics or {}), **more}
    for name, value in found.items():
        if not isinstance(name, str):
            raise TypeError(f"a metric's name must be a string, as in log({{'loss': …}}); got {name!r}")
        if type(value).__module__.startswith("torch") and hasattr(value, "detach"):
            found[name] = value.detach()
    return found


def plain(value: object, name: str = "") -> Plain:
    """`value` as Python's own number: what has one element, of any framework, is that element.

    Anything else becomes text: arrays their shape. Where the metric's `name` is given, that is
    warned about, unless it was text before.
    """
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    shape: tuple[Any, ...] = ()
    try:
        shape = tuple(getattr(value, "shape", ()))
        if math.prod(shape) != 1:
            raise TypeError(f"shape {shape}")
        found: Any = value
        if not hasattr(found, "item") and hasattr(found, "numpy"):
            found = found.numpy()  # TensorFlow's have no item() of their own
        if hasattr(found, "item"):
            found = found.item()
        return found if isinstance(found, (bool, int)) else float(found)
    except (Exception, SystemExit) as error:  # whatever it is, it must not cost the line
        if from_signal(error):
            raise
        if name:
            warn(f"the metric {name!r} is no number ({type(value).__name__}: {error}) and is shown as text")
    if shape and math.prod(shape) != 1:
        return "[" + "×".join(map(str, shape)) + "]"
    return said(value)


def fetched(snapshot: Snapshot, known: dict[int, tuple[object, Plain]]) -> Snapshot:
    """The same picture with all metrics as Python's own numbers; `known` has those fetched already."""

    def value_of(name: str, value: object) -> Plain:
        if id(value) not in known:
            known[id(value)] = (value, plain(value, name))  # the value too, lest another gets its address
        return known[id(value)][1]

    def view_of(view: StageView) -> StageView:
        if all(value is None or isinstance(value, (bool, int, float, str)) for _, value in view.metrics):
            return view  # nothing is to be fetched, which is the rule with Keras
        return replace(view, metrics=tuple((name, value_of(name, value)) for name, value in view.metrics))

    def event_of(event: Event | Message) -> Event | Message:
        if isinstance(event, Message):
            return event
        stage, epoch, line = (
            view_of(event.stage),
            event.epoch and view_of(event.epoch),
            event.line and view_of(event.line),
        )
        if stage is event.stage and epoch is event.epoch and line is event.line:
            return event
        return replace(event, stage=stage, epoch=epoch, line=line)

    return Snapshot(tuple(map(view_of, snapshot.stages)), tuple(map(event_of, snapshot.events)))


@dataclass(frozen=True)
class Mean:
    """A weighted mean, summed where the values are: nothing is fetched from a device before it is drawn."""

    total: Any
    weight: Any

    @property
    def shape(self) -> tuple[Any, ...]:
        """The values' own."""
        return tuple(getattr(self.total, "shape", ()))

    def item(self) -> float:
        """The mean, as a number."""
        total, weight = plain(self.total), plain(self.weight)
        if isinstance(total, str) or isinstance(weight, str) or total is None or weight is None:
            raise TypeError(f"a sum of {total}")
        return total / weight if weight else math.nan

    def plus(self, value: Any, weight: Any) -> Mean:
        """The mean with one more value."""
        value, weight = _wide(value), _wide(weight)
        if str(getattr(value, "dtype", "")) != str(getattr(weight, "dtype", "")) and _is_tensorflow(weight):
            weight = sys.modules["tensorflow"].cast(weight, value.dtype if _is_tensorflow(value) else "float32")
        weighted = value if isinstance(weight, int) and weight == 1 else value * weight
        return Mean(self.total + weighted, self.weight + weight)


NO_MEAN = Mean(0.0, 0.0)


def _wide(value: Any) -> Any:
    """`value` in a type that sums can be made in: sums of 16 bits stand still, those of whole numbers overflow."""
    kind = str(getattr(value, "dtype", ""))
    if not any(part in kind for part in ("16", "float8", "int", "bool")):
        return value
    if type(value).__module__ == "numpy":
        return value.astype(float)
    if hasattr(value, "astype"):  # JAX
        return value.astype("float32")
    if _is_tensorflow(value):
        return sys.modules["tensorflow"].cast(value, "float32")
    return value.float()


def _is_tensorflow(value: Any) -> bool:
    tensorflow = sys.modules.get("tensorflow")
    return tensorflow is not None and bool(tensorflow.is_tensor(value))
