"""`loop`: bars for a training loop that people write themselves, with its epochs and their phases."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from ..core.metrics import Logged, named
from ..core.scalars import NO_MEAN, Mean
from ..core.stage import Stage
from ..display import scope
from ..display.process import current
from ..options import DisplayOptions, Options, options_of
from ..system.warnings import from_signal, warn
from . import arguments
from .iteration import Feed, end
from .lifetime import LeftLoop, on_release
from .stages import Block, Logs

if TYPE_CHECKING:
    from typing_extensions import Unpack

T = TypeVar("T")


def loop(
    epochs: int | None = None, *, label: str = "loop", initial_epoch: int = 0, **options: Unpack[DisplayOptions]
) -> Loop:
    """A bar for a training loop of your own, to be used in a `with` statement.

    Args:
        epochs: how many there are; None for as many as it takes until `break`.
        label: what the bar is called.
        initial_epoch: the epoch to begin with, counted from 0.
        options: `renderer`, `throttle`, `metrics`, `formats`, `leave`, `capture`, `pacing`, `summary` and
            `log_file`, as `ProgressBar` takes them.

    Raises:
        TypeError, ValueError: naming the argument, what was given and what is allowed.
        ImportError: if the library a renderer draws with is missing.
    """
    first = arguments.count("initial_epoch", initial_epoch)
    return Loop(label, arguments.total("epochs", epochs), first, options_of(options))


class Loop(Block):
    """A training loop's stage; see `loop`."""

    def __init__(self, label: str, epochs: int | None, initial_epoch: int, options: Options) -> None:
        super().__init__(label, epochs, "epoch", options)
        self._initial = initial_epoch if epochs is None else min(initial_epoch, epochs)
        self._epoch: Epoch | None = None
        self._iterator: object = None  # refers to the running iterator over the epochs, weakly

    def epochs(self) -> Iterator[Epoch]:
        """Return an iterator over the epochs; each ends when the next one is asked for.

        An epoch that is left half way, by `break` or by an exception, counts if the last of its stages was done by
        then, and none failed.

        Raises:
            RuntimeError: once the block is left.
        """
        stage = self._open()
        self._leave_epoch()  # an earlier call's
        iterator = self._epochs(stage)
        self._iterator = on_release(iterator, self._release)
        return iterator

    def _epochs(self, stage: Stage) -> Iterator[Epoch]:
        for index in itertools.count(stage.done):
            if self._total is not None and index >= self._total:
                break
            current().start_epoch(stage)
            self._epoch = epoch = Epoch(stage, index)
            yield epoch
            epoch.close()
            self._epoch = None
            # Fetch the numbers now: what is updated in place will have other values in the next epoch.
            metrics = epoch.logged.numbers(current().clock(), warn)
            if not stage.outcome:
                current().finish_epoch(stage, metrics)
        self._iterator = None
        if not stage.in_block:
            end(stage, stage.own_end)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self._leave_epoch()
        super().__exit__(kind, error, trace)

    def _leave_epoch(self) -> None:
        """End the epoch that the loop was left in, if any; the display decides whether it counts."""
        epoch, self._epoch = self._epoch, None
        if epoch and self._stage:
            epoch.logged.fetch(current().clock(), warn)
            epoch.close()
            self._stage.epoch.is_left = True
            current().running()  # so that the epoch counts by now, if all its phases are done

    def _release(self, frame: FrameType | None) -> None:
        """Mark the epoch as left: the loop over the epochs, in `frame`, has released them half way."""
        if self._stage:
            self._stage.epoch.is_left = True
            if not self._stage.in_block:
                self._stage.owner = LeftLoop(frame)


