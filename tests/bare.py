"""A plugin for pytest that takes away what Windows and macOS may lack: ``pytest -p tests.bare``.

What is left out then is what needs it; all else must pass, as on a system that never had it.
"""

from __future__ import annotations

import asyncio  # noqa: F401  # it and the next ones choose by what there is when they are imported
import multiprocessing.util  # noqa: F401
import os
import select
import selectors  # noqa: F401
import signal
import socket  # noqa: F401
import subprocess  # noqa: F401
import sys
import tempfile  # noqa: F401

MODULES = ("fcntl", "pty", "resource", "termios", "tty")
FUNCTIONS = ("fork", "forkpty", "getpgrp", "mkfifo", "openpty", "register_at_fork", "tcgetpgrp", "ttyname")
SIGNALS = ("SIGHUP", "SIGTSTP", "SIGUSR1", "SIGUSR2", "SIGWINCH")

for name in MODULES:
    sys.modules[name] = None  # type: ignore[assignment]  # an import of it fails
for name in FUNCTIONS:
    delattr(os, name)
for name in SIGNALS:
    delattr(signal, name)
del select.poll
