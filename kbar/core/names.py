"""Names cut to a width, such that those that differ still differ."""

from __future__ import annotations

import functools

from ..system.cells import cells


@functools.lru_cache(100)  # a screen has the same titles again and again
def distinct(names: tuple[str, ...], width: int) -> tuple[str, ...]:
    """Return these names in at most `width` columns each, cut in the middle or wherever different ones stay different.

    Where that is impossible, they are numbered.
    """
    middle = width // 2
    for head in sorted(range(max(1, width)), key=lambda at: abs(at - middle)):
        cut = tuple(_cut(name, head, width) for name in names)
        if len({*cut}) == len({*names}):
            return cut
    numbers = {name: f"#{i}" for i, name in enumerate(dict.fromkeys(names), 1)}
    return tuple(_cut(_cut(name, middle, width - len(numbers[name])) + numbers[name], 0, width) for name in names)


def _cut(name: str, head: int, width: int) -> str:
    """Return `name` in at most `width` columns, of which `head` are its beginning and the others its end."""
    if cells(name) <= width:
        return name
    if width < 1:
        return ""
    start = 0
    while cells(name[: start + 1]) <= head:
        start += 1
    while start < len(name) and not cells(name[start]):  # marks above or below the last character
        start += 1
    end = len(name)
    while end > start and cells(name[end - 1 :]) < width - cells(name[:start]):
        end -= 1
    while end < len(name) and not cells(name[end]):  # marks of a character that is cut off
        end += 1
    return f"{name[:start]}…{name[end:]}"
