"""Prints while bars are up: written through at once, by whatever means the user prints."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from kbar.testing import VirtualTerminal

from .conftest import ALL, BARS, PLAIN, Trials, printed, read_slowly

pytestmark = pytest.mark.slow


def frames(terminal: VirtualTerminal) -> Iterator[list[str]]:
    """The rows of the screen after each frame that was drawn on it, as a replay of what the terminal received."""
    replay = VirtualTerminal(terminal.screen.columns, terminal.screen.lines)
    for part in re.split(r"(?<=\x1b8)", "".join(terminal.received)):
        replay.write(part)
        yield [row.rstrip() for row in replay.screen.display]


def is_bar(line: str) -> bool:
    """Whether this is a bar, or an epoch's line."""
    return line.startswith(("fit", "epoch", "validation"))


def lines_of_kbar(text: str) -> list[str]:
    """The lines of a log in what a program wrote."""
    return [line for line in text.splitlines() if re.match(r"\d{4}-\d\d-\d\dT\S+ fit ", line)]


@pytest.mark.parametrize("renderer", BARS)
def test_dots_grow_on_one_line_with_bars_below(trials: Trials, renderer: str) -> None:
    trouble = "[print('.', end='', flush=True) or time.sleep(0.05) for n in range(40)]; print()"
    ended = trials.on_a_terminal(trouble, renderer)
    assert (ended.code, ended.steps) == (0, ALL), ended.text
    assert "." * 40 in ended.text.splitlines()
    assert ended.terminal
    seen = set()
    for rows in frames(ended.terminal):
        for row, dots in enumerate(rows):
            if re.fullmatch(r"\.+", dots) and len(dots) < 40:
                seen.add(len(dots))
                assert any(is_bar(below) for below in rows[row + 1 :]), rows
    assert len(seen) > 3


# Those who replace what they are printed to.

CAPTURE = """
class Capture:  # as wandb has it
    def __init__(self, stream):
        self.seen, old = [], stream.write
        def write(text):
            taken = old(text)
            self.seen.append(text)
            return taken
        stream.write = write
class Tee:
    def __init__(self, stream): self.stream, self.seen = stream, []
    def write(self, text):
        self.seen.append(text)
        return self.stream.write(text)
    def __getattr__(self, name): return getattr(self.stream, name)
class Proxy(Tee):  # as ClearML has it: for `sys.__stdout__` and the stream's own `write` as well, and passes settings on
    def __init__(self, stream):
        self.__dict__.update(stream=stream, seen=[], original=stream.write)
        stream.write = self.write
        sys.__stdout__ = self
    def write(self, text):
        self.seen.append(text)
        return self.original(text)
    def __setattr__(self, name, value): setattr(self.stream, name, value)
"""
REPLACED = {
    "write": "capture = Capture(sys.stdout)",
    "object": "capture = sys.stdout = Tee(sys.stdout)",
    "both": "capture = sys.stdout = Proxy(sys.stdout)",
}
PRINTS = "[print('line', n) or time.sleep(0.02) for n in range(20)]"


@pytest.mark.parametrize("renderer", [*BARS, "log"])
@pytest.mark.parametrize("when", ["before", "during"])
@pytest.mark.parametrize("what", REPLACED)
def test_who_replaces_the_stream_sees_every_print(
    trials: Trials, renderer: str, what: str, when: str, tmp_path: Path
) -> None:
    before, during = (REPLACED[what], "") if when == "before" else ("", f"{REPLACED[what]}; ")
    then = f"json.dump(capture.seen, open({str(tmp_path / 'seen')!r}, 'w'))"
    ended = trials.on_a_terminal(during + PRINTS, renderer, first=CAPTURE + before, then=then, size=(100, 60))
    assert (ended.code, ended.steps) == (0, ALL), ended.text
    expected = [f"line {n}" for n in range(20)]
    assert printed(ended.text, r"line \d+") == expected
    seen = "".join(json.loads((tmp_path / "seen").read_text()))
    assert printed(seen, r"line \d+") == expected
    assert not re.search(r"\x1b[78DM]|\x1b\[\d*[KJABG]|\r", seen)  # no frames, but lines that stay
    epochs = re.findall(r"^(?!.*train).*epoch ([123])/3 .*$", seen, re.MULTILINE)
    assert epochs == ["1", "2", "3"][when == "during" :]


