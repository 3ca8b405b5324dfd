"""Executions: the steps that Keras runs and reports together, several if `steps_per_execution` says so."""

from __future__ import annotations

import sys
from types import FrameType
from typing import Any

from . import arguments


class Executions:
    """The executions of one epoch, evaluation or prediction.

    Keras reports an execution as if it were whole. The last one is not if the data runs out in its midst.

    Args:
        data: what gives Keras the batches; None if unknown.
        names_first: whether the batch hooks of this Keras get the index of the first step of an execution, not of its
            last.
        method: the frame of `fit`, whose model counts its updates; None elsewhere.

    Attributes:
        size: how many steps a whole execution has.
        beyond: by how much the number of steps that are done exceeds the index that a batch hook gets.
    """

    def __init__(self, data: Any, names_first: bool, method: FrameType | None = None) -> None:
        self.size = arguments.known(getattr(data, "steps_per_execution", None)) or 1
        # On TensorFlow, Keras 3.0 to 3.6 do not report an execution in which the data runs out, except in `predict`;
        # and while they do not know how many batches there are, they give the index of the last step.
        self._omits_the_rest = type(data).__name__ == "TFEpochIterator" and not hasattr(data, "_enumerate_iterator")
        names_last = not names_first or (self._omits_the_rest and getattr(data, "num_batches", None) is None)
        self.beyond = 1 if names_last else self.size
        self._length_is_known = _length(data) is not None
        self._updates = _updates(method) if method and self.size > 1 else None

    def done(self, reported: int, method: FrameType | None) -> tuple[int, bool]:
        """How many steps are done now that no more will be, and whether that is exact; if not, there may be more.

        Args:
            reported: how many there are if each execution is whole.
            method: the frame of Keras's method.
        """
        if self.size == 1 or not reported:
            return reported, True
        if method is None or (self._omits_the_rest and method.f_code.co_name != "predict"):
            return reported, False
        least = reported - self.size + 1  # the last execution had at least one step
        fetched = _fetched(method)
        if fetched is not None:  # all executions before the last have fetched whole multiples of the size
            return least + (fetched - least) % self.size, True
        updates = _updates(method)
        if updates is not None and self._updates is not None and least <= updates - self._updates <= reported:
            return updates - self._updates, True
        return (reported, True) if self._length_is_known else (least, False)


def is_guess(data: Any) -> bool:
    """Whether Keras 3 has only inferred how many batches `data` gives: an execution too many, or a part of one."""
    return hasattr(data, "data_adapter") and _length(data) is None and not getattr(data, "steps_per_epoch", None)


def _length(data: Any) -> int | None:
    """How many batches there are, as the user's data says; None if unknown."""
    return arguments.known(getattr(getattr(data, "data_adapter", None), "num_batches", None))


def _fetched(method: FrameType) -> int | None:
    """How many batches `method` has fetched, or only its last execution; None if that is not known."""
    variables = method.f_locals
    if isinstance(variables.get("data"), list):
        return len(variables["data"])
    tensorflow = sys.modules.get("tensorflow")
    try:
        graph = tensorflow.data.experimental.get_model_proto(variables["iterator"])  # type: ignore[union-attr]  # TensorFlow 2.17 has it
        root = graph.nodes[graph.output]
        return int(root.num_elements) if root.name == "Root" else None
    except Exception:  # it is on another backend, has no such function, or its statistics are switched off
        return None


def _updates(method: FrameType) -> int | None:
    """How often the model that `method` trains was updated; None if that is not once a step, or not known."""
    try:
        optimizer = method.f_locals["self"].optimizer
        if getattr(optimizer, "gradient_accumulation_steps", None) or hasattr(optimizer, "inner_optimizer"):
            return None
        return int(optimizer.iterations.numpy())
    except Exception:  # it is another kind of model
        return None
