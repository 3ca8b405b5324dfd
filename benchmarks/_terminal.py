"""A pseudo-terminal that takes all it is given, for benchmarks to draw on."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import struct
import sys
import termios
import threading
from collections.abc import Iterator


@contextlib.contextmanager
def attached(columns: int, lines: int) -> Iterator[int]:
    """The terminal's descriptor; what is written to it is read and dropped."""
    if sys.platform == "win32":
        raise OSError("Windows has no pseudo-terminals")
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def drain() -> None:
        with contextlib.suppress(OSError):  # raised once the other end is closed
            while os.read(master, 65536):
                pass

    reader = threading.Thread(target=drain, daemon=True)
    reader.start()
    try:
        yield slave
    finally:
        os.close(slave)
        reader.join(2)
        os.close(master)
