"""How far a stage is: positions that threads report, and totals that may not be certain."""

from __future__ import annotations

from typing import Any

import pytest

from kbar.core.counts import Counts
from kbar.core.stage import Stage


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


def test_position_and_metrics_of_a_view_are_of_one_step() -> None:
    """Another thread may report a step at any moment while the view is made."""

    class Racing:
        """Reports the next step of its stage whenever it is asked for anything."""

        reported = 0

        def position(self) -> int:
            self.reported += 1
            stage.advance_to(self.reported, float(self.reported), {"step": self.reported})
            return 0

        def update(self, now: float) -> None:
            self.position()

        def waiting(self, now: float) -> float:
            return float(self.position())

        def waited(self, now: float) -> float:
            return float(self.position())

        def end(self, total: int | None) -> None:
            self.position()

    source = Racing()
    stage = Stage("train", now=0.0, on_due=lambda _: None, total=1000, source=source)
    stage.advance_to(1, 1.0, {"step": 1})
    source.reported = 1
    for now in range(20):
        stage.update(float(now))
        view = stage.view(float(now))
        assert dict(view.metrics) == {"step": view.done}


def test_units_that_are_reported_together_pass_no_total_that_they_may_not_have_passed() -> None:
    """Of 83 steps in executions of eight, the last is reported as 88."""
    found = counts(None, firm=True, landed=(88,))
    found.excess = 7
    found.expect(83)
    assert found.total == 83
    found.landed.append((96, 2.0, None))
    assert found.total is None


@pytest.mark.parametrize(("done", "exact", "total"), [(83, True, 83), (81, False, None)])
def test_a_position_that_is_corrected_is_the_total_only_if_it_is_exact(done: int, exact: bool, total: Any) -> None:
    found = counts(None, firm=True, landed=(80, 88))
    found.excess = 7
    found.correct(done, exact)
    assert (found.done, found.latest) == (done, (done, 2.0, {"loss": 88}))
    found.confirm_total()
    assert (found.done, found.total) == (done, total)
