"""Reads the records of log files: those that are finished, and those that grow."""

from __future__ import annotations

import errno
import os
import stat
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import IO

from ..renderers.jsonl import LONGEST
from ..system.portable import open_file
from .read import Record, read

_TAIL = 1 << 18  # bytes at the end of a file that are read of what it holds at first


class Follower:
    """Reads the lines of a growing file: before it exists, through rotation, and after truncation.

    The file is opened anew at each look: network file systems ask only then how long it is.

    Args:
        path: the file. Of what it holds at first, only the last lines are read.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._file: IO[bytes] | None = None
        self._partial = b""  # of a line that has not ended yet

    def lines(self) -> Iterator[bytes]:
        """The whole lines that are new.

        Raises:
            OSError: if the file cannot be read.
        """
        try:
            file = _open(self.path)
        except FileNotFoundError:
            yield from self._new_lines()  # what was written before the file was removed
            return
        size = os.fstat(file.fileno()).st_size
        if self._file is None:
            if size > _TAIL:
                file.seek(size - _TAIL)
                file.readline()
        else:
            if not os.path.sameopenfile(file.fileno(), self._file.fileno()):  # another file has taken its place
                yield from self._new_lines()
                self._partial = b""
            elif self._file.tell() > size:  # the file was truncated
                self._partial = b""
            else:
                file.seek(self._file.tell())
            self._file.close()
        self._file = file
        yield from self._new_lines()

    def _new_lines(self) -> Iterator[bytes]:
        while self._file and (piece := self._file.read(LONGEST)):
            *lines, self._partial = (self._partial + piece).split(b"\n")
            if len(self._partial) > LONGEST:  # too long for kbar's, and so will be the rest of it
                lines, self._partial = [*lines, self._partial], b""
            yield from lines

    def close(self) -> None:
        """Close the file."""
        if self._file:
            self._file.close()


def _open(path: str) -> IO[bytes]:
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise OSError(errno.EINVAL, "not a regular file, whose end can be watched", path)
    return open(path, "rb", opener=open_file)


def records(lines: Iterable[bytes], skipped: Counter[str], name: str) -> Iterator[Record]:
    """The records on these lines; lines that are not kbar's are counted under `name`."""
    for line in lines:
        record = read(line)
        if record:
            yield record
        elif line.strip():
            skipped[name] += 1


def recorded(path: str, skipped: Counter[str]) -> Iterator[Record]:
    """All records of a file, or with ``-`` of the standard input.

    Args:
        path: a JSON-lines log.
        skipped: counts the lines that are not kbar's.

    Raises:
        OSError: if it cannot be read.
    """
    with open(0, "rb") if path == "-" else open(path, "rb", opener=open_file) as file:
        yield from records(iter(lambda: file.readline(LONGEST + 1), b""), skipped, path)
