"""A unit of a stage that is reported by itself, such as a trial of a search or a fold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .snapshot import Goal, Outcome

if TYPE_CHECKING:
    from .stage import Stage


@dataclass(eq=False)
class Trial:
    """One trial. Several may run at a time, in any order, so it has its own number and its own times.

    Attributes:
        name: what it is, such as ``trial`` or ``fold``.
        number: its number, as people count them; None if there is one of this name only.
        total: how many there are, None if unknown.
        began: when, in seconds.
        within: the stages that have begun within it, such as fits, oldest first.
        is_over: whether it has ended.
    """

    name: str
    number: int | None
    total: int | None
    began: float
    within: list[Stage] = field(default_factory=list)
    is_over: bool = False

    @property
    def title(self) -> str:
        """What it is called, such as ``trial 3/20``."""
        return f"{self.name} {self._number}".rstrip()

    @property
    def heading(self) -> str:
        """The title for lines that are read below each other: all of one width."""
        width = len(f"{self.total}/{self.total}") if self.total else 0
        return f"{self.name} {self._number:>{width}}".rstrip()

    @property
    def _number(self) -> str:
        number = "" if self.number is None else str(self.number)
        return f"{number}/{self.total}" if self.total else number

    @property
    def main(self) -> Stage | None:
        """The stage that it is about: the latest with epochs; None if there is none."""
        return next((stage for stage in reversed(self.within) if stage.has_epochs), None)


@dataclass(frozen=True)
class Result:
    """How a trial went.

    Attributes:
        outcome: how it ended; ``stopped`` if it was pruned.
        metrics: its results by name.
        parameters: what was chosen for it, such as hyperparameters, by name.
        note: a remark, such as ``pruned``.
        goals: ``max`` or ``min`` for metrics of which that is known, by name.
        seconds: how long it took, if that is not the time between its beginning and its end.
    """

    outcome: Outcome = "done"
    metrics: Mapping[str, object] = field(default_factory=dict)
    parameters: Mapping[str, object] = field(default_factory=dict)
    note: str = ""
    goals: Mapping[str, Goal] = field(default_factory=dict)
    seconds: float | None = None
