"""What Linux has and another system lacks, each taken away or replaced by what is there instead."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import io
import json
import os
import select
import signal
import subprocess
import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import kbar
from kbar.__main__ import main
from kbar.display.process import current
from kbar.history.read import read
from kbar.history.watch import Viewer
from kbar.renderers import create
from kbar.system import kernel32, portable, terminal
from kbar.system.descriptor import file_id, is_certain
from kbar.system.environment import place, surface
from kbar.system.logfile import LogFile, check_path
from kbar.system.terminal import output_of
from kbar.testing import FakeClock, RecordingRenderer, VirtualTerminal

from ..helpers import begin, run_python


class Kernel:
    """Windows's library as `kernel32` calls it: one console, processes, and files that are Linux's.

    Attributes:
        modes: those of consoles, by handle.
        knows_escapes: whether the consoles understand escape sequences.
        processes: the exit code of each process that is known.
        locked: the handles whose file is locked, once for each lock.
        calls: the names of the functions that were called.
    """

    def __init__(self) -> None:
        self.modes: dict[int, int] = {}
        self.knows_escapes = True
        self.processes: dict[int, int] = {}
        self.locked: list[int] = []
        self.calls: list[str] = []
        self.error = 0
        self.window, self.cursor = (100, 30), (0, 0)

    def OpenProcess(self, access: int, inherit: bool, pid: int) -> int | None:
        self.error = 0 if pid in self.processes else 5 if pid == 4 else 87
        return pid if pid in self.processes else None

    def GetExitCodeProcess(self, process: int, code: Any) -> bool:
        code._obj.value = self.processes[process]
        return True

    def CloseHandle(self, handle: int) -> bool:
        self.calls.append("CloseHandle")
        return True

    def CreateFileW(self, path: str, access: int, share: int, *rest: Any) -> int:
        assert share == 7, "others must be able to read, write and delete"
        flags = (os.O_RDONLY, os.O_WRONLY)[access == 0x40000000] | (os.O_CREAT if rest[1] == 4 else 0)
        try:
            return os.open(path, flags, 0o666)
        except FileNotFoundError:
            self.error = 2
            return int(ctypes.c_void_p(-1).value or 0)

    def LockFileEx(self, file: int, *rest: Any) -> bool:
        self.locked.append(file)
        return True

    def UnlockFileEx(self, file: int, *rest: Any) -> bool:
        self.locked.remove(file)
        self.calls.append("UnlockFileEx")
        return True

    def GetStdHandle(self, number: int) -> int:
        assert number == 0xFFFFFFF6
        return 0

    def GetConsoleMode(self, console: int, mode: Any) -> bool:
        mode._obj.value = self.modes.get(console, 0)
        return console in self.modes

    def SetConsoleMode(self, console: int, mode: int) -> bool:
        if self.knows_escapes:
            self.modes[console] = mode
        return self.knows_escapes

    def GetConsoleScreenBufferInfo(self, console: int, info: Any) -> bool:
        if console in self.modes:
            columns, lines = self.window
            found = info._obj
            found.size.X = columns
            found.cursor.X, found.cursor.Y = self.cursor
            found.window.Right, found.window.Bottom = columns - 1, lines - 1
        return console in self.modes


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Iterator[Kernel]:
    """Have kbar use what Windows has, on this system."""
    kernel = Kernel()
    msvcrt = types.ModuleType("msvcrt")
    msvcrt.get_osfhandle = lambda number: number  # type: ignore[attr-defined]  # stands in
    msvcrt.open_osfhandle = lambda handle, flags: handle  # type: ignore[attr-defined]  # likewise
    monkeypatch.setitem(sys.modules, "msvcrt", msvcrt)
    monkeypatch.setattr(portable, "sys", types.SimpleNamespace(platform="win32"))
    monkeypatch.setattr(kernel32, "_kernel", lambda: kernel)
    monkeypatch.setattr(ctypes, "get_last_error", lambda: kernel.error, raising=False)
    monkeypatch.setattr(ctypes, "FormatError", lambda code: f"error {code}.\n", raising=False)
    portable.host_name.cache_clear()
    terminal.forget_outputs()  # all consoles of a process are one
    yield kernel
    portable.host_name.cache_clear()
    terminal.forget_outputs()


@pytest.fixture
def console(kernel: Kernel) -> VirtualTerminal:
    """A console of Windows that people see."""
    terminal = VirtualTerminal(100, 12)
    kernel.modes[terminal.fileno()] = 3
    return terminal


def fill(descriptor: int) -> None:
    """Write until there is no space."""
    os.set_blocking(descriptor, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(descriptor, b"x" * 512)
    os.set_blocking(descriptor, True)


# Consoles.


@pytest.mark.needs("openpty")
def test_a_console_is_asked_to_understand_escapes_and_then_has_bars(
    console: VirtualTerminal, kernel: Kernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdout", console)
    assert surface(console) == "terminal"
    assert kernel.modes[console.fileno()] == 7
    assert type(create("auto")).__name__ == "RichRenderer"


@pytest.mark.needs("openpty")
@pytest.mark.parametrize("renderer", ["auto", "rich", "tqdm"])
def test_a_console_without_escapes_gets_lines_without_escapes(
    renderer: str, console: VirtualTerminal, kernel: Kernel, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    kernel.knows_escapes = False
    monkeypatch.setattr(sys, "stdout", console)
    stage = begin(renderer)
    for done in range(1, 101):
        clock.advance(0.1)
        stage.advance_to(done, clock())
    current().end(stage, "done")
    received = "".join(console.received)
    assert "\x1b" not in received
    assert "train" in received
    assert received.count("\n") <= 12, "35 lines a second would be too many"


@pytest.mark.needs("openpty")
def test_the_null_device_is_no_console(kernel: Kernel) -> None:
    """Though it claims to be a terminal."""
    assert surface(VirtualTerminal()) == "plain"


@pytest.mark.needs("openpty")
@pytest.mark.parametrize("column", [0, 1, 39])
def test_bars_on_a_console_lie_below_the_cursor_without_ind(
    column: int, console: VirtualTerminal, kernel: Kernel
) -> None:
    """Windows 10 takes IND for something else, and returns to the first column with each new line."""
    for n in range(20):
        console.write(f"{n}\n")
    console.write("." * column)  # native code may have printed it
    output = output_of(console)
    kernel.cursor = (column, 11)
    for _ in range(3):
        output.draw([], ["first", "second"])
    console.write("x")
    lines = console.text.splitlines()
    assert lines[-4:] == ["." * column + "x", "", "first", "second"]
    assert lines.count("first") == 1
    output.hide()
    assert console.text.splitlines()[-1] == "." * column + "x"
    assert "\x1bD" not in "".join(console.received)


@pytest.mark.needs("openpty")
def test_all_streams_to_the_console_lead_to_one_place_and_pipes_do_not(
    console: VirtualTerminal, kernel: Kernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = VirtualTerminal()
    kernel.modes[other.fileno()] = 7
    assert place(console) == place(other)
    assert output_of(console).size == (100, 30), "that of any descriptor, not only of the standard streams"
    pipes = [open(end, "wb") for end in os.pipe()]  # noqa: SIM115  # closed below
    monkeypatch.setattr(os, "stat", lambda file, stat=os.stat: without_inode(stat(file)))
    assert place(pipes[0]) != place(pipes[1])  # type: ignore[arg-type]  # all that counts is their descriptor
    for pipe in pipes:
        pipe.close()


@pytest.mark.needs("openpty")
def test_a_prompt_on_a_console_is_noticed_by_its_mode(console: VirtualTerminal, kernel: Kernel) -> None:
    kernel.modes[0] = 503
    output = output_of(console)
    assert isinstance(output, terminal.Terminal)
    assert not output.asks()
    kernel.modes[0] = 1
    assert output.asks()
    assert not output.is_in_background


# Files.


def without_inode(found: os.stat_result) -> os.stat_result:
    """As network drives answer."""
    return os.stat_result([found.st_mode, 0, *found[2:]])


def test_a_missing_drive_is_refused_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its parent is itself, which must not be asked for ever."""
    monkeypatch.setattr(os.path, "lexists", lambda path: False)
    with pytest.raises(FileNotFoundError, match=r"train\.log"):
        check_path("/missing/train.log")


