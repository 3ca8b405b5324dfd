"""Outputs that close, fill up, fail, stop or crawl while training goes on."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from .conftest import ALL, BARS, Trials, read_all, read_slowly

pytestmark = pytest.mark.slow

# Fills what a program writes to, so that little is enough to hold it up.
FLOOD = """
os.set_blocking(1, False)
with contextlib.suppress(BlockingIOError):
    while True: os.write(1, b"." * 1000)
os.set_blocking(1, True)
"""


@pytest.mark.parametrize(
    "trouble",
    ["sys.stdout.close()", "os.close(1)", "sys.stdout.close(); sys.stderr.close()", "os.close(1); os.close(2)"],
)
def test_streams_that_are_closed(trials: Trials, renderer: str, trouble: str) -> None:
    """The process ends as it would have, but for what Python itself says of a closed descriptor."""
    own = subprocess.run([sys.executable, "-c", f"import os, sys; {trouble}"], check=False, capture_output=True)
    ended = trials.on_a_terminal(trouble, renderer)
    assert (ended.steps, ended.code) == (ALL, own.returncode)
    assert ended.terminal
    assert not ended.terminal.screen.cursor.hidden


def test_a_pipe_that_is_read_no_more(trials: Trials, renderer: str) -> None:
    process = trials.started("pass", renderer, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout
    os.read(process.stdout.fileno(), 10)
    process.stdout.close()
    assert process.stderr
    stderr = process.stderr.read().decode()
    assert process.wait() == 0
    assert trials.ended(0, "").steps == ALL
    assert "Traceback" not in stderr
    assert stderr.count("KbarWarning") == 1


def test_a_disk_that_is_full(trials: Trials, renderer: str) -> None:
    with open("/dev/full", "wb") as full:
        process = trials.started("pass", renderer, stdout=full, stderr=subprocess.PIPE)
        assert process.stderr
        stderr = process.stderr.read().decode()
        assert process.wait() == 0
    assert trials.ended(0, "").steps == ALL
    assert stderr.count("KbarWarning") == 1


def test_a_terminal_that_is_hung_up(trials: Trials, renderer: str) -> None:
    """As an ssh that is gone leaves it to a process that ignores the signal."""
    process, master = trials.unread("pass", renderer, first="signal.signal(signal.SIGHUP, signal.SIG_IGN)")
    os.read(master, 100)
    os.close(master)
    assert process.wait(20) == 0
    assert trials.ended(0, "").steps == ALL


@pytest.mark.parametrize(
    "error", ["OSError(5, 'no')", "RuntimeError('no')", "SystemExit(5)", "UnicodeError('no')", "ValueError"]
)
def test_a_write_that_raises_anything(trials: Trials, renderer: str, error: str) -> None:
    first = f"""
class Raises(io.StringIO):
    isatty = lambda self: True
    def write(self, text): raise {error}
sys.stdout = Raises()
"""
    process = trials.started("pass", renderer, program={"first": first}, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    _, stderr = process.communicate()
    assert (process.returncode, trials.ended(0, "").steps) == (0, ALL)
    assert stderr.decode().count("KbarWarning") == 1
    assert b"Traceback" not in stderr


@pytest.mark.parametrize("first", ["sys.stdout = None", "sys.stdout = sys.stderr = None"])
def test_no_stream_at_all(trials: Trials, renderer: str, first: str) -> None:
    process = trials.started("pass", renderer, program={"first": first}, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.communicate() == (b"", b"")
    assert (process.returncode, trials.ended(0, "").steps) == (0, ALL)


def test_a_stream_that_has_only_write(trials: Trials, renderer: str) -> None:
    first = """
class Only:
    def write(self, text): written.append(text)
