"""What a notebook shows of a run, and what stays in its file."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from ..faults.session import Session
from .conftest import Outputs, displays, page, plain, printed

pytestmark = pytest.mark.slow

Run = Callable[..., list[Outputs]]

SETUP = """
import os; os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import asyncio, threading, time, kbar
from IPython.display import HTML, clear_output, display
def fit(epochs, **options):
    with kbar.loop(epochs=epochs, label="fit", **options) as loop:
        for epoch in loop.epochs():
            for n in epoch.steps(range(5)):
                epoch.log(**{name: 1 / (1 + epoch.index) for name in ("loss", "accuracy", "auc")})
            for n in epoch.steps(range(2), "validation"):
                epoch.log(**{f"val_{name}": 2 / (1 + epoch.index) for name in ("loss", "accuracy", "auc")})
"""
KERAS = """
import keras, numpy as np
model = keras.Sequential([keras.layers.Dense(1)]); model.compile("sgd", "mse")
x, y = np.zeros((40, 2)), np.zeros(40)
model.fit(x, y, epochs=3, validation_data=(x, y), verbose=0, callbacks=[kbar.ProgressBar()]);
"""


def test_a_fit_of_keras_is_one_display_with_its_epochs(run: Run) -> None:
    *_, outputs = run(SETUP, KERAS)
    text, shown = plain(outputs), page(outputs)
    assert [line.split(" rate=")[0].split(" loss=")[0] for line in text.splitlines()] == [
        *(f"fit epoch {n}/3 done 2/2 100%" for n in (1, 2, 3)),
        "fit done 3/3 100%",
    ]
    assert "<script" not in shown
    assert shown.count("<style>") == 1
    assert all(f"epoch {n}/3" in shown for n in (1, 2, 3))
    assert "val_loss" in shown
    assert "polyline" in shown


def test_a_hundred_epochs_of_six_metrics_take_less_than_50_kB(run: Run) -> None:
    _, outputs = run(SETUP, "fit(100)")
    assert len(json.dumps(outputs)) < 50_000
    assert {*displays(outputs)[0]["data"]} == {"text/html", "text/plain"}
    assert "\x1b" not in json.dumps(outputs)
    assert "fit epoch 100/100 done 5/5 100%" in plain(outputs)


@pytest.mark.parametrize("renderer", ["auto", "rich"])
def test_all_prints_are_there_in_order(run: Run, renderer: str) -> None:
    _, outputs = run(SETUP, f"for n in kbar.track(range(500), renderer={renderer!r}): print(n)")
    assert printed(outputs) == "".join(f"{n}\n" for n in range(500))
    assert "track done 500/500 100%" in plain(outputs)


@pytest.mark.parametrize(
    ("end", "text"),
    [
        ("1 / 0", "track failed at 1/3 33%"),
        ("raise KeyboardInterrupt", "track interrupted at 1/3 33%"),
        ("break", "track stopped at 1/3 33%"),
    ],
)
def test_each_end_is_said(run: Run, end: str, text: str) -> None:
    _, outputs, after = run(
        SETUP, f"for n in kbar.track(range(3)):\n    if n == 1: {end}", "for n in kbar.track([1]): pass"
    )
    assert plain(outputs).startswith(text)
    assert text.removeprefix("track ").rsplit(" ", 1)[0] in page(outputs)
    assert "track done 1/1" in plain(after)


def test_clearing_the_output_does_not_cost_the_bars(run: Run) -> None:
    code = """
with kbar.loop(epochs=3, label="fit") as loop:
    for epoch in loop.epochs():
        for n in epoch.steps(range(5)): time.sleep(0.01)
        clear_output(wait=True)
        display(HTML("plot"))
"""
    _, outputs = run(SETUP, code)
    shown = ["".join(output["data"]["text/html"]) for output in displays(outputs)]
    assert len(shown) == 2
    assert "fit" in shown[0]
    assert "3/3" in shown[0]
    assert shown[1] == "plot"


def test_a_loop_that_a_cell_left_open_does_not_take_the_bars_of_later_cells(run: Run) -> None:
    left = "items = iter(kbar.track(range(10), 'unfinished')); next(items);"
    _, first, second, third = run(SETUP, left, "for n in kbar.track(range(5), 'later'): time.sleep(0.05)", "fit(2)")
    assert "unfinished" in page(first)
    assert "0/10" in page(first)
    assert "later done 5/5" in plain(second)
    assert "unfinished" not in page(second)
    assert "fit done 2/2" in plain(third)


def test_fits_in_one_cell_and_in_threads_have_displays_of_their_own(run: Run) -> None:
    threads = """
