"""Owns the way from loops that people write themselves to stages: loop(), track() and stage()."""

from __future__ import annotations

import itertools
import operator
import threading
import weakref
from abc import ABC, abstractmethod
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator, Mapping
from numbers import Real
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from ..core.metrics import Logged, named
from ..core.outcome import outcome_of
from ..core.scalars import NO_MEAN, Mean
from ..core.snapshot import Outcome
from ..core.stage import Stage
from ..display.display import current
from ..options import DisplayOptions, Options, options_of
from ..system.warnings import from_signal, warn
from .iteration import AsyncItems, Feed
from .lifetime import broke, caller

if TYPE_CHECKING:
    from typing_extensions import Self, Unpack

T = TypeVar("T")


def loop(
    epochs: int | None = None, *, label: str = "loop", initial_epoch: int = 0, **options: Unpack[DisplayOptions]
) -> Loop:
    """A bar for a training loop of your own, to be used in a `with` statement.

    Args:
        epochs: how many there are; None for as many as it takes until `break`.
        label: what the bar is called.
        initial_epoch: the epoch to begin with, counted from 0.
        options: `renderer`, `throttle`, `metrics`, `leave`, `capture`, `pacing`, `summary` and
            `log_file`, as `ProgressBar` takes them.

    Raises:
        TypeError, ValueError: naming the argument, what was given and what is allowed.
        ImportError: if the library a renderer draws with is missing.
    """
    first = _count("initial_epoch", initial_epoch)
    return Loop(label, _total("epochs", epochs), first, options_of(options))


def track(
    iterable: Iterable[T] | AsyncIterable[T],
    label: str = "track",
    *,
    total: int | None = None,
    unit: str = "it",
    **options: Unpack[DisplayOptions],
) -> Track[T]:
    """The items of `iterable`, with a bar around the loop over them; ``async for`` does as well.

    Args:
        iterable: anything that can be looped over.
        label: what the bar is called.
        total: how many items there are; asked of `iterable` if None.
        unit: what an item is, singular.
        options: as `loop` takes them.

    Raises:
        TypeError, ValueError, ImportError: as `loop` does.
    """
    _check_iterable(iterable, "__iter__", "__getitem__", "__aiter__")
    return Track(iterable, label, _total("total", total), unit, options_of(options))


def stage(label: str, *, total: int | None = None, unit: str = "it", **options: Unpack[DisplayOptions]) -> HandStage:
    """A bar that is moved by hand, to be used in a `with` statement.

    Args:
        label: what the bar is called.
        total: how many units there are, None if unknown.
        unit: what is counted, singular.
        options: as `loop` takes them.

    Raises:
        TypeError, ValueError, ImportError: as `loop` does.
    """
    return HandStage(label, _total("total", total), unit, options_of(options))


class _Block:
    """A stage for a `with` block, which may be forgotten: then the stage ends with this object."""

    def __init__(self, label: str, total: int | None, unit: str, options: Options) -> None:
        self._label, self._total, self._unit, self._options = _text("label", label), total, _text("unit", unit), options
        self._initial = 0
        self._stage: Stage | None = None
        self._over = False

    def __enter__(self) -> Self:
        if self._stage:
            raise RuntimeError(f"{self._label!r} has begun already; make another one for another block")
        self._open().held = True
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over = True
        if self._stage is None:
            return
        if isinstance(error, GeneratorExit):  # the block is in a generator, and somebody has let go of that
            current().leave(self._stage, trace.tb_frame.f_back if trace else None)
        elif error is None:
            self._stage.logged.fetch(current().clock(), warn)
            current().end(self._stage, self._stage.own_end)
        else:
            current().end(self._stage, outcome_of(error))

    def _open(self) -> Stage:
        """The stage, begun if it was not yet."""
        if self._over:
            raise RuntimeError(f"{self._label!r} is over; make another one and use it within its `with` block")
        if self._stage is None:
            owner = _Forgotten(self)
            self._stage = owner.stage = current().begin(
                self._label,
                unit=self._unit,
                total=self._total,
                firm=False,
                initial=self._initial,
                options=self._options,
                owner=owner,
            )
        return self._stage


class _Forgotten:
    """Ends the stage of a block that nobody refers to any more."""

    def __init__(self, block: _Block) -> None:
        self._block = weakref.ref(block)
        self.stage: Stage | None = None

    def ended(self) -> Outcome | None:
        """How the block's stage ends, None while there is a block."""
        if self._block():
            return None
        return self.stage.own_end if self.stage else "interrupted"  # in the midst of its beginning


class _Logs(ABC):
    """What takes metrics."""

    def log(self, metrics: Mapping[str, object] | None = None, /, **more: object) -> None:
        """The latest values of metrics, by name; tensors are kept as they are until a frame is drawn.

        Raises:
            TypeError: if a name is no string.
            RuntimeError: once what is logged to is over.
        """
        self._take(named(metrics, more))

    @abstractmethod
    def _take(self, metrics: Mapping[str, object]) -> None: ...