written = []
sys.stdout = Only()
"""
    then = "sys.stdout = sys.__stdout__; print(''.join(written))"
    process = trials.started("pass", renderer, program={"first": first, "then": then}, stdout=subprocess.PIPE)
    text = process.communicate()[0].decode()
    assert (process.returncode, trials.ended(0, "").steps) == (0, ALL)
    assert "3/3" in text


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_an_encoding_that_lacks_what_bars_are_made_of(trials: Trials, renderer: str, encoding: str) -> None:
    ended = trials.on_a_terminal(
        "pass", renderer, env={"PYTHONIOENCODING": encoding}, then="", first="",
        options="{'metrics': ['loss']}",
    )  # fmt: skip
    assert (ended.code, ended.steps) == (0, ALL)
    assert ended.text.isascii()
    assert "3/3" in ended.text


def test_an_output_that_does_not_wait_keeps_its_flags_and_whole_frames(trials: Trials, renderer: str) -> None:
    """A pipe of which somebody has made that, and which nobody reads for a while."""
    reader, writer = os.pipe()
    fcntl.fcntl(writer, 1031, 4096)  # F_SETPIPE_SZ: soon full
    os.set_blocking(writer, False)
    process = trials.started("pass", renderer, program={"options": "{'throttle': kbar.always}"}, stdout=writer)
    time.sleep(1.0)
    assert not os.get_blocking(writer)
    os.close(writer)
    read = read_all(reader)
    assert process.wait(20) == 0
    text = read().decode()
    assert trials.ended(0, "").steps == ALL
    assert "3/3" in text.splitlines()[-1]
    if renderer == "log":
        assert all(line.startswith("20") for line in text.splitlines())
    os.close(reader)


class Stopped:
    """A terminal that nobody reads, until somebody does."""

    def __init__(self, trials: Trials, renderer: str, **program: Any) -> None:
        self.started = time.monotonic()
        program["first"] = program.get("first", "") + "\n" + FLOOD
        self.process, self.master = trials.unread(program.pop("trouble", "pass"), renderer, **program)


def test_a_terminal_that_stops_reading_holds_up_neither_training_nor_the_end(trials: Trials, renderer: str) -> None:
    """It ends half a second later than on a terminal that reads; the limits are wider, as the machine may be busy."""
    beside = trials.on_a_terminal("pass", renderer)
    stopped = Stopped(trials, renderer)
    code = stopped.process.wait(20)
    ended = trials.ended(code, "", whole=time.monotonic() - stopped.started)
    os.close(stopped.master)
    assert (ended.code, ended.steps) == (0, ALL)
    assert ended.seconds < 1.5 * beside.seconds + 1.0
    assert ended.whole < 1.5 * beside.whole + 1.0


@pytest.mark.parametrize("renderer", BARS)
def test_drawing_resumes_with_the_truth_once_the_terminal_is_read_again(trials: Trials, renderer: str) -> None:
    stopped = Stopped(trials, renderer, trouble="time.sleep(2.0)", then="time.sleep(1.0)")
    time.sleep(1.5)
    read = read_all(stopped.master)
    assert stopped.process.wait(20) == 0
    text = read().decode(errors="replace")
    os.close(stopped.master)
    assert trials.ended(0, "").steps == ALL
    import pyte

    screen = pyte.Screen(80, 24)
    pyte.Stream(screen).feed(text)
    shown = "\n".join(screen.display)
    assert "3/3" in shown
    assert "100%" in shown


@pytest.mark.parametrize("renderer", BARS)
def test_once_a_terminal_reads_again_runs_end_when_they_are_drawn(trials: Trials, renderer: str) -> None:
    """Though the one before was not waited for."""
    then = """
time.sleep(1.0)
for n in range(3):
    with kbar.stage(f"short {n}", total=1) as stage: stage.advance()
    print(f"below {n}")
    time.sleep(0.3)
"""
    stopped = Stopped(trials, renderer, then=then)
    time.sleep(2.5)
    read = read_all(stopped.master)
    assert stopped.process.wait(20) == 0
    text = read().decode(errors="replace")
    os.close(stopped.master)
    assert text.rindex("short 2") < text.rindex("below 2")


def test_a_pipe_that_nobody_reads_is_waited_for_once(trials: Trials) -> None:
    """Not again at the end of each inner loop, which would take ten seconds."""
    trouble = "[None for n in range(20) for _ in kbar.track(range(3))]"
    process = trials.started(trouble, "log", program={"first": FLOOD}, stdout=subprocess.PIPE)
    assert process.wait(20) == 0
    ended = trials.ended(0, "")
    assert ended.steps == ALL
    assert ended.seconds < 6
    assert process.stdout
    process.stdout.close()


def test_a_log_file_goes_on_while_the_terminal_stands_still(trials: Trials, tmp_path: Path) -> None:
    log = tmp_path / "train.log"
    stopped = Stopped(
        trials,
        "rich",
        options=f"{{'log_file': {str(log)!r}}}",
        trouble="assert 'epoch 1/3 done' in open(" + repr(str(log)) + ").read()",
    )
    assert stopped.process.wait(20) == 0
    os.close(stopped.master)
    assert trials.ended(0, "").steps == ALL
    assert "fit done 3/3" in log.read_text()


def test_a_slow_terminal_costs_half_a_second_at_most(trials: Trials, renderer: str) -> None:
    """That is what the end of a run waits for its last lines; each write takes a fifth of a second."""
    ended, writes = {}, {}
    for each in (0.0, 0.2):
        first = f"""
