"""Even, honest progress bars for Keras training."""

from __future__ import annotations

TYPE_CHECKING = False  # type checkers know the name; importing typing would cost more than all else here
if TYPE_CHECKING:
    from typing import Any

    from .callback import ProgressBar as ProgressBar
    from .loops import loop as loop
    from .loops import stage as stage
    from .loops import track as track
    from .renderers import NullRenderer as NullRenderer
    from .renderers import Renderer as Renderer
    from .renderers.jsonl import JsonLinesRenderer as JsonLinesRenderer
    from .renderers.log import LogRenderer as LogRenderer
    from .renderers.rich import RichRenderer as RichRenderer
    from .renderers.tqdm import TqdmRenderer as TqdmRenderer
    from .report import KbarWarning as KbarWarning
    from .snapshot import Event as Event
    from .snapshot import Message as Message
    from .snapshot import Snapshot as Snapshot
    from .snapshot import StageView as StageView
    from .throttle import Throttle as Throttle
    from .throttle import Tick as Tick
    from .throttle import always as always
    from .throttle import every as every
    from .throttle import never as never

    __version__: str

# Loaded on first use: importing kbar imports nothing but this file.
_HOMES = {
    "ProgressBar": "callback",
    "loop": "loops",
    "stage": "loops",
    "track": "loops",
    "NullRenderer": "renderers",
    "Renderer": "renderers",
    "JsonLinesRenderer": "renderers.jsonl",
    "LogRenderer": "renderers.log",
    "RichRenderer": "renderers.rich",
    "TqdmRenderer": "renderers.tqdm",
    "KbarWarning": "report",
    "Event": "snapshot",
    "Message": "snapshot",
    "Snapshot": "snapshot",
    "StageView": "snapshot",
    "Throttle": "throttle",
    "Tick": "throttle",
    "always": "throttle",
    "every": "throttle",
    "never": "throttle",
}

__all__ = [*_HOMES]  # type checkers have the imports above


def __getattr__(name: str) -> Any:
    if name not in _HOMES and name != "__version__":
        raise AttributeError(f"module 'kbar' has no attribute {name!r}")
    import importlib
    import importlib.metadata

    if name == "__version__":
        return importlib.metadata.version("keras-kbar")
    value = getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*__all__, *(name for name in globals() if name.startswith("__"))])
