"""Starts the programs of this folder, each process on a terminal of its own, and reads what became of them."""

from __future__ import annotations

import json
import os
import socket
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from kbar.testing import VirtualTerminal

FOLDER = Path(__file__).parent


@dataclass
class Ended:
    """How a process ended: its exit code, what it wrote to its terminal, what this shows at last, and its errors."""

    code: int
    written: str
    screen: VirtualTerminal
    errors: str

    @property
    def bars(self) -> list[str]:
        """What each line begins with that is not an epoch's."""
        return [line.split()[0] for line in self.screen.text.splitlines() if " epoch " not in f" {line}"]


def addresses(count: int) -> list[str]:
    """Addresses on this machine whose ports are free."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    found = [f"127.0.0.1:{each.getsockname()[1]}" for each in sockets]
    for each in sockets:
        each.close()
    return found


def launch(
    folder: Path,
    program: str,
    *arguments: str,
    count: int = 1,
    env: Callable[[int], Mapping[str, str]] = lambda rank: {},
    by: tuple[str, ...] = (sys.executable,),
) -> list[Ended]:
    """Run `count` processes at the same time and wait for all of them.

    Args:
        folder: where they write.
        program: a file of this folder.
        arguments: what it gets.
        count: how many there are.
        env: what to add to the environment of each, by its number.
        by: the command that starts the program.
    """
    root = FOLDER.parent.parent
    path = os.pathsep.join(filter(None, [str(root), os.environ.get("PYTHONPATH")]))
    everywhere = {"PYTHONPATH": path, "KBAR_TEST_FOLDER": str(folder), "CUDA_VISIBLE_DEVICES": "-1"}
    everywhere |= {"PYTHONUNBUFFERED": ""}
    command = [*by, str(FOLDER / program), *arguments]

    def run(number: int) -> Ended:
        terminal = VirtualTerminal(100, 40)
        errors = folder / f"errors-{number}"  # the frameworks have much to say there
        shell = ["sh", "-c", 'exec "$@" 2>"$0"', str(errors)]
        code = terminal.run([*shell, *command], env={**everywhere, **env(number)})
        return Ended(code, "".join(terminal.received), terminal, errors.read_text(errors="replace"))

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))


def ends(log: Path) -> list[tuple[str, int, int | None, str]]:
    """Stage, position, total and outcome of each stage that has ended by a log of JSON lines, without epochs."""
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    found = [line for line in lines if line["event"] == "end" and line["stage"] != "epoch"]
    return [(line["stage"], line["done"], line["total"], line["outcome"]) for line in found]


def fit(name: str, train: int, validation: int = 0, epochs: int = 2) -> list[tuple[str, int, int | None, str]]:
    """What `ends` finds for a `fit` that is done."""
    phases = [("train", train, train, "done")] + [("validation", validation, validation, "done")] * bool(validation)
    return [*phases * epochs, (name, epochs, epochs, "done")]
