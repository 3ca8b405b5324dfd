"""Objects that are copied, metrics that are odd, hooks in any order, processes that fork."""

from __future__ import annotations

import copy
import pickle
import re
import sys
import threading
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import kbar
from kbar.testing import FakeClock, RecordingRenderer, VirtualTerminal, fake_clock

from .conftest import PLAIN, Trials

keras = pytest.importorskip("keras", reason="most of these are runs of Keras")
np = pytest.importorskip("numpy")

pytestmark = pytest.mark.slow

RENDERERS: dict[str, Callable[[], Any]] = {
    "auto": lambda: "auto",
    "rich": lambda: kbar.RichRenderer(file=sys.stderr),
    "tqdm": lambda: kbar.TqdmRenderer(file=sys.stderr),
    "log": lambda: [kbar.LogRenderer(sys.stderr), kbar.JsonLinesRenderer("run.jsonl")],
}
COPIES = {"copy": copy.copy, "deepcopy": copy.deepcopy, "pickle": lambda x: pickle.loads(pickle.dumps(x))}


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize("way", COPIES)
@pytest.mark.parametrize("renderer", RENDERERS)
def test_bars_can_be_copied_before_during_and_after(renderer: str, way: str, tmp_path: Any, monkeypatch: Any) -> None:
    """The copy starts anew, with the same options."""
    monkeypatch.chdir(tmp_path)
    copied: list[kbar.ProgressBar] = []

    class Copies(keras.callbacks.Callback):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            if batch == 1:
                copied.append(COPIES[way](bar))

    bar = kbar.ProgressBar(RENDERERS[renderer](), throttle=kbar.every(seconds=1), log_file="train.log")
    copied.append(COPIES[way](bar))
    model = keras.Sequential([keras.layers.Input((2,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    x = np.ones((8, 2), "float32")
    model.fit(x, x[:, :1], batch_size=2, verbose=0, callbacks=[Copies(), bar])
    copied.append(COPIES[way](bar))
    for each in copied:
        model.fit(x, x[:, :1], batch_size=2, verbose=0, callbacks=[each])
    assert (tmp_path / "train.log").read_text().count("fit done 1/1") == 4


class Raises:
    def __repr__(self) -> str:
        raise RuntimeError("no text")

    __str__ = __float__ = __repr__  # type: ignore[assignment]  # none of them gives anything


class Shapeless:
    @property
    def shape(self) -> Any:
        raise ValueError("no shape")


ODD = [
    None, True, "text", "x" * 10_000, "\x1b]0;title\x07\n[bold]", b"bytes", 10**400, -(10**5000 - 1), 1e308, float("nan"), float("-inf"),
    1j, [], [1, 2], {}, {"a": 1}, np.float16(1), np.array([]), np.zeros((1, 1)), np.zeros((100, 100)), np.datetime64("2020"),
    object(), Raises(), Shapeless(), lambda: 0, Raises, type, ..., range(3), memoryview(b"x"), threading.Lock(),
]  # fmt: skip


@pytest.mark.filterwarnings("ignore::kbar.KbarWarning")
@pytest.mark.parametrize("renderer", [kbar.RichRenderer, kbar.TqdmRenderer, kbar.LogRenderer, kbar.JsonLinesRenderer])
@pytest.mark.parametrize("value", ODD, ids=lambda v: type(v).__name__)
def test_odd_metrics_end_nothing_and_cost_no_line(renderer: Any, value: Any, clock: FakeClock) -> None:
    terminal = VirtualTerminal(100, 20)
    with kbar.stage("train", total=2, renderer=renderer(file=terminal)) as stage:
        stage.log({"odd": value, "loss": 0.5})
        stage.advance()
        clock.advance(1.0)
        stage.log({"odd": value, "loss": 0.25})
        stage.advance()
    assert "2/2" in terminal.text or '"done":2' in terminal.text.replace("\n", "")
    assert "0.25" in terminal.text
    assert not any("\x1b]" in text for text in terminal.received)


HOOKS = ["train_begin", "epoch_begin", "train_batch_begin", "train_batch_end", "epoch_end", "train_end"]
HOOKS += ["test_begin", "test_batch_begin", "test_batch_end", "test_end"]
HOOKS += ["predict_begin", "predict_batch_begin", "predict_batch_end", "predict_end"]
texts = st.text(max_size=30)
values = st.one_of(st.floats(), st.integers(), texts, st.none(), st.sampled_from(ODD))
logs = st.none() | st.dictionaries(texts, values, max_size=4)
call = st.tuples(st.sampled_from(HOOKS), st.integers(-5, 50), logs)
params = st.fixed_dictionaries(
    {}, optional={"epochs": st.none() | st.integers(-1, 5), "steps": st.none() | st.integers(-2, 60)}
)
happening = st.one_of(
    call,
    st.tuples(st.just("clock"), st.floats(-3600, 3600)),
    st.tuples(st.just("params"), params),
    st.tuples(st.just("copy"), st.sampled_from(sorted(COPIES))),
    st.tuples(st.just("print"), texts),
    st.tuples(st.just("thread"), call),
    st.tuples(st.just("fail"), st.sampled_from([OSError, ValueError, RuntimeError, None])),
)


class Fails(VirtualTerminal):
    """A terminal that fails when told to, and works again."""

    error: type[Exception] | None = None

    def write(self, text: str) -> int:
        if self.error:
            raise self.error("told to")
        return super().write(text)


def hook(bar: Any, name: str, index: int, logs: Any) -> None:
    method = getattr(bar, f"on_{name}")
    method(index, logs) if "batch" in name or "epoch" in name else method(logs)


@pytest.mark.filterwarnings("ignore::kbar.KbarWarning")
@given(st.lists(happening, max_size=30), st.sampled_from([kbar.RichRenderer, kbar.TqdmRenderer, kbar.LogRenderer]))
def test_hooks_in_any_order_under_any_clock_and_output(happenings: list[Any], renderer: Any) -> None:
    """Nothing raises, and the terminal receives nothing but what kbar means."""
    terminal = Fails(90, 20)
    before = sys.stdout
    sys.stdout = terminal  # type: ignore[assignment]  # all that is asked of it
    try:
        with fake_clock() as clock:
            bar = kbar.ProgressBar(renderer())
            for kind, *arguments in happenings:
                if kind == "clock":
                    clock.now += arguments[0]
                    clock.advance(0.1)
                elif kind == "params":
                    bar.set_params(arguments[0])
                elif kind == "copy":
                    COPIES[arguments[0]](bar)
                elif kind == "print":
                    clean = "".join(c for c in arguments[0] if c.isprintable())
                    if not terminal.error:
                        print(clean)
                elif kind == "thread":
                    thread = threading.Thread(target=hook, args=(bar, *arguments[0]))
                    thread.start()
                    thread.join()
                elif kind == "fail":
                    terminal.error = arguments[0]
                else:
                    hook(bar, kind, *arguments)
            terminal.error = None
    finally:
        sys.stdout = before
    for text in terminal.received:
        for control in {c for c in text if ord(c) < 32} - {"\n", "\r", "\x1b"}:
            pytest.fail(f"{control!r} in {text!r}")
    terminal.close()


@pytest.mark.filterwarnings("ignore::kbar.KbarWarning")
@given(texts, texts, texts, values, st.sampled_from([kbar.RichRenderer, kbar.TqdmRenderer, kbar.LogRenderer]))
def test_text_of_any_kind_is_harmless(label: str, unit: str, name: str, value: Any, renderer: Any) -> None:
    """In labels, units, names and values of metrics."""
    terminal = VirtualTerminal(90, 20)
    with (
        fake_clock() as clock,
        kbar.stage(label or "-", total=3, unit=unit or "-", renderer=renderer(file=terminal)) as stage,
    ):
        stage.log({name: value})
        stage.advance()
        clock.advance(1.0)
        stage.advance()
    received = re.sub(r"\x1b(\[[0-9;]*[mKJAB]|[78D])", "", "".join(terminal.received))
    terminal.close()
    bidirectional = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
    assert not [c for c in received if unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") and c not in "\r\n"]
    assert not [c for c in received if unicodedata.bidirectional(c) in bidirectional]


@example([(100, 0.0)] + 33 * [(5, 0.0)])
@given(st.lists(st.tuples(st.integers(0, 120), st.floats(-10, 100)), max_size=40))
def test_the_final_count_is_the_truth(steps: list[tuple[int, float]]) -> None:
    """Whatever the order and the clock: the greatest position that was told."""
    with fake_clock() as clock:
        renderer = RecordingRenderer()
        bar = kbar.ProgressBar(renderer)
        bar.set_params({"epochs": 1, "steps": 100})
        bar.on_predict_begin()
        for done, seconds in steps:
            bar.on_predict_batch_end(done - 1)
            clock.now += seconds
        bar.on_predict_end()
        (last,) = renderer.snapshots[-1].stages
        assert last.done == min(100, max([0, *(done for done, _ in steps)]))


@pytest.mark.parametrize(
    "text",
    ["[bold]x[/]", "[/]", "{x}", "%s", "\\", "[link=x]y[/link]", ":smile:", "a\x1b[2Jb", "\x9b31m", "\u202e\u2066x"],
)
@pytest.mark.parametrize("renderer", [kbar.RichRenderer, kbar.TqdmRenderer, kbar.LogRenderer])
def test_markup_and_controls_are_shown_as_harmless_text(renderer: Any, text: str, clock: FakeClock) -> None:
    terminal = VirtualTerminal(120, 20)
    with kbar.stage(text, total=1, unit=text, renderer=renderer(file=terminal)) as stage:
        stage.log({f"name{text}": text})
        stage.advance()
    received = "".join(terminal.received)
    assert "\x1b[2J" not in received
    assert "\x9b" not in received
    assert "\u202e" not in received
    assert text in terminal.text or not text.isprintable()


def test_forked_children_draw_nothing_are_not_stuck_and_print_plainly(trials: Trials, renderer: str) -> None:
    """Forks at any moment of drawing; the training draws as often as it can, with prints in between."""
    trouble = """
                    children = []
                    for n in range(60):
                        print("parent", n)
                        child = os.fork()
                        if child == 0:
                            print("child", n, type(sys.stdout).__name__, flush=True)
                            for _ in kbar.track(range(3)): pass
                            logging.warning("warned")
                            os._exit(0)
                        children.append(child)
                        time.sleep(0.003)
                    until = time.monotonic() + 10
                    for child in children:
                        while os.waitpid(child, os.WNOHANG) == (0, 0):
                            assert time.monotonic() < until, "stuck"
                            time.sleep(0.01)
"""
    ended = trials.on_a_terminal(
        trouble.strip(), renderer, options="{'throttle': kbar.every(seconds=0.01)}", size=(100, 400)
    )
    assert (ended.code, ended.steps) == (0, 99), ended.text[-3000:]
    assert ended.text.count("TextIOWrapper") == 60
    assert ended.text.count("parent ") == 60


def test_a_child_forked_while_a_metric_is_fetched_ends_at_once(trials: Trials) -> None:
    first = """
class Slow:
    shape = ()
    def item(self): time.sleep(1); return 1.0
"""
    trouble = """
                    files = set(os.listdir("/proc/self/fd"))
                    epoch.log(slow=Slow())
                    time.sleep(0.3)
                    child = os.fork()
                    if child == 0:
                        open_now = len(os.listdir("/proc/self/fd"))
                        with open(3 - 1, "w", closefd=False) as out: print("child has", len(files) - open_now, "less", file=out)
                        sys.exit(0)
                    began = time.monotonic()
                    os.waitpid(child, 0)
                    assert time.monotonic() < began + 0.6
"""
    ended = trials.on_a_terminal(trouble.strip(), "rich", first=first, options="{'log_file': os.devnull}")
    assert (ended.code, ended.steps) == (0, 99), ended.text
    assert re.search(r"child has [12] less", ended.text), ended.text


@pytest.mark.parametrize("daemon", [False, True])
def test_a_process_of_ones_own_draws(trials: Trials, renderer: str, daemon: bool) -> None:
    """Unlike a pool's worker: there is who trains in a process to have the memory back."""
    then = f"""
import multiprocessing
def train():
    for _ in kbar.track(range(3), label="child"): pass
process = multiprocessing.get_context("fork").Process(target=train, daemon={daemon})
process.start(); process.join()
"""
    ended = trials.on_a_terminal("pass", renderer, then=then)
    assert (ended.code, ended.steps) == (0, 99), ended.text
    assert any("child" in line and "3/3" in line for line in ended.text.splitlines()), ended.text


def test_data_from_workers_of_their_own_and_joblib(tmp_path: Path) -> None:
    """Keras's `PyDataset` and what tunes models: their processes neither draw nor fail to unpickle."""
    script = tmp_path / "script.py"
    script.write_text("""
import multiprocessing, os
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import keras, joblib, numpy as np
import kbar

class Data(keras.utils.PyDataset):
    def __init__(self, bar):
        super().__init__(workers=2, use_multiprocessing=True)
        self.bar = bar
    def __len__(self): return 40
    def __getitem__(self, n):
        if multiprocessing.parent_process():  # Keras also asks once for a batch before the fit
            for _ in kbar.track(range(3), label="loading"): pass
        return np.ones((2, 2), "float32"), np.ones((2, 1), "float32")

def trial(bar, units):
    model = keras.Sequential([keras.layers.Input((2,)), keras.layers.Dense(units), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    model.fit(np.ones((20, 2)), np.ones((20, 1)), batch_size=2, verbose=0, callbacks=[bar])
    return os.getpid()

if __name__ == "__main__":
    model = keras.Sequential([keras.layers.Input((2,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    bar = kbar.ProgressBar()
    model.fit(Data(bar), epochs=2, verbose=0, callbacks=[bar])
    pids = joblib.Parallel(n_jobs=2)(joblib.delayed(trial)(bar, n) for n in kbar.track([1, 2, 3, 4], label="trials"))
    print("ended", len(pids), os.getpid() in pids)
""")
    terminal = VirtualTerminal(120, 60)
    code = terminal.run([sys.executable, str(script)], lambda _: None, {**PLAIN, "KBAR_RENDERER": "rich"})
    lines = terminal.text.splitlines()
    assert (code, lines[-1]) == (0, "ended 4 False"), terminal.text
    assert "loading" not in terminal.text
    assert any("fit" in line and "2/2" in line for line in lines)
    assert not any("fit" in line and "1/1" in line for line in lines), "a worker's"
    assert any("trials" in line and "4/4" in line for line in lines)


def test_three_hundred_runs_leave_neither_threads_nor_descriptors(trials: Trials, renderer: str) -> None:
    then = """
def found(): return len(os.listdir("/proc/self/fd")), threading.active_count()
before = found()
for _ in range(300):
    with kbar.stage("train", total=1, leave="none", log_file=os.devnull) as stage: stage.advance()
time.sleep(0.5)
assert found() == before, (found(), before)
"""
    ended = trials.on_a_terminal("pass", renderer, then=then)
    assert (ended.code, ended.steps) == (0, 99), ended.text


def test_fits_in_two_threads_and_one_bar_in_both(trials: Trials, renderer: str) -> None:
    first = """
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import keras, numpy as np
def fit(bar):
    model = keras.Sequential([keras.layers.Input((2,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    x = np.ones((100, 2), "float32")
    model.fit(x, x[:, :1], batch_size=2, epochs=2, verbose=0, callbacks=[bar])
    done.append(1)
done = []
def both(*bars):
    threads = [threading.Thread(target=fit, args=(bar,)) for bar in bars]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
"""
    then = "both(kbar.ProgressBar(), kbar.ProgressBar()); bar = kbar.ProgressBar(); both(bar, bar); fit(bar); print(len(done), 'fits')"
    ended = trials.on_a_terminal("pass", renderer, first=first, then=then, size=(200, 60))
    assert ended.code == 0, ended.text
    assert "5 fits" in ended.text
    assert "Warning" not in ended.text
