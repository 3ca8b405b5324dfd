"""Files that are read while they grow."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from kbar.history.follow import Follower


@pytest.mark.parametrize(
    "rotate",
    [lambda path: path.rename(path.with_suffix(".1")), lambda path: path.unlink(), lambda path: os.truncate(path, 0)],
    ids=["moved", "deleted", "truncated"],
)
def test_a_file_is_followed_before_it_exists_and_through_rotation(path: Path, rotate: Any) -> None:
    follower = Follower(str(path))
    assert list(follower.lines()) == []
    path.write_bytes(b"one\ntw")
    assert list(follower.lines()) == [b"one"]
    with path.open("ab") as file:
        file.write(b"o\nthree\n")
        file.flush()
        assert list(follower.lines()) == [b"two", b"three"]
        file.write(b"four\n")
    rotate(path)
    if path.exists() and not path.stat().st_size:  # truncated: what was not read is lost
        list(follower.lines())
    path.write_bytes(b"5\n")
    assert list(follower.lines()) in ([b"5"], [b"four", b"5"])
    follower.close()


def test_half_a_line_is_forgotten_when_the_file_is_truncated(path: Path) -> None:
    follower = Follower(str(path))
    path.write_bytes(b"one\ntw")
    assert list(follower.lines()) == [b"one"]
    path.write_bytes(b"a\n")
    assert list(follower.lines()) == [b"a"]
    follower.close()


def test_only_the_end_of_a_long_file_is_read(path: Path) -> None:
    path.write_bytes(b"".join(b"%d\n" % i for i in range(1_000_000)))
    follower = Follower(str(path))
    lines = list(follower.lines())
    assert 30_000 < len(lines) < 40_000
    assert lines[-1] == b"999999"
    assert all(len(line) == 6 for line in lines)
    follower.close()
