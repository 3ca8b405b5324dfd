"""The tree of stages: which of them are shown."""

from __future__ import annotations

import pytest

from kbar.core.tree import Node

# Events and what is shown after them. "+a" begins an inner stage a, "*a" a phase a, "b>+a" an inner stage
# within b; "a.done" ends the latest a with an outcome; "epoch" ends the epoch.
SHOWN = [
    ("+a", "a"),
    ("+a a.done", ""),
    ("+a a.stopped", ""),
    ("+a a.error", "a error"),
    ("+a a.interrupted", "a interrupted"),
    ("*a a.done", "a done"),
    ("*a a.stopped", "a stopped"),
    ("*a a.error", "a error"),
    # What begins removes those that failed before, and a finished phase of its own label.
    ("+a a.error +b", "b"),
    ("+a a.error *b", "b"),
    ("*a a.done *b", "a done, b"),
    ("*a a.done *b b.done *a", "b done, a"),
    ("*a a.error *a", "a"),
    ("*a a.done +b", "a done, b"),
    ("+a +b", "a, b"),
    ("*a *a", "a, a"),
    # The end of an epoch takes its finished phases away.
    ("*a a.done *b b.error epoch", ""),
    ("*a a.done *b epoch", "b"),
    ("+a a.error epoch", "a error"),
    # A good end takes failures within away, a bad one leaves them, to show where it happened.
    ("*a a>+b b.error", "a (b error)"),
    ("*a a>+b b.error a.done", "a done"),
    ("*a a>+b b.error a.error", "a error (b error)"),
    ("*a a>*b b.done a.done", "a done (b done)"),
    ("+a a>+b b.error a.error +c", "c"),
]


def shown_of(node: Node) -> str:
    """What is within a node, as text."""
    parts = []
    for child in node.children:
        within = shown_of(child)
        parts.append(" ".join(filter(None, [child.label, child.outcome, f"({within})" if within else ""])))
    return ", ".join(parts)


@pytest.mark.parametrize(("events", "shown"), SHOWN)
def test_which_stages_are_shown(events: str, shown: str) -> None:
    root = Node("root")
    latest = {"root": root}
    for event in events.split():
        scope, _, what = event.rpartition(">")
        parent = latest[scope or "root"]
        if what[0] in "+*":
            child = latest[what[1:]] = Node(what[1:], parent=parent, phase=what[0] == "*")
            parent.add(child)
        elif what == "epoch":
            parent.drop_phases()
        else:
            label, outcome = what.split(".")
            latest[label].end(outcome)  # type: ignore[arg-type]  # one of the outcomes
    assert shown_of(root) == shown


def test_where_a_node_is() -> None:
    root = Node("root")
    phase = Node("phase", parent=root, phase=True)
    inner = Node("inner", parent=phase)
    other = Node("other", parent=root)
    root.add(phase)
    phase.add(inner)
    root.add(other)
    assert list(root.walk()) == [root, phase, inner, other]
    assert inner.above == [root, phase]
    assert (inner.root, inner.depth, root.depth) == (root, 2, 0)
    assert [inner.within(node) for node in (root, phase, inner, other)] == [True, True, True, False]
    assert [node.is_leaf for node in root.walk()] == [False, False, True, True]
    inner.end("error")
    assert [node.is_leaf for node in root.walk()] == [False, True, False, True]


@pytest.mark.parametrize("outcome", ["done", "stopped", "error"])
def test_the_outermost_stays_where_it_is(outcome: str) -> None:
    root = Node("root")
    root.end(outcome)  # type: ignore[arg-type]  # one of the outcomes
    assert root.outcome == outcome
