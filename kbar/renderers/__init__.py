"""Owns the names of renderers: which there are, which suits the output, loaded when first asked for."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import os
import sys

from ..system.environment import surface
from .base import NullRenderer, Renderer

__all__ = ["NullRenderer", "Renderer", "check", "create", "for_file", "names"]

_BUILT_IN = {
    "rich": ("kbar.renderers.rich", "RichRenderer"),
    "tqdm": ("kbar.renderers.tqdm", "TqdmRenderer"),
    "log": ("kbar.renderers.log", "LogRenderer"),
    "jsonl": ("kbar.renderers.jsonl", "JsonLinesRenderer"),
    "none": ("kbar.renderers.base", "NullRenderer"),
}
SCREENS = ("auto", *_BUILT_IN)
"""The names that draw where a person looks."""

_GROUP = "kbar.renderers"
_VARIABLE = "KBAR_RENDERER"


def names() -> list[str]:
    """The names a renderer can be asked for by, those of installed plug-ins included."""
    plugins = importlib.metadata.entry_points(group=_GROUP)
    return ["auto", *_BUILT_IN, *sorted(p.name for p in plugins)]


def check(name: str) -> None:
    """Makes sure that `name` can be created later, without importing what it draws with.

    Raises:
        ValueError: if there is no such renderer, here or in `KBAR_RENDERER`.
        ImportError: if the library it draws with is missing.
    """
    given = repr(name) if name != "auto" else f"{_VARIABLE}={_asked_for(name)}"
    name = _asked_for(name)
    if name not in SCREENS and name not in names():
        raise ValueError(f"renderer must be one of {', '.join(map(repr, names()))} or a Renderer; got {given}")
    if name in ("rich", "tqdm") and importlib.util.find_spec(name) is None:
        raise ImportError(f"the {name!r} renderer draws with {name}, which is missing: pip install {name}")


def _asked_for(name: str) -> str:
    """`name`, or what the environment has in place of ``auto``."""
    return os.environ.get(_VARIABLE) or name if name == "auto" else name


def for_file(path: str | os.PathLike[str]) -> Renderer:
    """A new renderer of lines for the file at `path`: of JSON where its name ends so, else for people.

    Raises:
        OSError, TypeError, ValueError: as these renderers do.
    """
    name = "jsonl" if str(path).endswith((".jsonl", ".ndjson")) else "log"
    module, attribute = _BUILT_IN[name]
    renderer: Renderer = getattr(importlib.import_module(module), attribute)(path)
    return renderer


def create(name: str) -> Renderer:
    """A new renderer of this name. ``auto`` follows `KBAR_RENDERER`, else suits `sys.stdout`."""
    check(name)  # once more, as KBAR_RENDERER may have changed
    name = _asked_for(name)
    if name == "auto":
        name = {"terminal": "rich", "notebook": "tqdm", "plain": "log"}[surface(sys.stdout)]
    if name in _BUILT_IN:
        module, attribute = _BUILT_IN[name]
        renderer = getattr(importlib.import_module(module), attribute)()
    else:
        (plugin, *_) = importlib.metadata.entry_points(group=_GROUP, name=name)
        renderer = plugin.load()()
    if not isinstance(renderer, Renderer):
        raise TypeError(f"the renderer {name!r} is a {type(renderer).__name__}, not a kbar.Renderer")
    return renderer
