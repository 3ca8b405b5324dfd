"""What all renderers of lines share: where their lines go, and which events make one."""

from __future__ import annotations

import io
import os
from abc import abstractmethod
from typing import IO, Any, ClassVar, Union

from ..core.snapshot import Event, Message, Snapshot
from ..core.throttle import Throttle, ThrottleSpec, every
from ..system.logfile import LogFile, check_path
from ..system.terminal import output_of
from ..system.worker import Worker, this_worker
from .base import Renderer, SharedStream

FileSpec = Union[str, "os.PathLike[str]", IO[str], None]
"""A path to append to, a text stream, or None for `sys.stdout` as it is when a run begins."""


class LineRenderer(Renderer):
    """Writes a line for each event that has one.

    Args:
        file: a path to append to, which may hold ``{rank}``, ``{pid}``, ``{host}`` and ``{time}``;
            or a text stream; or None for `sys.stdout` as it is when a run begins.
        throttle: when a line is due between a stage's beginning and end.
        messages: whether what others print meanwhile becomes lines as well.

    Raises:
        OSError: if the path cannot be appended to.
        TypeError, ValueError: naming the argument, what was given and what is allowed.
    """

    live: ClassVar[bool] = False
    default_throttle: ClassVar[Throttle] = (every(percent=10) & every(seconds=1)) | every(seconds=60)

    def __init__(self, file: FileSpec = None, *, throttle: ThrottleSpec | None = None, messages: bool = False) -> None:
        super().__init__(throttle=throttle)
        if not isinstance(messages, bool):
            raise TypeError(f"messages must be True or False; got {messages!r}")
        if messages and file is None:
            raise ValueError(
                "messages=True needs a path or a stream as file: "
                "the screen has what others print already, and loggers get events only"
            )
        given = os.fspath(file) if isinstance(file, os.PathLike) else file
        if isinstance(given, str):
            check_path(given)
            folder = os.getcwd().replace("{", "{{").replace("}", "}}")  # what the user wrote has placeholders, this not
            given = os.path.normpath(os.path.join(folder, given))  # wherever the process goes
        elif given is not None and (
            isinstance(given, (io.RawIOBase, io.BufferedIOBase)) or not hasattr(given, "write")
        ):
            raise TypeError(f"file must be a path, a text stream or None; got {file!r}")
        self.screen = file is None
        self.captures = messages
        self.place = self._path = given if isinstance(given, str) else None
        self._stream = SharedStream(None if isinstance(given, str) else given)
        self._log: LogFile | None = None
        self._worker: Worker | None = None

    @abstractmethod
    def line(self, event: Event | Message) -> str:
        """The event's line, "" for none."""

    @abstractmethod
    def gap(self, missing: int, reason: str) -> str:
        """The line that says how many lines are missing, and why."""

    @property
    def worker(self) -> Worker:
        """Whose lines they are."""
        return self._worker or this_worker()

    def open(self) -> None:
        """Begin a run."""
        self._worker = this_worker()
        if self._path:
            self._log = LogFile(self._path, self.gap)
        elif self.screen or self._stream.stream is not None:
            self.output = output_of(self._stream.or_stdout())

    def draw(self, snapshot: Snapshot) -> None:
        """Write the lines."""
        lines = [line for event in snapshot.events if (line := self.line(event))]
        if self.output is not None:
            self.output.write_lines(lines)
        elif self._log is not None:
            for line in lines:
                self._log.write(line)
            if any(isinstance(event, Event) and event.kind in ("epoch", "end") for event in snapshot.events):
                self._log.commit()

    def close(self) -> None:
        """End the run."""
        if self._log is not None:
            self._log.close()
        self.output = self._log = self._worker = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "output": None, "_log": None, "_worker": None}
