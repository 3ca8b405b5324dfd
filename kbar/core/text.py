"""Texts of numbers, durations and rates, and lines that fit a width."""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Callable
from dataclasses import replace

from ..system.cells import cells, without_escapes
from ..system.warnings import text_of
from .names import distinct
from .scalars import plain
from .settings import format_of
from .snapshot import StageView

# Characters that could move the cursor, break a line, or make text look other than it is stored: control characters,
# separators of lines and paragraphs, bidirectional controls, invisible characters and surrogates.
_HARMFUL = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e007f]+"
)
LONGEST_NAME = 1000
"""The most characters of a metric's name in a file."""

_LARGE = 10**6  # counts from here on are shown as thousands and millions
_PREFIXES = ("", "k", "M", "G", "T", "P", "E")

_DAY = 86400  # seconds


def clean(text: object, limit: int = 80) -> str:
    """Return `text` as one line of harmless characters, at most `limit` of them; it is cut in the middle."""
    whole = text_of(text)
    if len(whole) > 4 * limit:  # before matching, so that a text of megabytes costs no more than a short one
        whole = whole[: 2 * limit] + whole[-2 * limit :]
    line = _HARMFUL.sub(" ", whole).strip()
    head = limit // 2
    return line if len(line) <= limit else f"{line[:head]}…{line[len(line) - (limit - 1 - head) :]}"


def printed(text: str, limit: int = 1000) -> str:
    """Return printed text as one line without its escape sequences, at most `limit` characters."""
    return clean(without_escapes(text[: 4 * limit]), limit)


def shorten(text: str, width: int) -> str:
    """Return `text`, cut to at most `width` columns."""
    if cells(text) <= width:
        return text
    while text and cells(text) > width - 1:
        text = text[:-1]
    return text + "…" if width > 0 else ""


def pad(text: str, width: int) -> str:
    """Return `text` with blanks after it, up to `width` columns."""
    return text + " " * (width - cells(text))


def number(value: object, form: str = "") -> str:
    """Return a metric's value as text whose length changes as little as possible.

    Whole numbers stay whole. Others take six characters from 0.001 to 99999, and scientific notation beyond. An array
    or tensor of one element (of any framework) is shown as that element, a short vector by its values, a larger one by
    its shape, and anything else by its own text, cut short. Numbers are formatted as `form` says, if it says anything.
    """
    found = plain(value)
    if isinstance(found, tuple):
        return f"[{', '.join(number(each, form) for each in found)}]"
    if isinstance(found, str):
        return clean(found, 24)
    if found is None or isinstance(found, bool):
        return str(found)
    formatted = _formatted(found, form) if form else ""
    return formatted or (_whole(found) if isinstance(found, int) else _real(found))


def _formatted(value: float, form: str) -> str:
    """The number in this format of Python's; "" if it has no such form."""
    try:
        if not math.isfinite(value):
            return ""
        is_for_integers = form[-1] in "bcdoxX"
        return clean(format(round(value) if is_for_integers else value, form), 40)
    except (ValueError, OverflowError):
        return ""


def _whole(value: int) -> str:
    if abs(value) < 10**9:
        return str(value)
    digits = math.log10(abs(value))  # works for numbers too large for a float
    sign = "-" if value < 0 else ""
    return f"{sign}{10 ** (digits % 1):.2f}e+{math.floor(digits)}"


def _real(value: float) -> str:
    size = abs(value)
    if not math.isfinite(value) or value == 0:
        return "0.0000" if value == 0 else str(value)
    if size < 0.001 or size >= 99999.5:
        return f"{value:.2e}"
    for decimals in (4, 3, 2, 1):
        text = f"{size:.{decimals}f}"
        if len(text) <= 6:
            break
    else:
        text = f"{size:.0f}"
    return "-" + text if value < 0 else text


def duration(seconds: float | None) -> str:
    """Return seconds as ``m:ss``, ``h:mm:ss`` or ``1d 02:03:04``; ``-:--`` if unknown."""
    if seconds is None or not math.isfinite(seconds):
        return "-:--"
    minutes, secs = divmod(int(max(0.0, seconds + 1e-6)), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days}d {hours:02d}:{minutes:02d}:{secs:02d}"
    return f"{hours}:{minutes:02d}:{secs:02d}" if hours else f"{minutes}:{secs:02d}"


