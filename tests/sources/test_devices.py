"""Metrics of frameworks that compute later, give an array's memory to the next step, or keep a graph of each value."""

from __future__ import annotations

from typing import Any

import pytest

import kbar
from kbar.testing import FakeClock, RecordingRenderer

from ..helpers import ends, epochs, last

np = pytest.importorskip("numpy", reason="comes with the frameworks")
pytestmark = pytest.mark.keras


@pytest.fixture
def jax() -> Any:
    return pytest.importorskip("jax", reason="these are arrays of JAX: pip install jax")


def test_an_array_that_the_next_step_takes_over_costs_only_its_number(
    jax: Any, clock: FakeClock, renderer: RecordingRenderer
) -> None:
    """A frame may come when the array that was logged last has been donated already."""
    step = jax.jit(lambda loss: loss + 1.0, donate_argnums=0)
    loss = jax.numpy.float32(0.0)
    with (
        pytest.warns(kbar.KbarWarning, match="'loss' was deleted or donated to a function"),
        kbar.loop(1, renderer=renderer) as loop,
    ):
        for epoch in loop.epochs():
            for _ in epoch.steps(range(3)):
                loss = step(loss)
                clock.advance(1.0)  # the frame finds what the step before has logged
                epoch.log(loss=loss)
    assert ends(renderer, "train") == [("train", 3, 3, "done")]
    assert epochs(renderer)[0].metrics == (("loss", 3.0),)


def test_an_array_that_is_still_computed_is_fetched_by_a_frame_only(
    jax: Any, clock: FakeClock, renderer: RecordingRenderer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`log` returns while JAX computes; the step does not wait for the number."""
    square = jax.jit(lambda x: x @ x / len(x))
    matrix = jax.numpy.ones((500, 500))
    fetched: list[float] = []
    kind: Any = type(matrix)
    item = kind.item
    monkeypatch.setattr(kind, "item", lambda array: fetched.append(item(array)) or fetched[-1])
    with kbar.stage("training", total=2, renderer=renderer) as stage:
        for _ in range(20):
            matrix = square(matrix)
        stage.log(loss=matrix.mean())
        stage.advance()
        assert fetched == []
        clock.advance(1.0)
        assert fetched
        assert last(renderer, "training").metrics == (("loss", pytest.approx(1.0)),)
        stage.advance()


@pytest.mark.backends("torch", but="tensors that keep a graph")
def test_a_loss_with_its_graph_is_shown_as_a_number(clock: FakeClock, renderer: RecordingRenderer) -> None:
    keras = pytest.importorskip("keras")

    class Own(keras.Sequential):  # type: ignore[misc]  # Any
        def train_step(self, data: Any) -> dict[str, Any]:
            return {"own": self.layers[-1].kernel.value.sum()}

    model = Own([keras.Input((2,)), keras.layers.Dense(1, kernel_initializer="ones")])
    model.compile("sgd", "mse")
    x = np.zeros((8, 2), "float32")
    model.fit(x, x[:, :1], batch_size=4, verbose=0, callbacks=[kbar.ProgressBar(renderer)])
    assert epochs(renderer)[0].metrics == (("own", 2.0),)
