"""What others print while bars are up: whole, unchanged, in order, above them."""

from __future__ import annotations

import re

import pytest

from .conftest import BARS, Trials, printed

pytestmark = [pytest.mark.slow, pytest.mark.parametrize("renderer", BARS)]


def test_prints_of_all_kinds(trials: Trials, renderer: str) -> None:
    trouble = """
                    print("line 0"); print("line", 1)
                    print("line", end=" "); print(2)
                    sys.stdout.write("line 3\\n"); sys.stdout.writelines(["line 4\\n", "line 5\\n"])
                    print("line 6", file=sys.stderr); sys.stderr.write("line 7\\n")
                    print("line 8", flush=True)
"""
    ended = trials.on_a_terminal(trouble.strip(), renderer)
    assert (ended.code, ended.steps) == (0, 99)
    assert printed(ended.text, r"line \d") == [f"line {i}" for i in range(9)]
    assert ended.text.splitlines()[-1].startswith("fit")


@pytest.mark.parametrize("when", ["before", "after"])
def test_handlers_of_logging_made_before_and_after_the_bar(trials: Trials, renderer: str, when: str) -> None:
    make = "logging.basicConfig(format='%(levelname)s %(message)s', level=logging.INFO)"
    trouble = "[logging.info('line %d', n) or time.sleep(0.01) for n in range(30)]"
    first, trouble = (make, trouble) if when == "before" else ("", f"{make}; {trouble}")
    then = "assert logging.root.handlers[0].stream is sys.__stderr__\nlogging.info('line 30')"
    ended = trials.on_a_terminal(trouble, renderer, first=first, then=then, size=(80, 60))
    assert (ended.code, ended.steps) == (0, 99), ended.text
    assert printed(ended.text, r"INFO line \d+") == [f"INFO line {i}" for i in range(31)]


def test_warnings_and_colours(trials: Trials, renderer: str) -> None:
    trouble = "warnings.warn('careful'); print('\\x1b[31mred\\x1b[0m')"
    ended = trials.on_a_terminal(trouble, renderer)
    assert "UserWarning: careful" in ended.text
    assert printed(ended.text, "red")
    assert ended.terminal
    row = next(i for i, line in enumerate(ended.terminal.screen.display) if line.startswith("red"))
    assert ended.terminal.screen.buffer[row][0].fg == "red"


def test_a_line_is_there_when_print_returns(trials: Trials, renderer: str) -> None:
    trouble = "print('at once'); os.write(2, b'late\\n')"
    ended = trials.on_a_terminal(trouble, renderer)
    lines = ended.text.splitlines()
    assert lines.index("at once") < next(i for i, line in enumerate(lines) if line.startswith("late"))


def test_native_code_is_overwritten_by_no_frame(trials: Trials, renderer: str) -> None:
    """It writes to the descriptor, past Python; the next frame is drawn below."""
    trouble = "[os.write(2, b'native line %d, which is longer than a bar is: ' % n + b'.' * 40 + b'\\n') and time.sleep(0.25) for n in range(3)]"
    ended = trials.on_a_terminal(trouble, renderer, size=(100, 40))
    assert (ended.code, ended.steps) == (0, 99)
    found = re.findall(r"native line (\d)", ended.text)
    assert found == ["0", "1", "2"]
    lines = ended.text.splitlines()
    assert lines[-1].startswith("fit")
    assert sum(line.startswith("fit ") for line in lines) == 1, ended.text


def test_a_signal_handler_that_prints_a_thousand_times_a_second(trials: Trials, renderer: str) -> None:
    first = """
count = failed = 0
def handler(*_):
    global count, failed
    count += 1
    try:
        print("signal", count)
    except RuntimeError:  # without bars too, Python refuses this if it is in the midst of a print that waits
        failed += 1
signal.signal(signal.SIGALRM, handler)
"""
    trouble = "signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)"
    then = "signal.setitimer(signal.ITIMER_REAL, 0)\nprint('in all', count, failed)"
    ended = trials.on_a_terminal(trouble, renderer, first=first, then=then, size=(80, 24))
    assert (ended.code, ended.steps) == (0, 99), ended.text[-2000:]
    assert ended.terminal
    text = "".join(ended.terminal.received).replace("\r", "")
    count, failed = (int(word) for word in printed(ended.text, r"in all \d+ \d+")[0].split()[-2:])
    assert count > 100
    # The handler is interrupted by itself, before it prints or between two pieces of a print: the order changes, and
    # the line of the inner one may stand within that of the outer one. No piece of any line is lost.
    assert count - failed <= text.count("signal") <= count
    whole, cut = re.findall(r"signal \d+\n", text), re.findall(r"signal ?\d*(?=signal)", text)
    assert len(whole) == len({*whole}) >= count - failed - len(cut)
    assert len(cut) < count / 10


