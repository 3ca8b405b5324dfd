"""What all renderers of bars share: which stream they draw on, and what lies above the bars."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import IO, Any

from ..core.snapshot import Snapshot
from ..core.throttle import ThrottleSpec
from ..system.terminal import output_of
from .base import Renderer, SharedStream
from .layout import Row, lines_above, rows


class BarRenderer(Renderer):
    """Draws a line for each bar: on a terminal below what others print, elsewhere once the run is over.

    Args:
        file: a text stream to draw on; `sys.stdout` as it is when a run begins, if None.
        throttle: when to draw between a stage's beginning and end; every 0.1 s by default.
    """

    def __init__(self, file: IO[str] | None = None, *, throttle: ThrottleSpec | None = None) -> None:
        super().__init__(throttle=throttle)
        self._file = SharedStream(file)

    @abstractmethod
    def bar_lines(self, bars: Sequence[Row], width: int) -> list[str]:
        """Each bar as a line of text of at most `width` columns, with colours if there are any."""

    def open(self) -> None:
        """Begin a run."""
        self.output = output_of(self._file.or_stdout())

    def draw(self, snapshot: Snapshot) -> None:
        """Draw a frame, finished epochs above it."""
        assert self.output is not None
        width = self.output.size[0] - 1  # a full last column would make some terminals wrap
        bars = rows(snapshot.stages, width)
        self.output.draw(lines_above(snapshot, width), self.bar_lines(bars, width))

    def close(self) -> None:
        """End the run, and leave its last state."""
        output, self.output = self.output, None
        if output is not None:
            output.keep_bars()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "output": None}
