"""Real fits, whose callbacks print, call Keras again, fail and are tried again."""

from __future__ import annotations

import re
import threading
import time
from typing import Any

import pytest

import kbar
from kbar.testing import VirtualTerminal

from .conftest import BARS, Trials

keras = pytest.importorskip("keras", reason="these are runs of Keras")
np = pytest.importorskip("numpy")

pytestmark = pytest.mark.slow

FIRST = """
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import keras, numpy as np
x = np.ones((400, 2), "float32")
model = keras.Sequential([keras.layers.Input((2,)), keras.layers.Dense(1)])
model.compile("sgd", "mse")
class Calls(keras.callbacks.Callback):
    def __init__(self, call): self.call = call
    def on_epoch_end(self, epoch, logs=None): self.call(epoch)
def fit(*callbacks, epochs=3, **more):
    return model.fit(x, x[:, :1], batch_size=4, epochs=epochs, verbose=0, callbacks=[*callbacks, kbar.ProgressBar()], **more)
"""


def lines(trials: Trials, renderer: str, then: str, code: int = 0) -> list[str]:
    """What a terminal shows after a training of another kind, and these fits."""
    ended = trials.on_a_terminal("pass", renderer, first=FIRST, then=then, size=(140, 60))
    assert ended.code == code, ended.text
    return ended.text.splitlines()


@pytest.mark.parametrize("renderer", BARS)
def test_kerass_own_messages_go_above_the_bars(trials: Trials, renderer: str) -> None:
    then = f"""
fit(keras.callbacks.ModelCheckpoint({str(trials.result.parent / "m.keras")!r}, verbose=1),
    keras.callbacks.ReduceLROnPlateau("loss", patience=1, min_delta=9, verbose=1),
    keras.callbacks.EarlyStopping("loss", patience=3, min_delta=9, verbose=1), epochs=6)
"""
    shown = lines(trials, renderer, then)
    for number in (1, 2, 3, 4):
        assert any(line.startswith(f"Epoch {number}: saving model to ") for line in shown), shown
    assert any(line.startswith("Epoch 2: ReduceLROnPlateau reducing learning rate") for line in shown)
    assert any(line.startswith("Epoch 4: early stopping") for line in shown)
    assert "stopped at 4/6" in shown[-1]


@pytest.mark.parametrize("renderer", BARS)
def test_evaluate_within_a_fit_leaves_the_bars_above(trials: Trials, renderer: str) -> None:
    then = """
bar = kbar.ProgressBar()
fit(Calls(lambda epoch: (model.evaluate(x, x[:, :1], verbose=0, callbacks=[bar]), model.predict(x, verbose=0, callbacks=[kbar.ProgressBar()]))))
"""
    shown = lines(trials, renderer, then)
    assert [line.split("  ")[0] for line in shown[-4:]] == ["epoch 1/3", "epoch 2/3", "epoch 3/3", "fit"]


@pytest.mark.parametrize("trouble", ["1 / 0", "os.kill(os.getpid(), signal.SIGINT) or time.sleep(1)", "sys.exit(3)"])
@pytest.mark.parametrize("renderer", BARS)
def test_a_fit_that_fails_is_followed_by_one_that_draws(trials: Trials, renderer: str, trouble: str) -> None:
    then = f"""
try: fit(Calls(lambda epoch: epoch == 1 and ({trouble})))
except BaseException as error: print("caught", type(error).__name__)
time.sleep(1)
assert sys.stdout is sys.__stdout__ and not [t for t in threading.enumerate() if t.name == "kbar"]
fit()
"""
    shown = lines(trials, renderer, then)
    caught = next(i for i, line in enumerate(shown) if line.startswith("caught "))
    assert any("at 2/3" in line for line in shown[:caught]), "the second epoch was done, and it ends before the print"
    assert [line.split("  ")[0] for line in shown[-4:]] == ["epoch 1/3", "epoch 2/3", "epoch 3/3", "fit"]
    assert "100%" in shown[-1]


