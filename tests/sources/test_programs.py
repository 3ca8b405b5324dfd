"""Any program of loops, tracks, stages and fits, on several threads, ended in any way: the screen shows the truth."""

from __future__ import annotations

import queue
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

import kbar
from kbar.testing import VirtualTerminal, fake_clock

from ..helpers import Boom, Lines

try:
    import keras
except ImportError:  # all other programs
    keras = None

OUTCOMES = {"stopped at": "stopped", "interrupted at": "interrupted", "failed at": "error", None: "done"}
THREADS = 3
DEPTH = 4


FINE = ("done", "stopped")
ERRORS = st.sampled_from([Boom, KeyboardInterrupt])


@dataclass(eq=False)
class Node:
    """What is true of a stage."""

    title: str
    total: int | None
    parent: Node | None = None
    phase: bool = False
    count: int | None = None
    done: int = 0
    outcome: str | None = None
    left_at: int = 0
    children: list[Node] = field(default_factory=list)

    def end(self, outcome: str) -> None:
        """It is over, and what is open within."""
        for child in list(self.children):
            if not child.outcome:
                child.end(outcome)
        if outcome == "done" and (self.total is None or self.total < self.done):
            self.total = self.done
        self.outcome = outcome
        self.left_at = self.parent.done if self.parent else 0
        if outcome in ("done", "stopped"):
            self.children = [c for c in self.children if c.phase]
            if self.parent and not self.phase:
                self.parent.children.remove(self)

    @property
    def own_end(self) -> str:
        """How it ends by itself."""
        return "done" if self.total is None or self.done >= self.total else "stopped"

    def shown(self) -> list[tuple[str, int, str, str]]:
        """Title, position, total and outcome of each line there should be."""
        total = "?" if self.total is None or self.done > self.total else str(self.total)
        lines = [(self.title, self.done, total, self.outcome or "done")]
        for child in self.children:
            if not child.outcome or child.phase or child.left_at == self.done:
                lines += child.shown()
        return lines


class Program(threading.Thread):
    """A thread that does what it is told, in real loops and blocks, one command at a time."""

    def __init__(self, options: Callable[[], Any]) -> None:
        super().__init__(daemon=True)
        self.options = options
        self.commands: queue.Queue[Any] = queue.Queue()
        self.answers: queue.Queue[str] = queue.Queue()
        self.made = 0
        self.hands: list[Any] = []
        self.epochs: list[Any] = []
        self.catching = 0  # how many blocks further out an exception is caught

    def do(self, *command: Any) -> None:
        """Has the thread do something, and waits until it has."""
        self.commands.put(command)
        assert self.answers.get() == "ready"

    def run(self) -> None:
        try:
            self.block()
        finally:
            self.answers.put("over")

    def block(self) -> str:
        """Does what it is told until that ends the block."""
        while True:
            self.answers.put("ready")
            name, *arguments = self.commands.get()
            if name in ("next", "break"):
                return str(name)
            if name == "raise":
                self.catching, error = arguments
                raise error
            try:
                getattr(self, name)(*arguments)
            except (Boom, KeyboardInterrupt):
                self.catching -= 1
                if self.catching:
                    raise
                self.answers.put("ready")  # while it is handled, as handlers take their time
                assert self.commands.get() == ("handled",)

    def track(self, label: str, count: int, known: bool) -> None:
        items = range(count) if known else map(int, range(count))
        for _ in kbar.track(items, label, **self.options()):
            if self.block() == "break":
                break

    def stage(self, label: str, total: int | None) -> None:
        with kbar.stage(label, total=total, **self.options()) as stage:
            self.hands.append(stage)
            try:
                self.block()
            finally:
                self.hands.pop()

    def loop(self, label: str, epochs: int | None) -> None:
        with kbar.loop(epochs, label=label, **self.options()) as loop:
            for epoch in loop.epochs():
                self.epochs.append(epoch)
                try:
                    if self.block() == "break":
                        break
                finally:
                    self.epochs.pop()

    def steps(self, label: str, count: int, known: bool) -> None:
        for _ in self.epochs[-1].steps(range(count) if known else map(int, range(count)), label):
            if self.block() == "break":
                break

    def fit(self, label: str, steps: int) -> None:
        """The hooks of a prediction of so many steps, as Keras calls them."""
        with kbar.ProgressBar(**self.options()) as bar:
            hooks = keras.callbacks.CallbackList([bar], epochs=1, steps=steps)
            hooks.on_predict_begin()
            for step in range(steps):
                stop = self.block() == "break"
                hooks.on_predict_batch_end(step, {})
                if stop:
                    break
            hooks.on_predict_end()

    def advance(self, n: int) -> None:
        self.hands[-1].advance(n)

    def total(self, total: int | None) -> None:
        self.hands[-1].total = total


