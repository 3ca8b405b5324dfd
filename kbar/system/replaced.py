"""What kbar replaces for a while: attributes and methods of objects, and the `write` of streams."""

from __future__ import annotations

import functools
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any


class Replacement:
    """Gives an object another value for an attribute.

    Args:
        owner: any object whose attributes can be set.
        name: the attribute.
        value: what takes its place.

    Attributes:
        before: the value that the object had itself; None if it had that of its class.

    Raises:
        AttributeError, TypeError: if it cannot be set.
    """

    def __init__(self, owner: Any, name: str, value: Any) -> None:
        self._owner, self._name, self._value = owner, name, value
        self.before = vars(owner).get(name)
        self._set(value)

    def undo(self) -> None:
        """Restore the attribute, unless other code has replaced it since."""
        if vars(self._owner).get(self._name) is not self._value:
            return
        before = self.before
        while isinstance(shadow := getattr(before, "__self__", None), Shadow) and not shadow.active:
            before = shadow.replaced[self._name].before  # that one was removed while this one was above it
        if before is not None:
            self._set(before)
            return
        try:
            object.__delattr__(self._owner, self._name)
        except TypeError:  # a class
            delattr(self._owner, self._name)

    def _set(self, value: Any) -> None:
        # Not by `setattr`: an object that stands for another one, as a tracker's for a stream, would pass it on.
        try:
            object.__setattr__(self._owner, self._name, value)
        except TypeError:  # a class
            setattr(self._owner, self._name, value)


class ReplacedMethod(AbstractContextManager[None]):
    """A block in which calls of a method of one object go elsewhere.

    Within another such block for the same method, only the inner one counts.

    Args:
        owner: any object whose attributes can be set.
        name: the method.
        call: is called instead, with the method as its first argument.
    """

    def __init__(self, owner: Any, name: str, call: Callable[..., Any]) -> None:
        self._owner, self._name, self._call = owner, name, call
        self._replacements: list[Replacement] = []

    def __enter__(self) -> None:
        method = getattr(self._owner, self._name)
        method = method.original if isinstance(method, _Detour) else method
        detour = _Detour(self._owner, self._name, method, self._call)
        self._replacements.append(Replacement(self._owner, self._name, detour))

    def __exit__(self, *error: object) -> None:
        self._replacements.pop().undo()


class _Detour:
    """Takes the place of a method. A copy or pickle of the object has the method of its class."""

    def __init__(self, owner: Any, name: str, original: Callable[..., Any], call: Callable[..., Any]) -> None:
        self._owner, self._name = owner, name
        self.original, self._call = original, call
        functools.update_wrapper(self, original)

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, str]]:
        return getattr, (self._owner, self._name)  # the copy has no attribute of its own by then

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._call(self.original, *args, **kwargs)


class Shadow:
    """Replaces `write` and `flush` of one stream object by methods of its own, which call the original ones.

    So it sees what is written by all who use the object, and `sys.stdout` remains the same object.

    Args:
        stream: any object whose attributes can be set.

    Attributes:
        active: False once it is removed; then calls only pass through.
        replaced: what it replaces, by name.

    Raises:
        AttributeError, TypeError: if they cannot.
    """

    def __init__(self, stream: Any) -> None:
        self.active = True
        self._write, self._flush = stream.write, getattr(stream, "flush", lambda: None)
        methods = {"write": self.write, "flush": self.flush}
        self.replaced = {name: Replacement(stream, name, method) for name, method in methods.items()}

    @staticmethod
    def is_replaced(stream: Any) -> bool:
        """Whether other code has replaced the `write` of `stream`, be it below a shadow or above."""
        write = vars(stream).get("write")
        while isinstance(shadow := getattr(write, "__self__", None), Shadow):
            write = shadow.replaced["write"].before
        return write is not None

    def write(self, data: Any) -> Any:
        """Write `data` as the stream does."""
        return self._write(data)

    def flush(self) -> None:
        """Flush as the stream does."""
        self._flush()

    def remove(self) -> None:
        """Restore `write` and `flush`; where other code has replaced them since, calls only pass through."""
        self.active = False
        for replacement in self.replaced.values():
            replacement.undo()
