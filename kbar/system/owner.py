"""The private folder in which worker processes write of their runs, for the process that has the screen.

Its name says the process. An environment variable would say so more plainly, but to set one while other threads run,
some of which may be reading another one in C, can crash the process.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import sys
import tempfile
from pathlib import Path

from .portable import process_exists


def offer() -> Path | None:
    """Make the folder of this process; None if that is not possible, or if another process shows this one's runs."""
    if offered():
        return None
    folder = _folder(os.getpid())
    try:
        folder.mkdir(mode=0o700)
    except FileExistsError:  # an earlier process with this number was killed; or another display of this one has it
        return folder if _is_private(folder) else None
    except OSError:  # a full disk, or no folder for such things: then workers are not shown
        return None
    return folder


def withdraw() -> None:
    """Remove the folder of this process, and what workers wrote in it."""
    shutil.rmtree(_folder(os.getpid()), ignore_errors=True)


def offered(*, forked: bool = False) -> Path | None:
    """The folder of the process that has started this one, in which to write of runs; None if there is none.

    Args:
        forked: whether this one is a copy of that process. Only multiprocessing then makes it a worker.
    """
    folders = (_folder(pid) for pid in (_parent(), 0 if forked else os.getppid()) if pid)
    return next((folder for folder in folders if _is_private(folder)), None)


def is_shown_by_another() -> bool:
    """Whether another process has the screen, and shows the runs of this one there.

    Such are processes that Python's or joblib's pools, Dask or the user have started by multiprocessing, and programs
    that write to the same terminal.
    """
    if not offered():
        return False
    if _parent():
        return True
    try:
        return sys.stdout.isatty()
    except Exception:  # there is none, or it is no stream
        return False


def remove_if_orphaned(folder: Path) -> None:
    """Remove another process's folder if that process is gone, and has thus left it."""
    pid = folder.name.rpartition("-")[2]
    if pid.isdecimal() and not process_exists(int(pid)) and _is_private(folder):
        shutil.rmtree(folder, ignore_errors=True)


def remove_orphans() -> None:
    """Remove the folders of processes that are gone; this may take a while where there are many files."""
    with contextlib.suppress(OSError):  # there is no folder for such things
        for folder in Path(tempfile.gettempdir()).glob(_name("*")):
            remove_if_orphaned(folder)


def _folder(pid: int) -> Path:
    return Path(tempfile.gettempdir(), _name(pid))


def _name(pid: int | str) -> str:
    return f"kbar-{os.getuid()}-{pid}" if hasattr(os, "getuid") else f"kbar-{pid}"


def _parent() -> int | None:
    """The process that has started this one by multiprocessing, as pools do; None if there is none."""
    process = sys.modules.get("multiprocessing.process")
    parent = process.parent_process() if process is not None else None
    return None if parent is None else int(parent.pid)


def _is_private(folder: Path) -> bool:
    """Whether it is a folder which no other user can write to."""
    try:
        found = folder.lstat()
    except OSError:  # the other process shows nothing any more
        return False
    is_private = not hasattr(os, "getuid") or (found.st_uid == os.getuid() and not found.st_mode & 0o077)
    return stat.S_ISDIR(found.st_mode) and is_private