class HandStage(_Block, _Logs):
    """A stage that is moved by hand; see `stage`."""

    def __init__(self, label: str, total: int | None, unit: str, options: Options) -> None:
        super().__init__(label, total, unit, options)
        self._done = 0
        self._lock = threading.RLock()  # `advance` adds, on any thread, and in a signal handler too

    def advance(self, n: int = 1) -> None:
        """So many more units are done.

        Raises:
            TypeError, ValueError: if `n` is no whole number of at least 0.
            RuntimeError: once the block is left.
        """
        n = _count("n", n)
        stage = self._open()
        with self._lock:
            self._done += n
            if not stage.outcome:  # else what is around it has ended it
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
        self._total, self._open().total = 2 * (_total("total", total),)

    @property
    def done(self) -> int:
        """How many units are done."""
        return self._done

    def close(self) -> None:
        """Ends the stage, as leaving the `with` block does.

        Raises:
            RuntimeError: if a block within it is open.
        """
        inner = current().innermost()
        if self._stage and inner and inner is not self._stage and inner.held and inner.within(self._stage):
            raise RuntimeError(
                f"{self._label!r} cannot end while {inner.label!r} within it is open: leave that block first"
            )
        self.__exit__(None, None, None)


class Track(_Logs, Generic[T]):
    """An iterable with a bar around each loop over it; see `track`."""

    def __init__(
        self, iterable: Iterable[T] | AsyncIterable[T], label: str, total: int | None, unit: str, options: Options
    ) -> None:
        self._iterable, self._total = iterable, total
        self._label, self._unit = _text("label", label), _text("unit", unit)
        self._options = options
        self._logged = Logged()
        self._stage: Stage | None = None

    def __iter__(self) -> Iterator[T]:
        if not any(hasattr(self._iterable, way) for way in ("__iter__", "__getitem__")):
            raise TypeError(f"loop over these items by `async for`; {self._iterable!r:.100} has no others")
        return Feed(self._begin).items(cast("Iterable[T]", self._iterable))

    def __aiter__(self) -> AsyncIterator[T]:
        if not hasattr(self._iterable, "__aiter__"):
            raise TypeError(f"loop over these items by a plain `for`; {self._iterable!r:.100} has no others")
        return AsyncItems(self._iterable.__aiter__(), self._begin)

    def _take(self, metrics: Mapping[str, object]) -> None:
        (self._stage or self._logged).log(metrics, current().clock(), warn)

    def _begin(self, feed: Feed[T]) -> Stage:
        total = _length(self._iterable) if self._total is None else self._total
        begun = current().begin(
            self._label, unit=self._unit, total=total, firm=False, options=self._options, source=feed, owner=feed
        )
        if not self._stage:  # what was logged for another loop says nothing of this one
            begun.logged = self._logged
        self._stage = begun
        return begun


class Loop(_Block):
    """A training loop's stage; see `loop`."""

    def __init__(self, label: str, epochs: int | None, initial_epoch: int, options: Options) -> None:
        super().__init__(label, epochs, "epoch", options)
        self._initial = initial_epoch if epochs is None else min(initial_epoch, epochs)
        self._epoch: Epoch | None = None

    def epochs(self) -> Iterator[Epoch]:
        """The epochs, each over when the next one is asked for.

        One that is left by `break` counts if the last of its stages was done by then, and none failed.

        Raises:
            RuntimeError: once the block is left.
        """
        stage = self._open()
        return self._epochs(stage)

    def _epochs(self, stage: Stage) -> Iterator[Epoch]:
        self._finish(False)  # what an earlier call of this left open
        try:
            for index in itertools.count(stage.done):
                if self._total is not None and index >= self._total:
                    break
                current().start_epoch(stage)
                self._epoch = Epoch(stage, index)
                yield self._epoch
                self._finish(True)
        except GeneratorExit:
            frame = caller(1)
            if frame is None or broke(frame):
                self._finish(False)
            if not stage.held:
                current().leave(stage, frame)
            raise
        if not stage.held:
            current().end(stage, stage.own_end)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self._finish(False)
        super().__exit__(kind, error, trace)

    def _finish(self, asked: bool) -> None:
        """The epoch is over; unless the loop has asked for the next one, only if it is complete."""
        epoch, self._epoch = self._epoch, None
        if epoch and self._stage and not self._stage.outcome:
            complete = epoch.finish()
            # Now, for what is updated in place says something else in the next epoch.
            metrics = epoch.logged.numbers(current().clock(), warn)
            if asked or complete:
                current().finish_epoch(self._stage, metrics)
            else:  # it will have no line of its own
                self._stage.log(metrics, current().clock(), warn)


