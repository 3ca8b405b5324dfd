"""Owns bars drawn by rich: one live display for all stages of a run."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, Any

from ..core.snapshot import Snapshot
from ..core.throttle import ThrottleSpec
from .bars import BarRenderer
from .layout import Row, lines_above, rows

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult
    from rich.live import Live


class RichRenderer(BarRenderer):
    """Draws bars with rich.

    Args:
        file: a text stream to draw on; `sys.stdout` as it is when a run begins, if None.
        throttle: when to draw between a stage's beginning and end; every 0.1 s by default.
    """

    def __init__(self, file: IO[str] | None = None, *, throttle: ThrottleSpec | None = None) -> None:
        super().__init__(file, throttle=throttle)
        self._shown: Live | None = None

    def open(self) -> None:
        """A run begins."""
        from rich.console import Console
        from rich.live import Live

        class PlainConsole(Console):
            def show_cursor(self, show: bool = True) -> bool:
                return False  # never hidden, so that no way to die leaves it hidden

            def on_broken_pipe(self) -> None:
                raise BrokenPipeError  # rich would end the process

        frame = self._open_frame()
        notebook = frame.surface == "notebook"  # there rich writes by other means than a stream
        console = PlainConsole(
            file=None if notebook else frame,  # type: ignore[arg-type]  # rich uses of IO[str] what Frame has
            force_jupyter=notebook,
            markup=False,
            emoji=False,
            highlight=False,
        )
        self._shown = Live(
            console=console,
            auto_refresh=False,
            redirect_stdout=False,
            redirect_stderr=False,
            vertical_overflow="crop",
        )

    def draw(self, snapshot: Snapshot) -> None:
        """Draws a frame, finished epochs above it."""
        live, frame = self._shown, self._frame
        assert live is not None
        assert frame is not None
        columns, lines = frame.size
        live.console.size = (columns, lines)
        width = columns - 1  # a full last column would make some terminals wrap
        above = lines_above(snapshot, width)
        bars = rows(snapshot.stages, width)
        live.update(_Bars(bars), refresh=live.is_started)
        if not live.is_started:
            live.start(refresh=True)
        if above:  # after the bars, for what is printed brings up again those drawn last
            live.console.print(_Lines(above), soft_wrap=True)
        frame.commit(above=max(0, min(len(bars), lines) - 1))

    def close(self) -> None:
        """The run is over."""
        if self._shown is not None and self._frame is not None:
            self._shown.stop()
            if self._frame.surface == "plain":  # there rich ends what it leaves without a newline
                self._shown.console.line()
        self._shown = None
        self._close_frame()

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "_shown": None}


class _Lines:
    """Lines that rich is to leave as they are: neither wrapped nor read as markup."""

    def __init__(self, lines: list[str]) -> None:
        self._text = "\n".join(lines)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        from rich.segment import Segment

        yield Segment(self._text)
        yield Segment.line()


class _Bars:
    """Rows as rich draws them: a bar of its own between two texts."""

    def __init__(self, lines: list[Row]) -> None:
        self._lines = lines

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        from rich.progress_bar import ProgressBar
        from rich.segment import Segment

        end = Segment.line()
        for i, row in enumerate(self._lines):
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
