"""How far a stage is: positions that threads report, and totals that may not be certain."""

from __future__ import annotations

import pytest

from kbar.core.counts import Counts


def counts(total: int | None = None, firm: bool = False, landed: tuple[int, ...] = ()) -> Counts:
    """Counts from time 0, with a step landing each second."""
    found = Counts(0.0, total, firm)
    for i, done in enumerate(landed, start=1):
        found.landed.append((done, float(i), {"loss": done}))
    return found


def test_the_position_is_the_greatest_that_was_reported() -> None:
    """Threads may overtake each other; position, time and metrics of one step stay together."""
    found = counts(landed=(1, 4, 2, 3))
    assert found.latest == (4, 2.0, {"loss": 4})
    found.landed.append((3, 5.0, None))
    assert (found.done, found.latest) == (4, (4, 2.0, {"loss": 4}))


@pytest.mark.parametrize(
    ("total", "firm", "done", "shown", "complete", "confirmed"),
    [
        (None, True, 3, None, True, 3),
        (10, True, 3, 10, False, 10),
        (10, True, 12, 10, True, 10),  # Keras's last execution overshoots
        (10, False, 3, 10, False, 3),
        (10, False, 12, None, True, 12),  # a total that was passed was no total
    ],
)
def test_a_total(total: int | None, firm: bool, done: int, shown: int | None, complete: bool, confirmed: int) -> None:
    found = counts(total, firm, (done,))
    assert (found.total, found.complete) == (shown, complete)
    found.confirm_total()
    assert found.total == confirmed


def test_an_unknown_total_is_expected_to_be_that_of_the_epoch_before() -> None:
    found = counts(None, firm=True, landed=(3,))
    found.expect(10)
    assert (found.total, found.complete) == (10, True)  # if it ends here, it was complete
    found.landed.append((11, 2.0, None))
    assert found.total is None
    known = counts(5, firm=True)
    known.expect(10)
    assert known.total == 5


def test_a_stage_may_begin_in_the_middle() -> None:
    found = counts(10)
    found.start_at(4)
    assert (found.initial, found.done, found.latest) == (4, 4, (4, 0.0, None))
    found.start_at(0)
    assert found.done == 0


def test_time_after_the_last_step_is_not_busy() -> None:
    assert counts(3, landed=(1, 2)).busy(9.0) == 9.0
    assert counts(3, landed=(1, 2, 3)).busy(9.0) == 3.0
