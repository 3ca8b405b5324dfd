"""Even, honest progress bars for Keras training and for loops you write yourself."""

from __future__ import annotations

TYPE_CHECKING = False  # type checkers know the name; importing typing would cost more than all else here
if TYPE_CHECKING:
    from typing import Any

    from .callback import ProgressBar
    from .renderers import NullRenderer, Renderer
    from .renderers.log import LogRenderer
    from .renderers.rich import RichRenderer
    from .renderers.tqdm import TqdmRenderer
    from .report import KbarWarning
    from .snapshot import Event, Message, Snapshot, StageView
    from .throttle import Throttle, Tick, always, every, never

    __version__: str

# Loaded on first use: importing kbar imports nothing but this file.
_HOMES = {
    "ProgressBar": "callback",
    "NullRenderer": "renderers",
    "Renderer": "renderers",
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

__all__ = [
    "Event",
    "KbarWarning",
    "LogRenderer",
    "Message",
    "NullRenderer",
    "ProgressBar",
    "Renderer",
    "RichRenderer",
    "Snapshot",
    "StageView",
    "Throttle",
    "Tick",
    "TqdmRenderer",
    "always",
    "every",
    "never",
]


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
    return sorted({*globals(), *__all__})
