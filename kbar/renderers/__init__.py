"""How a run looks: the renderers by name, each loaded when it is first needed."""

from __future__ import annotations

import functools
import importlib
import importlib.metadata
import importlib.util
import os
import sys
from typing import Any, NamedTuple

from ..system.environment import Surface, surface
from ..system.ray import driver_shows_bars, in_worker
from ..system.warnings import warn
from .base import NullRenderer, Renderer

__all__ = ["NullRenderer", "Renderer", "check", "create", "for_file", "names"]


class _BuiltIn(NamedTuple):
    """A renderer of kbar's own: where its class is, and the library it draws with. All draw on the screen."""

    module: str
    name: str
    library: str | None = None


_BUILT_IN = {
    "rich": _BuiltIn("kbar.renderers.rich", "RichRenderer", "rich"),
    "tqdm": _BuiltIn("kbar.renderers.tqdm", "TqdmRenderer", "tqdm"),
    "log": _BuiltIn("kbar.renderers.log", "LogRenderer"),
    "jsonl": _BuiltIn("kbar.renderers.jsonl", "JsonLinesRenderer"),
    "html": _BuiltIn("kbar.renderers.html", "HtmlRenderer"),
    "none": _BuiltIn("kbar.renderers.base", "NullRenderer"),
}
SCREENS = ("auto", *_BUILT_IN)
"""The names of renderers that draw on the screen."""

_GROUP = "kbar.renderers"
_VARIABLE = "KBAR_RENDERER"


def names() -> list[str]:
    """The names of all renderers, those of installed plug-ins included."""
    plugins = importlib.metadata.entry_points(group=_GROUP)
    return ["auto", *_BUILT_IN, *sorted(p.name for p in plugins)]


def check(name: str) -> None:
    """Make sure that the renderer can be created later, without importing the library it draws with.

    Raises:
        ValueError: if there is no such renderer, here or in `KBAR_RENDERER`.
        ImportError: if the library it draws with is missing.
    """
    given = repr(name) if name != "auto" else f"{_VARIABLE}={_resolved(name)}"
    name = _resolved(name)
    if name not in SCREENS and name not in names():
        raise ValueError(f"renderer must be one of {', '.join(map(repr, names()))} or a Renderer; got {given}")
    library = _BUILT_IN[name].library if name in _BUILT_IN else None
    if library and importlib.util.find_spec(library) is None:
        raise ImportError(f"the {name!r} renderer draws with {library}, which is missing: pip install {library}")


def create(name: str) -> Renderer:
    """A new renderer. ``auto`` is what `KBAR_RENDERER` says, or else what suits this process and `sys.stdout`."""
    check(name)  # once more, as KBAR_RENDERER may have changed
    name = _resolved(name)
    if name == "auto" and in_worker() and driver_shows_bars():
        try:
            from .ray import RayRenderer

            return RayRenderer()
        except Exception as error:
            _note(f"log lines are written, as Ray cannot be asked for bars: {type(error).__name__}: {error}")
    name = _suited(name, surface(sys.stdout))
    renderer = _class(name)()
    if not isinstance(renderer, Renderer):
        raise TypeError(f"the renderer {name!r} is a {type(renderer).__name__}, not a kbar.Renderer")
    return renderer


def _suited(name: str, place: Surface) -> str:
    """The renderer to use in place of `name`, since not all can draw in a notebook, and HTML only there."""
    chosen = {"terminal": "rich", "notebook": "html", "plain": "log"}[place]
    if name == "auto" or (name == "rich" and place == "notebook"):  # rich would swallow what others print there
        return chosen
    if name == "html" and place != "notebook":
        _note(f"there is no notebook for the 'html' renderer: {chosen!r} is used")
        return chosen
    if name == "tqdm" and place == "notebook" and importlib.util.find_spec("ipywidgets") is None:
        _note("tqdm draws with ipywidgets in a notebook, which is missing: 'html' is used")
        return chosen
    return name


@functools.cache
def _note(text: str) -> None:
    """Warn once in a process: it holds for all runs."""
    warn(text)


def for_file(path: str | os.PathLike[str]) -> Renderer:
    """A new renderer that appends lines to a file: JSON if its name ends in ``.jsonl``, else plain text.

    Raises:
        OSError, TypeError, ValueError: as these renderers do.
    """
    renderer: Renderer = _class("jsonl" if str(path).endswith((".jsonl", ".ndjson")) else "log")(path)
    return renderer


def _resolved(name: str) -> str:
    """`name`, or what the environment says instead of ``auto``."""
    return os.environ.get(_VARIABLE) or name if name == "auto" else name


def _class(name: str) -> Any:
    if name in _BUILT_IN:
        found = _BUILT_IN[name]
        return getattr(importlib.import_module(found.module), found.name)
    (plugin, *_) = importlib.metadata.entry_points(group=_GROUP, name=name)
    return plugin.load()
