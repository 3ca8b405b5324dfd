"""`track`: a bar around the loop over any iterable."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Generic, TypeVar, cast

from ..core.metrics import Logged
from ..core.stage import Stage
from ..display.process import current
from ..options import DisplayOptions, Options, options_of
from ..system.warnings import warn
from . import arguments
from .iteration import AsyncItems, Feed, end
from .stages import Labelled, Logs, end_block

if TYPE_CHECKING:
    from typing_extensions import Self, Unpack

T = TypeVar("T")


def track(
    iterable: Iterable[T] | AsyncIterable[T],
    label: str = "track",
    *,
    total: int | None = None,
    initial: int = 0,
    unit: str = "it",
    samples_per_step: arguments.PerUnit = None,
    **options: Unpack[DisplayOptions],
) -> Track[T]:
    """The items of `iterable`, with a bar around the loop over them; ``async for`` does as well.

    The loop may stand in a `with` block of the object returned. Then the bar always tells whether the loop was left
    by `break` or by an exception; without a block, an exception that is handled at once may be missed.

    Args:
        iterable: anything that can be looped over.
        label: what the bar is called.
        total: how many items there are in all; if None, `initial` and as many as `iterable` says it has.
        initial: how many were done in an earlier run, and are not in `iterable`; they count into neither rate nor
            remaining time.
        unit: what an item is, singular.
        samples_per_step: how many samples an item has, as `epoch.steps` takes it.
        options: as `loop` takes them.

    Raises:
        TypeError, ValueError, ImportError: as `loop` does.
    """
    arguments.check_iterable(iterable, "__iter__", "__getitem__", "__aiter__")
    total = arguments.total("total", total)
    first = arguments.initial(initial, total)
    per_unit = arguments.per_unit("samples_per_step", samples_per_step) or ()
    return Track(iterable, label, total, first, unit, per_unit, options_of(options))


async def _one_by_one(items: Iterable[T]) -> AsyncIterator[T]:
    """The items for a loop by ``async for``."""
    for item in items:
        yield item


class Track(Labelled, Logs, Generic[T]):
    """An iterable with a bar around each loop over it; see `track`."""

    def __init__(
        self,
        iterable: Iterable[T] | AsyncIterable[T],
        label: str,
        total: int | None,
        initial: int,
        unit: str,
        per_unit: tuple[tuple[str, float], ...],
        options: Options,
    ) -> None:
        super().__init__(label)
        self._iterable, self._total, self._initial = iterable, total, initial
        self._per_unit = per_unit
        self._unit = arguments.text("unit", unit)
        self._options = options
        self._logged = Logged()
        self._in_block = False
        self._loops: list[tuple[Feed[T], Stage]] = []  # those in the block that are not over

    def __len__(self) -> int:
        return len(self._iterable)  # type: ignore[arg-type]  # it raises the error that says so

    def __contains__(self, item: object) -> bool:
        return item in self._iterable  # type: ignore[operator]  # likewise

    def __reversed__(self) -> Iterator[T]:
        items = cast("Sequence[T]", self._iterable)
        return Feed(self._begin).items(reversed(items))

    def __iter__(self) -> Iterator[T]:
        if not any(hasattr(self._iterable, method) for method in ("__iter__", "__getitem__")):
            raise TypeError(f"loop over these items by `async for`; {self._iterable!r:.100} has no others")
        return Feed(self._begin).items(cast("Iterable[T]", self._iterable))

    def __aiter__(self) -> AsyncIterator[T]:
        plain = not isinstance(self._iterable, AsyncIterable)
        items = _one_by_one(cast("Iterable[T]", self._iterable)) if plain else self._iterable
        return AsyncItems(cast("AsyncIterable[T]", items).__aiter__(), self._begin)

    def __enter__(self) -> Self:
        self._in_block = True
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._in_block = False
        loops, self._loops = self._loops, []
        for feed, stage in reversed(loops):
            feed.fails = error is not None
            end_block(stage, "stopped", error, trace)

    def _take(self, metrics: Mapping[str, object]) -> None:
        (self._stage or self._logged).log(metrics, current().clock(), warn)

    def _begin(self, feed: Feed[T]) -> Stage:
        for earlier, unfinished in self._loops:
            if earlier.is_left:
                end(unfinished, "stopped")
        stage = current().begin(
            self._label,
            unit=self._unit,
            total=arguments.length(self._iterable, self._initial) if self._total is None else self._total,
            initial=self._initial,
            firm=False,
            options=self._options,
            source=feed,
            owner=None if self._in_block else feed,
        )
        stage.counts.per_unit = self._per_unit
        if self._in_block:
            self._loops = [(f, s) for f, s in self._loops if not s.outcome] + [(feed, stage)]
        if not self._stage:  # what was logged for another loop says nothing of this one
            stage.logged = self._logged
        self._stage = stage
        return stage
