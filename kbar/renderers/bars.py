"""Owns what all renderers of bars share: frames, and which terminal they go to."""

from __future__ import annotations

import math
from typing import IO, Any

from ..core.throttle import ThrottleSpec
from ..system.terminal import Frame, Shared
from .base import Renderer


class BarRenderer(Renderer):
    """Draws bars, each frame by one write.

    Args:
        file: a text stream to draw on; `sys.stdout` as it is when a run begins, if None.
        throttle: when to draw between a stage's beginning and end; every 0.1 s by default.
    """

    captures = True

    def __init__(self, file: IO[str] | None = None, *, throttle: ThrottleSpec | None = None) -> None:
        super().__init__(throttle=throttle)
        self._file = Shared(file)
        self._frame: Frame | None = None

    def _open_frame(self) -> Frame:
        self._frame = frame = Frame(self._file.or_stdout())
        # A stand-in that somebody has put in stdout's place is taken to lead to the terminal there is.
        self.place = None if self._file.stream is None and isinstance(frame.place, int) else frame.place
        frame.fresh_line()
        return frame

    def _close_frame(self) -> None:
        frame, self._frame, self.place = self._frame, None, None
        if frame is not None:
            frame.commit()
            frame.close()

    @property
    def ready(self) -> bool:
        """Whether a frame would not have to wait."""
        return self._frame is None or self._frame.ready

    @property
    def moved(self) -> float:
        """When something of a frame was last taken."""
        return -math.inf if self._frame is None else self._frame.moved

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_frame": None, "place": None}
