"""Even, honest progress bars for Keras training."""

from __future__ import annotations

TYPE_CHECKING = False  # type checkers know the name; importing typing would cost more than all else here
if TYPE_CHECKING:
    from typing import Any

    from . import tuning as tuning
    from .core.snapshot import Event as Event
    from .core.snapshot import Message as Message
    from .core.snapshot import Snapshot as Snapshot
    from .core.snapshot import StageView as StageView
    from .core.throttle import Throttle as Throttle
    from .core.throttle import Tick as Tick
    from .core.throttle import always as always
    from .core.throttle import every as every
    from .core.throttle import never as never
    from .display.process import pause as pause
    from .renderers import NullRenderer as NullRenderer
    from .renderers import Renderer as Renderer
    from .renderers.html import HtmlRenderer as HtmlRenderer
    from .renderers.jsonl import JsonLinesRenderer as JsonLinesRenderer
    from .renderers.log import LogRenderer as LogRenderer
    from .renderers.rich import RichRenderer as RichRenderer
    from .renderers.tqdm import TqdmRenderer as TqdmRenderer
    from .sources.install import install as install
    from .sources.install import installed as installed
    from .sources.install import uninstall as uninstall
    from .sources.keras import ProgressBar as ProgressBar
    from .sources.loops import Epoch as Epoch
    from .sources.loops import Loop as Loop
    from .sources.loops import loop as loop
    from .sources.stages import HandStage
    from .sources.stages import stage as stage
    from .sources.tracks import Track as Track
    from .sources.tracks import track as track
    from .system.warnings import KbarWarning as KbarWarning

    Stage = HandStage
    __version__: str

# Loaded on first use: importing kbar imports nothing but this file. Behind the module, the name there if it is another.
_HOMES = {
    "ProgressBar": "sources.keras",
    "loop": "sources.loops",
    "stage": "sources.stages",
    "Epoch": "sources.loops",
    "Loop": "sources.loops",
    "Stage": "sources.stages:HandStage",
    "Track": "sources.tracks",
    "track": "sources.tracks",
    "install": "sources.install",
    "installed": "sources.install",
    "uninstall": "sources.install",
    "pause": "display.process",
    "NullRenderer": "renderers",
    "Renderer": "renderers",
    "HtmlRenderer": "renderers.html",
    "JsonLinesRenderer": "renderers.jsonl",
    "LogRenderer": "renderers.log",
    "RichRenderer": "renderers.rich",
    "TqdmRenderer": "renderers.tqdm",
    "KbarWarning": "system.warnings",
    "Event": "core.snapshot",
    "Message": "core.snapshot",
    "Snapshot": "core.snapshot",
    "StageView": "core.snapshot",
    "Throttle": "core.throttle",
    "Tick": "core.throttle",
    "always": "core.throttle",
    "every": "core.throttle",
    "never": "core.throttle",
}

_MODULES = ("tuning",)

__all__ = [*_HOMES, *_MODULES]  # type checkers have the imports above


def __getattr__(name: str) -> Any:
    if name not in (*_HOMES, *_MODULES, "__version__"):
        raise AttributeError(f"module 'kbar' has no attribute {name!r}")
    import importlib
    import importlib.metadata

    if name in _MODULES:
        return importlib.import_module(f".{name}", __name__)
    if name == "__version__":
        return importlib.metadata.version("keras-kbar")
    module, _, other = _HOMES[name].partition(":")
    value = getattr(importlib.import_module(f".{module}", __name__), other or name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*__all__, *(name for name in globals() if name.startswith("__"))])