PRUNED = """
class Pruned(Exception): pass
class Prunes(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None): {raises}
def objective(trial):
    fit(Prunes(), epochs=4, validation_data=(x[:40], x[:40, :1]))
for trial in range(3):
    {run}
    print("after trial", trial)
"""
# As people write it, as scikit-learn does, and as Optuna does, which keeps the exception while it prints.
CATCHES = {
    "in the handler": "try: objective(trial)\n    except BaseException as error: print('pruned', trial)",
    "after the handler": "with contextlib.suppress(BaseException): objective(trial)\n    print('pruned', trial)",
    "kept": "try: objective(trial)\n    except BaseException as error: kept = error\n    print('pruned', trial)",
}


@pytest.mark.parametrize("catch", CATCHES)
@pytest.mark.parametrize("raises", ["raise Pruned", "raise KeyboardInterrupt"])
@pytest.mark.parametrize("renderer", [*BARS, "log"])
def test_trials_that_are_pruned_end_before_what_is_printed_next(
    trials: Trials, renderer: str, raises: str, catch: str
) -> None:
    """Each with the line of the epoch that was done, and counted."""
    shown = lines(trials, renderer, PRUNED.format(raises=raises, run=CATCHES[catch]))
    found = [
        re.search(r"epoch 1/4 (?!train|validation)|(failed|interrupted) at 1/4|pruned \d|after trial \d", line)
        for line in shown
    ]
    texts = [re.sub("failed|interrupted", "left", match[0].strip()) for match in found if match]
    one = ["epoch 1/4", "left at 1/4", "pruned {}", "after trial {}"]
    assert texts == [line.format(trial) for trial in range(3) for line in one], "\n".join(shown)


@pytest.mark.parametrize("renderer", BARS)
def test_an_epochs_line_comes_before_what_the_next_epochs_callbacks_print(trials: Trials, renderer: str) -> None:
    shown = lines(trials, renderer, "fit(keras.callbacks.LearningRateScheduler(lambda epoch: 0.1, verbose=1))")
    order = [line.split("  ")[0].split(":")[0] for line in shown if line.lower().startswith("epoch ")]
    assert order[-6:] == ["Epoch 1", "epoch 1/3", "Epoch 2", "epoch 2/3", "Epoch 3", "epoch 3/3"], "\n".join(shown)


def test_closing_the_output_in_a_fit(trials: Trials, renderer: str) -> None:
    shown = trials.on_a_terminal(
        "pass", renderer, first=FIRST, then="fit(Calls(lambda epoch: epoch == 0 and sys.stdout.close())); sys.exit(7)"
    )
    assert shown.code == 7


def test_fifty_interrupted_fits_leave_no_thread() -> None:
    model = keras.Sequential([keras.layers.Input((2,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    x = np.ones((40, 2), "float32")

    class Interrupts(keras.callbacks.Callback):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            if batch == 3:
                raise KeyboardInterrupt

    for _ in range(50):
        bar = kbar.ProgressBar(kbar.RichRenderer(VirtualTerminal(60, 10)))
        with pytest.raises(KeyboardInterrupt):
            model.fit(x, x[:, :1], batch_size=4, verbose=0, callbacks=[Interrupts(), bar])
    until = time.monotonic() + 2
    while any(thread.name == "kbar" for thread in threading.enumerate()) and time.monotonic() < until:
        time.sleep(0.01)
    assert not [thread for thread in threading.enumerate() if thread.name == "kbar"]


def test_making_a_bar_does_nothing(trials: Trials) -> None:
    """No output, no thread, no import of what draws, no file; streams are looked up when a run begins."""
    first = """
import keras
before, threads = set(sys.modules), threading.active_count()
import kbar
bar = kbar.ProgressBar(["auto", kbar.JsonLinesRenderer("never.jsonl")], log_file="never.log")
new = {name.split(".")[0] for name in set(sys.modules) - before}
assert not new & {"rich", "tqdm"} and threading.active_count() == threads, new
assert not os.path.exists("never.log")
sys.exit(0)
"""
    ended = trials.on_a_terminal("pass", "rich", first=first, env={"TF_CPP_MIN_LOG_LEVEL": "3"})
    assert ended.code == 0, ended.text
    assert "%" not in ended.text
