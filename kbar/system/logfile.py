"""A file that lines are appended to: each line whole or not at all, whatever happens to the file."""

from __future__ import annotations

import errno
import os
import stat
import string
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from .descriptor import Descriptor, file_id, is_certain
from .portable import append_flags, appending, open_file
from .warnings import warn
from .worker import this_worker

PLACEHOLDERS = ("rank", "pid", "host", "time")
"""The names that a path may hold in braces."""

_RETRY = 60.0  # seconds after which a file that failed is tried again


def placeholders(path: str) -> set[str]:
    """The names in braces in `path`."""
    return {name for _, name, _, _ in string.Formatter().parse(path) if name is not None}


def check_path(path: str) -> None:
    """Make sure that a file can be appended to, as far as that is known before it exists.

    Raises:
        ValueError: if `path` is no path, or has an unknown name in braces.
        OSError: if it is a folder, or may not be written.
    """
    try:
        if not path or "\0" in path:
            raise ValueError("no path")
        path.format(rank=0, pid=0, host="", time="")
    except (ValueError, LookupError, AttributeError) as error:
        allowed = "{rank}, {pid}, {host} and {time}, and else doubled braces"
        raise ValueError(f"file must be a path, which may hold {allowed}; got {path!r} ({error})") from None
    found = Path(os.path.realpath(path))
    if found.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
    if os.path.islink(path) and os.path.exists(path) and not os.path.isfile(path):  # such as /dev/stdout
        raise ValueError(f"file must be a path of a file; got {path!r}. A stream can be given itself: file=sys.stdout")
    while not os.path.lexists(found):
        if found.parent == found:  # a drive or a share that is not there
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        found = found.parent
        if found.exists() and not found.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), path)
    if not os.access(found, os.W_OK | (os.X_OK if found.is_dir() else 0)):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)


class LogFile:
    """Appends lines to a file, in UTF-8, each by one write, so that several processes can share it.

    Folders are created. A file that was moved, deleted or replaced is created anew with the next
    line. Lines that cannot be written are counted; after a minute the file is tried again, and a
    line says how many are missing. None of this raises an exception; the first failure of a run
    gives a `KbarWarning`.

    Args:
        path: the file; the `PLACEHOLDERS` in braces are filled in.
        gap: returns the line that marks a gap, from the number of missing lines and the reason.
        clock: seconds, monotonic.
    """

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
        """Append a line, or count it as missing."""
        self._latest = line
        if self._missing and self._clock() < self._try_at:
            self._missing += 1
            return
        try:
            file = self._open_file()
            if self._missing:
                _append(file, self._gap(self._missing, self._reason))
                self._missing = 0
            _append(file, line)
            if file.file and not is_certain(file.file):  # what is at its path later may be another file
                self._release()
        except OSError as error:
            self._missing += 1
            self._failed(error)

    def commit(self) -> None:
        """Wait until the lines would survive a power failure."""
        try:
            if self._file and self._file.ours:
                os.fsync(self._file.number)
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # as of a device
                self._failed(error)

    def close(self) -> None:
        """Close the file. If lines are missing, try once more to write the latest, with a mark of the gap."""
        if self._missing:
            self._missing, self._try_at = self._missing - 1, 0.0
            self.write(self._latest)
        self._release()

    def _failed(self, error: OSError) -> None:
        self._reason = error.strerror or str(error)
        self._try_at = self._clock() + _RETRY
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

    def _open_file(self) -> Descriptor:
        """The file, opened anew unless it is open and still the one at its path."""
        if self._file:
            if self._file.ours and file_id(self.path) == self._file.file:
                return self._file
            self._release()
        if not self._opened:  # a folder that has vanished since may have been removed on purpose
            os.makedirs(os.path.dirname(self.path) or ".", exist_ok=True)
        self._file = file = Descriptor(open_file(self.path, append_flags()))
        self._opened = True
        found = os.fstat(file.number)
        if not stat.S_ISREG(found.st_mode) and os.path.islink(self.path):
            raise OSError(errno.EINVAL, "it is a link to something that is no file")
        if stat.S_ISREG(found.st_mode) and found.st_size > 0 and self._is_torn():
            with appending(file.number):
                file.write(b"\n")
        return file

    def _is_torn(self) -> bool:
        """Whether the last line of the file has no end, as after a power failure, or if another program wrote it."""
        try:
            for _ in range(5):
                with open(self.path, "rb", opener=open_file) as file:
                    file.seek(-1, os.SEEK_END)
                    if file.read(1) == b"\n":
                        return False
                time.sleep(0.002)  # another process may be writing it just now
        except OSError:  # a log need not be readable
            return False
        return True


def _append(file: Descriptor, line: str) -> None:
    data = line.encode("utf-8", "replace") + b"\n"
    with appending(file.number):
        written = file.write(data)
    if written < len(data):
        _take_back(file, written)
        raise OSError(errno.ENOSPC, "there was no space for a whole line")


def _take_back(file: Descriptor, written: int) -> None:
    """Remove the first part of a line that found no space, unless another process has written since."""
    try:
        end = os.lseek(file.number, 0, os.SEEK_CUR)
        if os.fstat(file.number).st_size == end:
            os.ftruncate(file.number, end - written)
    except OSError:  # then a line's end is added when the file is opened anew
        pass