def test_the_streams_are_what_they_are_without_bars(trials: Trials, renderer: str) -> None:
    first = "before = sys.stdout, sys.stdout.buffer, sys.stderr"
    trouble = """
                    assert (sys.stdout, sys.stdout.buffer, sys.stderr) == before and sys.stdout is sys.__stdout__
                    assert type(sys.stdout) is io.TextIOWrapper and sys.stdout.buffer.write(b"") == 0
                    assert sys.stdout.write("five\\n") == 5
                    assert (sys.stdout.fileno(), sys.stdout.isatty(), sys.stdout.encoding) == (1, True, sys.__stdout__.encoding)
                    assert sys.stdout.buffer is sys.__stdout__.buffer and sys.stdout.writable() and not sys.stdout.closed
                    assert sys.stdout.line_buffering and not sys.stdout.write_through
                    assert sys.stdout.errors and sys.stdout.name == "<stdout>" and sys.stdout.mode == "w"
                    with contextlib.suppress(TypeError): sys.stdout.write(b"bytes"); assert False
                    sys.stdout.flush()
"""
    ended = trials.on_a_terminal(trouble.strip(), renderer, first=first)
    assert (ended.code, ended.steps) == (0, 99), ended.text
    assert printed(ended.text, "five")


def test_what_others_draw_around_a_training_goes_on(trials: Trials, renderer: str) -> None:
    """The user's own tqdm around loops, and rich's live display."""
    first = "from tqdm import tqdm\nouter = tqdm(total=3, desc='outer', file=sys.stdout)"
    then = "outer.update(3); outer.close()\nprint('end')"
    ended = trials.on_a_terminal("outer.update(0)", renderer, first=first, then=then)
    assert (ended.code, ended.steps) == (0, 99)
    assert "outer: 100%" in ended.text
    assert ended.text.splitlines()[-1] == "end"
    first = (
        "from rich.progress import Progress\nouter = Progress()\nouter.start()\ntask = outer.add_task('outer', total=3)"
    )
    then = "outer.update(task, completed=3); outer.stop()\nprint('end')"
    ended = trials.on_a_terminal("outer.update(task, completed=1)", renderer, first=first, then=then)
    assert (ended.code, ended.steps) == (0, 99)
    assert re.search(r"outer .* 100%", ended.text)
    assert ended.text.splitlines()[-1] == "end"


def test_a_run_that_draws_late_takes_nothing_from_the_next(trials: Trials, renderer: str) -> None:
    """As after a metric that a device takes long to give."""
    first = """
import kbar
class Slow:
    shape = ()
    def item(self): time.sleep(1.5); return 1.0
with kbar.stage("late", total=2) as stage:
    stage.log(slow=Slow())
    stage.advance(2)
"""
    trouble = "[print('line', n) or time.sleep(0.2) for n in range(12)]"
    ended = trials.on_a_terminal(trouble, renderer, first=first)
    assert (ended.code, ended.steps) == (0, 99), ended.text
    assert printed(ended.text, r"line \d+") == [f"line {n}" for n in range(12)]
    assert sum(line.startswith("fit ") for line in ended.text.splitlines()) == 1, ended.text


def test_bars_on_a_stream_of_their_own_leave_prints_alone(trials: Trials, renderer: str) -> None:
    drawn = {"rich": "RichRenderer", "tqdm": "TqdmRenderer"}[renderer]
    first = f"import kbar\nbuffer = io.StringIO()\nbuffer.isatty = lambda: True\nmine = kbar.{drawn}(file=buffer)"
    then = "assert 'printed' not in buffer.getvalue() and '3/3' in buffer.getvalue()"
    ended = trials.on_a_terminal("print('printed')", renderer, first=first, then=then, options="{'renderer': mine}")
    assert (ended.code, ended.steps) == (0, 99), ended.text
    assert ended.text == "printed"


def test_the_users_own_tqdm_in_other_threads_is_left_alone(trials: Trials, renderer: str) -> None:
    first = """
from tqdm import tqdm
sys.setswitchinterval(1e-5)
def use():
    while not over:
        for bar in [tqdm(total=1, file=null) for _ in range(3)]: bar.close()
over, null = False, open(os.devnull, "w")
threads = [threading.Thread(target=use) for _ in range(2)]
failed = []
threading.excepthook = failed.append
for thread in threads: thread.start()
"""
    then = """
for _ in range(20):
    with kbar.stage("a", total=1), kbar.stage("b", total=1), kbar.stage("c", total=1): time.sleep(0.02)
over = True
for thread in threads: thread.join()
assert not failed, failed
"""
    ended = trials.on_a_terminal("pass", renderer, first=first, then=then, size=(100, 200))
    assert (ended.code, ended.steps) == (0, 99), ended.text
    assert "given up" not in ended.text


def test_another_thread_prints_while_runs_begin_and_end(trials: Trials, renderer: str) -> None:
    """None of its prints is lost or late, at whatever moment of a run's beginning or end."""
    first = """
def chatter():
    n = 0
    while not over:
        print("chatter", n)
        n += 1
        time.sleep(0.0002)
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
    ended = trials.on_a_terminal("pass", renderer, first=first, then=then, size=(60, 20_000))
    assert (ended.code, ended.steps) == (0, 99), ended.text[-2000:]
    said = int(printed(ended.text, r"said \d+")[0].split()[-1])
    assert printed(ended.text, r"chatter \d+") == [f"chatter {n}" for n in range(said)]