def _rounded(seconds: float, step: int = 1) -> str:
    """Return seconds as a duration, rounded to `step` of them; from a day on to hours: ``18d 0h``."""
    whole = math.floor(seconds / step + 0.5) * step
    if whole < _DAY:
        return duration(whole)
    days, hours = divmod(math.floor(seconds / 3600 + 0.5), 24)
    return f"{days}d {hours}h"


def took(seconds: float) -> str:
    """Return the seconds that something took as text: ``0.42s``, ``4.2s``, ``42s``, ``7:42``."""
    if seconds < 9.95:
        return f"{seconds:.2f}s" if seconds < 0.995 else f"{seconds:.1f}s"
    return f"{seconds:.0f}s" if seconds < 59.5 else duration(seconds)


def rate(value: float | None, unit: str) -> str:
    """Return a rate such as ``312 step/s``, ``4.10 s/step`` or ``2:00:00/epoch``; "" if unknown."""
    if not value or not math.isfinite(value) or not math.isfinite(1 / value):
        return ""
    if value >= 1:
        return f"{_short(value)} {unit}/s"
    return f"{_short(1 / value)} s/{unit}" if 1 / value < 59.5 else f"{_rounded(1 / value)}/{unit}"


def _short(value: float) -> str:
    suffixes = iter(("k", "M", "G"))
    suffix = ""
    while value >= 999.5:
        value, suffix = value / 1000, next(suffixes, "T")
    digits = 2 if value < 9.995 else 1 if value < 99.95 else 0
    return f"{value:.{digits}f}{suffix}"


def percentage(view: StageView) -> str:
    """Return the share that is done in whole percent, rounded down, so that 100% is complete; "" if unknown."""
    return "" if view.fraction is None else f"{math.floor(view.fraction * 100 + 1e-9)}%"


def count(view: StageView, *, exact: bool = False) -> str:
    """Return ``done/total``, with the outcome if the stage ended early: ``stopped at 3/10``.

    Large counts are shown as ``1.2M/3.4M`` and bytes as ``1.6/3.2 GB``, rounded down; `exact` counts are whole numbers.
    """
    done = view.done if view.shown is None else view.shown
    largest = max(done, view.total or 0)
    text: Callable[[int], str] = str
    unit, width = "", 1
    if view.unit == "B" and not exact:
        power = _power(largest)
        text, unit = functools.partial(_tenths, power=power), f" {_PREFIXES[power]}B"
    elif largest >= _LARGE and not exact:
        text, width = _abbreviated, 1 if view.total is None else len("12.3M")
    total = "?" if view.total is None else text(view.total)
    at = f"{text(done):>{max(width, len(total))}}/{total}{unit}"
    word = {"stopped": "stopped", "interrupted": "interrupted", "error": "failed"}.get(view.outcome or "")
    if word and view.total == 1 and view.unit == view.label:  # a trial that says nothing of its steps
        return word
    return f"{word} at {at.lstrip()}" if word else at


def _abbreviated(n: int) -> str:
    """A count as ``532``, ``1.2k``, ``12.3M``, ``123M``, rounded down."""
    power = _power(n)
    whole = n // 1000**power
    return f"{whole if whole >= 100 else _tenths(n, power)}{_PREFIXES[power]}"


