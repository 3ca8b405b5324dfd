"""Bars drawn by rich."""

from __future__ import annotations

from collections.abc import Sequence
from typing import IO, TYPE_CHECKING, Any

from ..core.throttle import ThrottleSpec
from ..system.environment import understands_escapes
from .bars import BarRenderer
from .layout import Row

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult


class RichRenderer(BarRenderer):
    """Draws bars with rich.

    Args:
        file: a text stream to draw on; `sys.stdout` as it is when a run begins, if None.
        throttle: when to draw between a stage's beginning and end; every 0.1 s by default.
    """

    def __init__(self, file: IO[str] | None = None, *, throttle: ThrottleSpec | None = None) -> None:
        super().__init__(file, throttle=throttle)
        self._console: Console | None = None

    def open(self) -> None:
        """Begin a run."""
        from rich.console import Console

        super().open()
        assert self.output is not None
        stream: Any = _Unwritten(self.output.stream)
        self._console = Console(
            file=stream,
            color_system="auto" if understands_escapes(stream) else None,
            legacy_windows=False,  # such a console gets no bars while they move, as it understands no escape sequences
            force_jupyter=False,
            markup=False,
            emoji=False,
            highlight=False,
        )

    def bar_lines(self, bars: Sequence[Row], width: int) -> list[str]:
        """Each bar as rich draws it."""
        console = self._console
        assert console is not None
        console.size = (width + 1, len(bars) + 1)
        with console.capture() as captured:
            console.print(_Bars(bars), end="")
        return captured.get().split("\n") if bars else []

    def close(self) -> None:
        """End the run, and leave its last state."""
        super().close()
        self._console = None

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "_console": None}


class _Unwritten:
    """A stream as rich sees it, to find out what can be shown there; rich writes and flushes even while it captures."""

    def __init__(self, stream: IO[str] | None) -> None:
        self._stream = stream
        self.rich_proxied_file = self  # not what is behind it, if it is a replacement for another stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        return len(text)

    def flush(self) -> None:
        pass


class _Bars:
    """Rows for rich: a bar of its own between two texts."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self._rows = rows

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        from rich.progress_bar import ProgressBar
        from rich.segment import Segment

        end = Segment.line()
        for i, row in enumerate(self._rows):
            if i:
                yield end
            yield Segment(row.title + " ", console.get_style("bold" if not row.view.depth else "none"))
            view = row.view
            yield ProgressBar(
                total=None if view.fraction is None else 1.0,
                completed=view.fraction or 0.0,
                width=row.bar,
                pulse=view.fraction is None,
                animation_time=view.seen,
            )
            yield Segment(" " + row.tail)