@pytest.mark.parametrize("renderer", ["log", "tqdm"])
@pytest.mark.parametrize(("what", "when"), [(what, when) for what in REPLACED for when in ("before", "during")])
def test_who_replaces_the_stream_of_a_pipe_sees_lines_of_kbar_too(
    trials: Trials, renderer: str, what: str, when: str, tmp_path: Path
) -> None:
    before, during = (REPLACED[what], "") if when == "before" else ("", f"{REPLACED[what]}; ")
    then = f"json.dump(capture.seen, open({str(tmp_path / 'seen')!r}, 'w'))"
    program = {"first": CAPTURE + before, "then": then}
    process = trials.started(f"print('from here'); {during}{PRINTS}", renderer, program=program, stdout=subprocess.PIPE)
    text = process.communicate()[0].decode()
    assert (process.returncode, trials.ended(0, "").steps) == (0, ALL)
    seen = "".join(json.loads((tmp_path / "seen").read_text()))
    assert "3/3" in seen
    whole = text if when == "before" else text[text.index("from here\n") + len("from here\n") :]
    assert [line for line in whole.splitlines() if line in text] == seen.splitlines()


# Lines of a log beside prints.


ORDERED = """
import kbar, sys, time
with kbar.loop(3, label="fit") as loop:
    for epoch in loop.epochs():
        {first}
        for _ in epoch.steps(range(3)):
            time.sleep(0.02)
            {step}
        {last}
"""
ORDERS = {
    "unflushed": ("print('start')", "pass", "print('end')", ["start", "end", "epoch"]),
    "some flushed": ("print('A', flush=True); print('start')", "pass", "pass", ["A", "start", "epoch"]),
    "dots": ("pass", "print('.', end='', flush=True)", "pass", ["...", "epoch"]),
}


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("renderer", [*BARS, "log"])
def test_lines_in_a_pipe_stand_in_the_order_in_which_they_were_printed(
    renderer: str, order: str, unbuffered: str
) -> None:
    """Also where Python keeps what is printed until later."""
    first, step, last, expected = ORDERS[order]
    code = ORDERED.format(first=first, step=step, last=last)
    env = {**os.environ, **PLAIN, "KBAR_RENDERER": renderer, "PYTHONUNBUFFERED": unbuffered}
    text = subprocess.run([sys.executable, "-c", code], env=env, check=True, capture_output=True, text=True).stdout
    words = [re.search(r"^(start|end|A|[.]+)$|epoch(?= \d/3 +(\d|done))", line) for line in text.splitlines()]
    assert [word[0] for word in words if word] == expected * 3, text


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize(
    ("prints", "pattern"),
    [
        ("print('user line', n)", r"user line \d+"),
        ("print('loading ... ', end='', flush=True); time.sleep(0.03); print('done', flush=True)", "loading ... done"),
        ("print('user', end=' '); print('line', end=' '); print(n)", r"user line \d+"),
    ],
    ids=["tight loop", "begun line", "pieces"],
)
def test_lines_of_a_log_never_land_inside_the_users(trials: Trials, prints: str, pattern: str, unbuffered: str) -> None:
    trouble = f"""
                    until, n = time.monotonic() + 1.5, 0
                    while time.monotonic() < until:
                        {prints}
                        n += 1
"""
    process = trials.started(
        trouble.strip(), "log", env={"PYTHONUNBUFFERED": unbuffered}, stdout=subprocess.PIPE,
        program={"options": "{'throttle': kbar.every(seconds=0.01)}"},
    )  # fmt: skip
    text = process.communicate()[0].decode()
    assert (process.returncode, trials.ended(0, "").steps) == (0, ALL)
    mine = lines_of_kbar(text)
    assert len(mine) > 10
    assert "fit done 3/3" in mine[-1]
    assert not any("user" in line or "loading" in line for line in mine)
    assert [line for line in text.splitlines() if line not in mine and not re.fullmatch(pattern, line)] == []


