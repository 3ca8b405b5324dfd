"""Checks of arguments: each error names the argument, what was given and what is allowed."""

from __future__ import annotations

import operator
from numbers import Real
from typing import Any

from ..system.warnings import from_signal

_MOST = 10**18


def text(name: str, value: object) -> str:
    """`value`, if it is a string."""
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a string; got {value!r}")
    return value


def count(name: str, value: Any) -> int:
    """`value` as an integer, if it is a whole number of at least 0."""
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise TypeError(f"{name} must be a whole number of at least 0; got {value!r}")
    number = operator.index(value)
    if number < 0:
        raise ValueError(f"{name} must be a whole number of at least 0; got {value!r}")
    if number > _MOST:
        raise ValueError(f"{name} must be at most 10**18; got more")
    return number


def total(name: str, value: Any) -> int | None:
    """`value` as `count` returns it, or None."""
    return None if value is None else count(name, value)


def check_weight(weight: Any) -> None:
    """Raise an error if `weight` is a negative number or none; tensors are not looked into."""
    message = f"weight must be a number of at least 0; got {weight!r}"
    if isinstance(weight, str) or weight is None:
        raise TypeError(message)
    if isinstance(weight, Real) and not float(weight) >= 0:
        raise ValueError(message)


def check_iterable(iterable: object, *methods: str) -> None:
    """Raise an error if `iterable` has none of these methods, by which a loop gets its items."""
    if isinstance(iterable, type) or not any(hasattr(type(iterable), method) for method in methods):
        plainly = "" if "__aiter__" in methods else " by a plain `for`"
        raise TypeError(f"iterable must be something to loop over{plainly}; got {iterable!r}")


def length(iterable: Any) -> int | None:
    """How many items there are; None if `iterable` does not know."""
    cardinality = getattr(iterable, "cardinality", None)  # a method of tf.data's; negative if unknown
    asks = (
        lambda: len(iterable),
        lambda: cardinality() if callable(cardinality) else cardinality,
        lambda: operator.length_hint(iterable, -1),
    )
    for ask in asks:
        try:
            found = int(ask())  # type: ignore[arg-type]  # whatever it is
        except Exception as error:  # an iterable may say in any way that it has no length
            if from_signal(error):
                raise
            continue
        if 0 <= found <= _MOST:
            return found
    return None
