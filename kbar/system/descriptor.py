"""Descriptors of kbar's own, which other code may close by mistake."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import stat
import weakref

from .portable import writer

FileId = tuple[int, int]
"""Device and inode, which identify a file. Where there are no inodes, a negative number says of which kind it is."""


def file_id(file: int | str) -> FileId | None:
    """The file that a descriptor leads to, or that is at a path; None if there is none."""
    try:
        found = os.stat(file)
    except OSError:
        return None
    return found.st_dev, found.st_ino or -stat.S_IFMT(found.st_mode)


def is_certain(file: FileId) -> bool:
    """Whether no other file has this id. Network drives, and pipes and consoles on Windows, may have no inodes."""
    return file[1] > 0


_RAW = (io.FileIO, getattr(io, "_WindowsConsoleIO", io.FileIO))


def file_behind(stream: object) -> io.FileIO | None:
    """The file that a text stream writes to if it is as Python opens one; None for any other object."""
    buffer = getattr(stream, "buffer", None)
    file = getattr(buffer, "raw", buffer)  # with `python -u` there is no buffer
    return file if type(stream) is io.TextIOWrapper and type(file) in _RAW else None


class Descriptor:
    """A descriptor that never writes to a wrong file.

    Some programs close all descriptors that they find; the next file to be opened then gets the number of this one.

    Args:
        number: an open descriptor, which this object closes.

    Attributes:
        file: the file it leads to; None once it is closed.
    """

    def __init__(self, number: int) -> None:
        self.number = number
        self.file = file_id(number)
        self._write = writer(number)
        _all.add(self)

    @property
    def ours(self) -> bool:
        """Whether the number still leads to that file."""
        return self.file is not None and file_id(self.number) == self.file

    def write(self, data: bytes) -> int:
        """Write to that file; return the number of bytes written.

        Raises:
            OSError: if that fails, or the descriptor was closed by other code.
        """
        if not self.ours:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        return self._write(data)

    def close(self) -> None:
        """Close the descriptor, unless other code has.

        Raises:
            OSError: if what was written cannot be stored.
        """
        number, ours = self.number, self.ours
        self.file = None
        if ours:
            os.close(number)


_all: weakref.WeakSet[Descriptor] = weakref.WeakSet()


def close_all() -> None:
    """Close all of them, in a forked process: a reader of the parent's pipe may wait for its end."""
    for descriptor in list(_all):
        with contextlib.suppress(OSError):  # the parent gets the same error
            descriptor.close()