def test_a_line_that_is_begun_for_long_is_broken_once(trials: Trials) -> None:
    trouble = "print('loading ... ', end='', flush=True); time.sleep(1.5); print('done')"
    options = {"options": "{'throttle': kbar.every(seconds=0.1)}"}
    process = trials.started(trouble, "log", program=options, stdout=subprocess.PIPE)
    text = process.communicate()[0].decode()
    assert (process.returncode, trials.ended(0, "").steps) == (0, ALL)
    mine = lines_of_kbar(text)
    assert [line for line in text.splitlines() if line not in mine] == ["loading ... ", "done"]


# Means of printing.

WAYS = {
    "logging": (
        "log = logging.getLogger('x'); log.addHandler(logging.StreamHandler()); log.setLevel(20)",
        "log.info('line %d', n)",
        "",
    ),
    "a queue listener": (
        "import logging.handlers, queue\nq = queue.Queue(); log = logging.getLogger('x'); log.setLevel(20)\n"
        "log.addHandler(logging.handlers.QueueHandler(q))\n"
        "listener = logging.handlers.QueueListener(q, logging.StreamHandler()); listener.start()",
        "log.info('line %d', n)",
        "listener.stop()",
    ),
    "a memory handler": (
        "import logging.handlers\nlog = logging.getLogger('x'); log.setLevel(20)\n"
        "log.addHandler(logging.handlers.MemoryHandler(4, target=logging.StreamHandler()))",
        "log.info('line %d', n)",
        "",
    ),
    "a logger without a manager": (
        "log = logging.Logger('x'); log.addHandler(logging.StreamHandler(sys.stdout))",
        "log.warning('line %d', n)",
        "",
    ),
    "loguru": (
        "from loguru import logger\nlogger.remove(); logger.add(sys.stderr, format='{message}')",
        "logger.info('line {}', n)",
        "",
    ),
    "the original stderr": ("kept = sys.__stderr__", "print('line', n, file=kept)", ""),
    "bytes": ("", "sys.stdout.buffer.write(b'line %d\\n' % n); sys.stdout.buffer.flush()", ""),
    "bytes of a kept buffer": ("out = sys.stdout.buffer", "out.write(b'line %d\\n' % n) and out.flush()", ""),
    "writelines": ("", "sys.stderr.writelines(['line ', str(n), '\\n'])", ""),
}


@pytest.mark.parametrize("renderer", BARS)
@pytest.mark.parametrize("way", WAYS)
def test_however_somebody_prints_the_lines_are_whole_above_the_bars(trials: Trials, renderer: str, way: str) -> None:
    """By handlers, streams and buffers that were there before the bars."""
    if way == "loguru":
        pytest.importorskip("loguru")
    first, call, then = WAYS[way]
    trouble = f"""
                    for n in range(20):
                        {call}
                        time.sleep(0.03)
"""
    ended = trials.on_a_terminal(trouble.strip(), renderer, first=first, then=then, size=(100, 60))
    assert (ended.code, ended.steps) == (0, ALL), ended.text
    assert [line for line in ended.text.splitlines() if line and not is_bar(line)] == [f"line {n}" for n in range(20)]


@pytest.mark.parametrize("renderer", BARS)
@pytest.mark.parametrize("flush", ["", ", flush=True"])
def test_a_single_character_before_a_bar_stays(trials: Trials, renderer: str, flush: str) -> None:
    ended = trials.on_a_terminal(
        f"print('G', end=''{flush}); time.sleep(0.3); print()", renderer, first=f"print('F', end=''{flush})"
    )
    assert (ended.code, ended.steps) == (0, ALL), ended.text
    assert [line for line in ended.text.splitlines() if line and not is_bar(line)] in (["F", "G"], ["FG"])


