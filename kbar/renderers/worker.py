"""Lines of a worker process, for the process that has the screen."""

from __future__ import annotations

import atexit
import contextlib
import os
import sys
from pathlib import Path
from typing import ClassVar

from ..core.snapshot import Snapshot
from ..core.throttle import Throttle, every
from ..system.owner import remove_if_orphaned
from ..system.portable import append_flags, appending, open_file
from ..system.worker import this_worker
from .jsonl import JsonLinesRenderer


class WorkerLog(JsonLinesRenderer):
    """Writes the lines of a `JsonLinesRenderer` for the process that has the screen, four times a second.

    What cannot be written is not: the lines are for the moment only.

    Args:
        folder: the folder of that process.
    """

    default_throttle: ClassVar[Throttle] = every(seconds=0.25)

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        super().__init__(folder / "{pid}.jsonl")
        self._file: int | None = None

    def open(self) -> None:
        """Begin a run."""
        self._worker = this_worker()
        with contextlib.suppress(OSError):
            self._file = open_file(str(self._folder / f"{os.getpid()}.jsonl"), append_flags(), 0o600)
        _at_exit(self._folder, os.getpid())

    def draw(self, snapshot: Snapshot) -> None:
        """Write the lines."""
        text = "".join(f"{line}\n" for event in snapshot.events if (line := self.line(event)))
        if self._file is not None:
            with contextlib.suppress(OSError), appending(self._file):
                os.write(self._file, text.encode("utf-8", "replace"))

    def close(self) -> None:
        """End the run; remove the folder if its owner is gone."""
        super().close()
        file, self._file = self._file, None
        if file is not None:
            with contextlib.suppress(OSError):
                os.close(file)
        remove_if_orphaned(self._folder)


_registered: set[tuple[Path, int]] = set()  # a forked child has to do it again


def _at_exit(folder: Path, pid: int) -> None:
    """Have this process remove the folder when it exits, if the other process has been killed by then."""
    if (folder, pid) in _registered:
        return
    _registered.add((folder, pid))
    util = sys.modules.get("multiprocessing.util")
    if util is None:
        atexit.register(remove_if_orphaned, folder)
    else:  # its processes call no functions that are registered for the exit
        util.Finalize(None, remove_if_orphaned, args=(folder,), exitpriority=0)
