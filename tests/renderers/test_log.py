"""Log lines for people, as in a pipe or a file."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest

import kbar
from kbar.display.process import current
from kbar.options import Options
from kbar.testing import FakeClock

from .test_screens import begin_with, life

TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d"


def test_the_lines_of_a_run(clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """One at every tenth, at most one a second, one for each epoch, one where the run begins and where it ends."""
    stream = io.StringIO()
    begin_with(Options(kbar.LogRenderer(stream)), monkeypatch)
    for _ in life(clock):
        pass
    lines = stream.getvalue().splitlines()
    assert all(re.match(TIME + " fit ", line) for line in lines)
    assert [line[26:] for line in lines[:4]] == [
        "fit begins total=4",
        "fit epoch 1/4 train 50/500 10% loss=0.9091 accuracy=0.9000 a_long_name=123456 rate=100step/s "
        "elapsed=0:02 eta=0:05 run_eta=~0:20",
        "fit epoch 1/4 train 140/500 28% loss=0.7812 accuracy=0.9000 a_long_name=123456 rate=100step/s "
        "elapsed=0:03 eta=0:04 run_eta=~0:20",
        "fit epoch 1/4 train 240/500 48% loss=0.6757 accuracy=0.9000 a_long_name=123456 rate=100step/s "
        "elapsed=0:04 eta=0:03 run_eta=~0:20",
    ]
    epochs = [line[26:] for line in lines if re.search(r"epoch \d/4 (done|stopped)", line)]
    assert [epoch.split(" loss=")[0] for epoch in epochs] == [
        "fit epoch 1/4 done 500/500 100%",
        "fit epoch 2/4 done 500/500 100%",
        "fit epoch 3/4 stopped at 110/500 22%",
    ]
    assert "val_accuracy=0.8000 rate=70.4step/s elapsed=0:08" in epochs[0]
    assert lines[-1][26:].startswith("fit stopped at 3/4 75% loss=0.4000")


@pytest.mark.usefixtures("clock")
def test_lines_say_where_a_run_failed() -> None:
    stream = io.StringIO()
    run = current().begin("fit", unit="epoch", total=2, options=Options(kbar.LogRenderer(stream)))
    current().start_epoch(run)
    train = current().begin("train", unit="step", total=10, parent=run, phase=True)
    train.advance_to(3, current().clock(), {"loss": 0.5})
    current().end(run, "error")
    _, train_line, run_line = (line[26:] for line in stream.getvalue().splitlines())
    assert train_line.startswith("fit epoch 1/2 train failed at 3/10 30% loss=0.5000")
    assert run_line.startswith("fit failed at 0/2 0%")


@pytest.mark.usefixtures("clock")
def test_a_file_is_appended_to_line_by_line(tmp_path: Path) -> None:
    path = tmp_path / "train.log"
    path.write_text("before\n", encoding="utf-8")
    for _ in range(2):
        stage = current().begin("evaluate", unit="step", total=3, options=Options(kbar.LogRenderer(path)))
        assert path.read_text(encoding="utf-8").endswith("evaluate begins total=3\n")
        stage.advance_to(3, current().clock(), {"loss": 0.5})
        current().end(stage, "done")
    lines = path.read_text(encoding="utf-8").splitlines()
    assert lines[0] == "before"
    assert [line[26:].split(" elapsed")[0].split(" rate")[0] for line in lines[1:]] == [
        "evaluate begins total=3", "evaluate done 3/3 100% loss=0.5000",
        "evaluate begins total=3", "evaluate done 3/3 100% loss=0.5000",
    ]  # fmt: skip


@pytest.mark.usefixtures("clock")
def test_hostile_names_stay_one_line_of_printable_text() -> None:
    stream = io.StringIO()
    name = "a\nb\x1b[31m\rc\u202e\u2028[bold]"
    stage = current().begin(name, unit=name, total=2, options=Options(kbar.LogRenderer(stream)))
    stage.advance_to(1, current().clock(), {name: name})
    current().end(stage, "error")
    begins, ends = stream.getvalue().splitlines()
    assert begins.endswith("a b [31m c [bold] begins total=2")
    assert "failed at 1/2 50% a_b_[31m_c_[bold]=a_b_[31m_c_[bold]" in ends
    assert stream.getvalue().replace("\n", "").isprintable()


@pytest.mark.parametrize("value", [5, 2.5, object()])
def test_a_file_of_a_wrong_type_is_refused(value: object) -> None:
    with pytest.raises(TypeError, match="file must be a path, a text stream or None; got"):
        kbar.LogRenderer(value)  # type: ignore[arg-type]  # the mistake under test


def test_a_path_that_cannot_be_a_file_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError):
        kbar.LogRenderer(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError, match=r"file.+train\.log"):
        kbar.LogRenderer(tmp_path / "file" / "train.log")
