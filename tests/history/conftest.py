"""Fixtures of the tests of logs that are read back."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The log of a run."""
    return tmp_path / "run.jsonl"