class Slow(io.StringIO):
    writes = 0
    isatty = lambda self: True
    def write(self, text):
        self.writes += 1
        time.sleep({each})
sys.stdout = Slow()
"""
        then = "os.write(2, str(sys.stdout.writes).encode())"
        process = trials.started("pass", renderer, program={"first": first, "then": then}, stderr=subprocess.PIPE)
        _, stderr = process.communicate()
        ended[each], writes[each] = trials.ended(process.returncode, ""), int(stderr)
        assert (ended[each].code, ended[each].steps) == (0, ALL)
    assert ended[0.2].seconds < 1.5 * ended[0.0].seconds + 0.6
    if renderer != "log":
        assert writes[0.2] <= 6, "they rest for as long as they took, and longer"


def test_streams_that_are_replaced_are_not_given_back(trials: Trials) -> None:
    trouble = "mine = sys.stdout = io.StringIO(); print('to me')"
    then = "assert sys.stdout is mine and mine.getvalue() == 'to me\\n', mine.getvalue()"
    ended = trials.on_a_terminal(trouble, "rich", then=then)
    assert (ended.code, ended.steps) == (0, ALL)
    assert "to me" not in ended.text


def test_a_stream_replaced_for_a_moment_gets_its_prints(trials: Trials, renderer: str) -> None:
    trouble = "f = io.StringIO()\n                    with contextlib.redirect_stdout(f): print('inside')\n                    print(f.getvalue() == 'inside\\n')"
    ended = trials.on_a_terminal(trouble, renderer, size=(200, 30))
    assert (ended.code, ended.steps) == (0, ALL)
    assert "True" in ended.text.splitlines()
    assert "3/3" in ended.text.splitlines()[-1]


@pytest.mark.parametrize("renderer", BARS)
@pytest.mark.parametrize("columns", [12, 20, 30, 40])
def test_narrow_terminals_have_one_line_a_bar_and_two_an_epoch_at_most(
    trials: Trials, renderer: str, columns: int
) -> None:
    ended = trials.on_a_terminal("pass", renderer, size=(columns, 30))
    assert (ended.code, ended.steps) == (0, ALL)
    lines = ended.text.splitlines()
    assert len(lines) == (4 if columns >= 30 else 7), ended.text
    assert all(len(line) < columns for line in lines)


@pytest.mark.parametrize("renderer", BARS)
def test_a_terminal_that_shrinks_keeps_the_lines_of_one_frame_at_most(trials: Trials, renderer: str) -> None:
    first = "import fcntl, termios, struct"
    trouble = "fcntl.ioctl(2, termios.TIOCSWINSZ, struct.pack('HHHH', 40, 30, 0, 0))"
    ended = trials.on_a_terminal(trouble, renderer, first=first, size=(80, 40))
    assert (ended.code, ended.steps) == (0, ALL)
    assert 4 <= len(ended.text.splitlines()) <= 4 + 3


def test_a_descriptor_that_somebody_closes_and_gives_to_a_file(trials: Trials, renderer: str, tmp_path: Path) -> None:
    """As those do who make a daemon of themselves: the file is theirs alone."""
    path = tmp_path / "checkpoint"
    trouble = f"os.closerange(3, 256); files = [open({str(path)!r} + str(n), 'w') for n in range(9)]; [f.write('weights') for f in files]; [f.flush() for f in files]"
    log = tmp_path / "train.log"
    ended = trials.on_a_terminal(trouble, renderer, options=f"{{'log_file': {str(log)!r}}}", size=(200, 40))
    assert (ended.code, ended.steps) == (0, ALL), ended.text
    assert {(tmp_path / f"checkpoint{n}").read_text() for n in range(9)} == {"weights"}
    assert "fit done 3/3" in log.read_text()


def test_a_descriptor_that_somebody_closes_and_gives_to_what_is_never_written(trials: Trials, renderer: str) -> None:
    trouble = "import socket; os.closerange(3, 256); sockets = [socket.socket() for _ in range(9)]; [s.listen() for s in sockets]"
    ended = trials.on_a_terminal(trouble, renderer)
    assert (ended.code, ended.steps) == (0, ALL), ended.text
    assert ended.whole < ended.seconds + 5.0


def test_a_wrapper_that_writes_what_is_no_text(trials: Trials, renderer: str) -> None:
    """Names of files that are in no encoding, as a stream takes them where no language is set."""
    first = """
class Tee:
    encoding, errors = "utf-8", "surrogateescape"
    def write(self, text): return sys.__stdout__.write(text)
    def flush(self): sys.__stdout__.flush()
    def isatty(self): return True