@pytest.mark.parametrize("renderer", BARS)
def test_pytests_letters_stay_where_tests_show_bars(renderer: str, tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(
        "import kbar, pytest, time\n@pytest.mark.parametrize('n', range(4))\ndef test_it(n):\n"
        "    for _ in kbar.track(range(10), label='fit'): time.sleep(0.02)\n    assert n % 2 == 0\n"
    )
    terminal = VirtualTerminal(80, 100)
    command = [sys.executable, "-m", "pytest", "-q", "-s", "--tb=no", "-p", "no:cacheprovider", str(tmp_path)]
    assert terminal.run(command, env={**PLAIN, "KBAR_RENDERER": renderer}) == 1
    lines = [line.split("  ")[0] for line in terminal.text.splitlines() if line]
    assert "".join(line for line in lines if set(line) <= {".", "F"}) == ".F.F", terminal.text
    assert lines.count("fit") == 4


# Beside native code.


@pytest.mark.parametrize("renderer", BARS)
@pytest.mark.parametrize(
    "call",
    [
        "os.write(1, b'step %d\\n' % n)",
        "subprocess.run(['echo', f'step {n}'])",
    ],
    ids=["native code", "a child"],
)
def test_native_lines_do_not_mix_with_characters_of_bars(trials: Trials, renderer: str, call: str) -> None:
    """In no frame: what a bar has behind them could look like another number."""
    trouble = f"[{call} and time.sleep(0.12) for n in range(12)]"
    ended = trials.on_a_terminal(trouble, renderer, first="import subprocess", size=(100, 60))
    assert (ended.code, ended.steps) == (0, ALL), ended.text
    assert printed(ended.text, r"step \d+") == [f"step {n}" for n in range(12)]
    assert ended.terminal
    for rows in frames(ended.terminal):
        assert all(re.fullmatch(r"step \d+", row) for row in rows if "step" in row and not is_bar(row)), rows


@pytest.mark.parametrize("renderer", BARS)
def test_prints_native_lines_and_childrens_lines_keep_their_order(trials: Trials, renderer: str) -> None:
    trouble = """
                    for n in range(0, 30, 3):
                        print("line", n)
                        os.write(1, b"line %d\\n" % (n + 1))
                        subprocess.run(["echo", f"line {n + 2}"])
"""
    ended = trials.on_a_terminal(trouble.strip(), renderer, first="import subprocess", size=(100, 60))
    assert (ended.code, ended.steps) == (0, ALL), ended.text
    assert re.findall(r"^line (\d+)\b", ended.text, re.MULTILINE) == [str(n) for n in range(30)]


@pytest.mark.parametrize("renderer", BARS)
@pytest.mark.parametrize("end", ["os._exit(7)", "os.kill(os.getpid(), signal.SIGKILL)"])
def test_what_is_printed_just_before_the_process_is_gone_is_there(trials: Trials, renderer: str, end: str) -> None:
    ended = trials.on_a_terminal(f"print('last words'); {end}", renderer)
    assert ended.code in (7, -9)
    assert "last words" in ended.text.splitlines()


# Bars without a terminal.


@pytest.mark.parametrize("renderer", BARS)
@pytest.mark.parametrize("how", ["KBAR_RENDERER", "options"])
def test_bars_in_a_pipe_write_clean_lines(trials: Trials, renderer: str, how: str) -> None:
    options = "{}" if how == "KBAR_RENDERER" else f"{{'renderer': {renderer!r}}}"
    program = {"options": options}
    process = trials.started("print('printed')", renderer, program=program, stdout=subprocess.PIPE)
    text = process.communicate()[0].decode()
    assert (process.returncode, trials.ended(0, "").steps) == (0, ALL)
    assert text.replace("\n", "").isprintable()
    lines = text.splitlines()
    assert lines.count("printed") == 1
    assert [line.split("  ")[0] for line in lines if line != "printed"] == [
        "epoch 1/3",
        "epoch 2/3",
        "epoch 3/3",
        "fit",
    ]


# Terminals that read slowly.


@pytest.mark.parametrize("renderer", BARS)
def test_a_thread_prints_thousands_of_lines_on_a_slow_terminal(trials: Trials, renderer: str) -> None:
    """While runs begin and end: none is lost, each is in its order."""
    first = """
def chatter():
    n = 0
    while not over:
        print("chatter", n)
        n += 1
    print("said", n)
over = False
thread = threading.Thread(target=chatter)
thread.start()
"""
    then = """
for _ in range(40):
    with kbar.stage("short", total=1) as stage: stage.advance()
over = True
thread.join()
"""
    process, master = trials.unread("pass", renderer, first=first, then=then)
    text = read_slowly(master, 4096, 0.002).decode()
    ended = trials.ended(process.wait(), "")
    assert (ended.code, ended.steps) == (0, ALL), text[-2000:]
    (said,) = re.findall(r"said (\d+)\r\n", text)
    assert int(said) > 1000
    assert re.findall(r"chatter (\d+)\r\n", text) == [str(n) for n in range(int(said))]
