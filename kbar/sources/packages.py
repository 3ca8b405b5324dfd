"""The packages that are Keras: `keras`, which is Keras 3 or an old Keras 2, and `tf_keras`, which is Keras 2."""

from __future__ import annotations

import contextlib
import importlib
import re
import sys
from types import FrameType
from typing import Any

from ..system.warnings import warn

_NAMES = ("keras", "tf_keras")


def loaded() -> list[Any]:
    """Those that are imported. A process may use both, each for models of its own."""
    modules = (sys.modules.get(name) for name in _NAMES)
    return [module for module in modules if hasattr(getattr(module, "callbacks", None), "Callback")]


def load() -> None:
    """Import the first one that is installed, if none is imported yet.

    Raises:
        ImportError: if none is installed, or the backend of Keras is missing.
    """
    errors: list[ImportError] = []
    for name in _NAMES if not loaded() else ():
        try:
            importlib.import_module(name)
            return
        except ImportError as error:
            errors.append(error)
    if errors:
        raise ImportError(
            "kbar.ProgressBar is a Keras callback and Keras is missing: pip install 'keras-kbar[tensorflow]', "
            "or keras with the backend of your choice, or tf_keras"
        ) from errors[0]


def progress_bars() -> list[Any]:
    """The progress bar class of each package that is imported."""
    return [getattr(package.callbacks, "ProgbarLogger", package.callbacks.Callback) for package in loaded()]


def join(bar: type) -> None:
    """Make `bar` a subclass of the progress bar of each package that is imported.

    A Keras adds a bar of its own to callbacks that have none, unless ``verbose=0``; and a program may import its second
    Keras when it has used `bar` already.
    """
    missing = [other for other in progress_bars() if not issubclass(bar, other)]
    if missing:
        with contextlib.suppress(TypeError):  # a subclass of `bar` has bases that do not go with it
            bar.__bases__ = (*bar.__bases__, *missing)


def is_keras(frame: FrameType) -> bool:
    """Whether the function that runs in `frame` is Keras's."""
    return _package(frame) in _NAMES


def names_first(frame: FrameType) -> bool:
    """Whether the Keras that runs in `frame` gives batch hooks the index of the first step of an execution.

    Keras 3.0 to 3.10 do; Keras 2 and Keras 3.11 on give that of its last step.
    """
    version = re.match(r"(\d+)\.(\d+)", str(getattr(sys.modules.get(_package(frame)), "__version__", "")))
    return version is not None and (3, 0) <= (int(version[1]), int(version[2])) < (3, 11)


def differs(frame: FrameType, what: str) -> None:
    """Warn that the Keras that runs in `frame` is built in a way that is not known here; `what` says how."""
    name = _package(frame)
    version = getattr(sys.modules.get(name), "__version__", "of an unknown version")
    warn(
        f"{name} {version} has {what}, which this version of kbar relies on. Bars go on, but the end of a run that "
        "fails may be shown late, and totals and sample rates may be missing. A newer kbar may know this Keras."
    )


def _package(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__")).partition(".")[0]
