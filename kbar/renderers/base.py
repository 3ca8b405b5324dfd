"""What a renderer is: the seam between what is true and what draws it."""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from typing import IO, Any, ClassVar

from ..core.snapshot import Snapshot
from ..core.throttle import FRAME, Throttle, ThrottleSpec, as_throttle, every
from ..system.output import Output


class Renderer(ABC):
    """Draws snapshots. Subclass it and pass an instance, or register it as an entry point.

    A renderer is made before the run, and may be copied and pickled then. `open` is called by the thread that begins
    a run, `draw` and `close` by a thread that draws for this renderer only, so they may take their time. After
    `close` it can be opened again. Whatever they raise costs this renderer the rest of the run, and the run nothing.

    Attributes:
        live: True draws frames of all stages at once; False writes a line for each event, and its throttle is asked
            for each running stage.
        screen: whether it draws where a person looks; a run has one such renderer only.
        switches: the environment variables that switch it off, where it draws on the screen.
        shares_screen: whether all runs share its screen; False if each outermost stage has one of its own.
        captures: whether it wants to be told what others print, as `Message` events.
        place: the file it writes to, if two renderers of a run that write there are to be one.
        output: the stream it writes to, while it is open, if what others print there is to be kept apart.
        default_throttle: when to draw between a stage's beginning and end, unless a throttle is given.

    Args:
        throttle: when to draw; it wins over the run's `throttle=`.

    Raises:
        TypeError: if `throttle` is neither a throttle nor callable.
    """

    live: ClassVar[bool] = True
    default_throttle: ClassVar[Throttle] = every(seconds=FRAME)
    screen: bool = True
    switches: ClassVar[tuple[str, ...]] = ("KBAR_DISABLE",)
    shares_screen: ClassVar[bool] = True
    captures: bool = False
    place: object = None
    output: Output | None = None
    throttle: Throttle | None = None

    def __init__(self, *, throttle: ThrottleSpec | None = None) -> None:
        self.throttle = None if throttle is None else as_throttle(throttle)

    def open(self) -> None:  # noqa: B027  # not all renderers have anything to do here
        """Begin a run: look up streams, import what draws."""

    @abstractmethod
    def draw(self, snapshot: Snapshot) -> None:
        """Draw a snapshot; frames that were not due are not made up for, of events only the latest 100,000 are kept."""

    def close(self) -> None:  # noqa: B027  # likewise
        """End a run, whose last snapshot is drawn: leave that on screen, give back the rest."""


class NullRenderer(Renderer):
    """Draws nothing."""

    def draw(self, snapshot: Snapshot) -> None:
        """Draw nothing."""


class SharedStream:
    """A stream that copies of its renderer share, and that is not pickled with it."""

    def __init__(self, stream: IO[str] | None) -> None:
        self.stream = stream

    def or_stdout(self) -> IO[str] | None:
        """The stream; the present `sys.stdout` if there is none."""
        return sys.stdout if self.stream is None else self.stream

    def __deepcopy__(self, memo: dict[int, Any]) -> SharedStream:
        return self

    def __reduce__(self) -> tuple[type[SharedStream], tuple[None]]:
        return SharedStream, (None,)
