"""The terminal that JupyterLab has beside its notebooks: a run is watched there as in any other."""

from __future__ import annotations

import asyncio
import json
import sys
import urllib.request
from pathlib import Path

import pytest

import kbar
from kbar.testing import VirtualTerminal, fake_clock

from .conftest import PATIENCE, serve

websocket = pytest.importorskip("tornado.websocket", reason="tornado talks to the server: pip install jupyterlab")
pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def write_log(path: Path) -> None:
    """The log of a run that is over."""
    with fake_clock() as clock, kbar.loop(epochs=3, label="fit", renderer="none", log_file=path) as loop:
        for epoch in loop.epochs():
            for n in epoch.steps(range(10)):
                clock.advance(0.1)
                epoch.log(loss=1 / (1 + n))


async def type_in(address: str, text: str, terminal: VirtualTerminal) -> str:
    """Type a line in a terminal of the server; return what it looks like once the line's program has ended."""
    request = urllib.request.Request(f"http://{address}/api/terminals", method="POST")
    name = json.load(urllib.request.urlopen(request))["name"]
    connection = await websocket.websocket_connect(f"ws://{address}/terminals/websocket/{name}")
    await connection.write_message(json.dumps(["set_size", 24, 100, 0, 0]))
    await connection.write_message(json.dumps(["stdin", f"{text}; echo ov''er\r"]))
    while "\nover" not in terminal.text:
        kind, *values = json.loads(await asyncio.wait_for(connection.read_message(), PATIENCE))
        if kind == "stdout":
            terminal.write(values[0].replace("\r\n", "\n"))
    connection.close()
    return terminal.text


def test_a_run_is_watched_in_the_terminal_of_a_notebook_server(tmp_path: Path) -> None:
    pytest.importorskip("jupyterlab")
    files = tmp_path / "files"
    files.mkdir()
    write_log(files / "run.jsonl")
    terminal = VirtualTerminal(100, 24)
    with serve("lab", files, tmp_path) as base:
        command = f"cd {Path.cwd()}; clear; {sys.executable} -m kbar watch --until-end {files}/run.jsonl"
        text = asyncio.run(type_in(base.removeprefix("http://"), command, terminal))
    assert "epoch 1/3" in text
    assert [line.split()[0] for line in text.splitlines() if "100%" in line and "3/3" in line] == ["fit"]
    assert "\x1b[" in "".join(terminal.received)  # bars were drawn, not lines
