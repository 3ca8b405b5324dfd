"""Stages for `with` blocks, and `stage`, whose bar is moved by hand."""

from __future__ import annotations

import threading
import weakref
from abc import ABC, abstractmethod
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING

from ..core.metrics import named
from ..core.snapshot import Outcome
from ..core.stage import Stage
from ..display import scope
from ..display.process import current
from ..options import DisplayOptions, Options, options_of
from ..system.warnings import warn
from . import arguments
from .iteration import end
from .lifetime import LeftLoop

if TYPE_CHECKING:
    from typing_extensions import Self, Unpack


def stage(
    label: str,
    *,
    total: int | None = None,
    initial: int = 0,
    unit: str = "it",
    samples_per_step: arguments.PerUnit = None,
    **options: Unpack[DisplayOptions],
) -> HandStage:
    """A bar that is moved by hand, to be used in a `with` statement.

    Args:
        label: what the bar is called.
        total: how many units there are, None if unknown.
        initial: how many of them were done in an earlier run; they count into neither rate nor remaining time.
        unit: what is counted, singular.
        samples_per_step: how many samples a unit has, as `epoch.steps` takes it.
        options: as `loop` takes them.

    Raises:
        TypeError, ValueError, ImportError: as `loop` does.
    """
    total = arguments.total("total", total)
    per_unit = arguments.per_unit("samples_per_step", samples_per_step) or ()
    return HandStage(label, total, arguments.initial(initial, total), unit, per_unit, options_of(options))


def end_block(stage: Stage, outcome: Outcome, error: BaseException | None, trace: TracebackType | None) -> None:
    """End the stage of a `with` block that `error` has left, or nothing, which is when `outcome` counts."""
    if isinstance(error, GeneratorExit) and trace:  # the block is in a generator that is closed, which must not wait
        stage.owner = LeftLoop(trace.tb_frame)
        current().notice()
    else:
        end(stage, outcome, error)


class Labelled:
    """Something with a bar, once there is a stage, whose label may change."""

    def __init__(self, label: str) -> None:
        self._label = arguments.text("label", label)
        self._stage: Stage | None = None

    @property
    def label(self) -> str:
        """What the bar is called; it may change at any time.

        Raises:
            TypeError: when set to what is no string.
        """
        return self._label

    @label.setter
    def label(self, label: str) -> None:
        self._label = arguments.text("label", label)
        if self._stage:
            current().rename(self._stage, label)


class Block(Labelled):
    """A stage that lasts as long as a `with` block or, without one, as long as this object."""

    def __init__(self, label: str, total: int | None, unit: str, options: Options) -> None:
        super().__init__(label)
        self._unit = arguments.text("unit", unit)
        self._total, self._options = total, options
        self._initial = 0
        self._per_unit: tuple[tuple[str, float], ...] = ()
        self._over = False

    def __enter__(self) -> Self:
        if self._stage:
            raise RuntimeError(f"{self._label!r} has begun already; make another one for another block")
        self._open().in_block = True
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over = True
        if self._stage:
            end_block(self._stage, self._stage.own_end, error, trace)

    def _open(self) -> Stage:
        """Return the stage; begin it if it has not begun yet."""
        if self._over:
            raise RuntimeError(f"{self._label!r} is over; make another one and use it within its `with` block")
        if self._stage is None:
            owner = _Lifetime(self)
            self._stage = owner.stage = current().begin(
                self._label,
                unit=self._unit,
                total=self._total,
                firm=False,
                initial=self._initial,
                options=self._options,
                owner=owner,
            )
            self._stage.counts.per_unit = self._per_unit
        return self._stage


class _Lifetime:
    """The owner of a block's stage: the stage ends when nothing refers to the block any more."""

    def __init__(self, block: Block) -> None:
        self._block = weakref.ref(block, lambda _: current().notice())
        self.stage: Stage | None = None

    def ended(self) -> Outcome | None:
        """How the stage ends; None while there is the block."""
        if self._block():
            return None
        return self.stage.own_end if self.stage else "interrupted"  # while the stage was being made


class Logs(ABC):
    """Takes metrics."""

    def log(self, metrics: Mapping[str, object] | None = None, /, **more: object) -> None:
        """Set the latest values of metrics, by name; tensors stay tensors until a frame is drawn.

        Raises:
            TypeError: if a name is no string.
            RuntimeError: once the stage or epoch is over.
        """
        self._take(named(metrics, more))

    @abstractmethod
    def _take(self, metrics: Mapping[str, object]) -> None: ...


class HandStage(Block, Logs):
    """A stage that is moved by hand; see `stage`."""

    def __init__(
        self,
        label: str,
        total: int | None,
        initial: int,
        unit: str,
        per_unit: tuple[tuple[str, float], ...],
        options: Options,
    ) -> None:
        super().__init__(label, total, unit, options)
        self._done = self._initial = initial
        self._per_unit = per_unit
        self._lock = threading.RLock()  # several threads may add, and a signal's handler amid that

    def advance(self, n: int = 1) -> None:
        """Count `n` more units as done.

        Raises:
            TypeError, ValueError: if `n` is no whole number of at least 0.
            RuntimeError: once the block is left.
        """
        n = arguments.count("n", n)
        stage = self._open()
        with self._lock:
            self._done += n
            stage.advance_to(self._done, current().clock())

    def _take(self, metrics: Mapping[str, object]) -> None:
        self._open().log(metrics, current().clock(), warn)

    @property
    def total(self) -> int | None:
        """How many units there are, None if unknown; it may change at any time.

        Raises:
            TypeError, ValueError: when set to what is no count.
            RuntimeError: when set once the block is left.
        """
        return self._stage.total if self._stage else self._total

    @total.setter
    def total(self, total: int | None) -> None:
        self._total = arguments.total("total", total)
        self._open().counts.total = self._total

    @property
    def done(self) -> int:
        """How many units are done, those of an earlier run included."""
        return self._done

    def close(self) -> None:
        """End the stage, as leaving the `with` block does.

        Raises:
            RuntimeError: if a block within it is open.
        """
        inner = scope.innermost()
        if self._stage and inner and inner is not self._stage and inner.in_block and inner.within(self._stage):
            raise RuntimeError(
                f"{self._label!r} cannot end while {inner.label!r} within it is open: leave that block first"
            )
        self.__exit__(None, None, None)
