"""`install`: kbar's bars for code that one cannot edit, in place of those that Keras and tqdm show by themselves."""

from __future__ import annotations

import contextlib
import copy
import importlib
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Any

from ..display.scope import innermost
from ..options import DisplayOptions, Options, options_of
from ..renderers import SCREENS, Renderer
from ..renderers.log import LogRenderer
from ..renderers.rich import RichRenderer
from ..system.environment import surface
from ..system.imports import AfterImport
from ..system.replaced import Replacement
from ..system.warnings import failure, warn
from . import arguments

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from .tqdm import TqdmBars

# Which modules may make the progress bar that Keras adds by itself, by the package whose import has imported them. The
# second of `keras` is that of Keras 2.
_MAKERS = {
    "keras": ("keras.src.callbacks.callback_list", "keras.src.callbacks"),
    "tf_keras": ("tf_keras.src.callbacks",),
}
_NAME = "ProgbarLogger"


def install(
    *,
    tqdm: bool = False,
    label: str | None = None,
    samples_per_step: arguments.PerUnit = None,
    **options: Unpack[DisplayOptions],
) -> None:
    """Show kbar's bar wherever Keras would show its own, in all code of this process.

    Each `fit`, `evaluate` and `predict` follows its ``verbose``: 1 or ``"auto"`` is the bar, 2 log lines, 0 nothing. A
    bar among the callbacks is not doubled. Keras need not be imported yet, and is not imported by this. Called again,
    it replaces the options.

    Args:
        tqdm: whether bars that libraries make with tqdm are shown as well, nested with those of Keras. Those that
            write to a file, or have a look of their own, remain as they are.
        label: what the bars of Keras are called, as `ProgressBar` takes it.
        samples_per_step: how many samples a step of Keras has, as `ProgressBar` takes it.
        options: the other options of `ProgressBar`.

    Raises:
        TypeError, ValueError, ImportError: as `ProgressBar` does.
    """
    _use(_setup(tqdm, label, samples_per_step, options))


def uninstall() -> None:
    """Restore everything that `install` has replaced; do nothing if there was no `install`."""
    _use(None)


def installed(
    *,
    tqdm: bool = False,
    label: str | None = None,
    samples_per_step: arguments.PerUnit = None,
    **options: Unpack[DisplayOptions],
) -> AbstractContextManager[None]:
    """Do what `install` does, within a `with` block; after it everything is as it was before.

    Raises:
        TypeError, ValueError, ImportError: as `install` does.
    """
    return _within(_setup(tqdm, label, samples_per_step, options))


@dataclass(frozen=True)
class _Setup:
    """What `install` was asked for.

    Attributes:
        options: how bars are shown.
        lines: the same for ``verbose=2``.
        passing: the same for bars that leave nothing on the screen.
    """

    tqdm: bool
    label: str | None
    per_step: tuple[tuple[str, float], ...] | None
    options: Options
    lines: Options
    passing: Options


def _setup(tqdm: Any, label: Any, samples_per_step: Any, given: DisplayOptions) -> _Setup:
    if not isinstance(tqdm, bool):
        raise TypeError(f"tqdm must be True or False; got {tqdm!r}")
    if tqdm:
        try:
            importlib.import_module("tqdm.std")
        except ImportError as error:
            raise ImportError("kbar.install(tqdm=True) needs tqdm: pip install tqdm") from error
    label = None if label is None else arguments.text("label", label)
    per_step = arguments.per_unit("samples_per_step", samples_per_step)
    options = options_of(given)
    lines = options_of({**given, "renderer": _as_lines(options.renderer)})
    passing = options_of({**given, "leave": "none"})
    for other in (lines, passing):
        object.__setattr__(other, "log", options.log)  # bars within one another write to the same log
    return _Setup(tqdm, label, per_step, options, lines, passing)


def _as_lines(renderer: Any) -> Any:
    """The renderers, with log lines in place of what is redrawn on the screen."""
    if isinstance(renderer, (list, tuple)):
        return [_as_lines(each) for each in renderer]
    is_name = isinstance(renderer, str)
    redraws = (renderer in SCREENS) if is_name else (renderer.screen and renderer.live)
    return "log" if redraws and renderer not in ("none", "jsonl") else renderer


_lock = threading.RLock()
_current: _Setup | None = None
_on_stderr: dict[Any, Renderer] = {}  # one for all bars on a stream, so that each of them is drawn once
_patches: _Patches | None = None


