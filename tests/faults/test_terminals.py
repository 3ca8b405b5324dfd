"""What a person sees beside bars: dots, colours, other bars; and programs that do everything at once."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import pytest

from .session import Session, sessions

__all__ = ["sessions"]
pytestmark = pytest.mark.slow

Start = Callable[..., Session]


@pytest.mark.parametrize("dot", [".", "\x1b[32m.\x1b[0m", "训"])
@pytest.mark.parametrize("renderer", ["rich", "tqdm"])
def test_dots_of_all_kinds_fill_lines(sessions: Start, renderer: str, dot: str) -> None:
    code = f"""
import time, kbar
for i in kbar.track(range(100), label="dots"):
    print({dot!r}, end="", flush=True); time.sleep(0.01)
print("end")
"""
    session = sessions(code, env={"KBAR_RENDERER": renderer})
    assert session.end() == 0
    plain = dot[5:6] or dot
    in_a_line = 40 if plain == "训" else 80
    rows = [line.replace(" ", "") for line in session.lines]
    whole, rest = divmod(100, in_a_line)
    assert rows[: whole + 1] == [plain * in_a_line] * whole + [plain * rest]
    assert rows[whole + 1].startswith("dots")
    assert rows[whole + 2 :] == ["end"]


@pytest.mark.parametrize("renderer", ["rich", "tqdm"])
def test_bars_of_tqdm_within_do_not_let_others_flicker(sessions: Start, renderer: str) -> None:
    code = """
import time, kbar
from tqdm import tqdm
for j in kbar.track(range(2), label="outer"):
    for i in tqdm(range(40), desc="inner"):
        time.sleep(0.03)
"""
    session = sessions(code, env={"KBAR_RENDERER": renderer})
    session.wait_for(lambda: "outer" in session.text and "inner" in session.text)
    seen = []
    for _ in range(100):
        session.read(0.01)
        seen.append("outer" in session.text)
    assert sum(seen) > 95
    assert session.end() == 0
    assert [line.split(" ")[0] for line in session.lines] == ["inner:", "inner:", "outer"]


@pytest.mark.parametrize("renderer", ["rich", "tqdm", "log"])
def test_strict_options_of_python_find_nothing(renderer: str) -> None:
    code = """
import sys, time, kbar
for i in kbar.track(range(10), label="run"):
    time.sleep(0.01)
    print("begun", end=" ", flush=True)
    print(i, file=sys.stderr)
    sys.stdout.buffer.write(memoryview(b"bytes\\n"))
"""
    options = ["-X", "dev", "-W", "error", "-bb"]
    ended = subprocess.run(
        [sys.executable, *options, "-c", code],
        check=False,
        capture_output=True,
        text=True,
        env={"KBAR_RENDERER": renderer},
    )
    assert (ended.returncode, ended.stderr) == (0, "".join(f"{i}\n" for i in range(10)))


def test_lines_of_a_log_do_not_break_a_line_that_is_begun() -> None:
    code = """
import time, kbar
for i in kbar.track(range(30), label="run", renderer="log", throttle=kbar.every(steps=5)):
    print("loading ...", end="", flush=True); time.sleep(0.03); print(" ok")
"""
    ended = subprocess.run([sys.executable, "-u", "-c", code], check=False, capture_output=True, text=True)
    lines = ended.stdout.splitlines()
    assert lines.count("loading ... ok") == 30
    assert all(line == "loading ... ok" or " run " in line for line in lines), ended.stdout


HUNT = """
import faulthandler, logging, os, random, signal, sys, threading, time
faulthandler.dump_traceback_later(60, exit=True)
import kbar
logging.basicConfig(level=logging.INFO)

class Boom(Exception):
    pass

def printing():
    print("print", random.random()); time.sleep(0.001)

def dots():
    print(".", end="", flush=True); time.sleep(0.003)

def logs():
    logging.info("log"); time.sleep(0.002)

def runs():
    with kbar.loop(2, label="run") as loop:
        for epoch in loop.epochs():
            for i in epoch.steps(range(random.randrange(20))):
                time.sleep(0.001)
                if random.random() < 0.02:
                    raise Boom

def nested():
    for i in kbar.track(range(3), label="outer"):
        for j in kbar.track(range(10), label="inner"):
            time.sleep(0.001)

def forks():
    child = os.fork()
    if not child:
        for i in kbar.track(range(3), label="child"):
            pass
        os._exit(0)
    os.waitpid(child, 0)
    time.sleep(0.02)

def pauses():
    with kbar.pause():
        time.sleep(0.003)
    time.sleep(0.02)

def handler(*_):
    os.write(1, b"handler\\n")
    for i in kbar.track(range(2), label="in a handler"):
        pass
    global inside
    if inside and random.random() < 0.3:
        inside = False
        raise Boom

def again(call):
    while time.monotonic() < until:
        try:
            call()
        except Boom:
            pass

for _ in range(3):  # what is imported meanwhile is not to be interrupted
    nested(), forks(), pauses()
until, inside = time.monotonic() + 5, False
calls = (printing, printing, dots, logs, runs, nested, forks, pauses)
threads = [threading.Thread(target=again, args=(call,)) for call in calls]
for thread in threads:
    thread.start()
signal.signal(signal.SIGALRM, handler)
signal.setitimer(signal.ITIMER_REAL, 0.02, 0.02)
while time.monotonic() < until:
    try:
        inside = True
        random.choice((runs, nested))()
        inside = False
    except Boom:
        pass
signal.setitimer(signal.ITIMER_REAL, 0)
for thread in threads:
    thread.join()
print("all is well")
"""


@pytest.mark.parametrize("renderer", ["rich", "tqdm", "log"])
def test_threads_forks_and_signal_handlers_do_not_wait_for_each_other_for_ever(sessions: Start, renderer: str) -> None:
    session = sessions(HUNT, env={"KBAR_RENDERER": renderer}, size=(200, 60))
    assert session.end() == 0, session.text
    assert "all is well" in session.text
