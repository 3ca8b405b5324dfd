"""Whether processes exist, which on Windows `os.kill` must not be asked."""

from __future__ import annotations

import os

from kbar.system.portable import process_exists


def test_processes_of_this_system_exist_or_not() -> None:
    assert process_exists(os.getpid())
    assert not process_exists(2**22 + 1)
    assert process_exists(2**80)
