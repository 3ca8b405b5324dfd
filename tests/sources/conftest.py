"""What only the tests of sources have: some need what Keras has on some of its backends only, or in newer versions."""

from __future__ import annotations

import pytest


def pytest_runtest_setup(item: pytest.Item) -> None:
    for mark in (*item.iter_markers("backends"), *item.iter_markers("since")):
        keras = pytest.importorskip("keras", reason="needs Keras: pip install 'keras-kbar[tensorflow]'")
        version = tuple(map(int, keras.__version__.split(".")[:2]))
        if mark.name == "backends" and (version[0] < 3 or keras.backend.backend() not in mark.args):
            pytest.skip(f"Keras on {keras.backend.backend()} has no {mark.kwargs['but']}")
        if mark.name == "since" and version < tuple(map(int, mark.args[0].split("."))):
            pytest.skip(f"Keras {keras.__version__} {mark.kwargs['but']}")
