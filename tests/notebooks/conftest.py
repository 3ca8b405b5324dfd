"""Notebooks that are run by real kernels."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

nbclient = pytest.importorskip("nbclient", reason="nbclient runs notebooks: pip install 'keras-kbar[test]'")
pytest.importorskip("ipykernel", reason="ipykernel is the kernel of notebooks: pip install 'keras-kbar[test]'")

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