def test_lines_are_appended_under_a_lock_where_appending_is_two_steps(kernel: Kernel, tmp_path: Path) -> None:
    path = tmp_path / "train.log"
    logs = [LogFile(str(path), lambda missing, reason: "") for _ in range(2)]
    for i in range(4):
        logs[i % 2].write(f"line {i}")
    assert path.read_bytes() == b"line 0\nline 1\nline 2\nline 3\n"
    assert kernel.calls.count("UnlockFileEx") == 4
    assert not kernel.locked


def test_a_file_that_cannot_be_opened_says_why_as_python_does(kernel: Kernel, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"No such file or directory: .*missing"):
        portable.open_file(str(tmp_path / "missing"), os.O_RDONLY)
    with pytest.raises(IsADirectoryError):
        portable.open_file(str(tmp_path), os.O_RDONLY)


def test_logs_are_written_where_files_have_no_inodes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recwarn: pytest.WarningsRecorder
) -> None:
    """Such as sshfs and SMB; as no file is known by anything but its name, it is opened anew for each line."""
    monkeypatch.setattr(os, "stat", lambda file, stat=os.stat, **options: without_inode(stat(file, **options)))
    path = tmp_path / "train.log"
    log = LogFile(str(path), lambda missing, reason: "")
    log.write("one")
    known = file_id(str(path))
    assert known
    assert not is_certain(known)
    os.rename(path, tmp_path / "train.1")
    log.write("two")
    log.commit()
    log.close()
    assert ((tmp_path / "train.1").read_text(), path.read_text()) == ("one\n", "two\n")
    assert not recwarn.list


