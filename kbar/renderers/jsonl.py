"""Owns lines for programs: one event a line, as JSON."""

from __future__ import annotations

import time

from ..record import dumps, message_of, record_of
from ..snapshot import Event, Message
from ._lines import LineRenderer


class JsonLinesRenderer(LineRenderer):
    """Writes one JSON object a line, for programs, and for ``kbar watch`` to draw bars from.

    Each event is told by itself, also the beginning and end of every stage within an epoch;
    `kbar/schema.json` says what the keys mean and in which units they are.
    ``pandas.read_json(path, lines=True)`` reads it.

    Args:
        file: a path to append to, which may hold ``{rank}``, ``{pid}``, ``{host}`` and ``{time}``;
            or a text stream; or None for `sys.stdout` as it is when a run begins.
        throttle: when a line is due between a stage's beginning and end: by default at every
            tenth of it, at most one a second and at least one a minute.
        messages: whether what others print meanwhile becomes lines as well.

    Raises:
        OSError: if the path cannot be appended to.
        TypeError, ValueError: naming the argument, what was given and what is allowed.
    """

    _run = ""

    def line(self, event: Event | Message) -> str:
        """The event as JSON."""
        if isinstance(event, Message):
            return dumps(message_of(event.text, event.time, event.run, self.worker)) if event.text else ""
        self._run = event.stage.run
        return dumps(record_of(event, self.worker))

    def gap(self, missing: int, reason: str) -> str:
        """A message that says so."""
        return dumps(message_of(f"lines missing: {missing} ({reason})", time.time(), self._run, self.worker))
