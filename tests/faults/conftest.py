"""Real processes that train while something goes wrong, and what became of them."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from kbar.testing import VirtualTerminal

BARS = ("rich", "tqdm")
RENDERERS = (*BARS, "log")
ALL = 99  # steps of a training that nothing has ended
PLAIN = {"TERM": "xterm-256color", "PYTHONUNBUFFERED": ""}  # else each piece of a print is a write of its own

# A training of a hundred steps in three stages, one after the other; `trouble` happens in the midst. What
# it did is told by a file of its own, for its output may be what is in trouble.
PROGRAM = """
import contextlib, io, json, logging, os, signal, sys, threading, time, warnings
signal.signal(signal.SIGINT, signal.default_int_handler)  # as where a person has started it
signal.signal(signal.SIGHUP, signal.SIG_DFL)
{first}
import kbar
steps = 0
started = time.perf_counter()
try:
    with kbar.loop(3, label="fit", **{options}) as loop:
        for epoch in loop.epochs():
            for i in epoch.steps(range(30)):
                time.sleep(0.006)
                epoch.log(loss=1 / (1 + i))
                if (epoch.index, i) == (1, 10):
                    {trouble}
                steps += 1
            for i in epoch.steps(range(3), "validation"):
                time.sleep(0.006)
                steps += 1
finally:
    took = time.perf_counter() - started
    with open({result!r} + ".part", "w") as file:
        json.dump({{"steps": steps, "seconds": took}}, file)
    os.replace(file.name, {result!r})
{then}
"""


@dataclass
class Ended:
    """How a program ended.

    Attributes:
        code: its exit code.
        steps, seconds: what its training says it did.
        text: what it wrote, or what a terminal shows at last.
        stderr: where that was not the terminal, what it wrote there.
        whole: the seconds of the whole process.
    """

    code: int
    steps: int
    seconds: float
    text: str
    stderr: str = ""
    whole: float = 0.0
    terminal: VirtualTerminal | None = field(default=None, repr=False)


class Trials:
    """Runs programs in which something goes wrong."""

    def __init__(self, folder: Path) -> None:
        self.result = folder / "result.json"

    def program(self, trouble: str, *, first: str = "", then: str = "", options: str = "{}") -> list[str]:
        """The command of such a program."""
        self.result.unlink(missing_ok=True)
        code = PROGRAM.format(trouble=trouble, first=first, then=then, options=options, result=str(self.result))
        return [sys.executable, "-c", code]

    def ended(self, code: int, text: str, **more: Any) -> Ended:
        """What became of it."""
        import json

        told = json.loads(self.result.read_text()) if self.result.exists() else {"steps": -1, "seconds": 0.0}
        return Ended(code, told["steps"], told["seconds"], text, **more)

    def on_a_terminal(
        self,
        trouble: str,
        renderer: str,
        on_change: Callable[[float], object] = lambda _: None,
        *,
        size: tuple[int, int] = (80, 40),
        env: dict[str, str] | None = None,
        **program: str,
    ) -> Ended:
        """A run of it on a pseudo-terminal that is read as it is written."""
        terminal = VirtualTerminal(*size)
        started = time.monotonic()
        code = terminal.run(
            self.program(trouble, **program), on_change, {**PLAIN, "KBAR_RENDERER": renderer, **(env or {})}
        )
        return self.ended(code, terminal.text, whole=time.monotonic() - started, terminal=terminal)

    def started(
        self, trouble: str, renderer: str, *, env: dict[str, str] | None = None, program: Any = None, **more: Any
    ) -> subprocess.Popen[bytes]:
        """A run of it with streams of the caller's."""
        surroundings = {**os.environ, **PLAIN, "KBAR_RENDERER": renderer, **(env or {})}
        return subprocess.Popen(self.program(trouble, **(program or {})), env=surroundings, **more)

    def unread(
        self, trouble: str, renderer: str, *, size: tuple[int, int] = (80, 24), **program: str
    ) -> tuple[subprocess.Popen[bytes], int]:
        """A run of it on a pseudo-terminal that only the test reads, by the descriptor that is returned with it."""
        master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", size[1], size[0], 0, 0))
        process = self.started(
            trouble, renderer, program=program, stdin=slave, stdout=slave, stderr=slave, start_new_session=True
        )
        os.close(slave)
        return process, master


@pytest.fixture
def trials(tmp_path: Path) -> Trials:
    return Trials(tmp_path)


@pytest.fixture(params=RENDERERS)
def renderer(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def printed(text: str, pattern: str) -> list[str]:
    """The lines that are nothing but what matches."""
    return [line for line in text.splitlines() if re.fullmatch(pattern, line)]


def read_slowly(master: int, bytes_a_read: int, seconds: float) -> bytes:
    """All that a terminal gets until the program on it is over, with a pause of `seconds` after each read."""
    pieces: list[bytes] = []
    while True:
        try:
            pieces.append(os.read(master, bytes_a_read))
        except OSError:  # nobody has it open any more
            os.close(master)
            return b"".join(pieces)
        time.sleep(seconds)


def read_all(descriptor: int) -> Callable[[], bytes]:
    """Reads a descriptor on a thread until its end; the function returned waits for that."""
    pieces: list[bytes] = []

    def read() -> None:
        while True:
            try:
                piece = os.read(descriptor, 65536)
            except OSError:
                return
            if not piece:
                return
            pieces.append(piece)

    thread = threading.Thread(target=read, daemon=True)
    thread.start()

    def wait() -> bytes:
        thread.join(20)
        return b"".join(pieces)

    return wait