threads = [threading.Thread(target=fit, args=(2,)) for _ in range(2)]
for thread in threads: thread.start()
for thread in threads: thread.join()
"""
    _, one, two = run(SETUP, "fit(2); fit(3)", threads)
    for outputs, ends in ((one, ["2/2", "3/3"]), (two, ["2/2", "2/2"])):
        texts = ["".join(output["data"]["text/plain"]) for output in displays(outputs)]
        assert [text.splitlines()[-1].split()[2] for text in texts] == ends


def test_folds_have_a_table_of_their_results_and_their_epochs_are_folded(run: Run) -> None:
    _, outputs = run(SETUP, "for fold in kbar.track(range(20), 'fold'): fit(3)")
    shown = page(outputs)
    assert all(shown.count(f"fold {n}/20 fit<") == 1 for n in range(1, 21))
    assert shown.count("<details><summary>fold ") == 12
    assert "<summary>fold 20/20 fit: 3 epochs</summary>" in shown
    assert shown.index("fold 1/20 fit<") < shown.index("<summary>fold ")
    assert len(shown) < 50_000


def test_stages_within_steps_of_many_epochs_do_not_pile_up(run: Run) -> None:
    code = """
for epoch in kbar.loop(epochs=30).epochs():
    for n in epoch.steps(range(3)):
        for m in epoch.steps(range(2), "validation"): epoch.log(val=m)
"""
    _, outputs = run(SETUP, code)
    assert page(outputs).count("<table") <= 16
    assert len(page(outputs)) < 50_000


def test_runs_in_threads_give_clear_output_back(run: Run) -> None:
    code = """
from IPython import get_ipython
first, second = kbar.stage("a", total=1), kbar.stage("b", total=1)
def hold(stage, begun, end):
    with stage: stage.advance(); begun.set(); end.wait()
events = [[threading.Event(), threading.Event()] for _ in range(2)]
threads = [threading.Thread(target=hold, args=(stage, *each)) for stage, each in zip((first, second), events)]
for thread, (begun, _) in zip(threads, events): thread.start(); begun.wait()
clear_output(); print("cleared")
for thread, (_, end) in zip(threads, events): end.set(); thread.join()
print("clear_output" in vars(get_ipython().display_pub))
"""
    _, outputs = run(SETUP, code)
    assert printed(outputs) == "cleared\nFalse\n"
    assert len(displays(outputs)) == 2


def test_a_loop_of_a_cell_that_awaits(run: Run) -> None:
    code = """
async def items():
    for n in range(5):
        await asyncio.sleep(0.01)
        yield n
async for n in kbar.track(items(), total=5): print(n)
"""
    _, outputs = run(SETUP, code)
    assert printed(outputs) == "0\n1\n2\n3\n4\n"
    assert "track done 5/5" in plain(outputs)


def test_nothing_of_the_users_text_is_html(run: Run) -> None:
    code = """
with kbar.stage("<script>a</script>", total=1, unit="<b>") as stage:
    stage.log(**{"<i>x</i>": "<u>y</u>"})
    stage.advance()
"""
    _, outputs = run(SETUP, code)
    shown = page(outputs)
    assert not [mark for mark in ("<script", "<b>/s", "<i>x", "<u>") if mark in shown]
    assert "&lt;script&gt;a&lt;/script&gt;" in shown


def test_a_hundred_nested_stages_are_cut(run: Run) -> None:
    code = """
import contextlib
with contextlib.ExitStack() as stack:
    for n in range(100): stack.enter_context(kbar.stage(f"stage {n}", total=1))
    time.sleep(0.5)
    1 / 0
