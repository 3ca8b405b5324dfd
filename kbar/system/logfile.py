"""Owns a file that lines are appended to: whole lines or none, whatever happens to the file."""

from __future__ import annotations

import errno
import os
import stat
import string
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from .descriptor import Descriptor
from .warnings import warn
from .worker import this_worker

PLACEHOLDERS = ("rank", "pid", "host", "time")
"""What a path may hold in braces."""

_AGAIN = 60.0  # seconds after which a file that failed is tried again
_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_CLOEXEC", 0)
_FLAGS |= getattr(os, "O_NONBLOCK", 0)  # a fifo that nobody reads must not hold up anything


def placeholders(path: str) -> set[str]:
    """The names in braces in `path`."""
    return {name for _, name, _, _ in string.Formatter().parse(path) if name is not None}


def check_path(path: str) -> None:
    """Makes sure that `path` can be appended to, as far as can be told without making it.

    Raises:
        ValueError: if it holds what is no placeholder, or cannot be a path.
        OSError: if there is something in the way.
    """
    try:
        if not path or "\0" in path:
            raise ValueError("no path")
        path.format(rank=0, pid=0, host="", time="")
    except (ValueError, LookupError, AttributeError) as error:
        allowed = "{rank}, {pid}, {host} and {time}, and else doubled braces"
        raise ValueError(f"file must be a path, which may hold {allowed}; got {path!r} ({error})") from None
    place = Path(os.path.realpath(path))
    if place.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
    if os.path.islink(path) and os.path.exists(path) and not os.path.isfile(path):  # such as /dev/stdout
        raise ValueError(f"file must be a path of a file; got {path!r}. A stream can be given itself: file=sys.stdout")
    while not os.path.lexists(place):
        if {*placeholders(place.name)}:  # whether it exists is known when the run begins
            place = place.parent
            continue
        place = place.parent
        if place.exists() and not place.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), path)
    if not os.access(place, os.W_OK | (os.X_OK if place.is_dir() else 0)):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)


class LogFile:
    """Appends lines to a file, in UTF-8, each by one write, so that several processes can share it.

    The directories are made, the permissions are what the umask leaves. A file that was moved,
    deleted or replaced is made anew at the next line. What cannot be written is counted; after a
    minute the file is tried again, and the gap marked in it. None of this raises; the first
    failure of a run is told as a `KbarWarning`.

    Args:
        path: where; `PLACEHOLDERS` in braces are filled in.
        gap: makes the line that marks a gap, from the number of lines missing and the reason.
        clock: seconds, monotonic.
    """

    ready = True  # a file is never waited for

    def __init__(self, path: str, gap: Callable[[int, str], str], clock: Callable[[], float] = time.monotonic) -> None:
        worker = this_worker()
        now = datetime.now().strftime("%Y%m%dT%H%M%S")
        self.path = path.format(rank=worker.rank, pid=worker.pid, host=worker.host, time=now)
        self._gap, self._clock = gap, clock
        self._file: Descriptor | None = None
        self._opened = False
        self._missing, self._reason, self._try_at = 0, "", 0.0
        self._latest = ""

    def write(self, line: str) -> None:
        """Appends `line`, or takes note that it is missing."""
        self._latest = line
        if self._missing and self._clock() < self._try_at:
            self._missing += 1
            return
        try:
            self._find()
            if self._missing:
                self._append(self._gap(self._missing, self._reason))
                self._missing = 0
            self._append(line)
        except OSError as error:
            self._missing += 1
            self._failed(error)

    def commit(self, last: bool) -> None:
        """After the `last` of a stage, returns once what was written would survive a power failure."""
        try:
            if last and self._file and self._file.ours:
                os.fsync(self._file.number)
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # a device has nothing to sync
                self._failed(error)

    def close(self) -> None:
        """Marks a gap, if there is one and that is possible by now, and closes the file behind the latest line."""
        if self._missing:
            self._missing, self._try_at = self._missing - 1, 0.0
            self.write(self._latest)
        self._release()

    def _failed(self, error: OSError) -> None:
        self._reason = error.strerror or str(error)
        self._try_at = self._clock() + _AGAIN
        self._release()
        warn(f"nothing can be written to {self.path}: {self._reason}. It is tried again every minute; the run goes on.")

    def _release(self) -> None:
        file, self._file = self._file, None
        if file:
            try:
                file.close()
            except OSError as error:  # a quota or a full disk on a network shows only here
                if not self._missing:
                    self._failed(error)

    def _find(self) -> None:
        """Opens the file unless it is open, and still where it was."""
        if self._file:
            try:
                found = os.stat(self.path)
            except FileNotFoundError:
                found = None
            if self._file.ours and found and (found.st_dev, found.st_ino) == self._file.file:
                return
            self._release()
        if not self._opened:  # a directory that is gone since may be somebody's to take away
            os.makedirs(os.path.dirname(self.path) or ".", exist_ok=True)
        self._file = Descriptor(os.open(self.path, _FLAGS, 0o666))
        self._opened = True
        found = os.fstat(self._file.number)
        if not stat.S_ISREG(found.st_mode) and os.path.islink(self.path):
            raise OSError(errno.EINVAL, "it is a link to something that is no file")
        if stat.S_ISREG(found.st_mode) and found.st_size > 0 and self._is_torn():
            self._file.write(b"\n")

    def _is_torn(self) -> bool:
        """Whether the file's last line has no end, as a power failure or another program may have left it."""
        try:
            for _ in range(5):
                with open(self.path, "rb") as file:
                    file.seek(-1, os.SEEK_END)
                    if file.read(1) == b"\n":
                        return False
                time.sleep(0.002)  # somebody else may be writing it just now
        except OSError:  # not to be read is no fault of a log
            return False
        return True

    def _append(self, line: str) -> None:
        assert self._file is not None
        data = line.encode("utf-8", "replace") + b"\n"
        written = self._file.write(data)
        if written < len(data):
            self._take_back(written)
            raise OSError(errno.ENOSPC, "there was no space for a whole line")

    def _take_back(self, written: int) -> None:
        """Takes back the first part of a line that found no space, if nobody has written since."""
        assert self._file is not None
        try:
            end = os.lseek(self._file.number, 0, os.SEEK_CUR)
            if os.fstat(self._file.number).st_size == end:
                os.ftruncate(self._file.number, end - written)
        except OSError:  # then it is ended once the file is opened anew
            pass
