"""Checks of arguments: each error names the argument, what was given and what is allowed."""

from __future__ import annotations

import math
import operator
from collections.abc import Mapping
from decimal import Decimal
from numbers import Number, Real
from typing import Any, Union

from ..core.scalars import plain
from ..system.warnings import from_signal

_MOST = 10**18


def text(name: str, value: object) -> str:
    """`value`, if it is a string."""
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a string; got {value!r}")
    return value


def count(name: str, value: Any) -> int:
    """`value` as an integer, if it is a whole number of at least 0, of any type of numbers; so is 10.0."""
    number = _whole(value)
    if number is None or number == math.inf:
        raise TypeError(f"{name} must be a whole number of at least 0; got {value!r}")
    if number < 0:
        raise ValueError(f"{name} must be a whole number of at least 0; got {value!r}")
    if number > _MOST:
        raise ValueError(f"{name} must be at most 10**18; got more")
    return int(number)


def total(name: str, value: Any) -> int | None:
    """`value` as `count` returns it; None if it is None or infinite, which is unknown."""
    return None if value is None or _whole(value) == math.inf else count(name, value)


def initial(value: Any, total: int | None) -> int:
    """`value` as `count` returns it, if it is no more than `total`."""
    number = count("initial", value)
    if total is not None and number > total:
        raise ValueError(f"initial must be at most total={total}; got {value!r}")
    return number


def known(value: Any) -> int | None:
    """`value` if it is a count; None if not, without an error."""
    try:
        return total("", value)
    except Exception as error:  # whatever it does when it is asked
        if from_signal(error):
            raise
        return None


def _whole(value: Any) -> int | float | None:
    """The whole number or infinity that a number or a scalar of any framework is; None if it is neither."""
    number: Any = plain(value) if getattr(value, "shape", None) == () else value
    if isinstance(number, bool) or not (isinstance(number, Number) or hasattr(type(number), "__index__")):
        return None
    try:
        if hasattr(type(number), "__index__"):
            return operator.index(number)
        found = int(number)
    except OverflowError:
        return math.inf if number > 0 else None
    except (TypeError, ValueError):  # an array, a complex number, not a number
        return None
    return found if number == found else None


PerUnit = Union[float, Mapping[str, float], None]
"""How many samples a step has, or how many of anything by name."""


def per_unit(name: str, value: Any) -> tuple[tuple[str, float], ...] | None:
    """What a step consists of: names and numbers, without those that are 0; None if nothing is said."""
    if value is None:
        return None
    given = dict(value) if isinstance(value, Mapping) else {"samples": value}
    parts: dict[Any, Any] = {
        part: plain(each) if getattr(each, "shape", None) == () else each for part, each in given.items()
    }
    for part, each in parts.items():
        is_number = isinstance(each, (Real, Decimal)) and not isinstance(each, bool)
        if not isinstance(part, str) or not part.strip() or not is_number:
            raise TypeError(f"{name} must be a number, or numbers by name such as {{'tokens': 4096}}; got {value!r}")
        number: Any = each  # converted later: that fails for a huge one
        if not 0 <= number <= _MOST:
            raise ValueError(f"{name} must be from 0 to 10**18; got {value!r}")
    return tuple((part, float(each)) for part, each in parts.items() if each)


def check_weight(weight: Any) -> None:
    """Raise an error if `weight` is a negative number or none; tensors are not looked into."""
    message = f"weight must be a number of at least 0; got {weight!r}"
    if isinstance(weight, str) or weight is None:
        raise TypeError(message)
    number: Any = weight
    if isinstance(weight, (Real, Decimal)) and not number >= 0:
        raise ValueError(message)


def check_iterable(iterable: object, *methods: str) -> None:
    """Raise an error if `iterable` has none of these methods, by which a loop gets its items."""
    if not any(hasattr(type(iterable), method) for method in methods):
        plainly = "" if "__aiter__" in methods else " by a plain `for`"
        raise TypeError(f"iterable must be something to loop over{plainly}; got {iterable!r}")


def length(iterable: Any, initial: int) -> int | None:
    """How many items there are, `initial` ones and those of `iterable`; None if it does not know how many it has."""
    cardinality = getattr(iterable, "cardinality", None)  # a method of tf.data's; negative if unknown
    asks = (
        lambda: len(iterable),
        lambda: cardinality() if callable(cardinality) else cardinality,
        lambda: operator.length_hint(iterable, -1),
    )
    for ask in asks:
        try:
            found = known(ask())
        except Exception as error:  # an iterable may say in any way that it has no length
            if from_signal(error):
                raise
            continue
        if found is not None:
            return initial + found
    return None
