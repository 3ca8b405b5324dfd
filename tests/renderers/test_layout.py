"""The text of bars and of finished stages: what is left out first, and that every line fits."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kbar.core.snapshot import StageView
from kbar.core.text import clean
from kbar.renderers.layout import ended_lines, rows
from kbar.system.cells import cells

from ..core.test_text import view


def test_a_narrow_line_leaves_out_the_least_important_facts() -> None:
    """First the rate, then the elapsed time, the percentage (if all metrics fit then), metrics from the right."""
    tails = {width: rows([view()], width)[0].tail for width in range(20, 121)}
    assert tails[120] == " 63%  315/500    312 step/s  1:01 eta 0:01   loss=0.1235  accuracy=0.9512"
    order = []
    for width in range(119, 19, -1):
        for name, sign in (
            ("rate", "step/s"), ("elapsed", "1:01"), ("accuracy", "accuracy="), ("loss", "loss="),
            ("remaining", "eta 0:01"), ("percentage", "63%"), ("count", "315/500"),
        ):  # fmt: skip
            if sign in tails[width + 1] and sign not in tails[width]:
                order.append(name)
    assert order[:5] == ["rate", "elapsed", "percentage", "accuracy", "loss"]


views = st.builds(
    view,
    title=st.text(max_size=30).map(clean),
    unit=st.text(max_size=10).map(clean),
    done=st.integers(0, 10**9),
    total=st.none() | st.integers(10**9, 10**12),
    elapsed=st.floats(0, 1e7),
    rate=st.none() | st.floats(1e-9, 1e12),
    remaining=st.none() | st.floats(0, 1e9),
    metrics=st.lists(st.tuples(st.text(max_size=60), st.floats() | st.text() | st.integers())).map(tuple),
    outcome=st.sampled_from([None, "done", "stopped", "interrupted", "error"]),
)


@given(st.lists(views, max_size=4), st.integers(10, 300))
def test_every_line_fits_its_width(stages: list[StageView], width: int) -> None:
    for row in rows(stages, width):
        assert cells(row.title) + 1 + row.bar + 1 + cells(row.tail) <= width
        assert cells(row.below) <= width
    for stage in stages:
        lines = ended_lines(stage, width)
        assert 1 <= len(lines) <= 2
        assert all(cells(line) <= width for line in lines)


@given(st.lists(views, min_size=2, max_size=4), st.integers(60, 300))
def test_bars_are_aligned(stages: list[StageView], width: int) -> None:
    drawn = rows(stages, width)
    assert len({cells(row.title) for row in drawn}) == 1
    assert len({row.bar for row in drawn}) == 1


def test_a_title_of_wide_characters_is_cut_at_a_whole_one() -> None:
    assert rows([view(title="训练训练训练训练训练")], 40)[0].title == "训练…训练 "


def test_an_epochs_line_leaves_out_where_time_went_last() -> None:
    """And of that the smallest share first."""
    spent = (("first", 1.0), ("steps", 20.0), ("validation", 0.5), ("other", 9.0))
    metrics = tuple((f"metric_{i}", 0.5) for i in range(4))
    epoch = view(title="epoch 1/4", done=500, outcome="done", summary=True, spent=spent, metrics=metrics)
    assert "steps 20s  validation 0.50s  other 9.0s" in " ".join(ended_lines(epoch, 80))
    assert ended_lines(epoch, 36) == ["epoch 1/4  +4  first 1.0s  steps 20s", "           other 9.0s"]
    assert ended_lines(epoch, 24) == ["epoch 1/4  +4  steps 20s", "  other 9.0s"]
    assert "metric_0" in ended_lines(epoch, 120)[0]


def test_a_note_stands_right_behind_the_metrics() -> None:
    (row,) = rows([view(running=10.0, usual=1.0)], 140)
    assert row.tail.endswith("accuracy=0.9512  step 316 for 10s")
