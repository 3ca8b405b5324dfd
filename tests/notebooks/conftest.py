"""Notebooks that are run by real kernels."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

nbclient = pytest.importorskip("nbclient", reason="nbclient runs notebooks: pip install 'keras-kbar[test]'")
pytest.importorskip("ipykernel", reason="ipykernel is the kernel of notebooks: pip install 'keras-kbar[test]'")

PATIENCE = 90.0  # seconds, for machines that do a lot besides

Outputs = list[dict[str, Any]]
"""What stands below a cell, as it is saved in the notebook's file."""


@pytest.fixture
def run() -> Callable[..., list[Outputs]]:
    """Run cells, each a text of code, in one kernel; return the outputs of each."""

    def run_cells(*cells: str) -> list[Outputs]:
        import nbformat

        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
        nbclient.NotebookClient(notebook, timeout=120, allow_errors=True, kernel_name="python3").execute()
        return [cell.outputs for cell in json.loads(nbformat.writes(notebook), object_hook=_Cell).cells]

    return run_cells


class _Cell(dict[str, Any]):
    """JSON's objects, whose entries are attributes too."""

    __getattr__ = dict.__getitem__


def displays(outputs: Outputs) -> Outputs:
    """The outputs that were displayed."""
    return [output for output in outputs if output["output_type"] == "display_data"]


def page(outputs: Outputs) -> str:
    """The one display of these outputs, as HTML."""
    (output,) = displays(outputs)
    return "".join(output["data"]["text/html"])


def plain(outputs: Outputs) -> str:
    """The one display of these outputs, as text."""
    (output,) = displays(outputs)
    return "".join(output["data"]["text/plain"])


def printed(outputs: Outputs) -> str:
    """All that was printed."""
    return "".join("".join(output["text"]) for output in outputs if output["output_type"] == "stream")


def wait_for(condition: Callable[[], Any], instead: Callable[[], Any] = lambda: None) -> Any:
    """What `condition` returns, once it is true and raises nothing; `instead` says what there is if it never is."""
    until = time.monotonic() + PATIENCE
    while True:
        error = None
        try:
            found = condition()
        except Exception as raised:
            found, error = None, raised
        if found:
            return found
        assert time.monotonic() < until, f"this never came true: {error!r}, {instead()!r}"
        time.sleep(0.1)


@contextlib.contextmanager
def serve(application: str, files: Path, settings: Path) -> Iterator[str]:
    """The address of a server of Jupyter's for these files, as long as the block runs."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    command = [sys.executable, "-m", "jupyter", application, "--no-browser", "--allow-root", f"--port={port}"]
    options = [
        "--IdentityProvider.token=",
        "--ServerApp.disable_check_xsrf=True",
        "--ServerApp.password=",
        f"--ServerApp.root_dir={files}",
    ]
    env = {**os.environ, "JUPYTERLAB_SETTINGS_DIR": str(settings / "settings"), "JUPYTER_CONFIG_DIR": str(settings)}
    server = subprocess.Popen([*command, *options], env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        base = f"http://127.0.0.1:{port}"
        wait_for(lambda: urllib.request.urlopen(f"{base}/api/status").status == 200)
        yield base
    finally:
        server.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.wait(20)
        server.kill()  # it shuts its kernels down first, which may take long on a busy machine
        server.wait()
