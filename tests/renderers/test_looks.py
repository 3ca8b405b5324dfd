"""What a person can read of a run: names, formats, counts, rates, and what there is no space for."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import kbar
from kbar.display.process import current
from kbar.history.read import read
from kbar.system.cells import cells, without_escapes
from kbar.testing import FakeClock, RecordingRenderer, VirtualTerminal

from ..helpers import RENDERERS, lines_of

HEADS = {
    "classification_head": ("loss", "accuracy", "auc"),
    "segmentation_head": ("loss", "io_u"),
    "depth_head": ("loss", "mean_absolute_error", "root_mean_squared_error"),
}
METRICS = ["loss", *(f"{head}_{metric}" for head, metrics in HEADS.items() for metric in metrics)]
"""The metrics of a model with three outputs, without those of the validation."""

ALIKE = "val_segmentation_head_output_sparse_categorical_"
BOTH = {f"{ALIKE}accuracy": 0.5, f"{ALIKE}crossentropy": 0.25}


@pytest.fixture(params=RENDERERS)
def renderer(request: pytest.FixtureRequest) -> str:
    """The name of a renderer of bars."""
    return str(request.param)


def open_terminal(renderer: str, columns: int = 100, lines: int = 24) -> tuple[VirtualTerminal, kbar.Renderer]:
    """A terminal, and what draws on it."""
    terminal = VirtualTerminal(columns, lines)
    return terminal, RENDERERS[renderer](file=terminal)


def log_all(terminal: VirtualTerminal, draws: Any, clock: FakeClock, **options: Any) -> Iterator[list[str]]:
    """The screens in the training and the validation of an epoch that logs 18 metrics, and after it."""
    with kbar.loop(epochs=1, renderer=draws, **options) as loop:
        for epoch in loop.epochs():
            for prefix, stage in (("", "train"), ("val_", "validation")):
                for _ in epoch.steps(range(50), stage=stage):
                    epoch.log({prefix + name: 0.5 for name in METRICS})
                    clock.advance(0.1)
                    shown = lines_of(terminal)
                yield shown
    yield lines_of(terminal)


def said(text: str) -> tuple[int, int]:
    """How many metrics this text shows, and how many it says to be missing."""
    return text.count("="), sum(map(int, re.findall(r" \+(\d+)", text)))


# Metrics that fit.


@pytest.mark.parametrize("columns", [40, 80, 100, 400])
def test_what_does_not_fit_goes_below_and_what_is_missing_is_counted(
    renderer: str, columns: int, clock: FakeClock
) -> None:
    terminal, draws = open_terminal(renderer, columns)
    training, validation, end = log_all(terminal, draws, clock)
    assert sum(said("\n".join(training[1:]))) == 9
    assert sum(said("\n".join(validation[1:]))) == 18  # two bars of nine
    assert sum(said("\n".join(end[:-1]))) == 18
    assert len(training) <= 3  # two bars, one of them with a second line
    assert len(end) <= 3
    assert all(len(line) < columns for line in (*training, *validation, *end))
    if columns == 100:
        assert said("\n".join(end[:-1])) == (6, 12)
        assert end[1].startswith(" " * len("epoch 1/1  "))
        assert training[2].startswith(" " * len("validation "))
    if columns == 400:
        assert "+" not in "\n".join(training)


def test_a_window_without_space_for_second_lines_has_none(renderer: str, clock: FakeClock) -> None:
    """But each bar says what it leaves out."""
    terminal, draws = open_terminal(renderer, 100, lines=4)
    training, *_ = log_all(terminal, draws, clock)
    assert len(training) == 2
    assert sum(said(training[1])) == 9


def test_metrics_that_fit_stay_on_one_line(renderer: str, clock: FakeClock) -> None:
    terminal, draws = open_terminal(renderer, 80)
    with kbar.stage("train", total=10, unit="step", renderer=draws) as stage:
        stage.advance(5)
        stage.log(loss=0.5, accuracy=0.25)
        clock.advance(0.5)
        (line,) = lines_of(terminal)
        assert line.endswith("loss=0.5000  accuracy=0.2500")


# Names.


@pytest.mark.parametrize("columns", [40, 80, 120])
def test_long_names_differ_on_screens(renderer: str, columns: int, clock: FakeClock) -> None:
    terminal, draws = open_terminal(renderer, columns)
    with kbar.stage("x", total=2, renderer=draws) as stage:
        stage.log(BOTH)
        clock.advance(0.5)
        names = re.findall(r"([^\s=]+)=", terminal.text)
    assert len({*names}) == len(names) == (2 if columns > 40 else 1)
    assert all("…" in name and name.startswith("val_seg") for name in names)
    assert columns == 40 or [name[-4:] for name in names] == ["racy", "ropy"]


def test_long_names_are_whole_in_files(tmp_path: Path, clock: FakeClock) -> None:
    for name in ("run.log", "run.jsonl"):
        with kbar.stage("x", total=2, renderer="none", log_file=tmp_path / name) as stage:
            stage.log({**BOTH, "n" * 500 + "1": 1, "n" * 500 + "2": 2})
            stage.advance(2)
    assert f"{ALIKE}accuracy=0.5000 {ALIKE}crossentropy=0.2500 {'n' * 500}1=1 {'n' * 500}2=2 " in (
        tmp_path / "run.log"
    ).read_text(encoding="utf-8")
    last = json.loads((tmp_path / "run.jsonl").read_text(encoding="utf-8").splitlines()[-1])
    assert last["metrics"] == {**BOTH, "n" * 500 + "1": 1, "n" * 500 + "2": 2}


def test_long_labels_differ_on_screens(renderer: str, clock: FakeClock) -> None:
    terminal, draws = open_terminal(renderer, 60)
    label = "an experiment with a long name, part"
    with kbar.stage(f"{label} 1", renderer=draws), kbar.stage(f"{label} 2"):
        clock.advance(0.5)
        assert [line[:14] for line in lines_of(terminal)] == ["an expe…part 1", "an expe…part 2"]


def test_metrics_are_renamed(renderer: str, clock: FakeClock, tmp_path: Path) -> None:
    """On screens and in logs for people, but not in those for programs; others stay."""
    terminal, draws = open_terminal(renderer, 120)
    logs = [kbar.LogRenderer(tmp_path / "run.log"), kbar.JsonLinesRenderer(tmp_path / "run.jsonl")]
    names = {"classification_head_accuracy": "cls acc"}
    with kbar.stage("x", total=2, renderer=[draws, *logs], metrics=names) as stage:
        stage.advance(1)
        stage.log(zeta=1, classification_head_accuracy=0.75, loss=0.5)
        clock.advance(1.5)
        assert "loss=0.5000  cls acc=0.7500  zeta=1" in terminal.text
        stage.advance(1)
    assert "loss=0.5000 cls_acc=0.7500 zeta=1" in (tmp_path / "run.log").read_text(encoding="utf-8")
    last = json.loads((tmp_path / "run.jsonl").read_text(encoding="utf-8").splitlines()[-1])
    assert last["metrics"] == {"loss": 0.5, "classification_head_accuracy": 0.75, "zeta": 1}


def test_a_list_chooses_and_renames(clock: FakeClock) -> None:
    """Within it, stages keep the new names, also with a list of their own."""
    terminal, draws = open_terminal("rich", 120)
    chosen = ["val_*", {"accuracy": "acc"}]
    with kbar.stage("x", renderer=draws, metrics=chosen) as stage, kbar.stage("y", metrics=["accuracy"]) as inner:
        stage.log(loss=1, accuracy=2, val_loss=3)
        inner.log(loss=1, accuracy=2)
        clock.advance(0.5)
        assert [line[line.find("  val") if "val" in line else -5 :].strip() for line in lines_of(terminal)] == [
            "val_loss=3  acc=2", "acc=2",
        ]  # fmt: skip


# Formats.


@pytest.mark.parametrize("way", ["loop", "track", "stage", "fit"])
def test_formats_by_name_or_pattern(way: str, renderer: str, clock: FakeClock) -> None:
    terminal, draws = open_terminal(renderer, 120)
    values = {"lr": 0.000123, "val_accuracy": 0.9512, "loss": 0.25}
    options: Any = {"renderer": draws, "formats": {"lr": ".2e", "*acc*": ".1%"}}
    if way == "fit":
        pytest.importorskip("keras")
        bar = kbar.ProgressBar(**options)
        bar.set_params({"epochs": 1, "steps": 2})
        bar.on_train_begin()
        bar.on_epoch_begin(0)
        bar.on_train_batch_end(0, values)
        clock.advance(0.5)
    elif way == "loop":
        with kbar.loop(epochs=1, **options) as loop:
            for epoch in loop.epochs():
                for _ in epoch.steps(range(1)):
                    epoch.log(values)
                    clock.advance(0.5)
        assert terminal.text.splitlines()[0].endswith("loss=0.2500  lr=1.23e-04  val_accuracy=95.1%")
    elif way == "track":
        for _ in (tracked := kbar.track(range(1), **options)):
            tracked.log(values)
            clock.advance(0.5)
    else:
        with kbar.stage("x", **options) as stage:
            stage.log(values)
            clock.advance(0.5)
    assert "loss=0.2500  lr=1.23e-04  val_accuracy=95.1%" in terminal.text


def test_formats_hold_in_logs_for_people(tmp_path: Path, clock: FakeClock) -> None:
    formats = {"lr": ".2e", "per_class": ".0%"}
    with kbar.stage("x", total=1, renderer="none", log_file=tmp_path / "run.log", formats=formats) as stage:
        stage.log(lr=0.000123, per_class=[0.5, 0.25])
        stage.advance()
    assert " lr=1.23e-04 per_class=[50%,25%] " in (tmp_path / "run.log").read_text(encoding="utf-8")


# Vectors.


def test_a_short_vector_is_shown_by_its_values(renderer: str, clock: FakeClock, tmp_path: Path) -> None:
    np = pytest.importorskip("numpy")
    terminal, draws = open_terminal(renderer, 120)
    logs = [kbar.LogRenderer(tmp_path / "run.log"), kbar.JsonLinesRenderer(tmp_path / "run.jsonl")]
    with kbar.loop(epochs=1, renderer=[draws, *logs]) as loop:
        for epoch in loop.epochs():
            for i in epoch.steps(range(2)):
                epoch.mean(per_class=np.array([0.25, i]))
                epoch.log(four=(1, 2, 3, 4))
                clock.advance(0.5)
    assert "four=[1, 2, 3, 4]  per_class=[0.2500, 0.5000]" in terminal.text.replace(
        "per_class=[0.2500, 0.5000]  four=[1, 2, 3, 4]", "four=[1, 2, 3, 4]  per_class=[0.2500, 0.5000]"
    )
    assert " per_class=[0.2500,0.5000] " in (tmp_path / "run.log").read_text(encoding="utf-8")
    ends = [json.loads(line) for line in (tmp_path / "run.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [end["metrics"]["per_class"] for end in ends if end["stage"] == "epoch"] == [[0.25, 0.5]]


@pytest.mark.usefixtures("clock")
def test_a_longer_vector_is_shown_by_its_shape() -> None:
    np = pytest.importorskip("numpy")
    drawn = RecordingRenderer()
    with pytest.warns(kbar.KbarWarning, match="is no number"), kbar.stage("x", renderer=drawn) as stage:
        stage.log(per_class=np.zeros(5))
    assert drawn.snapshots[-1].stages[0].metrics == (("per_class", "[5]"),)


# Counts.


@pytest.mark.parametrize(
    ("unit", "done", "total", "shown"),
    [
        ("token", 1_234_567, 3_400_000, "1.2M/3.4M"), ("B", 1_600_000_000, 3_200_000_000, "1.6/3.2 GB"),
        ("step", 12_345, 50_000, "12345/50000"), ("B", 1_600_000_000, None, "1.6/? GB"),
    ],
)  # fmt: skip
def test_counts_that_people_read(
    unit: str, done: int, total: int | None, shown: str, renderer: str, clock: FakeClock, tmp_path: Path
) -> None:
    """Logs have exact counts."""
    terminal, draws = open_terminal(renderer, 100)
    log = tmp_path / "run.log"
    with kbar.stage("x", total=total, unit=unit, pacing=False, renderer=draws, log_file=log) as stage:
        stage.advance(done)
        clock.advance(0.5)
        assert shown in terminal.text
        if total:
            stage.__exit__(RuntimeError, RuntimeError(), None)
            assert f"failed at {shown}" in terminal.text
            assert f"failed at {done}/{total} " in log.read_text(encoding="utf-8")


def test_bytes_per_second(renderer: str, clock: FakeClock) -> None:
    terminal, draws = open_terminal(renderer, 100)
    with kbar.stage("download", total=10**10, unit="B", renderer=draws) as stage:
        for _ in range(50):
            stage.advance(1_000_000)
            clock.advance(0.1)
        assert "10.0 MB/s" in terminal.text


# What goes through in a second.


@pytest.mark.parametrize("way", ["steps", "track", "stage", "fit"])
def test_samples_and_tokens_per_second(way: str, renderer: str, clock: FakeClock, tmp_path: Path) -> None:
    terminal, draws = open_terminal(renderer, 120)
    options: Any = {"renderer": [draws, kbar.LogRenderer(tmp_path / "run.log")]}
    per_step = {"samples": 32, "tokens": 65_536}
    if way == "fit":
        pytest.importorskip("keras")
        bar = kbar.ProgressBar(**options, samples_per_step=per_step)
        bar.set_params({"epochs": 1, "steps": 100})
        bar.on_train_begin()
        bar.on_epoch_begin(0)
        for i in range(30):
            clock.advance(0.1)
            bar.on_train_batch_end(i, {})
            shown = terminal.text
        bar.on_epoch_end(0, {})
        bar.on_train_end()
    elif way == "steps":
        with kbar.loop(epochs=1, **options) as loop:
            for epoch in loop.epochs():
                for _ in epoch.steps(range(30), samples_per_step=per_step):
                    clock.advance(0.1)
                    shown = terminal.text
    elif way == "stage":
        with kbar.stage("work", total=100, unit="step", samples_per_step=per_step, **options) as stage:
            for _ in range(30):
                clock.advance(0.1)
                stage.advance()
                shown = terminal.text
    else:
        for _ in kbar.track(range(30), samples_per_step=per_step, **options):
            clock.advance(0.1)
            shown = terminal.text
    assert "10.0 step/s" in shown or way == "track"
    assert "320 samples/s  655k tokens/s" in shown
    assert " samples=320/s tokens=655k/s " in (tmp_path / "run.log").read_text(encoding="utf-8")
    if way in ("steps", "fit"):
        assert "320 samples/s  655k tokens/s" in lines_of(terminal)[0]


@pytest.mark.usefixtures("clock")
def test_what_a_step_has_may_be_a_number_of_any_type(tmp_path: Path) -> None:
    np = pytest.importorskip("numpy")
    for value in (32, 32.0, Decimal(32), np.int64(32), np.array(32), np.float32(32)):
        for _ in kbar.track(range(3), samples_per_step=value, renderer="none", log_file=tmp_path / "run.jsonl"):
            pass
        last = json.loads((tmp_path / "run.jsonl").read_text(encoding="utf-8").splitlines()[-1])
        assert last["per_unit"] == {"samples": 32}


def test_what_a_step_has_is_in_logs_for_programs(tmp_path: Path, clock: FakeClock) -> None:
    for _ in kbar.track(range(3), samples_per_step=32, renderer="none", log_file=tmp_path / "run.jsonl"):
        clock.advance(0.5)
    last = json.loads((tmp_path / "run.jsonl").read_text(encoding="utf-8").splitlines()[-1])
    assert last["per_unit"] == {"samples": 32}


def _say_per_step(way: str, value: Any) -> None:
    if way == "fit":
        pytest.importorskip("keras")
        kbar.ProgressBar("none", samples_per_step=value)
    elif way == "track":
        kbar.track([], samples_per_step=value)
    elif way == "stage":
        kbar.stage("work", samples_per_step=value)
    else:
        with kbar.loop(epochs=1, renderer="none") as loop:
            next(loop.epochs()).steps([], samples_per_step=value)


@pytest.mark.parametrize("way", ["steps", "track", "stage", "fit"])
@pytest.mark.usefixtures("clock")
def test_what_a_step_has_must_be_numbers(way: str) -> None:
    for value in ("32", True, {"tokens": "4"}, {5: 5}, [32], {"": 1}):
        with pytest.raises(
            TypeError, match=r"^samples_per_step must be a number, or numbers by name such as \{'tok.*got "
        ):
            _say_per_step(way, value)
    for number in (-1, float("nan"), float("inf")):
        with pytest.raises(ValueError, match=r"^samples_per_step must be from 0 to 10\*\*18; got "):
            _say_per_step(way, number)


# Zero-width marks.


@pytest.mark.parametrize("label", ["ฝึกกี่ชั้น", "ຝຶກຫັດ", "ហ្វឹកហ្វឺន", "ތަމްރީން", "训练", "e\u0301tape"])
def test_bars_are_aligned_below_marks_that_take_no_column(label: str, renderer: str, clock: FakeClock) -> None:
    terminal, draws = open_terminal(renderer, 80)
    with kbar.stage("fit", total=2, renderer=draws), kbar.stage(label, total=2) as inner:
        inner.advance(1)
        inner.log({label: 0.5})
        clock.advance(0.5)
        starts = [cells(re.split("[━╺╸|]", line)[0]) for line in lines_of(terminal)]
        assert starts == [11, 11]
        assert f"{label}{' ' * (11 - cells(label))}" in without_escapes(terminal.received[-1])


# Hidden rows.


@pytest.mark.parametrize(("lines", "seen"), [(5, 2), (8, 5), (11, 8), (12, 10), (24, 10)])
def test_hidden_bars_are_counted(renderer: str, lines: int, seen: int, clock: FakeClock) -> None:
    terminal, draws = open_terminal(renderer, 60, lines)
    stages = [current().begin(f"level {n}", total=5, options=kbar_options(draws) if not n else None) for n in range(10)]
    clock.advance(0.5)
    shown = lines_of(terminal)
    assert len(shown) == min(10, seen + 1)
    assert all(line.startswith(f"level {n} ") for n, line in enumerate(shown[:seen]))
    assert seen == 10 or shown[-1] == f"… {10 - seen} more"
    current().end(stages[0], "interrupted")
    text = "".join(terminal.received)
    assert text.count("interrupted at 0/5") >= 10  # the last state has all of them


def kbar_options(draws: kbar.Renderer) -> Any:
    """Options that draw with this renderer."""
    from kbar.options import Options

    return Options(draws)


# What is read back.


def test_vectors_and_long_names_are_read_back(tmp_path: Path, clock: FakeClock) -> None:
    metrics = {**BOTH, "per_class": (0.5, float("inf"), 1), "n" * 500: 1}
    with kbar.stage("x", renderer="none", log_file=tmp_path / "run.jsonl") as stage:
        stage.log(metrics)
        stage.advance()
    found = read((tmp_path / "run.jsonl").read_bytes().splitlines()[-1])
    assert found
    assert found.stage
    assert dict(found.stage.metrics) == metrics
