"""What is a count: numbers of all types that are whole, and what is refused."""

from __future__ import annotations

import enum
import io
import math
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

import kbar
from kbar.testing import FakeClock, RecordingRenderer, VirtualTerminal

from ..helpers import RENDERERS, ends

np = pytest.importorskip("numpy")


@pytest.mark.parametrize(
    "ten",
    [
        10.0,
        np.int64(10),
        np.uint8(10),
        np.float32(10),
        np.ceil(9.5),
        np.array(10),
        np.array(10.0),
        Decimal(10),
        Fraction(10),
    ],
    ids=repr,
)
def test_a_whole_number_of_any_type_is_a_count(ten: Any, clock: FakeClock, renderer: RecordingRenderer) -> None:
    """Totals, epochs, beginnings and advances may be numbers of Python's other types, of NumPy and of frameworks."""
    with kbar.stage("stage", total=ten, renderer=renderer) as stage:
        stage.advance(ten / 10 if isinstance(ten, float) else 1.0)
        stage.advance(np.int32(1))
        clock.advance(0.2)
        stage.total = ten
        assert (stage.done, stage.total) == (2, 10)
        assert type(stage.done) is type(stage.total) is int
    for _ in kbar.track(map(int, range(10)), "track", total=ten, renderer=renderer):
        pass
    with kbar.loop(epochs=ten, initial_epoch=ten / 2, renderer=renderer) as loop:
        for epoch in loop.epochs():
            for _ in epoch.steps(map(int, range(10)), total=ten):
                pass
    assert ends(renderer, "stage") == [("stage", 2, 10, "stopped")]
    assert ends(renderer, "track") == [("track", 10, 10, "done")]
    assert ends(renderer, "train") == [("train", 10, 10, "done")] * 5
    assert ends(renderer, "loop") == [("loop", 10, 10, "done")]


@pytest.mark.parametrize(
    "infinity", [math.inf, np.inf, np.float32("inf"), np.array(np.inf), Decimal("Infinity")], ids=repr
)
@pytest.mark.parametrize("bars", RENDERERS)
def test_an_infinite_total_is_unknown(infinity: Any, bars: str, clock: FakeClock) -> None:
    terminal, log = VirtualTerminal(100, 5), io.StringIO()
    renderers = [RENDERERS[bars](file=terminal), kbar.LogRenderer(log, throttle=kbar.always)]
    with kbar.stage("export", total=infinity, renderer=renderers) as stage:
        stage.advance(3)
        clock.advance(0.5)
        assert "3/?" in terminal.text
    assert " 3/? " in log.getvalue()


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda: kbar.loop(epochs=math.nan), TypeError, "epochs must be a whole number of at least 0; got nan"),
        (lambda: kbar.stage("x", total=-math.inf), TypeError, "total must be a whole number of at least 0; got -inf"),
        (lambda: kbar.stage("x", total=Fraction(1, 2)), TypeError, "total must be .* got Fraction"),
        (lambda: kbar.stage("x").advance(math.inf), TypeError, "n must be a whole number of at least 0; got inf"),
        (
            lambda: kbar.stage("x", total=np.array([3])),
            TypeError,
            "total must be a whole number of at least 0; got arr",
        ),
        (lambda: kbar.stage("x", total=np.True_), TypeError, "total must be a whole number of at least 0; got"),
    ],
)
def test_what_is_no_count_is_refused_by_name(call: Callable[[], object], error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        call()


def test_an_enumeration_can_be_looped_over(clock: FakeClock, renderer: RecordingRenderer) -> None:
    class Colour(enum.Enum):
        RED = 1
        BLUE = 2

    assert list(kbar.track(Colour, renderer=renderer)) == [Colour.RED, Colour.BLUE]
    assert ends(renderer) == [("track", 2, 2, "done")]