class Programs(RuleBasedStateMachine):
    """Programs on several threads against a model of what they have open."""

    @initialize(renderer=st.sampled_from([kbar.RichRenderer, kbar.TqdmRenderer]))
    def open(self, renderer: Any) -> None:
        self.time = fake_clock()
        self.clock = self.time.__enter__()
        self.renderer = renderer
        self.terminal = VirtualTerminal(110, 50)
        self.logs: list[Lines] = []
        self.roots: list[Node] = []
        self.ended: list[Node] = []
        self.kept: list[str] = []
        self.made = 0
        self.programs = [Program(self.options) for _ in range(THREADS)]
        self.open_nodes: list[list[tuple[str, Node]]] = [[] for _ in range(THREADS)]
        for program in self.programs:
            program.start()
            assert program.answers.get() == "ready"

    def options(self) -> dict[str, Any]:
        self.logs.append(Lines())
        return {"renderer": [self.renderer(file=self.terminal), self.logs[-1]], "leave": "run", "pacing": False}

    # The model.

    def begin(self, thread: int, kind: str, title: str, total: int | None, phase: bool = False) -> Node:
        stack = self.open_nodes[thread]
        parent = stack[-1][1] if stack else None
        if parent:
            parent.children = [c for c in parent.children if not c.outcome or (c.phase and c.title != title)]
        else:
            self.roots = [r for r in self.roots if not r.outcome]
        node = Node(title, total, parent, phase)
        (parent.children if parent else self.roots).append(node)
        stack.append((kind, node))
        return node

    def finish(self, thread: int, outcome: str) -> None:
        _, node = self.open_nodes[thread].pop()
        node.end(outcome)
        self.ended.append(node)
        if node in self.roots and not all(r.outcome for r in self.roots):  # a line is what remains of it
            self.roots.remove(node)
            self.kept.append(node.title)

    def end_epoch(self, run: Node) -> None:
        run.done += 1
        run.children = []

    def end_left_epoch(self, run: Node) -> None:
        """A loop is left: its epoch counts if its stages are done."""
        phases = [c for c in run.children if c.phase]
        if phases and phases[-1].outcome == "done" and all(p.outcome in FINE for p in phases):
            run.done += 1
            run.children = [c for c in run.children if not c.phase]
            for child in run.children:
                child.left_at = run.done

    def check(self) -> None:
        self.clock.advance(0.2)
        lines = self.terminal.text.splitlines()
        expected = [line for root in self.roots for line in root.shown()]
        shown = lines[len(lines) - len(expected) :]
        found = []
        for line in shown:
            match = re.search(r"((?:stopped|interrupted|failed) at)? *(\d+)/(\d+|\?)", line)
            assert match, line
            found.append((line.split()[0], int(match[2]), match[3], OUTCOMES[match[1]]))
        assert found == expected, self.terminal.text
        assert set(self.kept) <= {line.split()[0] for line in lines[: len(lines) - len(expected)] if line}
        if all(r.outcome for r in self.roots):
            ends = {
                (e.stage.title, e.stage.done, e.stage.outcome)
                for log in self.logs
                for e in log.events
                if e.kind == "end"
            }
            expected_ends = {(node.title, node.done, node.outcome) for node in self.ended}
            assert ends == expected_ends, ends ^ expected_ends

    # What programs do.

    def label(self) -> str:
        self.made += 1
        return f"s{self.made}"

    @rule(thread=st.integers(0, THREADS - 1), data=st.data())
    def step(self, thread: int, data: st.DataObject) -> None:
        """Any of what the thread can do next."""
        stack = self.open_nodes[thread]
        kind = stack[-1][0] if stack else None
        possible: list[Callable[[int, st.DataObject], None]] = []
        if len(stack) < DEPTH:
            possible += [self.track, self.stage, self.loop, *[self.fit] * bool(keras)]
        if kind in ("loop", "steps") and len(stack) < DEPTH:
            possible += [self.steps] * 6
        if stack:
            possible += [self.next, self.next, self.next, self.fail]
        if stack and kind != "stage":
            possible += [self.leave]
        if any(kind == "stage" for kind, _ in stack):
            possible += [self.advance, self.total]
        data.draw(st.sampled_from(possible))(thread, data)
        self.check()

    def track(self, thread: int, data: st.DataObject) -> None:
        self.items(thread, data, "track")

    def steps(self, thread: int, data: st.DataObject) -> None:
        self.items(thread, data, "steps")

    def items(self, thread: int, data: st.DataObject, kind: str) -> None:
        label, count, known = self.label(), data.draw(st.integers(0, 4)), data.draw(st.booleans())
        stack = self.open_nodes[thread]
        phase = kind == "steps" and stack[-1][0] == "loop"  # else it is within the steps of the innermost loop
        self.begin(thread, kind, label, count if known else None, phase=phase).count = count
        self.programs[thread].do(kind, label, count, known)
        if not count:
            self.finish(thread, "done")

    def stage(self, thread: int, data: st.DataObject) -> None:
        label, total = self.label(), data.draw(st.none() | st.integers(0, 5))
        self.begin(thread, "stage", label, total)
        self.programs[thread].do("stage", label, total)

    def loop(self, thread: int, data: st.DataObject) -> None:
        label, epochs = self.label(), data.draw(st.none() | st.integers(0, 3))
        self.begin(thread, "loop", label, epochs)
        self.programs[thread].do("loop", label, epochs)
        if epochs == 0:
            self.finish(thread, "done")

    def fit(self, thread: int, data: st.DataObject) -> None:
        steps = data.draw(st.integers(1, 4))
        self.begin(thread, "fit", "predict", steps).count = steps
        self.programs[thread].do("fit", "predict", steps)

    def next(self, thread: int, data: st.DataObject) -> None:
        """The innermost block's body is over."""
        kind, node = self.open_nodes[thread][-1]
        self.programs[thread].do("next")
        if kind == "loop":
            self.end_epoch(node)
        elif kind != "stage":
            node.done += 1
        if kind == "stage":
            self.finish(thread, node.own_end)
        elif node.done == (node.total if kind == "loop" else node.count):
            self.finish(thread, "done")

    def leave(self, thread: int, data: st.DataObject) -> None:
        """The innermost loop is left by `break`."""
        kind, node = self.open_nodes[thread][-1]
        self.programs[thread].do("break")
        if kind == "fit":  # Keras stops after the step
            node.done += 1
        elif kind == "loop":
            self.end_left_epoch(node)
        self.finish(thread, node.own_end if kind in ("loop", "fit") else "stopped")

    def fail(self, thread: int, data: st.DataObject) -> None:
        """An exception leaves so many blocks before it is caught."""
        self.fail_by(thread, data.draw(st.integers(1, len(self.open_nodes[thread]))), data.draw(ERRORS))

    def fail_by(self, thread: int, out: int, error: type[BaseException]) -> None:
        self.programs[thread].do("raise", out, error())
        self.clock.advance(0.3)
        for _ in range(out):
            kind, node = self.open_nodes[thread][-1]
            if kind == "loop":
                self.end_left_epoch(node)
            self.finish(thread, "error" if error is Boom else "interrupted")
        self.check()
        self.programs[thread].do("handled")

    def advance(self, thread: int, data: st.DataObject) -> None:
        n = data.draw(st.integers(0, 4))
        self.hand(thread).done += n
        self.programs[thread].do("advance", n)

    def total(self, thread: int, data: st.DataObject) -> None:
        total = data.draw(st.none() | st.integers(0, 6))
        self.hand(thread).total = total
        self.programs[thread].do("total", total)

    def hand(self, thread: int) -> Node:
        return next(node for kind, node in reversed(self.open_nodes[thread]) if kind == "stage")

    def teardown(self) -> None:
        if not hasattr(self, "programs"):
            return
        for thread in range(THREADS):
            if self.open_nodes[thread]:
                self.fail_by(thread, len(self.open_nodes[thread]), Boom)
                self.check()
            program = self.programs[thread]
            program.commands.put(("next",))
            program.join()
        self.time.__exit__(None, None, None)
        self.terminal.close()


def test_what_programs_show_is_the_truth() -> None:
    programs = settings.default.max_examples // 2  # each is a whole run, drawn and read
    run_state_machine_as_test(Programs, settings=settings(max_examples=programs, stateful_step_count=30))
