"""A run as HTML."""

from __future__ import annotations

import re
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from kbar.core.snapshot import Metrics, Outcome, StageView
from kbar.renderers.page import Results, document, html

VIEW = StageView(
    key=1, depth=0, label="fit", title="fit", path="fit", unit="epoch", phase=False, done=3, total=10, seen=12.3,
    elapsed=12.3, rate=0.5, remaining=20.0, run_remaining=20.0, metrics=(), outcome=None,
)  # fmt: skip


def results(epochs: int, *names: str) -> Results:
    found = Results("fit", "epoch")
    for n in range(epochs):
        metrics: Metrics = tuple((name, 1 / (n + 1 + len(name))) for name in names)
        found.add(replace(VIEW, title=f"epoch {n + 1}/{epochs}", metrics=metrics, outcome="done", done=10, elapsed=1.0))
    return found


def body(page: str) -> str:
    """The page without its style."""
    return re.sub("<style>.*?</style>", "", page)


def test_a_bar_says_what_a_terminal_says() -> None:
    view = replace(VIEW, metrics=(("loss", 0.25),), note="a note")
    shown = body(html([view], [], over=False))
    for text in ("fit", "30%", "3/10", "2.00 s/epoch", "0:12 eta 0:20", "loss", "0.2500", "a note", "width:30%"):
        assert text in shown


def test_metrics_have_the_names_and_formats_that_the_user_gave_them() -> None:
    view = replace(
        VIEW,
        metrics=(("classification_head_accuracy", 0.25), ("lr", 3e-4), ("w", [0.25, 0.75])),
        names=(("classification_head_accuracy", "cls acc"),),
        formats=(("*acc*", ".1%"), ("lr", ".1e")),
        per_unit=(("tokens", 65_536.0),),
    )
    found = Results("fit", "epoch")
    for n in range(2):
        found.add(replace(view, title=f"epoch {n + 1}/2", outcome="done", done=10))
    shown = body(html([view], [found], over=True))
    assert "classification_head" not in shown
    for text in (
        "cls acc",
        "25.0%",
        "3.0e-04",
        "[0.2500, 0.7500]",
        "32.8k tokens/s",
        "<th>cls acc</th><th>lr</th><th>w</th>",
    ):
        assert text in shown
    assert "<th>cls acc</th><th>lr</th><th>w</th>" in shown
    assert shown.count("25.0% → 25.0%, best 25.0%") == 1


def test_an_epoch_whose_data_ran_out_early_says_how_far_it_got() -> None:
    found = Results("fit", "epoch")
    found.add(replace(VIEW, title="epoch 1/2", outcome="done", done=2))
    assert "epoch 1/2 <em>2/10</em>" in body(html([], [found], over=True))


def test_results_of_what_is_over_within_the_run_are_folded_at_its_end() -> None:
    outer, first, second = results(2, "loss"), results(3, "loss"), results(4, "loss")
    first.title, first.depth, first.is_over = "fold 1/2 fit", 1, True
    second.title, second.depth = "fold 2/2 fit", 1
    live = body(html([VIEW], [first, second, outer], over=False))
    assert "epoch 1/3" not in live
    assert live.index("epoch 1/2") < live.index("epoch 1/4")
    second.is_over = True
    final = body(html([VIEW], [first, second, outer], over=True))
    assert re.findall("<summary>(.*?)</summary>", final) == ["fold 1/2 fit: 3 epochs", "fold 2/2 fit: 4 epochs"]
    assert final.index("epoch 1/2") < final.index("<details>")
    assert "epoch 1/3" in final


def test_values_that_no_picture_can_show_end_nothing() -> None:
    found = Results("fit", "epoch")
    for value in (10**400, -1e308, 1e308, True, float("inf")):
        found.add(replace(VIEW, metrics=(("odd", value), (f"only {value}"[:20], 1.0)), outcome="done", done=10))
    shown = body(html([VIEW], [found], over=True))
    assert "nan" not in shown
    assert "<svg" in shown


