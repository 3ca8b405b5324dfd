"""The tree of stages: which of them are shown, and how they lie within each other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from .snapshot import Outcome

if TYPE_CHECKING:
    from typing_extensions import Self


class Node:
    """A node in the tree of stages, and the rules for which stages are shown.

    The same rules hold for a run as it happens (`Stage`) and for a run read back from its log.

    Args:
        label: what the node is called; a phase makes way for the next one with the same label.
        parent: the node this one lies within, None for the outermost. `add` puts it there.
        phase: whether it belongs to its parent's current epoch, as training and validation do.

    Attributes:
        children: the nodes within this one that are shown, oldest first.
        outcome: how it ended; None while it runs.
    """

    def __init__(self, label: str, *, parent: Self | None = None, phase: bool = False) -> None:
        self.label, self.parent, self.phase = label, parent, phase
        self.children: list[Self] = []
        self.outcome: Outcome | None = None

    def add(self, child: Self) -> None:
        """Add `child`, and remove earlier failed stages and a finished phase of the same label."""
        self.children = [c for c in self.children if not c.outcome or (c.phase and c.label != child.label)]
        self.children.append(child)

    def drop_phases(self) -> None:
        """Remove the finished phases, as is due when an epoch is over."""
        self.children = [c for c in self.children if not (c.phase and c.outcome)]

    def end(self, outcome: Outcome) -> None:
        """Set the outcome.

        After a good end, failures within do not matter any more and are removed; so is the node itself,
        unless it is a phase, which stays until its epoch is over, or the outermost. After a bad end nothing is removed,
        to show where it happened.
        """
        self.outcome = outcome
        if outcome in ("done", "stopped"):
            self.children = [c for c in self.children if c.phase or not c.outcome]
            if self.parent and not self.phase:
                self.parent.children = [c for c in self.parent.children if c is not self]

    def walk(self) -> Iterator[Self]:
        """This node and all within it, outermost first."""
        yield self
        for child in self.children:
            yield from child.walk()

    @property
    def above(self) -> list[Self]:
        """The nodes that this one lies within, outermost first."""
        return [*self.parent.above, self.parent] if self.parent else []

    @property
    def root(self) -> Self:
        """The outermost node around this one."""
        return self.parent.root if self.parent else self

    @property
    def depth(self) -> int:
        """How many nodes this one lies within."""
        return self.parent.depth + 1 if self.parent else 0

    def within(self, scope: Node) -> bool:
        """Whether this node is `scope` or lies within it."""
        return scope is self or (self.parent is not None and self.parent.within(scope))

    @property
    def is_leaf(self) -> bool:
        """Whether this node is running, with no running node within."""
        return self.outcome is None and all(c.outcome for c in self.children)
