"""Fixtures of all tests: time that is advanced, a display of their own, and what only slow tests may do."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import pytest
from hypothesis import HealthCheck, settings

from kbar.system import warnings
from kbar.testing import FakeClock, RecordingRenderer, fake_clock

from .helpers import has

# `--hypothesis-profile=thorough` looks at more examples.
for profile, max_examples in (("quick", 25), ("thorough", 150)):
    settings.register_profile(
        profile,
        max_examples=max_examples,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )
settings.load_profile("quick")


collect_ignore = [] if has("openpty") else ["faults"]  # each test there needs a pseudo-terminal, a signal or a fork


def pytest_runtest_setup(item: pytest.Item) -> None:
    for mark in item.iter_markers("needs"):
        for name in mark.args:
            if not has(name):
                pytest.skip(f"there is no {name} on this system")


@pytest.fixture(autouse=True)
def _plain_surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make drawing independent of the environment of whoever runs the tests, and each warning news again."""
    own, others = ("KBAR_RENDERER", "KBAR_DISABLE"), ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "COLUMNS", "LINES")
    for name in (*own, "TQDM_DISABLE", *others):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    warnings.begin_run()


@pytest.fixture(autouse=True)
def _slow_means_slow(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let only tests that are marked slow start processes or sleep."""
    if request.node.get_closest_marker("slow"):
        return

    def only_for_others(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **options: Any) -> Any:
            caller = sys._getframe(1)
            while caller.f_globals["__name__"] == "subprocess" and caller.f_back:
                caller = caller.f_back
            if caller.f_globals["__name__"].startswith(("tests.", "kbar.testing")):
                pytest.fail(f"a test that calls {function.__qualname__} is to be marked slow")
            return function(*args, **options)

        return call

    monkeypatch.setattr(subprocess.Popen, "__init__", only_for_others(subprocess.Popen.__init__))
    if hasattr(os, "fork"):
        monkeypatch.setattr(os, "fork", only_for_others(os.fork))
    monkeypatch.setattr(time, "sleep", only_for_others(time.sleep))


@pytest.fixture
def clock() -> Iterator[FakeClock]:
    """A display that draws on this thread, at the times that this clock is told."""
    with fake_clock() as clock:
        yield clock


@pytest.fixture
def renderer() -> RecordingRenderer:
    """A renderer that remembers what it was given to draw."""
    return RecordingRenderer()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-screens", action="store_true", help="write the golden screens anew; then read the diff")