class Epoch(_Logs):
    """One epoch of a loop.

    Attributes:
        index: its number, from 0.
        metrics: all that was logged in it, the latest values.
    """

    def __init__(self, run: Stage, index: int) -> None:
        self.index = index
        self.logged = Logged()
        self.metrics = self.logged.values
        self._run = run
        self._over = False
        self._phases: list[Stage] = []
        self._means: dict[tuple[int, str], Mean] = {}

    def steps(
        self, iterable: Iterable[T], stage: str = "train", *, total: int | None = None, unit: str = "step"
    ) -> Iterator[T]:
        """The items of `iterable`, with a bar around the loop over them.

        Args:
            iterable: anything that can be looped over.
            stage: what the bar is called.
            total: how many items there are; if None, asked of `iterable`, or else as many as
                there were the last time.
            unit: what an item is, singular.

        Raises:
            TypeError, ValueError: naming the argument, what was given and what is allowed.
            RuntimeError: once the epoch is over.
        """
        _check_iterable(iterable, "__iter__", "__getitem__")
        label, unit, count = _text("stage", stage), _text("unit", unit), _total("total", total)
        self._check_open()

        def begin(feed: Feed[T]) -> Stage:
            phase = current().begin(
                label,
                title=f"epoch {self.index + 1}" if label == "train" else None,
                unit=unit,
                total=_length(iterable) if count is None else count,
                firm=False,
                parent=self._run,
                phase=True,
                source=feed,
                owner=feed,
            )
            self._phases.append(phase)
            return phase

        return Feed(begin).items(iterable)

    def mean(self, metrics: Mapping[str, Any] | None = None, /, *, weight: Any = 1, **more: Any) -> None:
        """Means of metrics over the running stage, by name; tensors are summed where they are.

        Args:
            metrics: this step's values, as a mapping.
            **more: likewise, as keywords.
            weight: how much they count, such as the number of examples; a number or a tensor.

        Raises:
            TypeError: if a name is no string or `weight` no number.
            ValueError: if `weight` is a negative number.
            RuntimeError: once the epoch is over.
        """
        if isinstance(weight, str) or weight is None:
            raise TypeError(f"weight must be a number of at least 0; got {weight!r}")
        if isinstance(weight, Real) and not float(weight) >= 0:
            raise ValueError(f"weight must be a number of at least 0; got {weight!r}")
        values = named(metrics, more)
        phase = self._phase()
        for name, value in values.items():
            key = (phase.key if phase else 0, name)
            try:
                values[name] = self._means[key] = self._means.get(key, NO_MEAN).plus(value, weight)
            except Exception as error:  # an odd value is no reason to end a training
                if from_signal(error):
                    raise
                warn(f"the metric {name!r} has no mean ({type(error).__name__}: {error}) and is shown as it is")
        self._take(values)

    def finish(self) -> bool:
        """The epoch is over; whether it had stages, of which none failed and the last was done."""
        self._over = True
        for phase in self._phases:
            current().end(phase, "stopped")
        outcomes = [p.outcome for p in self._phases]
        return outcomes[-1:] == ["done"] and not {"error", "interrupted"} & {*outcomes}

    def _take(self, metrics: Mapping[str, object]) -> None:
        self._check_open()
        self.metrics.update(metrics)
        phase = self._phase()
        if phase:
            phase.log(metrics, current().clock(), warn)

    def _phase(self) -> Stage | None:
        """The innermost of the epoch's stages that runs."""
        return next((p for p in reversed(self._phases) if not p.outcome), None)

    def _check_open(self) -> None:
        if self._over:
            raise RuntimeError(f"epoch {self.index + 1} is over; use the epoch that loop.epochs() gave last")


def _check_iterable(iterable: object, *ways: str) -> None:
    if isinstance(iterable, type) or not any(hasattr(type(iterable), way) for way in ways):
        plainly = "" if "__aiter__" in ways else " by a plain `for`"
        raise TypeError(f"iterable must be something to loop over{plainly}; got {iterable!r}")


def _text(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a string; got {value!r}")
    return value


def _count(name: str, value: Any) -> int:
    """`value` as a count, by its argument's name."""
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise TypeError(f"{name} must be a whole number of at least 0; got {value!r}")
    count = operator.index(value)
    if count < 0:
        raise ValueError(f"{name} must be a whole number of at least 0; got {value!r}")
    if count > 10**18:
        raise ValueError(f"{name} must be at most 10**18; got more")
    return count


def _total(name: str, value: Any) -> int | None:
    return None if value is None else _count(name, value)


def _length(iterable: Any) -> int | None:
    """How many items there are, None if `iterable` does not know."""
    cardinality = getattr(iterable, "cardinality", None)  # tf.data's; negative where it is not known
    for ask in (lambda: len(iterable), lambda: cardinality() if callable(cardinality) else cardinality):
        try:
            count = int(ask())  # type: ignore[arg-type]  # whatever it is
        except Exception as error:  # how an iterable says that it has no length is its own affair
            if from_signal(error):
                raise
            continue
        if 0 <= count <= 10**18:
            return count
    return None
