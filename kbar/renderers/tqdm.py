"""Owns bars drawn by tqdm, or by any class with its interface: one tqdm bar for each line."""

from __future__ import annotations

import os
import threading
from typing import IO, Any

from ..core.snapshot import Snapshot
from ..core.throttle import ThrottleSpec
from ..system.terminal import Frame
from .bars import BarRenderer
from .layout import Row, lines_above, rows


class TqdmRenderer(BarRenderer):
    """Draws bars with tqdm.

    Args:
        tqdm_class: a class with tqdm's interface; `tqdm.auto.tqdm` if None, which draws
            widgets in a notebook.
        file: a text stream to draw on; `sys.stdout` as it is when a run begins, if None.
        throttle: when to draw between a stage's beginning and end; every 0.1 s by default.

    Raises:
        TypeError: if `tqdm_class` is no class with tqdm's `refresh`, `close` and `write`.
    """

    def __init__(
        self, tqdm_class: type[Any] | None = None, file: IO[str] | None = None, *, throttle: ThrottleSpec | None = None
    ) -> None:
        super().__init__(file, throttle=throttle)
        if tqdm_class is not None and not (
            isinstance(tqdm_class, type) and all(hasattr(tqdm_class, name) for name in ("refresh", "close", "write"))
        ):
            raise TypeError(f"tqdm_class must be a class with tqdm's interface; got {tqdm_class!r}")
        self._given = tqdm_class
        self._class: Any = None
        self._bars: list[Any] = []
        self._keys: list[int] = []
        self._width = 0

    def open(self) -> None:
        """A run begins."""
        from tqdm.auto import tqdm

        base: type[Any] = self._given or tqdm

        # A class of its own, so that these settings are not forced on the user's bars. Made thus, its bars
        # and the user's know nothing of each other, and no thread meddles with the pace.
        plain = base.__new__ is tqdm.__new__  # type: ignore[comparison-overlap]  # it is where nobody has his own
        apart = {"__new__": lambda cls, *_, **__: object.__new__(cls)} if plain else {}
        self._class = type(base.__name__, (base,), {"monitor_interval": 0, **apart})
        self._class.set_lock(threading.RLock())  # a plain one; one that is shared with processes costs semaphores
        self._open_frame()

    def draw(self, snapshot: Snapshot) -> None:
        """Draws a frame, finished epochs above it."""
        frame = self._frame
        assert frame is not None
        columns, lines = frame.size
        width = columns - 1  # a full last column would make some terminals wrap
        above = lines_above(snapshot, width)
        if frame.surface == "terminal":  # tqdm blanks what it remembers, which others may have moved
            frame.write("\r\x1b[J")
        elif above:
            for bar in self._bars:
                bar.clear()
        frame.write("".join(f"{line}\n" for line in above))
        wanted = rows(snapshot.stages, width)
        if width != self._width and self._bars and not self._bars[0].gui:
            # tqdm blanks what was longer before; on a terminal that got narrower that would wrap.
            for bar in self._bars:
                bar.sp = bar.status_printer(bar.fp)
        self._width = width
        while len(self._bars) > len(wanted):
            gone = self._bars.pop()
            gone.total = None  # it is taken away, not cut short: a widget would turn red and stay
            _close(gone)
        for bar, row in zip(self._bars, wanted, strict=False):
            bar.nrows = lines
            self._redraw(bar, row, width)
        for row in wanted[len(self._bars) :]:
            self._bars.append(self._new_bar(frame, row, width))
        self._keys = [row.view.key for row in wanted]
        frame.commit()

    def close(self) -> None:
        """The run is over."""
        for bar in self._bars:
            bar.leave = True
            _close(bar)
        self._close_frame()
        self._class = None
        self._bars, self._keys = [], []

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "_class": None, "_bars": [], "_keys": []}

    def _new_bar(self, frame: Frame, row: Row, width: int) -> Any:
        return self._class(
            total=row.view.total,
            initial=row.view.stands_at,
            bar_format=_bar_format(row, False, frame.ascii),
            file=frame,
            ascii=frame.ascii,
            ncols=width,
            nrows=frame.size[1],
            position=len(self._bars),
            **{name: 0 for name in _SET if f"TQDM_{name.upper()}" in os.environ},
            mininterval=0,
            miniters=1,
            leave=False,
        )

    def _redraw(self, bar: Any, row: Row, width: int) -> None:
        if bar.gui and row.view.key not in self._keys:
            bar.reset(total=row.view.total)  # a widget learns its full width from this alone
        bar.total, bar.n = row.view.total, row.view.stands_at
        bar.bar_format = _bar_format(row, bar.gui, bar.ascii is True)
        bar.ncols = width
        bar.refresh()


_SET = ("delay", "disable", "gui", "write_bytes")  # what is set there is about the user's own bars


def _close(bar: Any) -> None:
    try:
        bar.close()
    except RuntimeError:  # tqdm looks through the user's bars, too, which may change meanwhile
        if bar.leave:
            bar.display(pos=0)
            bar.fp.write("\n")


def _bar_format(row: Row, gui: bool, ascii: bool) -> str:
    """The line as tqdm's format: all text is kbar's, only the bar is left to tqdm."""
    width = row.bar - 2
    bar = "{bar}" if gui else f"|{{bar:{width}}}|"
    if row.view.fraction is None:  # tqdm draws no bar without a total, so the line brings its own
        bar = f"|{_moving(width, row.view.seen, '#' if ascii else '█')}|"
    title, tail = (text.replace("{", "{{").replace("}", "}}") for text in (row.title, row.tail))
    return f"{title} {bar} {tail}"


def _moving(width: int, seconds: float, block: str) -> str:
    """A block that wanders to and fro over `width` columns, ten a second."""
    size = max(1, width // 4)
    span = width - size
    at = abs((int(seconds * 10) + span) % (2 * span) - span) if span else 0
    return (" " * at + block * size).ljust(width)
