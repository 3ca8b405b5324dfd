"""Calls a function as soon as a module has been imported, be that now or later."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from .replaced import Replacement
from .warnings import failure


class AfterImport:
    """Calls functions after the imports of certain modules, until it is removed.

    It imports nothing itself. For modules that are there already, the functions are called at once.

    Args:
        calls: by the name of a module, the function to call; it gets the module.
    """

    def __init__(self, calls: Mapping[str, Callable[[ModuleType], None]]) -> None:
        self._calls = calls
        sys.meta_path.insert(0, self)
        for name in calls:
            module = sys.modules.get(name)
            if module is not None and not getattr(getattr(module, "__spec__", None), "_initializing", False):
                self._call(name, module)

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        """Have the other finders find the module, and note when it has been executed; it is Python that calls this."""
        if name not in self._calls:
            return None
        for finder in [*sys.meta_path]:
            find: Any = getattr(finder, "find_spec", None)
            spec: ModuleSpec | None = find(name, path, target) if find and finder is not self else None
            if spec:
                self._follow(name, spec.loader)
                return spec
        return None

    def remove(self) -> None:
        """Call nothing any more."""
        self._calls = {}
        sys.meta_path[:] = [finder for finder in sys.meta_path if finder is not self]

    def _follow(self, name: str, loader: Any) -> None:
        if not hasattr(loader, "exec_module") or isinstance(loader, type):
            return  # there is nothing to execute, or the loader is that of all modules of its kind
        execute = loader.exec_module

        @functools.wraps(execute)
        def exec_module(module: ModuleType) -> None:
            replaced.undo()
            execute(module)
            self._call(name, module)

        replaced = Replacement(loader, "exec_module", exec_module)

    def _call(self, name: str, module: ModuleType) -> None:
        call = self._calls.get(name)
        if call is None:
            return
        try:
            call(module)
        except Exception as error:  # the import itself was all right
            failure(f"kbar is not installed in {name}", error)
