"""Owns what a renderer is: the seam between what is true and what draws it."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import ClassVar

from ..core.snapshot import Snapshot
from ..core.throttle import Throttle, ThrottleSpec, as_throttle, every


class Renderer(ABC):
    """Draws snapshots. Subclass it and pass an instance, or register it as an entry point.

    A renderer is made before the run and may be copied and pickled then; it acquires nothing
    until `open`. `open` is called by the thread that begins a run; `draw` and `close` by the
    one thread that draws, never at the same time. After `close` it can be opened again.
    Whatever they raise costs this renderer the rest of the run, and the run nothing.

    Attributes:
        live: True draws frames of all stages at once; False writes a line for each event, and
            its throttle is asked for each running stage.
        screen: whether it draws where a person looks; a run has one such renderer only.
        captures: whether it wants to be told what others print, as `Message` events: one that
            draws on the screen puts them above what it draws.
        place: what it writes to, if two of a run that write there are to be one; prints to other
            terminals are not its to put above.
        default_throttle: when to draw between a stage's beginning and end, if nobody says.

    Args:
        throttle: when to draw; it wins over the run's `throttle=`.

    Raises:
        TypeError: if `throttle` is neither a throttle nor callable.
    """

    live: ClassVar[bool] = True
    default_throttle: ClassVar[Throttle] = every(seconds=0.1)
    screen: bool = True
    captures: bool = False
    place: object = None
    throttle: Throttle | None = None

    def __init__(self, *, throttle: ThrottleSpec | None = None) -> None:
        self.throttle = None if throttle is None else as_throttle(throttle)

    def open(self) -> None:  # noqa: B027  # not all renderers have anything to do here
        """A run begins: look up streams, import what draws."""

    @property
    def ready(self) -> bool:
        """Whether it could draw now without waiting for who reads; while not, it is not asked to."""
        return True

    @property
    def moved(self) -> float:
        """When its output has last taken something, in seconds of `time.monotonic`; while it does, nobody gives up."""
        return -math.inf

    @abstractmethod
    def draw(self, snapshot: Snapshot) -> None:
        """Draw this; frames dropped in between are not made up for, of events only the latest 100,000 are kept."""

    def close(self) -> None:  # noqa: B027  # likewise
        """The run is over and its last snapshot drawn: leave that on screen, give back the rest."""


class NullRenderer(Renderer):
    """Draws nothing."""

    def draw(self, snapshot: Snapshot) -> None:
        """Draws nothing."""
