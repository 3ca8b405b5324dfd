"""Owns descriptors that are kbar's own, among all those who open and close theirs."""

from __future__ import annotations

import contextlib
import errno
import os
import weakref

FileId = tuple[int, int]
"""What tells a file from all others."""


def file_id(descriptor: int) -> FileId | None:
    """The file behind a descriptor; None if there is none, or the system does not tell them apart."""
    try:
        found = os.fstat(descriptor)
    except OSError:
        return None
    return (found.st_dev, found.st_ino) if found.st_ino else None


class Descriptor:
    """A descriptor that somebody who closes all he finds may close, and another file then get.

    Args:
        number: of an open file, which is this one's to close from now on.

    Attributes:
        file: which file that is.
    """

    def __init__(self, number: int) -> None:
        self.number = number
        self.file = file_id(number)
        _all.add(self)

    @property
    def ours(self) -> bool:
        """Whether it still is of that file."""
        return self.file is not None and file_id(self.number) == self.file

    def write(self, data: bytes) -> int:
        """Writes to that file and no other; returns how many bytes were taken.

        Raises:
            OSError: if that fails.
        """
        if not self.ours:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        return os.write(self.number, data)

    def close(self) -> None:
        """Closes it, unless somebody has.

        Raises:
            OSError: if what was written cannot be stored.
        """
        number, ours = self.number, self.ours
        self.file = None
        if ours:
            os.close(number)


_all: weakref.WeakSet[Descriptor] = weakref.WeakSet()


def close_all() -> None:
    """Closes all of them, in a forked process: what they lead to is the other's, who may wait for its end."""
    for descriptor in list(_all):
        with contextlib.suppress(OSError):  # the other hears of it too
            descriptor.close()
