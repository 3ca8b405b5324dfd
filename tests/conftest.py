"""What all tests share: time that is advanced, and a display of their own."""

from __future__ import annotations

import os
from collections.abc import Iterator

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import pytest
from hypothesis import HealthCheck, settings

from kbar.system import warnings
from kbar.testing import FakeClock, fake_clock

settings.register_profile("kbar", deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
settings.load_profile("kbar")


@pytest.fixture(autouse=True)
def _plain_surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    """No variable of whoever runs the tests decides what they draw; each warning is news again."""
    for name in ("KBAR_RENDERER", "NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "COLUMNS", "LINES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    warnings.forget()


@pytest.fixture
def clock() -> Iterator[FakeClock]:
    """A display that draws on this thread, at the times this clock is told."""
    with fake_clock() as clock:
        yield clock


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-screens", action="store_true", help="write the golden screens anew; then read the diff")