# What programs read.


def test_json_on_a_stream_with_another_encoding_is_ascii(clock: FakeClock) -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="cp1252")
    with kbar.stage("训练 é", total=1, renderer=kbar.JsonLinesRenderer(stream)):
        pass
    stream.flush()
    lines = stream.buffer.getvalue().splitlines()  # type: ignore[attr-defined]  # of BytesIO
    assert [json.loads(line.decode("utf-8"))["stage"] for line in lines] == ["训练 é"] * 2


@pytest.mark.parametrize("encoding", ["cp1252", "UTF-8"])
def test_the_summary_for_programs_keeps_names_whatever_the_code_page(
    encoding: str, clock: FakeClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "run.jsonl"
    with kbar.stage("训练 é", total=1, renderer="none", log_file=path):
        pass
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    monkeypatch.setattr(sys, "stdout", stream)
    assert main(["show", str(path), "--json"]) == 0
    shown = stream.buffer.getvalue().decode("utf-8")  # type: ignore[attr-defined]  # of BytesIO
    assert json.loads(shown)[0]["path"] == "训练 é"
    assert shown.isascii() == (encoding == "cp1252")


def test_a_time_on_the_first_day_of_1970_has_its_text() -> None:
    assert kbar.renderers.jsonl.time_text(1000.0, "seconds").endswith(("00:00", "30", "45"))


# Processes.


@pytest.mark.parametrize(("pid", "exists"), [(7, True), (8, False), (9, False), (4, True), (2**53, True)])
def test_a_process_is_asked_for_without_a_signal(
    pid: int, exists: bool, kernel: Kernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that runs, one that has ended but is still open, none, one that may not be asked, and what is no number."""
    kernel.processes = {7: 259, 8: 1}
    monkeypatch.setattr(os, "kill", lambda *_: pytest.fail("that would end the process"))
    assert portable.process_exists(pid) == exists


def test_a_killed_run_ends_for_those_who_watch_it(kernel: Kernel, clock: FakeClock, tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    with kbar.stage("train", renderer="none", log_file=path):
        pass
    first = json.loads(path.read_text().splitlines()[0])
    viewer = Viewer(RecordingRenderer())
    record = read(json.dumps({**first, "pid": 12345, "host": portable.host_name()}))
    assert record
    viewer.take(record, str(path))
    for _ in range(2):
        viewer.end_dead_runs()
    assert viewer.over


def test_a_reader_that_has_closed_a_pipe_is_noticed(kernel: Kernel, monkeypatch: pytest.MonkeyPatch) -> None:
    assert portable.is_closed_pipe(OSError(errno.EINVAL, "Invalid argument"))
    assert not portable.is_closed_pipe(OSError(errno.EINVAL, "Invalid argument", "run.jsonl"))
    monkeypatch.setattr(portable, "sys", types.SimpleNamespace(platform="linux"))
    assert portable.is_closed_pipe(BrokenPipeError())
    assert not portable.is_closed_pipe(OSError(errno.EINVAL, "Invalid argument"))


def test_signals_and_waiting_are_left_out_where_there_are_none(kernel: Kernel, monkeypatch: pytest.MonkeyPatch) -> None:
    for owner, name in ((signal, "pthread_sigmask"), (select, "poll"), (os, "tcgetpgrp"), (os, "ttyname")):
        monkeypatch.delattr(owner, name, raising=False)
    portable.block_signals(but=())
    portable.wait_until_writable(1)
    assert portable.is_writable(1)
    assert not portable.is_in_background(1)
    assert not portable.names_no_terminal(1)
    assert portable.host_name()


# macOS.


class RefusingPoll:
    """As of versions of macOS that refuse terminals."""

    def register(self, number: int, events: int) -> None:
        self.number = number

    def poll(self, milliseconds: int | None) -> list[tuple[int, int]]:
        return [(self.number, select.POLLNVAL)]


def no_poll(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(select, "poll")


def refusing_poll(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(select, "poll", RefusingPoll)


@pytest.mark.needs("openpty")
@pytest.mark.parametrize("lack", [no_poll, refusing_poll])
def test_bars_are_drawn_where_poll_is_missing_or_refuses_terminals(
    lack: Callable[[pytest.MonkeyPatch], None], clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    lack(monkeypatch)
    screen = VirtualTerminal(80, 10)
    stage = begin(kbar.RichRenderer(file=screen))
    stage.advance_to(1, clock())
    clock.advance(1.0)
    assert "train" in screen.text
    current().end(stage, "done")


@pytest.mark.needs("openpty")
@pytest.mark.parametrize("lack", [no_poll, refusing_poll])
def test_without_poll_a_full_pipe_has_no_space(
    lack: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    lack(monkeypatch)
    read, write = os.pipe()
    assert portable.is_writable(write)
    portable.wait_until_writable(write)
    fill(write)
    assert not portable.is_writable(write)
    for end in (read, write):
        os.close(end)
    assert not portable.is_writable(write)
    portable.wait_until_writable(write)
    portable.wait_until_writable(10_000)
    assert portable.is_writable(10_000)


SPAWNS = """
import multiprocessing, sys
import kbar
for _ in kbar.track(range(3), label="top level", renderer=sys.argv[2]):
    pass
def square(n):
    return n * n
if __name__ == "__main__":
    context = multiprocessing.get_context(sys.argv[1])
    with context.Pool(2) as pool:
        print(pool.map(square, range(3)))
    process = context.Process(target=square, args=(1,))
    process.start()
    process.join()
"""


@pytest.mark.slow
@pytest.mark.parametrize("method", ["spawn", "forkserver"])
@pytest.mark.parametrize("renderer", ["log", "rich", "tqdm"])
def test_what_stands_outside_of_functions_is_drawn_once_beside_workers(
    method: str, renderer: str, tmp_path: Path
) -> None:
    """Each worker of a pool runs it, to have the functions of the program."""
    program = tmp_path / "program.py"
    program.write_text(SPAWNS)
    command = [sys.executable, str(program), method, renderer]
    shown = subprocess.run(command, capture_output=True, text=True, check=True)
    lines = [line for line in shown.stdout.splitlines() if "top level" in line]
    assert len(lines) == (2 if renderer == "log" else 1), shown.stdout
    assert "[0, 1, 4]" in shown.stdout
    assert shown.stderr == ""


# A console that is paused: a click into it on Windows, Ctrl-S elsewhere.

PAUSED = """
import sys
import kbar
with kbar.loop(2, label="fit", renderer={renderer!r}) as loop:
    for epoch in loop.epochs():
        for _ in epoch.steps(range(50_000)):
            epoch.log(**dict.fromkeys("abcdefgh", 0.5))
open({result!r}, "w").close()
"""


@pytest.mark.slow
@pytest.mark.needs("openpty")
@pytest.mark.parametrize("renderer", ["rich", "tqdm", "log", "jsonl"])
@pytest.mark.parametrize("output", ["terminal", "pipe"])
def test_an_output_that_nobody_reads_does_not_abort_the_exit(renderer: str, output: str, tmp_path: Path) -> None:
    """The thread that waits for it has none of Python's locks, which the interpreter needs for its end."""
    result = tmp_path / "done"
    read, write = os.openpty() if output == "terminal" else os.pipe()
    fill(write)
    code = PAUSED.format(renderer=renderer, result=str(result))
    shown = run_python(code, stdout=write, timeout=60)
    os.close(read)
    os.close(write)
    assert (shown.returncode, shown.stderr) == (0, "")
    assert result.exists()
