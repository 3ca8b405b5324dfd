"""Runs of a log as a page."""

from __future__ import annotations

from pathlib import Path

import pytest

import kbar
from kbar.__main__ import main
from kbar.testing import FakeClock


def test_a_page_has_each_run_with_its_epochs(tmp_path: Path, clock: FakeClock) -> None:
    log, page = tmp_path / "run.jsonl", tmp_path / "run.html"
    for label in ("first <run>", "second"):
        with kbar.loop(epochs=3, label=label, renderer="none", log_file=log) as loop:
            for epoch in loop.epochs():
                for n in epoch.steps(range(2)):
                    clock.advance(0.1)
                    epoch.log(loss=1 / (1 + n + epoch.index))
    assert main(["show", str(log), "--html", str(page)]) == 0
    text = page.read_text()
    assert text.startswith("<!DOCTYPE html>")
    assert "first &lt;run&gt;" in text
    assert text.count("epoch 3/3") == 2
    assert text.count("<svg") == 2
    assert "http" not in text


def test_a_log_without_runs_makes_no_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log, page = tmp_path / "run.jsonl", tmp_path / "run.html"
    log.write_text("")
    assert main(["show", str(log), "--html", str(page)]) == 1
    assert not page.exists()
    assert "there is no run in it" in capsys.readouterr().err
