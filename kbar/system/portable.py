"""Each call that Linux, macOS or Windows lacks, with its other way there.

No other module asks which system this is.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import os
import select
import signal
import sys
from collections.abc import Callable, Iterable, Iterator

from . import kernel32

# Processes.


def process_exists(pid: int) -> bool:
    """Whether there is a process of this number on this host. True also for one of another user's."""
    if sys.platform == "win32":  # where os.kill(pid, 0) ends it
        return kernel32.process_exists(pid)
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        pass
    return True


def block_signals(but: Iterable[signal.Signals]) -> None:
    """Leave all signals but these to other threads. On Windows, only the main thread gets any."""
    if sys.platform != "win32":
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals() - {*but})


@functools.cache
def host_name() -> str:
    """The name of this host."""
    if sys.platform == "win32":  # where `platform.node` may ask a service that takes seconds
        import socket

        return socket.gethostname()
    return os.uname().nodename


# Files.


def open_file(path: str, flags: int, mode: int = 0o666) -> int:
    """Open a file as `os.open` does, but in bytes, and so that others may delete and rename it on all systems.

    Raises:
        OSError: if that fails.
    """
    if sys.platform == "win32":
        import msvcrt

        write, create = bool(flags & (os.O_WRONLY | os.O_RDWR)), bool(flags & os.O_CREAT)
        if os.path.isdir(path):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
        return msvcrt.open_osfhandle(kernel32.open_file(path, write=write, create=create), 0)
    return os.open(path, flags, mode)


def append_flags() -> int:
    """How to open a file to append to: without waiting for the reader of a FIFO, and not for child processes."""
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
    return flags | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0)


@contextlib.contextmanager
def appending(number: int) -> Iterator[None]:
    """What is written to the descriptor within the block goes to the end of the file, in one piece.

    POSIX does that by itself. Windows seeks and writes, so only one process at a time may do that.
    """
    if sys.platform == "win32":
        import msvcrt

        with kernel32.locked(msvcrt.get_osfhandle(number)):
            os.lseek(number, 0, os.SEEK_END)
            yield
    else:
        yield


def writer(number: int) -> Callable[[bytes], int]:
    """What writes to a descriptor without any lock of Python's; returns how many bytes were written."""
    if sys.platform == "win32":  # where consoles take text, to which only Python's own object turns bytes
        raw = open(number, "wb", buffering=0, closefd=False)  # noqa: SIM115  # its owner closes the descriptor
        return raw.write
    return functools.partial(os.write, number)


def is_closed_pipe(error: OSError) -> bool:
    """Whether a write has failed because the pipe has no reader any more."""
    is_invalid = error.errno == errno.EINVAL and error.filename is None
    return isinstance(error, BrokenPipeError) or (sys.platform == "win32" and is_invalid)


# Terminals.


def enable_escapes(number: int) -> bool:
    """Make sure that a terminal understands escape sequences; return whether it does.

    On Windows 10, consoles do once they are asked to; older ones never do. What else claims to be a terminal there is
    none, such as the null device.
    """
    if sys.platform == "win32":
        import msvcrt

        return kernel32.enable_escapes(msvcrt.get_osfhandle(number))
    return True


def is_console(number: int) -> bool:
    """Whether a descriptor leads to the one console that a process has on Windows."""
    if sys.platform == "win32":
        import msvcrt

        with contextlib.suppress(OSError):  # there is no such descriptor
            return kernel32.console_mode(msvcrt.get_osfhandle(number)) is not None
    return False


def has_index(number: int) -> bool:
    """Whether a terminal knows the escape sequence `IND`, which moves the cursor down and scrolls.

    Consoles of Windows 10 take it for another one, which moves the cursor left.
    """
    return not is_console(number)


def cursor_column(number: int) -> int:
    """In which column the cursor of a console of Windows is, from 0."""
    if sys.platform == "win32":
        import msvcrt

        return kernel32.console_cursor(msvcrt.get_osfhandle(number))[0]
    return 0


def terminal_size(number: int) -> tuple[int, int]:
    """Columns and lines of a terminal; 0 if it does not say.

    Raises:
        OSError, ValueError: if the descriptor leads to no terminal.
    """
    if sys.platform == "win32":  # where `os.get_terminal_size` knows the standard streams only
        import msvcrt

        return kernel32.console_size(msvcrt.get_osfhandle(number))
    return os.get_terminal_size(number)


def names_no_terminal(number: int) -> bool:
    """Whether a terminal's descriptor was opened by the name ``/dev/tty``, which is that of any terminal."""
    return sys.platform != "win32" and os.isatty(number) and os.ttyname(number) == "/dev/tty"


def input_mode(number: int) -> object:
    """The mode of a terminal, which programs change that ask something; None if it is not known."""
    with contextlib.suppress(Exception):  # the terminal hung up, or there is none
        if sys.platform == "win32":
            return kernel32.input_mode()
        import termios

        return termios.tcgetattr(number)
    return None


def is_in_background(number: int) -> bool:
    """Whether a terminal belongs to another program for now, as after Ctrl-Z and `bg`."""
    if sys.platform != "win32":
        with contextlib.suppress(Exception):  # the terminal hung up, or is another session's
            return os.tcgetpgrp(number) != os.getpgrp()
    return False


# Waiting. Windows cannot say whether a console or pipe takes text; macOS may lack `poll`, and has had versions whose
# `poll` refuses terminals.


def wait_until_writable(number: int) -> None:
    """Wait until something can be written to a descriptor, if there is one and the system can tell.

    Raises:
        BrokenPipeError: if there is no reader any more.
    """
    if sys.platform == "win32" or number < 0:
        return
    event = _poll(number, None)
    if event is None:
        with contextlib.suppress(OSError, ValueError):  # it is closed, or its number is too large
            select.select([], [number], [])
    elif event & select.POLLERR:
        raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))


def is_writable(number: int) -> bool:
    """Whether a descriptor has a reader, and space for text; True if the system cannot tell."""
    if sys.platform == "win32":
        return True
    event = _poll(number, 0)
    if event is not None:
        return event == select.POLLOUT
    try:
        return bool(select.select([], [number], [], 0)[1])
    except OSError:  # it is closed
        return False
    except ValueError:  # its number is too large
        return True


def _poll(number: int, milliseconds: int | None) -> int | None:
    """What `poll` says of writing to a descriptor: 0 if it would wait longer; None if there is no answer."""
    if sys.platform == "win32" or not hasattr(select, "poll"):
        return None
    poll = select.poll()
    poll.register(number, select.POLLOUT)
    events = dict(poll.poll(milliseconds))
    event = events.get(number, 0)
    return None if event & select.POLLNVAL else event
