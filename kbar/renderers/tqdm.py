"""Bars drawn by tqdm, or by any class with its interface."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import IO, Any, ClassVar

from ..core.snapshot import Snapshot
from ..core.throttle import ThrottleSpec
from .bars import BarRenderer
from .layout import Row
from .ray import RayRenderer


class TqdmRenderer(BarRenderer):
    """Draws bars with tqdm.

    Args:
        tqdm_class: a class with tqdm's interface; `tqdm.auto.tqdm` if None, which draws widgets in a notebook.
            With the one of `ray.experimental.tqdm_ray`, Ray's driver draws one bar for each run.
        file: a text stream to draw on; `sys.stdout` as it is when a run begins, if None.
        throttle: when to draw between a stage's beginning and end; every 0.1 s by default.

    Raises:
        TypeError: if `tqdm_class` is no class with tqdm's `refresh` and `close`.
    """

    switches: ClassVar[tuple[str, ...]] = ("KBAR_DISABLE", "TQDM_DISABLE")

    def __init__(
        self, tqdm_class: type[Any] | None = None, file: IO[str] | None = None, *, throttle: ThrottleSpec | None = None
    ) -> None:
        self._is_rays = getattr(tqdm_class, "__module__", "") == "ray.experimental.tqdm_ray"
        if self._is_rays and throttle is None:
            throttle = RayRenderer.default_throttle
        super().__init__(file, throttle=throttle)
        if tqdm_class is not None and not (
            isinstance(tqdm_class, type) and all(hasattr(tqdm_class, name) for name in ("refresh", "close"))
        ):
            raise TypeError(f"tqdm_class must be a class with tqdm's interface; got {tqdm_class!r}")
        self._class = tqdm_class
        self._text_class: Any = None  # the class, while a run is drawn with one that draws text
        self._own_bars: _OwnBars | None = None  # else its bars
        self._rays: RayRenderer | None = None  # what draws with Ray's class, which has little of tqdm's interface

    def open(self) -> None:
        """Begin a run."""
        if self._is_rays:
            self._rays = RayRenderer()
            self._rays.open()
            self.output = self._rays.output
            return
        from tqdm.auto import tqdm as chosen
        from tqdm.std import tqdm as standard

        super().open()
        tqdm_class: Any = self._class or chosen
        if getattr(tqdm_class, "display", None) is standard.display:
            self._text_class = tqdm_class
        else:
            self._own_bars = _OwnBars(tqdm_class)

    def draw(self, snapshot: Snapshot) -> None:
        """Draw a frame, finished epochs above it; Ray's driver shows bars only."""
        if self._rays is None:
            super().draw(snapshot)
        else:
            self._rays.draw(snapshot)

    def bar_lines(self, bars: Sequence[Row], width: int) -> list[str]:
        """Each bar as tqdm draws it; none of those that draw themselves."""
        if self._own_bars is None:
            return [self._line(row) for row in bars]
        self._own_bars.draw([replace(row, tail=f"{row.tail}  {row.below.strip()}".rstrip()) for row in bars])
        return []

    def _line(self, row: Row) -> str:
        assert self.output is not None
        ascii = self.output.ascii
        bar = f"|{{bar:{row.bar - 2}}}|"
        if row.view.fraction is None:  # tqdm draws no bar without a total, so the line brings its own
            bar = f"|{_moving(row.bar - 2, row.view.seen, '#' if ascii else '█')}|"
        line: str = self._text_class.format_meter(
            n=row.view.stands_at,
            total=row.view.total,
            elapsed=row.view.elapsed,
            ncols=None,  # it fits; tqdm would cut it where marks take no column of their own
            ascii=ascii,
            bar_format=_format(row, bar),
        )
        return line

    def close(self) -> None:
        """End the run, and leave its last state."""
        super().close()
        if self._own_bars is not None:
            self._own_bars.close()
        if self._rays is not None:
            self._rays.close()
        self._text_class = self._own_bars = self._rays = None

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "_text_class": None, "_own_bars": None, "_rays": None}


class _OwnBars:
    """One bar for each row, of a class that draws by its own means, such as a notebook's widgets."""

    def __init__(self, tqdm_class: Any) -> None:
        self._class = tqdm_class
        self._bars: list[Any] = []
        self._rows: list[Row] = []  # those on show; bars beyond them are hidden until there are as many rows again

    def draw(self, rows: Sequence[Row]) -> None:
        for bar in self._bars[len(rows) : len(self._rows)]:
            _show(bar, False)
        for position, row in enumerate(rows):
            if position == len(self._bars):
                self._bars.append(self._new(row, position))
                continue
            bar = self._bars[position]
            if position >= len(self._rows):
                _show(bar, True)
            if position >= len(self._rows) or self._rows[position].view.key != row.view.key:
                bar.reset(total=row.view.total)  # a widget learns its full width from this alone
            bar.total, bar.n = row.view.total, row.view.stands_at
            bar.bar_format = _format(row, "{bar}")
            bar.refresh()
        self._rows = [*rows]

    def close(self) -> None:
        for bar, row in zip(self._bars, self._rows, strict=False):
            bar.total, bar.leave = None, True  # it is not cut short: a widget would turn red
            bar.close()
            if hasattr(bar, "container"):
                bar.display(bar_style=_STYLES[row.view.outcome], check_delay=False)
        for bar in self._bars[len(self._rows) :]:
            bar.total, bar.leave = None, False
            bar.close()

    def _new(self, row: Row, position: int) -> Any:
        bar = self._class(
            total=row.view.total,
            initial=row.view.stands_at,
            bar_format=_format(row, "{bar}"),
            position=position,
            mininterval=0,
            miniters=1,
            leave=False,
        )
        if hasattr(bar, "container"):  # with `ncols` for this, the text that stands for the widget could not be made
            bar.container.layout.width, bar.container.layout.display = "100%", "inline-flex"
            bar.container.children[1].layout.flex = "2"
        return bar


# How the widgets of ipywidgets are coloured.
_STYLES = {None: "", "done": "success", "stopped": "warning", "interrupted": "danger", "error": "danger"}


def _show(bar: Any, shown: bool) -> None:
    """Show or hide a bar; one that cannot be hidden is emptied."""
    if hasattr(bar, "container"):
        bar.container.layout.display = "inline-flex" if shown else "none"
    elif not shown:
        bar.clear()


def _format(row: Row, bar: str) -> str:
    """The row as tqdm's format: all text is kbar's, only the bar is left to tqdm."""
    title, tail = (text.replace("{", "{{").replace("}", "}}") for text in (row.title, row.tail))
    return f"{title} {bar} {tail}"


def _moving(width: int, seconds: float, block: str) -> str:
    """A block that wanders to and fro over `width` columns, ten a second."""
    size = max(1, width // 4)
    span = width - size
    at = abs((int(seconds * 10) + span) % (2 * span) - span) if span else 0
    return (" " * at + block * size).ljust(width)
