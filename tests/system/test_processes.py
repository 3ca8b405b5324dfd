"""Whether processes exist, which on Windows `os.kill` must not be asked."""

from __future__ import annotations

import ctypes
import os
from types import SimpleNamespace

import pytest

from kbar.system.processes import exists


def test_processes_of_this_system_exist_or_not() -> None:
    assert exists(os.getpid())
    assert exists(1)
    assert not exists(2**22 + 1)
    assert exists(2**80)


@pytest.mark.parametrize(
    ("handle", "error", "waited", "expected"),
    [(7, 0, 0x102, True), (7, 0, 0, False), (0, 5, 0, True), (0, 87, 0, False)],
    ids=["runs", "has ended, but somebody has it open", "another user's", "no such process"],
)
def test_on_windows_no_signal_is_sent(
    handle: int, error: int, waited: int, expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed: list[int] = []
    kernel = SimpleNamespace(
        OpenProcess=lambda access, inherit, pid: handle,
        WaitForSingleObject=lambda handle, seconds: waited,
        CloseHandle=closed.append,
    )
    monkeypatch.setattr(ctypes, "WinDLL", lambda name, use_last_error: kernel, raising=False)
    monkeypatch.setattr(ctypes, "get_last_error", lambda: error, raising=False)
    monkeypatch.setattr(os, "kill", lambda *_: pytest.fail("this ends the process"))
    monkeypatch.setattr(os, "name", "nt")
    found, odd = exists(4), exists(2**53)
    monkeypatch.undo()  # pytest's own code asks for the system's name
    assert (found, odd) == (expected, True)
    assert closed == [handle] * bool(handle)