sys.stdout = Tee()
"""
    env = {"PYTHONIOENCODING": "utf-8:surrogateescape"}
    trouble = "print('ab\\udcffcd'); print('\\udcff', end='')"
    ended = trials.on_a_terminal(trouble, renderer, first=first, then="print()", env=env)
    assert (ended.code, ended.steps) == (0, ALL), ended.text
    assert "ab\ufffdcd" in ended.text.splitlines(), ended.text


@pytest.mark.parametrize("renderer", BARS)
def test_an_error_stream_that_does_not_say_where_it_leads(trials: Trials, renderer: str) -> None:
    first = """
class Tee:
    encoding = "utf-8"
    def write(self, text): return sys.__stderr__.write(text)
    def flush(self): sys.__stderr__.flush()
    def isatty(self): return True
sys.stderr = Tee()
"""
    trouble = "[print('line', n, file=sys.stderr) or time.sleep(0.2) for n in range(3)]"
    ended = trials.on_a_terminal(trouble, renderer, first=first)
    assert (ended.code, ended.steps) == (0, ALL)
    assert [line for line in ended.text.splitlines() if line.startswith("line")] == ["line 0", "line 1", "line 2"]


@pytest.mark.parametrize("renderer", BARS)
def test_many_runs_on_a_terminal_that_stops_reading_keep_few_files_open(trials: Trials, renderer: str) -> None:
    """And each print is there in the end."""
    then = """
for n in range(60):
    for _ in kbar.track(range(2)): print("x" * 79)
assert len(os.listdir("/proc/self/fd")) < 20
"""
    stopped = Stopped(trials, renderer, then=then)
    time.sleep(4.0)
    read = read_all(stopped.master)
    assert stopped.process.wait(20) == 0
    text = read().decode(errors="replace")
    os.close(stopped.master)
    assert text.count("x" * 79) == 120


def test_a_log_goes_on_once_its_pipe_is_read_again(trials: Trials) -> None:
    trouble = "[None for n in range(3) for _ in kbar.track(range(3))]; time.sleep(2.0)"
    process = trials.started(trouble, "log", program={"first": FLOOD}, stdout=subprocess.PIPE)
    time.sleep(1.5)
    assert process.stdout
    text = process.stdout.read().decode()
    assert process.wait() == 0
    assert " fit done 3/3 " in text


def test_bars_of_tqdm_on_a_file_are_clean_lines(trials: Trials, tmp_path: Path) -> None:
    path = tmp_path / "out"
    with path.open("wb") as file:
        assert trials.started("pass", "tqdm", stdout=file).wait() == 0
    text = path.read_text()
    assert text.replace("\n", "").isprintable()
    assert [line.split("  ")[0] for line in text.splitlines()] == ["epoch 1/3", "epoch 2/3", "epoch 3/3", "fit"]


def test_a_tee_around_a_terminal_that_stops_reading(trials: Trials, renderer: str) -> None:
    first = """
class Tee:
    encoding = "utf-8"
    def write(self, text): return sys.__stdout__.write(text)
    def flush(self): sys.__stdout__.flush()
    def isatty(self): return True
sys.stdout = Tee()
"""
    stopped = Stopped(trials, renderer, first=first)
    code = stopped.process.wait(20)
    os.close(stopped.master)
    assert (code, trials.ended(code, "").steps) == (0, ALL)


@pytest.mark.parametrize("renderer", BARS)
def test_a_slow_reader_gets_all_that_was_printed(trials: Trials, renderer: str) -> None:
    process, master = trials.unread("[print(n, 'x' * 1000) for n in range(100)]", renderer)
    text = read_slowly(master, 2000, 0.03)
    assert process.wait(20) == 0
    assert text.count(b"x" * 1000) == 100
    assert b"3/3" in text[-400:]


@pytest.mark.parametrize("renderer", BARS)
def test_what_is_printed_to_another_terminal_goes_there(trials: Trials, renderer: str) -> None:
    from kbar.testing import VirtualTerminal

    other = VirtualTerminal(80, 10)
    first = f"sys.stderr = open({os.ttyname(other.fileno())!r}, 'w', buffering=1)"
    trouble = "print('to the other', file=sys.stderr); print('to this')"
    ended = trials.on_a_terminal(trouble, renderer, first=first)
    assert (ended.code, ended.steps) == (0, ALL)
    assert "to this" in ended.text.splitlines()
    assert "to the other" not in ended.text
    assert b"to the other" in os.read(other._master, 1000)
