"""The events that one target has yet to draw."""

from __future__ import annotations

from collections import deque

from ..core.snapshot import Event, Message

_MOST_IN_A_FRAME = 1_000
_MOST = 100_000


class EventQueue(deque["Event | Message"]):
    """Events, which any thread appends and a target takes; only the latest 100,000 are kept.

    Attributes:
        in_hand: those that the target took last, until it has drawn them.
    """

    in_hand: tuple[Event | Message, ...] = ()

    def __init__(self) -> None:
        super().__init__(maxlen=_MOST)

    def take(self) -> tuple[Event | Message, ...]:
        """Remove and return the first ones, as many as are drawn at once."""
        self.in_hand = tuple(self[i] for i in range(min(len(self), _MOST_IN_A_FRAME)))
        for _ in self.in_hand:
            self.popleft()
        return self.in_hand

    @property
    def are_drawn(self) -> bool:
        """Whether none is left to draw."""
        return not (self or self.in_hand)

    def have_lines(self, live: bool) -> bool:
        """Whether any is the line of a finished epoch or stage: above bars if the renderer is `live`, else in a log."""
        posted = [event for event in (*self.in_hand, *list(self)) if isinstance(event, Event)]
        return any(e.line if live else e.kind in ("epoch", "end") for e in posted)