"""
    _, outputs = run(SETUP, code)
    shown = page(outputs)
    assert "… 80 more" in shown
    assert "stage 99" in shown
    assert len(shown) < 20_000


def test_a_command_of_a_cell_writes_lines(run: Run) -> None:
    _, outputs = run(SETUP, '!python -c "import kbar; [n for n in kbar.track(range(5))]"')
    assert "track done 5/5 100%" in printed(outputs)
    assert "\x1b" not in printed(outputs)


def test_tqdm_has_one_widget_for_all_validations(run: Run) -> None:
    count = "import ipywidgets.widgets.widget as widget; print(len(widget._instances))"
    *_, outputs, models = run(SETUP, "import ipywidgets", "fit(20, renderer='tqdm')", count)
    assert 1 <= len(displays(outputs)) <= 3
    assert int(printed(models)) < 40


def test_without_ipywidgets_tqdm_becomes_html_with_one_note(run: Run) -> None:
    hide = "import sys; sys.modules['ipywidgets'] = None"
    *_, outputs = run(SETUP, hide, "fit(2, renderer='tqdm'); fit(2, renderer='tqdm')")
    assert printed(outputs).count("KbarWarning") == 1
    assert len(displays(outputs)) == 2


def test_an_interrupt_of_the_kernel_is_said() -> None:
    """As the notebook's stop button does it."""
    import queue

    from jupyter_client.manager import start_new_kernel

    manager, client = start_new_kernel()
    try:
        client.execute(SETUP + "for n in kbar.track(range(1000)): time.sleep(0.01)")
        texts = []
        while not texts or "interrupted at" not in texts[-1]:
            with contextlib.suppress(queue.Empty):
                message = client.get_iopub_msg(timeout=30)
                if message["msg_type"] in ("display_data", "update_display_data"):
                    texts.append(message["content"]["data"]["text/html"])
            if len(texts) == 3:
                manager.interrupt_kernel()
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    assert "interrupted at" in texts[-1]


def test_a_console_that_shows_text_only_gets_lines() -> None:
    program = Path(sys.executable).parent / "jupyter-console"
    if not program.exists():
        pytest.skip("there is no jupyter-console: pip install 'keras-kbar[test]'")
    session = Session(f"import os; os.execv({str(program)!r}, [{str(program)!r}])", size=(120, 40))
    session.wait_for("In [1]:")
    session.type("import kbar, time; [time.sleep(0.01) for n in kbar.track(range(20))]; print('ov' + 'er')\r")
    session.wait_for("over\n")
    assert "track done 20/20 100%" in session.text
    session.type("exit\r")
    session.end()


def test_a_notebook_that_papermill_runs_has_one_output_of_a_fit(tmp_path: Path) -> None:
    papermill = pytest.importorskip("papermill", reason="there is no papermill: pip install 'keras-kbar[notebooks]'")
    import nbformat

    cells = [nbformat.v4.new_code_cell(code) for code in (SETUP, "fit(100)", "fit(2); 1 / 0")]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "run.ipynb")
    with pytest.raises(papermill.PapermillExecutionError):
        papermill.execute_notebook(
            tmp_path / "run.ipynb", tmp_path / "ran.ipynb", kernel_name="python3", progress_bar=False
        )
    ran = nbformat.read(tmp_path / "ran.ipynb", as_version=4)
    whole, failed = (cell for cell in ran.cells if cell.get("source", "").startswith("fit("))
    assert len(json.dumps(whole.outputs)) < 50_000
    assert "fit epoch 100/100 done 5/5 100%" in plain(whole.outputs)
    assert "fit done 2/2 100%" in plain(failed.outputs)


def test_figures_and_displays_stay_where_they_are(run: Run) -> None:
    pytest.importorskip("matplotlib", reason="there is no matplotlib: pip install 'keras-kbar[notebooks]'")
    code = """
import logging, sys, warnings
import matplotlib.pyplot as plt
for n in kbar.track(range(3)):
    print("print", n)
    display(HTML(f"display {n}"))
    plt.plot([n, 1]); plt.show()
    logging.getLogger().warning("log %d", n)
    warnings.warn(f"warning {n}")
"""
    _, outputs = run("%matplotlib inline\n" + SETUP, code)
    kinds = []
    for output in outputs:
        data = output.get("data", {})
        kinds.append("figure" if "image/png" in data else "".join(data.get("text/html", output.get("text", "")))[:9])
    shown = [kind for kind in kinds if kind == "figure" or kind.startswith("display")]
    assert shown == [kind for n in range(3) for kind in (f"display {n}", "figure")]
    said = printed(outputs)
    assert all(f"{word} {n}" in said for word in ("print", "log", "warning") for n in range(3))


def test_the_example_runs(run: Run) -> None:
    example = json.loads((Path(__file__).parents[2] / "examples" / "notebook.ipynb").read_text())
    *_, outputs = run(*("".join(cell["source"]) for cell in example["cells"] if cell["cell_type"] == "code"))
    assert "fit done 5/5 100%" in plain(outputs)
