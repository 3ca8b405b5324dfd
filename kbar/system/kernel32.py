"""Calls of Windows itself, for what Python's own functions do not offer there."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import functools
import os
from collections.abc import Iterator
from ctypes import wintypes
from typing import Any

_windows: Any = ctypes  # with functions that ctypes has on Windows only

_QUERY_LIMITED_INFORMATION = 0x1000
_STILL_ACTIVE = 259
_INVALID_PARAMETER = 87  # of OpenProcess: there is no such process
_NOT_FOUND = (2, 3)  # neither the file nor its folder
_READ, _WRITE = 0x80000000, 0x40000000
_SHARE_ALL = 1 | 2 | 4  # others may read, write, and delete or rename
_OPEN_EXISTING, _OPEN_ALWAYS = 3, 4
_NORMAL = 0x80
_INVALID_HANDLE = ctypes.c_void_p(-1).value
_EXCLUSIVE_LOCK = 2
_FAR = 0x7FFFFFFF  # the upper half of an offset that no log reaches: a lock there does not hinder readers
_PROCESSED, _ESCAPES = 1, 4  # bits of a console's mode
_STANDARD_INPUT = -10


class _Overlapped(ctypes.Structure):
    """Where in a file something is done."""

    _fields_ = (
        ("internal", ctypes.c_void_p),
        ("internal_high", ctypes.c_void_p),
        ("offset", wintypes.DWORD),
        ("offset_high", wintypes.DWORD),
        ("event", ctypes.c_void_p),
    )


class _ScreenBuffer(ctypes.Structure):
    """What is known of a console's screen; the window is what can be seen of it."""

    _fields_ = (
        ("size", wintypes._COORD),
        ("cursor", wintypes._COORD),
        ("attributes", wintypes.WORD),
        ("window", wintypes.SMALL_RECT),
        ("largest", wintypes._COORD),
    )


@functools.cache
def _kernel() -> Any:
    """The library, with the types of the functions that are used."""
    handle, number, flag, pointer = ctypes.c_void_p, wintypes.DWORD, wintypes.BOOL, ctypes.c_void_p
    library = _windows.WinDLL("kernel32", use_last_error=True)
    for name, result, arguments in (
        ("OpenProcess", handle, (number, flag, number)),
        ("GetExitCodeProcess", flag, (handle, pointer)),
        ("CloseHandle", flag, (handle,)),
        ("CreateFileW", handle, (wintypes.LPCWSTR, number, number, pointer, number, number, handle)),
        ("LockFileEx", flag, (handle, number, number, number, number, pointer)),
        ("UnlockFileEx", flag, (handle, number, number, number, pointer)),
        ("GetStdHandle", handle, (number,)),
        ("GetConsoleMode", flag, (handle, pointer)),
        ("SetConsoleMode", flag, (handle, number)),
        ("GetConsoleScreenBufferInfo", flag, (handle, pointer)),
    ):
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


def process_exists(pid: int) -> bool:
    """Whether there is such a process, and it has not ended; True if that cannot be known."""
    if not 0 < pid < 1 << 32:  # a log may say anything
        return True
    process = _kernel().OpenProcess(_QUERY_LIMITED_INFORMATION, False, pid)
    if not process:
        return bool(_windows.get_last_error() != _INVALID_PARAMETER)  # else it is another user's
    try:
        code = wintypes.DWORD()
        return not _kernel().GetExitCodeProcess(process, ctypes.byref(code)) or code.value == _STILL_ACTIVE
    finally:
        _kernel().CloseHandle(process)


def open_file(path: str, *, write: bool, create: bool) -> int:
    """Open a file in a way that lets others delete and rename it meanwhile; return its handle.

    Raises:
        OSError: if that fails.
    """
    access, how = _WRITE if write else _READ, _OPEN_ALWAYS if create else _OPEN_EXISTING
    opened = _kernel().CreateFileW(path, access, _SHARE_ALL, None, how, _NORMAL, None)
    if opened in (None, _INVALID_HANDLE):
        code = _windows.get_last_error()
        if code in _NOT_FOUND:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        raise OSError(0, _windows.FormatError(code).strip(), path, code)  # becomes the class that the code means
    return int(opened)


@contextlib.contextmanager
def locked(file: int) -> Iterator[None]:
    """Keep all who also use this from the file, by its handle; do nothing where files cannot be locked."""
    where = _Overlapped(offset_high=_FAR)
    is_locked = _kernel().LockFileEx(file, _EXCLUSIVE_LOCK, 0, 1, 0, ctypes.byref(where))
    try:
        yield
    finally:
        if is_locked:
            _kernel().UnlockFileEx(file, 0, 1, 0, ctypes.byref(where))


def console_mode(console: int) -> int | None:
    """The mode of a console, by its handle; None if the handle is no console's."""
    mode = wintypes.DWORD()
    return mode.value if _kernel().GetConsoleMode(console, ctypes.byref(mode)) else None


def input_mode() -> int | None:
    """The mode of the console that is typed at; None if there is none."""
    return console_mode(_kernel().GetStdHandle(_STANDARD_INPUT & 0xFFFFFFFF))


def enable_escapes(console: int) -> bool:
    """Have a console understand escape sequences; return whether it does."""
    mode = console_mode(console)
    if mode is None:
        return False
    wanted = mode | _PROCESSED | _ESCAPES
    if mode != wanted:
        _kernel().SetConsoleMode(console, wanted)
    return console_mode(console) == wanted


def console_size(console: int) -> tuple[int, int]:
    """Columns and lines of a console's window; 0 and 0 if the handle is no console's."""
    found = _screen_buffer(console)
    window = found.window
    return (window.Right - window.Left + 1, window.Bottom - window.Top + 1) if found.size.X else (0, 0)


def console_cursor(console: int) -> tuple[int, int]:
    """Column and line of a console's cursor, from 0."""
    cursor = _screen_buffer(console).cursor
    return cursor.X, cursor.Y


def _screen_buffer(console: int) -> _ScreenBuffer:
    found = _ScreenBuffer()
    _kernel().GetConsoleScreenBufferInfo(console, ctypes.byref(found))
    return found
