"""Numbers whose width does not change all the time, and lines that fit."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kbar.core.names import distinct
from kbar.core.settings import Settings
from kbar.core.snapshot import StageView
from kbar.core.text import (
    clean,
    count,
    duration,
    known_throughput,
    metric_texts,
    number,
    percentage,
    rate,
    speed,
    throughputs,
    took,
)
from kbar.system.cells import cells


def view(**changes: Any) -> StageView:
    """A stage in mid-run."""
    facts: dict[str, Any] = {
        "key": 1, "depth": 0, "label": "train", "title": "epoch 3", "path": "fit epoch 3/10 train", "unit": "step",
        "phase": True, "done": 315, "total": 500, "seen": 5.0, "elapsed": 61.0, "rate": 312.4, "remaining": 0.6,
        "run_remaining": 90.0, "metrics": (("loss", 0.123456), ("accuracy", 0.9512)), "outcome": None,
    }  # fmt: skip
    return StageView(**{**facts, **changes})


class _Broken:
    def __repr__(self) -> str:
        raise RuntimeError("no text for you")


class _BrokenShape:
    @property
    def shape(self) -> tuple[int, ...]:
        raise RuntimeError("no shape for you")

    def __str__(self) -> str:
        return "shapeless"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.5, "0.5000"), (0.123456, "0.1235"), (-0.5, "-0.5000"), (1.0, "1.0000"), (9.99996, "10.000"),
        (12.3456, "12.346"), (123.456, "123.46"), (1234.56, "1234.6"), (12345.6, "12346"), (99999.6, "1.00e+05"),
        (123456.0, "1.23e+05"), (0.001, "0.0010"), (0.00099, "9.90e-04"), (1e-30, "1.00e-30"), (0.0, "0.0000"),
        (math.nan, "nan"), (math.inf, "inf"), (-math.inf, "-inf"),
        (7, "7"), (-123456789, "-123456789"), (10**12, "1.00e+12"), (-(10**400), "-1.00e+400"), (True, "True"),
        (None, "None"), ("a word", "a word"), ([1, 2], "[1, 2]"), ((0.5, 1, 1e-9), "[0.5000, 1, 1.00e-09]"),
        ([1, 2, 3, 4, 5], "[1, 2, 3, 4, 5]"), ([1, "a"], "[1, 'a']"), ([0.25], "0.2500"), ([], "[]"),
        (_Broken(), "<_Broken>"), (_BrokenShape(), "shapeless"), (1 + 2j, "(1+2j)"), (object, "<class 'object'>"),
        ("\x1b[31mred\n", "[31mred"), ("x" * 100, "x" * 12 + "…" + "x" * 11), (b"bytes", "b'bytes'"),
    ],
)  # fmt: skip
def test_a_value_as_text(value: object, text: str) -> None:
    assert number(value) == text


def test_an_array_is_shown_as_its_number_or_its_shape() -> None:
    np = pytest.importorskip("numpy")
    one = [np.float32(0.25), np.int64(3), np.array(0.5), np.array([0.5]), np.bool_(True)]
    assert [number(value) for value in one] == ["0.2500", "3", "0.5000", "0.5000", "True"]
    assert [number(value) for value in (np.zeros((3, 4)), np.zeros(0))] == ["[3×4]", "[0]"]


def test_a_tensor_is_shown_as_its_number() -> None:
    tf = pytest.importorskip("tensorflow")
    assert number(tf.constant(0.25)) == "0.2500"
    assert number(tf.constant(3)) == "3"
    assert number(tf.zeros((2, 3))) == "[2×3]"


@given(st.floats(0.001, 9999.9), st.floats(0.001, 9999.9))
def test_numbers_of_ordinary_size_are_equally_long(a: float, b: float) -> None:
    assert len(number(a)) == len(number(b)) == 6


@given(st.floats(allow_infinity=True, allow_nan=True).filter(lambda v: not 1e300 < abs(v) < math.inf))
def test_a_number_reads_back_as_what_it_was(value: float) -> None:
    shown = float(number(value))
    assert (
        math.isnan(value)
        if math.isnan(shown)
        else shown == value or math.isclose(shown, value, rel_tol=0.051, abs_tol=1e-310)
    )


@given(st.text())
def test_clean_text_is_harmless_and_short(text: str) -> None:
    shown = clean(text)
    assert len(shown) <= 80
    assert shown.isprintable() or all(c.isprintable() or ord(c) > 0x7F for c in shown)
    assert not any(c in shown for c in "\x1b\r\n\t\b\x00\x7f\x9b\u202e\u2066\u2028")
    shown.encode("utf-8")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, "-:--"), (math.nan, "-:--"), (math.inf, "-:--"), (-1, "0:00"), (0, "0:00"), (59.9, "0:59"), (60, "1:00"),
     (3599, "59:59"), (3600, "1:00:00"), (86399, "23:59:59"), (86400, "1d 00:00:00"), (360061, "4d 04:01:01")],
)  # fmt: skip
def test_a_duration_as_text(seconds: float | None, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.42, "0.42s"), (0.999, "1.0s"), (4.23, "4.2s"), (9.96, "10s"), (42.3, "42s"), (59.6, "0:59"), (61, "1:01"),
     (93784, "1d 02:03:04")],
)  # fmt: skip
def test_seconds_taken_as_text(seconds: float, text: str) -> None:
    assert took(seconds) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, ""), (0.0, ""), (math.inf, ""), (312.4, "312 step/s"), (9.996, "10.0 step/s"), (1.0, "1.00 step/s"),
     (0.5, "2.00 s/step"), (1 / 59, "59.0 s/step"), (1 / 60, "1:00/step"), (1 / 7200, "2:00:00/step"),
     (1 / 129600, "1d 12h/step"), (1e-5, "1d 4h/step"), (12345.0, "12.3k step/s"), (999.6, "1.00k step/s"),
     (2e9, "2.00G step/s")],
)  # fmt: skip
def test_a_rate_as_text(value: float | None, text: str) -> None:
    assert rate(value, "step") == text


@pytest.mark.parametrize(
    ("done", "total", "outcome", "shown", "percent"),
    [
        (315, 500, None, "315/500", "63%"), (5, 500, None, "  5/500", "1%"), (499, 500, None, "499/500", "99%"),
        (99_999, 999_999, None, " 99999/999999", "9%"), (500, 500, "done", "500/500", "100%"),
        (3, 10, "stopped", "stopped at 3/10", "30%"), (3, 10, "interrupted", "interrupted at 3/10", "30%"),
        (3, None, "error", "failed at 3/?", ""), (3, None, None, "3/?", ""), (0, 0, None, "0/0", "100%"),
    ],
)  # fmt: skip
def test_count_and_percentage_as_text(done: int, total: int | None, outcome: Any, shown: str, percent: str) -> None:
    at = view(done=done, total=total, outcome=outcome)
    assert count(at) == shown
    assert percentage(at) == percent


@pytest.mark.parametrize(
    ("patterns", "chosen"),
    [
        (None, ["loss", "val_loss", "accuracy", "val_accuracy"]),
        (["accuracy"], ["accuracy"]),
        (["val_*", "loss"], ["val_accuracy", "val_loss", "loss"]),
        (["nothing"], []),
    ],
)
def test_metrics_are_chosen_and_ordered_by_patterns(patterns: list[str] | None, chosen: list[str]) -> None:
    metrics = {"accuracy": 1, "loss": 2, "val_accuracy": 3, "val_loss": 4}
    settings = Settings() if patterns is None else Settings(tuple(patterns))
    assert [name for name, _ in settings.pick(metrics)] == chosen
    assert settings.pick(None) == ()


@pytest.mark.parametrize(
    ("done", "total", "unit", "shown"),
    [
        (1_234_567, 3_456_789, "step", " 1.2M/3.4M"), (999_999, 1_000_000, "step", " 999k/1.0M"),
        (0, 3_400_000, "it", "    0/3.4M"), (999, 3_400_000, "it", "  999/3.4M"),
        (1_000, 3_400_000, "it", " 1.0k/3.4M"),
        (99_990, 3_400_000, "it", "99.9k/3.4M"), (12_345_678, 123_456_789, "token", "12.3M/123M"),
        (3_400_000, 3_400_000, "it", " 3.4M/3.4M"), (2_000_000, None, "it", "2.0M/?"),
        (999_999, None, "it", "999999/?"),
        (10**18, 10**18, "it", " 1.0E/1.0E"),
        (1_600_000_000, 3_200_000_000, "B", "1.6/3.2 GB"), (0, 3_200_000_000, "B", "0.0/3.2 GB"),
        (3_199_999_999, 3_200_000_000, "B", "3.1/3.2 GB"), (5_000, 900_000, "B", "  5.0/900.0 kB"),
        (5, 900, "B", "  5/900 B"), (1_500, None, "B", "1.5/? kB"), (0, None, "B", "0/? B"),
    ],
)  # fmt: skip
def test_large_counts_and_bytes_are_short_and_never_too_high(
    done: int, total: int | None, unit: str, shown: str
) -> None:
    at = view(done=done, total=total, unit=unit)
    assert count(at) == shown
    assert count(at, exact=True).lstrip() == f"{done}/{'?' if total is None else total}"
    assert count(replace(at, outcome="error")) == f"failed at {shown.lstrip()}"


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [(312.4, "step", "312 step/s"), (3_120_000.0, "B", "3.12 MB/s"), (312.0, "B", "312 B/s"), (None, "B", ""),
     (1.6e9, "B", "1.60 GB/s")],
)  # fmt: skip
def test_the_rate_of_bytes_has_the_prefix_at_the_unit(value: float | None, unit: str, text: str) -> None:
    assert speed(view(rate=value, unit=unit)) == text


def test_what_goes_through_a_stage_in_a_second() -> None:
    at = view(rate=312.4, per_unit=(("samples", 32), ("tokens", 65_536)), batch=64)
    assert throughputs(at) == ["10.0k samples/s", "20.5M tokens/s"]
    assert known_throughput(at) == ""
    assert known_throughput(view(rate=0.01, batch=64)) == "0.64 samples/s"
    assert throughputs(replace(at, rate=None)) == []
    assert known_throughput(view()) == ""


@pytest.mark.parametrize(
    ("value", "form", "text"),
    [
        (0.9512, ".1%", "95.1%"), (0.000123, ".2e", "1.23e-04"), (12.7, "d", "13"), (7, ".1f", "7.0"), (7, ",d", "7"),
        (math.nan, ".1%", "nan"), (math.inf, "d", "inf"), (10**400, ".2e", "1.00e+400"), (True, ".1%", "True"),
        ("text", ".1%", "text"), ((0.5, 0.25), ".0%", "[50%, 25%]"), (0.5, "8.2f", "0.50"),
    ],
)  # fmt: skip
def test_a_value_in_a_format(value: object, form: str, text: str) -> None:
    assert number(value, form) == text


def test_names_and_formats_of_metrics() -> None:
    """By name or pattern, the first that matches; of what metrics are called by the program or shown as."""
    at = view(
        metrics=(("lr", 0.001), ("head_accuracy", 0.95), ("a[0]", 0.5), ("loss", 0.25)),
        names=(("head_accuracy", "cls acc"), ("a[0]", "zero")),
        formats=(("lr", ".2e"), ("*acc*", ".1%"), ("zero", ".2f"), ("a[0]", ".3f"), ("*", ".5f")),
    )
    assert metric_texts(at) == ["lr=1.00e-03", "cls acc=95.0%", "zero=0.50", "loss=0.25000"]


LONG = (
    "val_segmentation_head_output_sparse_categorical_accuracy",
    "val_segmentation_head_output_sparse_categorical_crossentropy",
)


@pytest.mark.parametrize("width", [*range(1, 62)])
def test_names_that_differ_still_do_when_they_are_cut(width: int) -> None:
    cut = distinct(LONG, width)
    assert len({*cut}) == 2 or width < 2
    assert all(cells(name) <= width for name in cut)
    assert cut == LONG or width < 60


@pytest.mark.parametrize(
    ("names", "width", "cut"),
    [
        (("loss", "val_loss"), 8, ("loss", "val_loss")),
        (("a" * 20 + "1" + "b" * 20, "a" * 20 + "2" + "b" * 20), 24, ("a" * 20 + "1…bb", "a" * 20 + "2…bb")),
        (("a" * 20 + "1" + "b" * 20, "a" * 20 + "2" + "b" * 20), 10, ("aaaaa…bb#1", "aaaaa…bb#2")),
        (("a_long_name", "a_long_name"), 7, ("a_l…ame", "a_l…ame")),
        (("训练训练训练", "训练验证训练"), 9, ("训练…训练", "训练…训练")),
        (("กี่กี่กี่กี่กี่",), 3, ("กี่…กี่",)),
    ],
)
def test_how_names_are_cut(names: tuple[str, ...], width: int, cut: tuple[str, ...]) -> None:
    found = distinct(names, width)
    assert all(cells(name) <= width for name in found)
    if names[0] != "训练训练训练":
        assert found == cut


@given(st.lists(st.text(max_size=30).map(clean), min_size=1, max_size=6), st.integers(0, 30))
def test_cut_names_fit(names: list[str], width: int) -> None:
    assert all(cells(name) <= width for name in distinct(tuple(names), width))


def test_a_long_text_is_cut_in_the_middle() -> None:
    assert clean("fold " * 100 + "the end", 20) == "fold fold …the end"[:10] + "…d the end"
