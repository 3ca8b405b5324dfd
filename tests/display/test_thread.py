"""The threads that draw: one for each target, whoever starts it."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from kbar.display.thread import DrawingThread


def test_two_threads_that_start_it_at_once_start_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """And a signal handler that does so while the code it interrupts does waits for nothing."""
    made: list[threading.Thread] = []

    class Raced(threading.Thread):
        def __init__(self, **options: Any) -> None:
            made.append(self)
            if len(made) < 3:
                assert thread.start()  # at the worst moment
            super().__init__(**options)

    called: list[threading.Thread] = []
    thread = DrawingThread(lambda: called.append(threading.current_thread()))
    monkeypatch.setattr(threading, "Thread", Raced)
    assert thread.start()
    for each in made:
        each.join(10)
    assert called == made
    assert len(made) == 1
    assert not thread.start()