class Epoch(Logs):
    """One epoch of a loop.

    Attributes:
        index: its number, from 0.
        metrics: all that was logged in it, the latest values.
    """

    def __init__(self, stage: Stage, index: int) -> None:
        self.index = index
        self.logged = stage.epoch.logged = Logged()
        self.metrics = self.logged.values
        self._stage = stage
        self._over = False
        self._phases: list[Stage] = []
        self._means: dict[tuple[int, str], Mean] = {}

    def steps(
        self,
        iterable: Iterable[T],
        stage: str = "train",
        *,
        total: int | None = None,
        initial: int = 0,
        unit: str = "step",
        samples_per_step: arguments.PerUnit = None,
    ) -> Iterator[T]:
        """The items of `iterable`, with a bar around the loop over them.

        Within the loop over other steps of this epoch, as for a validation every 100 steps, the bar is one within the
        running step.

        Args:
            iterable: anything that can be looped over.
            stage: what the bar is called.
            total: how many items there are; if None, asked of `iterable`, or else as many as
                there were in the epoch before.
            initial: how many were done in an earlier run, and are not in `iterable`; they count
                into neither rate nor remaining time.
            unit: what an item is, singular.
            samples_per_step: how many samples an item has, for a rate in samples/s; or how many of
                anything (``{"tokens": 65_536}``).

        Raises:
            TypeError, ValueError: naming the argument, what was given and what is allowed.
            RuntimeError: once the epoch is over.
        """
        arguments.check_iterable(iterable, "__iter__", "__getitem__")
        label, unit = arguments.text("stage", stage), arguments.text("unit", unit)
        count = arguments.total("total", total)
        first = arguments.initial(initial, count)
        per_unit = arguments.per_unit("samples_per_step", samples_per_step) or ()
        self._check_open()

        def begin(feed: Feed[T]) -> Stage:
            within = self._running_loop()
            phase = current().begin(
                label,
                title=f"epoch {self.index + 1}" if label == "train" and not within else None,
                unit=unit,
                total=arguments.length(iterable, first) if count is None else count,
                initial=first,
                firm=False,
                parent=within or self._stage,
                phase=not within,
                source=feed,
                owner=feed,
            )
            phase.counts.per_unit = per_unit
            self._phases.append(phase)
            return phase

        return Feed(begin).items(iterable)

    def mean(self, metrics: Mapping[str, Any] | None = None, /, *, weight: Any = 1, **more: Any) -> None:
        """Log means of metrics over the running stage, by name; tensors are summed where they are.

        Args:
            metrics: this step's values, as a mapping.
            **more: likewise, as keywords.
            weight: how much they count, such as the number of examples; a number or a tensor.

        Raises:
            TypeError: if a name is no string or `weight` no number.
            ValueError: if `weight` is a negative number.
            RuntimeError: once the epoch is over.
        """
        arguments.check_weight(weight)
        values = named(metrics, more)
        phase = self._phase()
        for name, value in values.items():
            key = (phase.key if phase else 0, name)
            try:
                values[name] = self._means[key] = self._means.get(key, NO_MEAN).plus(value, weight)
            except Exception as error:  # a value of an odd type must not end a training
                if from_signal(error):
                    raise
                warn(f"the metric {name!r} has no mean ({type(error).__name__}: {error}) and is shown as it is")
        self._take(values)

    def close(self) -> None:
        """End the epoch, and what is still open in it."""
        self._over = True
        for phase in self._phases:
            end(phase, "stopped")

    def _take(self, metrics: Mapping[str, object]) -> None:
        self._check_open()
        self.metrics.update(metrics)
        phase = self._phase()
        if phase:
            phase.log(metrics, current().clock(), warn)

    def _running_loop(self) -> Stage | None:
        """The innermost open stage, if it lies within a loop over this epoch's steps, in this thread or task."""
        current().running()  # ends the loops that were left
        innermost = scope.innermost()
        return innermost if innermost and any(innermost.within(p) for p in self._phases if not p.outcome) else None

    def _phase(self) -> Stage | None:
        """The innermost of the epoch's stages that runs."""
        return next((p for p in reversed(self._phases) if not p.outcome), None)

    def _check_open(self) -> None:
        if self._over:
            raise RuntimeError(f"epoch {self.index + 1} is over; use the epoch that loop.epochs() gave last")
