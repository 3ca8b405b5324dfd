"""What epochs are expected to take, from what those before took."""

from __future__ import annotations

import pytest

from kbar.core.epochs import EpochForecast, Outlook, RunningPhase


def epochs(*before: tuple[float, float, float]) -> EpochForecast:
    """A forecast after epochs of so many seconds of training, of validation (0: none) and between them."""
    known = EpochForecast()
    for train, validation, between in before:
        known.phase_over("train", train, 0.0)
        if validation:
            known.phase_over("validation", validation, 0.0)
        known.epoch_over(train + validation + between)
    return known


def train(seconds: float, left: float | None, whole: float | None = 10.0, once: float = 0.0) -> RunningPhase:
    return RunningPhase("train", seconds, once, left, whole)


@pytest.mark.parametrize(
    ("known", "elapsed", "running", "expected"),
    [
        (epochs(), 3.0, [train(3.0, None, None)], None),  # no basis
        (epochs(), 3.0, [train(3.0, 7.0)], (7.0, 10.0)),  # the first epoch: by its steps
        (epochs(), 7.0, [train(3.0, 7.0, once=4.0)], (7.0, 10.0)),  # which do not compile again
        (epochs((10.0, 2.0, 1.0)), 3.0, [train(3.0, 7.0)], (10.0, 13.0)),  # later: validation and all
        (epochs((10.0, 2.0, 1.0)), 6.0, [train(6.0, 14.0, 20.0)], (17.0, 23.0)),  # at half the speed
        (epochs((10.0, 2.0, 1.0)), 3.5, [train(3.0, 7.0)], (9.5, 13.0)),  # half a second before the steps
        (
            epochs((10.0, 0.0, 0.0), (10.0, 2.0, 0.0)),
            3.0,
            [train(3.0, 7.0)],
            (7.0, 12.0),
        ),  # validation every other epoch
        (epochs((10.0, 2.0, 1.0)), 0.0, [], (13.0, 13.0)),  # just begun
    ],
)
def test_an_epoch_is_its_phases_and_the_time_between(
    known: EpochForecast, elapsed: float, running: list[RunningPhase], expected: tuple[float, float] | None
) -> None:
    found = known.outlook(elapsed, running)
    assert (found and (found.left, found.later)) == (expected and pytest.approx(expected))


def test_finished_phases_are_not_expected_again() -> None:
    known = epochs((10.0, 2.0, 1.0))
    known.phase_over("train", 8.0, 0.0)
    assert known.outlook(8.0, []) == Outlook(3.0, 13.0, 8 / 11)
    known.phase_over("validation", 3.0, 0.0)
    assert known.outlook(11.5, []) == Outlook(0.5, 13.0, 11.5 / 12)
    assert known.rate == pytest.approx(1 / 13)


def test_lasting_changes_are_followed_and_the_first_epoch_forgotten() -> None:
    assert epochs((10.0, 2.0, 20.0), (10.0, 2.0, 1.0)).rate == pytest.approx(1 / 13)
    assert epochs((10.0, 2.0, 20.0)).error > 0.25
    assert epochs(*[(10.0, 2.0, 1.0)] * 9, *[(10.0, 2.0, 8.0)] * 2).rate == pytest.approx(1 / 20)
    assert epochs(*[(10.0, 1.0, 1.0)] * 9, *[(10.0, 6.0, 1.0)] * 2).rate == pytest.approx(1 / 17)
    assert epochs(*[(10.0, 2.0, 1.0)] * 3).error < 0.05


def test_the_share_of_an_epoch_is_that_of_its_phases() -> None:
    """Half of the steps are done, one of which took twenty seconds; a validation of five seconds follows."""
    known = epochs((15.0, 5.0, 0.0))
    found = known.outlook(25.0, [RunningPhase("train", 25.0, 0.0, 15.0, 15.0, 0.5)])
    assert found
    assert found.share == pytest.approx(20.0 / 45.0)


def test_several_phases_may_have_one_label() -> None:
    """As with a generator and a discriminator in turns."""
    known = EpochForecast()
    for _ in range(4):
        for label in ("D", "G", "D", "G"):
            known.phase_over(label, 10.0, 0.0)
        known.epoch_over(40.0)
    known.phase_over("D", 10.0, 0.0)
    found = known.outlook(15.0, [RunningPhase("G", 5.0, 0.0, 5.0, 10.0)])
    assert found
    assert (found.left, found.later) == pytest.approx((25.0, 40.0))
