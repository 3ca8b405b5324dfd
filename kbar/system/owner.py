"""The private folder in which worker processes write of their runs, for the process that has the screen."""

from __future__ import annotations

import os
import secrets
import shutil
import stat
import sys
import tempfile
from pathlib import Path

from .processes import exists

VARIABLE = "KBAR_WORKERS"
"""The environment variable by which child processes find the folder."""

_PREFIX = "kbar-"
_own: Path | None = None  # where this process makes its folder, whenever it needs it


def offer() -> Path | None:
    """Make the folder, and have the child processes that start from now on know it; None if that is not possible."""
    global _own
    if offered():
        return None  # this process is a worker itself
    if _own is None or not _is_of_this_process(_own):
        _remove_orphans()
        _own = Path(tempfile.gettempdir(), f"{_PREFIX}{os.getpid()}-{secrets.token_hex(8)}")
    try:
        _own.mkdir(mode=0o700)
    except FileExistsError:
        pass
    except OSError:  # a full disk, or no folder for such things: then workers are not shown
        return None
    os.environ[VARIABLE] = str(_own)
    return _own


def withdraw() -> None:
    """Remove the folder, and what workers wrote in it."""
    if _own is None or not _is_of_this_process(_own):
        return
    if os.environ.get(VARIABLE) == str(_own):
        del os.environ[VARIABLE]
    shutil.rmtree(_own, ignore_errors=True)


def offered() -> Path | None:
    """The folder of another process, in which this one is to write of its runs; None if there is none."""
    given = os.environ.get(VARIABLE)
    parent = _parent()
    # A pool may have started this process before the other one had anything to show.
    found = [Path(given)] if given else list(_folders(parent)) if parent else []
    return next((each for each in found if not _is_of_this_process(each) and _is_private(each)), None)


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
    pid = folder.name.removeprefix(_PREFIX).partition("-")[0]
    if pid.isdecimal() and not exists(int(pid)):
        shutil.rmtree(folder, ignore_errors=True)


def _remove_orphans() -> None:
    for folder in _folders("*"):
        remove_if_orphaned(folder)


def _folders(pid: int | str) -> list[Path]:
    """The folders that this process offers, or that all do where it is ``*``."""
    try:
        return [*Path(tempfile.gettempdir()).glob(f"{_PREFIX}{pid}-????????????????")]
    except OSError:  # there is no folder for such things
        return []


def _parent() -> int | None:
    """The process that has started this one by multiprocessing, as pools do; None if there is none."""
    process = sys.modules.get("multiprocessing.process")
    parent = process.parent_process() if process is not None else None
    return None if parent is None else int(parent.pid)


def _is_private(folder: Path) -> bool:
    """Whether it is a folder of kbar's, which no other user can write to."""
    try:
        found = folder.lstat()
    except OSError:  # the other process shows nothing any more
        return False
    is_private = not hasattr(os, "getuid") or (found.st_uid == os.getuid() and not found.st_mode & 0o077)
    return folder.name.startswith(_PREFIX) and stat.S_ISDIR(found.st_mode) and is_private


def _is_of_this_process(folder: Path) -> bool:
    return folder.name.startswith(f"{_PREFIX}{os.getpid()}-")