def test_names_without_end_take_a_limited_space() -> None:
    found = Results("fit", "epoch")
    for n in range(500):
        found.add(replace(VIEW, metrics=((f"loss_{n}", 1.0),)))
    assert len(found.metrics) == len(found.texts) == 100


def test_outcomes_are_said_and_coloured() -> None:
    words: dict[Outcome, str] = {"stopped": "stopped at", "interrupted": "interrupted at", "error": "failed at"}
    for outcome, word in words.items():
        shown = body(html([replace(VIEW, outcome=outcome)], [], over=True))
        assert f"<em>{word} 3/10</em>" in shown
        assert f'class="{outcome}"' in shown
        assert "eta" not in shown


def test_clocks_change_together_once_a_second() -> None:
    """So that nothing is sent in between where nothing else changes."""
    inner = replace(VIEW, key=2, depth=1, elapsed=3.9, remaining=7.4)
    shown = []
    for tenths in range(50):
        passed = tenths / 10
        stages = [
            replace(view, elapsed=view.elapsed + passed, remaining=(view.remaining or 0) - passed, seen=passed)
            for view in (VIEW, inner)
        ]
        shown.append(html(stages, [], over=False))
    assert len({*shown}) <= 6


def test_the_best_values_are_bold_whichever_way_is_better() -> None:
    found = Results("fit", "epoch")
    for loss, accuracy in ((0.3, 0.5), (0.1, 0.9), (0.2, 0.7)):
        found.add(replace(VIEW, metrics=(("dice_loss", loss), ("accuracy", accuracy))))
    shown = body(html([], [found], over=True))
    assert re.findall("<b>([0-9.]+)</b>", shown) == ["0.1000", "0.9000"]


def test_while_a_run_goes_on_the_latest_rows_are_shown_and_at_the_end_all_folded() -> None:
    found = results(100, "loss", "val_loss")
    running, over = (body(html([VIEW], [found], over=over)) for over in (False, True))
    assert re.findall(r"epoch (\d+)/100", running) == [str(n) for n in range(89, 101)]
    assert len(re.findall(r"epoch (\d+)/100", over)) == 100
    assert "<details><summary>100 epochs</summary>" in over
    assert running.count("<svg") == over.count("<svg") == 1, "validation is drawn over the training"


def test_messages_stay_small_and_so_does_the_end() -> None:
    found = results(100, *(f"{kind}{name}" for name in ("loss", "accuracy", "auc") for kind in ("", "val_")))
    many = results(1000, *(f"metric_{n}" for n in range(60)))
    assert len(html([VIEW] * 200, [found], over=False)) < 20_000
    assert len(html([VIEW], [many], over=False)) < 20_000
    assert len(html([VIEW], [found], over=True)) < 25_000


def test_a_metric_that_comes_late_or_is_no_number_has_its_place() -> None:
    found = Results("fit", "epoch")
    for n in range(3):
        metrics: Metrics = (("loss", float("nan")), ("text", "x"), *((("late", 0.5 + n),) if n else ()))
        found.add(replace(VIEW, metrics=metrics))
    shown = body(html([], [found], over=True))
    assert [row.count("<td") for row in shown.split("<tr>")[2:]] == [5, 5, 5]
    assert "0.5000" not in shown
    assert "1.5000" in shown


@given(st.text(max_size=30), st.text(max_size=30))
def test_no_text_of_the_users_is_markup(title: str, name: str) -> None:
    evil = f"<script>{title}\"'&"
    view = replace(VIEW, title=evil, unit=evil, note=evil, metrics=((f"<{name}>", evil),))
    found = Results(evil, evil)
    found.add(view)
    found.add(view)
    page = document(evil, [html([view], [found], over=True)])
    assert "<script" not in page
    tags = {tag.split()[0] for tag in re.findall("<([a-zA-Z][^<>]*)", page)}
    assert tags <= {
        *("html", "head", "meta", "title", "style", "body", "div", "table", "tr", "td", "th", "i", "b", "em", "span"),
        *("svg", "polyline"),
    }
