"""Whether processes exist."""

from __future__ import annotations

import os

_SYNCHRONIZE = 0x0010_0000  # Windows: the right to wait for a process
_ACCESS_DENIED = 5
_TIMEOUT = 0x102  # a wait that ended because the process has not


def exists(pid: int) -> bool:
    """Whether the process `pid` exists on this machine; True if that cannot be known."""
    return _exists_on_windows(pid) if os.name == "nt" else _exists_on_posix(pid)


def _exists_on_posix(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):  # it exists, but is another user's
        pass
    return True


def _exists_on_windows(pid: int) -> bool:
    # There, os.kill ends the process, whatever the signal.
    import ctypes

    if not 0 < pid < 1 << 32:  # a log may say anything
        return True
    kernel = ctypes.WinDLL("kernel32", use_last_error=True)  # type: ignore[attr-defined,unused-ignore]  # on Windows
    handle = kernel.OpenProcess(_SYNCHRONIZE, False, pid)
    if not handle:
        return bool(ctypes.get_last_error() == _ACCESS_DENIED)  # type: ignore[attr-defined,unused-ignore]  # likewise
    try:
        return bool(kernel.WaitForSingleObject(handle, 0) == _TIMEOUT)
    finally:
        kernel.CloseHandle(handle)