def _power(n: int) -> int:
    """The largest power of 1000 that is not above `n`."""
    return min((len(str(n)) - 1) // 3, len(_PREFIXES) - 1)


def _tenths(n: int, power: int) -> str:
    """`n` divided by this power of 1000, with one decimal, rounded down."""
    tenths = n * 10 // 1000**power
    return f"{tenths // 10}.{tenths % 10}" if power else str(n)


def speed(view: StageView) -> str:
    """Return the rate of a stage, which for bytes is such as ``3.12 MB/s``; "" if unknown."""
    text = rate(view.rate, view.unit)
    if view.unit != "B" or not text or view.rate is None or view.rate < 1:
        return text
    amount = _short(view.rate)
    return f"{amount[:-1]} {amount[-1]}B/s" if amount[-1].isalpha() else f"{amount} B/s"


def throughputs(view: StageView) -> list[str]:
    """Return what goes through a stage in a second, of what the user has said its units consist of."""
    return [f"{_short(view.rate * each)} {clean(name)}/s" for name, each in view.per_unit if view.rate]


def known_throughput(view: StageView) -> str:
    """Return the samples that go through a stage in a second, if the data says how many; "" if not."""
    return f"{_short(view.rate * view.batch)} samples/s" if view.rate and view.batch and not view.per_unit else ""


def metric_texts(view: StageView, longest: int | None = None) -> list[str]:
    """Return each metric as ``name=value``; names are cut to `longest` columns such that they still differ."""
    return [f"{name}={text}" for name, text in shown_metrics(view, longest)]


def parameter_texts(view: StageView, longest: int | None = None) -> list[str]:
    """Return what was chosen for a trial, each as ``name=value``; names are cut as those of metrics."""
    return metric_texts(replace(view, metrics=view.parameters), longest)


def shown_metrics(view: StageView, longest: int | None = None) -> list[tuple[str, str]]:
    """Return what each metric is called and its value as text; names are cut as `metric_texts` does."""
    shown = _shown_metrics(tuple([str(name) for name, _ in view.metrics]), view.names, view.formats, longest)
    return [(name, number(value, form)) for (name, form), (_, value) in zip(shown, view.metrics, strict=True)]


@functools.lru_cache(100)  # a run has the same names again and again
def _shown_metrics(
    metrics: tuple[str, ...],
    names: tuple[tuple[str, str], ...],
    formats: tuple[tuple[str, str], ...],
    longest: int | None,
) -> list[tuple[str, str]]:
    """What metrics are called and how they are formatted."""
    renamed = dict(names)
    found = tuple(clean(renamed.get(metric, metric), LONGEST_NAME) for metric in metrics)
    forms = [format_of(metric, name, formats) for metric, name in zip(metrics, found, strict=True)]
    return list(zip(distinct(found, longest) if longest else found, forms, strict=True))


def eta(seconds: float | None, uncertain: bool = False) -> str:
    """Return a remaining time such as ``1:23`` or ``18d 0h``, or ``~1:20`` if it is uncertain; "" if unknown.

    An uncertain time is rounded to 5 seconds below one minute, to half a minute below ten, to a minute below one hour,
    and to ten minutes above.
    """
    if seconds is None or not math.isfinite(seconds):
        return ""
    limits = ((10, 1), (60, 5), (600, 30), (3600, 60), (math.inf, 600))
    step = next(step for limit, step in limits if seconds < limit) if uncertain else 1
    return ("~" if uncertain else "") + _rounded(seconds, step)


def data_fact(view: StageView) -> tuple[str, str]:
    """Return what is to be said of waiting for data, as name and value: since when, or a share of at least 10%."""
    if view.waiting >= 1.0:
        return "waiting for data", _since(view.waiting)
    share = math.floor(view.data_share * 100 + 1e-9)
    return ("data", f"{share}%") if share >= 10 and view.elapsed >= 0.5 else ("", "")


def step_fact(view: StageView) -> str:
    """Return what is to be said of a step that takes long: which one, for how long, and whether it stalls."""
    if view.waiting >= 1.0 or view.running < (1.0 if view.stalled else max(3.0, 1.5 * view.usual)):
        return ""
    unit = "item" if view.unit == "it" else view.unit
    return f"{'stalled at ' if view.stalled else ''}{unit} {view.done + 1} for {_since(view.running)}"


def spent_facts(epoch: StageView) -> list[tuple[str, float]]:
    """Return where an epoch's time went, in seconds by name, if the user has asked for it."""
    return [(name, seconds) for name, seconds in epoch.spent if epoch.summary and seconds >= 0.005]


def _since(seconds: float) -> str:
    return f"{math.floor(seconds)}s" if seconds < 60 else duration(seconds)