def _use(setup: _Setup | None) -> None:
    """Have everything follow `setup`; with None, restore it."""
    global _current, _patches
    with _lock:
        _current = setup
        if setup is None and _patches:
            _patches.remove()
            _patches = None
        if setup and not _patches:
            _patches = _Patches()
        if setup and _patches:
            _patches.use_tqdm(setup.tqdm)


@contextlib.contextmanager
def _within(setup: _Setup) -> Iterator[None]:
    before = _current
    _use(setup)
    try:
        yield
    finally:
        _use(before)


class _Patches:
    """All that is replaced between `install` and `uninstall`."""

    def __init__(self) -> None:
        self._replaced: list[Replacement] = []
        self._bars: TqdmBars | None = None
        self._after_import = AfterImport(dict.fromkeys(_MAKERS, self._replace_bar))

    def _replace_bar(self, package: ModuleType) -> None:
        modules = [sys.modules.get(name) for name in _MAKERS[package.__name__]]
        module = next((module for module in modules if _makes_bars(module)), None)
        if module is None:
            version = getattr(package, "__version__", "unknown")
            warn(f"kbar does not know where {package.__name__} {version} makes its bars; they remain as they are")
        else:
            original = getattr(module, _NAME)
            self._replaced.append(Replacement(module, _NAME, _DefaultBars(original, lambda: _current)))

    def use_tqdm(self, wanted: bool) -> None:
        """Show the bars of tqdm, or do so no more."""
        if self._bars and not wanted:
            self._bars.remove()
            self._bars = None
        elif wanted and not self._bars:
            from .tqdm import TqdmBars

            self._bars = TqdmBars(_options_for_tqdm)

    def remove(self) -> None:
        """Restore everything."""
        self._after_import.remove()
        self.use_tqdm(False)
        _on_stderr.clear()
        for replaced in reversed(self._replaced):
            replaced.undo()


def _options_for_tqdm(leaves: bool, stream: Any) -> Options | None:
    """How a bar is shown that tqdm would draw on `stream`; None for not at all."""
    from .tqdm import TqdmBar

    setup = _current
    if setup is None:
        return None
    options = setup.options if leaves else setup.passing
    around = innermost()
    if around and not isinstance(around.root.owner, TqdmBar):
        return options  # it is drawn where the stage around it is
    on_stdout = stream in (sys.stdout, sys.__stdout__) or surface(sys.stdout) != "plain"
    if on_stdout or options.renderer != "auto" or "KBAR_RENDERER" in os.environ:
        return options
    # What other programs read from standard output must not get lines that tqdm writes to standard error.
    kind = RichRenderer if surface(stream) == "terminal" else LogRenderer
    options = copy.copy(options)
    object.__setattr__(options, "renderer", _on_stderr.setdefault(stream, kind(file=stream)))
    return options


def _makes_bars(module: ModuleType | None) -> bool:
    """Whether a method of Keras's list of callbacks, which is defined in `module`, makes bars by their name there."""
    kind = getattr(module, "CallbackList", None)
    if module is None or not callable(getattr(module, _NAME, None)) or not isinstance(kind, type):
        return False
    codes = [getattr(value, "__code__", None) for value in vars(kind).values()]
    return kind.__module__ == module.__name__ and any(_NAME in code.co_names for code in codes if code)


class _DefaultBars:
    """Takes the place of Keras's class of bars where Keras makes one by itself: calls make a bar of kbar's.

    It is not a class, but `isinstance` knows bars by it as by the class, so that Keras adds none to one that is there.

    Args:
        original: the class, or whatever stood for it.
        setup: returns what is installed; None if nothing is any more.
    """

    def __init__(self, original: Any, setup: Callable[[], _Setup | None]) -> None:
        self._original, self._setup = original, setup

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        setup = self._setup()
        if setup is None:  # other code has kept this
            return self._original(*args, **kwargs)
        try:
            from .default_bar import DefaultBar

            bar = DefaultBar(setup.options, setup.lines, setup.label, setup.per_step)
            if isinstance(bar, self._original):
                return bar
            warn(f"kbar has no bar for models of {self._original.__module__.partition('.')[0]}, which shows its own")
        except Exception as error:
            failure("Keras shows its own bar", error)
        return self._original(*args, **kwargs)

    def __instancecheck__(self, instance: object) -> bool:
        return isinstance(instance, self._original)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self._original, name)
