"""Shows the bars that libraries make with tqdm as stages of kbar's, after `kbar.install(tqdm=True)`."""

from __future__ import annotations

import atexit
import functools
import math
import sys
import threading
import weakref
from collections.abc import Callable
from types import FrameType, ModuleType
from typing import Any

from ..core.outcome import outcome_of
from ..core.snapshot import Outcome
from ..core.stage import Stage
from ..display.process import current
from ..options import Options
from ..system.cells import without_escapes
from ..system.imports import AfterImport
from ..system.replaced import Replacement
from ..system.warnings import harmless, warn
from .iteration import end
from .stages import end_block

_harmless = harmless("kbar missed a change of tqdm's bar")
_BAR = "_kbar_bar"  # the attribute of a tqdm bar that is shown by kbar
_FILE, _DISABLE = 4, 10  # the positions of these arguments of tqdm, without `self`


class TqdmBars:
    """Shows tqdm's bars as stages, until it is removed. Bars that run at that time go on as tqdm's.

    Bars are left alone that write to a file, have a look of their own, or are kbar's own.

    Args:
        options: how a bar is shown, by whether it leaves its last state on the screen, and by the stream that tqdm
            would draw it on; None for not at all.
    """

    def __init__(self, options: Callable[[bool, Any], Options | None]) -> None:
        from tqdm.std import tqdm

        self._options = options
        self._class: Any = tqdm
        self._displays = [tqdm.display]  # the methods that draw as tqdm itself does
        self._shown: weakref.WeakSet[Any] = weakref.WeakSet()
        self._replaced: list[Replacement] = []
        for name, make in (("__init__", self._init), ("refresh", _refresh), ("close", _close), ("reset", _reset)):
            self._replace(tqdm, name, make)
        self._after_import = AfterImport({"tqdm.notebook": self._replace_in_notebook})
        current()  # whose own function for the exit has to come after this one
        atexit.register(self._at_exit)

    def remove(self) -> None:
        """Restore everything."""
        self._after_import.remove()
        atexit.unregister(self._at_exit)
        for replaced in reversed(self._replaced):
            replaced.undo()
        for bar in list(self._shown):
            if not bar.disable:
                vars(bar).pop(_BAR).release(bar)

    def _at_exit(self) -> None:
        """Show the last state of bars that were not closed."""
        for bar in list(self._shown):
            if not bar.disable:
                vars(bar)[_BAR].update(bar, begins=False)

    def _replace(self, kind: Any, name: str, make: Callable[[Any], Any]) -> None:
        original = getattr(kind, name)
        self._replaced.append(Replacement(kind, name, functools.wraps(original)(make(original))))

    def _init(self, original: Any) -> Any:
        def init(bar: Any, *args: Any, **kwargs: Any) -> None:
            stream = self._stream(bar, args, kwargs)
            if stream is None:
                original(bar, *args, **kwargs)
                return
            if len(args) > _FILE:
                args = (*args[:_FILE], _Silent(stream), *args[_FILE + 1 :])
            else:
                kwargs["file"] = _Silent(stream)
            setattr(bar, _BAR, TqdmBar(stream, self._options))
            original(bar, *args, **kwargs)
            if bar.disable:
                delattr(bar, _BAR)
            else:
                self._shown.add(bar)

        return init

    def _stream(self, bar: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The stream that a new bar would be drawn on; None if the bar is left alone."""
        file = args[_FILE] if len(args) > _FILE else kwargs.get("file")
        disable = args[_DISABLE] if len(args) > _DISABLE else kwargs.get("disable")
        if disable or kwargs.get("gui") or type(bar).display not in self._displays:
            return None
        if self._options(True, None) is None or current().targets.own_this_thread:
            return None
        standard = (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__)
        return next((s for s in standard if s is not None and s is file), sys.stderr if file is None else None)

    def _replace_in_notebook(self, module: ModuleType) -> None:
        """Have bars that are widgets begin as those that are text do, without a widget."""
        notebook: Any = module.tqdm_notebook
        self._displays.append(notebook.display)

        def make_init(original: Any) -> Any:
            def init(bar: Any, *args: Any, **kwargs: Any) -> None:
                if self._stream(bar, args, kwargs) is None:
                    original(bar, *args, **kwargs)
                    return
                kwargs.pop("display", None)
                bar.disp = bar.display = _draw_nothing
                bar.status_printer = lambda *_, **__: _draw_nothing  # it would make a widget
                kwargs["disable"] = False  # None stands for this in notebooks
                super(notebook, bar).__init__(*args, **kwargs)

            return init

        def make_reset(original: Any) -> Any:
            def reset(bar: Any, total: Any = None) -> None:
                parent: Any = super(notebook, bar)
                (parent.reset if _BAR in vars(bar) else functools.partial(original, bar))(total=total)

            return reset

        self._replace(notebook, "__init__", make_init)
        self._replace(notebook, "reset", make_reset)


def _draw_nothing(*_: Any, **__: Any) -> bool:
    return True


class _Silent:
    """The stream of a bar that kbar shows: nothing is written, all else is as of the stream."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        return len(text)

    def flush(self) -> None:
        pass

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


# What takes the place of tqdm's methods. For bars that kbar does not show, each is the original.


def _refresh(original: Any) -> Any:
    def refresh(bar: Any, *args: Any, **kwargs: Any) -> Any:
        shown = vars(bar).get(_BAR)
        if shown is None:
            return original(bar, *args, **kwargs)
        if not bar.disable:
            shown.update(bar)
        return not bar.disable or None

    return refresh


def _close(original: Any) -> Any:
    def close(bar: Any) -> None:
        shown = vars(bar).get(_BAR)
        if shown is None or getattr(bar, "disable", True):
            original(bar)
            return
        shown.update(bar, begins=False)
        original(bar)
        shown.close(sys._getframe(1))

    return close


def _reset(original: Any) -> Any:
    def reset(bar: Any, total: Any = None) -> None:
        shown = vars(bar).get(_BAR)
        if shown is not None and not bar.disable:
            shown.update(bar, begins=False)
            shown.end()
        original(bar, total=total)

    return reset


class TqdmBar:
    """One bar of tqdm as a stage, whose owner it is.

    Args:
        stream: where tqdm would have drawn.
        options: as `TqdmBars` takes them.
    """

    def __init__(self, stream: Any, options: Callable[[bool, Any], Options | None]) -> None:
        self._stream, self._options = stream, options
        self._stage: Stage | None = None
        self._done = 0
        self._postfix: object = None
        self._outcome: Outcome | None = None
        self._handled = sys.exc_info()[1]  # what was raised before is no reason for how the bar ends
        self._lock = threading.RLock()  # several threads may update a bar

    def ended(self) -> Outcome | None:
        """How the stage ended; None before."""
        return self._outcome

    @_harmless
    def update(self, bar: Any, *, begins: bool = True) -> None:
        """Show the bar as it is now; a stage that has not begun does so only if this `begins` it."""
        with self._lock:
            done, total, unit = _counts(bar)
            stage = self._stage
            if stage and (done < self._done or (stage.outcome and done > self._done)):
                begins = True  # it was moved back, or goes on after the end of the bar around it
                self.end()
                stage = None
            if stage is None:
                if not begins:
                    return
                options = self._options(bool(bar.pos == 0 if bar.leave is None else bar.leave), self._stream)
                stage = self._begin(_label(bar), done, total, unit, options)
            if stage.total != total:
                stage.counts.total = total
            if stage.label != _label(bar):
                current().rename(stage, _label(bar))
            if bar.postfix and bar.postfix != self._postfix:
                self._postfix = bar.postfix
                stage.log(_metrics(str(bar.postfix)), current().clock(), warn)
            if done > self._done:
                self._done = done
                stage.advance_to(done, current().clock())

    def _begin(self, label: str, done: int, total: int | None, unit: str, options: Options | None) -> Stage:
        self._done, self._postfix = done, None
        initial = done if total is None else min(done, total)
        self._stage = current().begin(
            label, unit=unit, total=total, initial=initial, firm=False, options=options, owner=self
        )
        return self._stage

    @_harmless
    def end(self) -> None:
        """End the stage, which another one follows."""
        stage, self._stage = self._stage, None
        if stage and not stage.outcome:
            end(stage, stage.own_end)

    @_harmless
    def close(self, frame: FrameType | None) -> None:
        """End the stage because the bar is closed from `frame`."""
        stage = self._stage
        if stage is None or stage.outcome:
            return
        _, error, trace = sys.exc_info()
        if error is self._handled or isinstance(error, (StopIteration, StopAsyncIteration)):
            error = None
        if _is_collected(frame):  # by Python, at any time and in any thread, which must not wait
            self._outcome = stage.own_end if error is None else outcome_of(error)
            current().notice()
        else:
            end_block(stage, stage.own_end, error, trace)

    def release(self, bar: Any) -> None:
        """End the stage, and let the bar go on as tqdm's."""
        self.update(bar, begins=False)
        self.end()
        if "display" not in vars(bar):  # else it would have been a widget, for which it is too late
            bar.fp = self._stream
            bar.sp = bar.status_printer(bar.fp)


def _is_collected(frame: FrameType | None) -> bool:
    """Whether `frame`, or one that called it, is that of an object's end."""
    for _ in range(4):
        if frame and frame.f_code.co_name == "__del__":
            return True
        frame = frame.f_back if frame else None
    return False


def _label(bar: Any) -> str:
    return without_escapes(str(bar.desc or "")).strip().removesuffix(":").strip() or "tqdm"


def _counts(bar: Any) -> tuple[int, int | None, str]:
    """Position, total and unit of a bar; in percent, if its total is no whole number."""
    scale = bar.unit_scale if not isinstance(bar.unit_scale, bool) and bar.unit_scale else 1
    done, total = bar.n * scale, None if bar.total is None else bar.total * scale
    if total is not None and not math.isfinite(total):
        total = None
    if total is not None and total > 0 and total != int(total):
        return int(100 * done / total + 1e-6), 100, "%"
    return max(0, int(done + 1e-6)), None if total is None else max(0, int(total)), str(bar.unit).strip() or "it"


def _metrics(postfix: str) -> dict[str, object]:
    """What tqdm shows behind a bar, as metrics: tqdm has made one text of names and values."""
    pairs = [part.partition("=") for part in postfix.split(", ")]
    if not all(name.strip() and sign for name, sign, _ in pairs):
        return {"postfix": postfix}
    return {name.strip(): _number(value) for name, _, value in pairs}


def _number(text: str) -> object:
    try:
        return float(text) if set(text) & {*".einfa"} else int(text)
    except ValueError:
        return text
