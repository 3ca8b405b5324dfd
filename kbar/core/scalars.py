"""Numbers from the scalars of any framework, and what may be done with them; no framework is imported."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Union

from ..system.warnings import from_signal, text_of

Plain = Union[bool, int, float, str, None]
Report = Callable[[str], object]
"""What takes the text of a warning."""


def is_plain(value: object) -> bool:
    """Whether `value` is Python's own already."""
    return value is None or isinstance(value, (bool, int, float, str))


def plain(value: Any, report: Report = lambda _: None) -> Plain:
    """Return `value` as Python's own number: what has one element, of any framework, is that element.

    Anything else becomes text: an array its shape. `report` then gets the reason, unless it was text before.
    """
    if is_plain(value):
        return value  # type: ignore[no-any-return]  # that is what was asked
    text = ""
    try:
        shape = tuple(getattr(value, "shape", ()))
        if math.prod(shape) == 1:
            return _item(value)
        text = "[" + "×".join(map(str, shape)) + "]"
        problem = f"shape {shape}"
    except (Exception, SystemExit) as error:  # whatever the object does, it must cost no more than its own metric
        if from_signal(error):
            raise
        problem = text_of(error)
    report(f"is no number ({type(value).__name__}: {problem}) and is shown as text")
    return text or text_of(value)


def _item(value: Any) -> bool | int | float:
    if not hasattr(value, "item") and hasattr(value, "numpy"):
        value = value.numpy()  # TensorFlow's have no item() of their own
    if hasattr(value, "item"):
        value = value.item()
    return value if isinstance(value, (bool, int)) else float(value)


def detached(value: Any) -> Any:
    """Return a torch tensor without the graph that autograd would keep alive; anything else as it is."""
    is_torch = type(value).__module__.startswith("torch") and hasattr(value, "detach")
    return value.detach() if is_torch else value


def is_deleted(value: Any) -> bool:
    """Whether a JAX array has been deleted, or donated to a function: its memory is somebody else's then."""
    try:
        return bool(value.is_deleted())
    except Exception:  # all others have no such question
        return False


def device_of(value: Any) -> str:
    """The kind of device (``cuda``, ``mps``) that only the thread that computed `value` may fetch its number from.

    That is so of torch's scalars that are not on the CPU, of means of them, and of lists that are shown as text; "" of
    all others, such as larger tensors, of which nothing but the shape is shown.
    """
    if is_plain(value):
        return ""
    if isinstance(value, Mean):
        return device_of(value.total) or device_of(value.weight)
    if isinstance(value, (list, tuple)):
        return next(filter(None, map(_device, value)), "")
    device = _device(value)
    return device if device and math.prod(value.shape) == 1 else ""


def _device(value: Any) -> str:
    try:
        kind = value.device.type  # other frameworks' devices have no such attribute
        return kind if isinstance(kind, str) and isinstance(value.shape, tuple) and kind not in ("cpu", "meta") else ""
    except Exception:  # whatever it is, it is no tensor of torch's
        return ""


def is_capturing(device: str) -> bool:
    """Whether this thread is recording a CUDA graph or the like, which a fetch from the device would break."""
    module = getattr(sys.modules.get("torch"), device, None)
    ask = getattr(module, "is_current_stream_capturing", None)
    try:
        return bool(ask and ask())
    except Exception:  # no answer is no permission
        return True


@dataclass(frozen=True)
class Mean:
    """A weighted mean, summed where the values are: nothing is fetched from a device before it is drawn."""

    total: Any
    weight: Any

    @property
    def shape(self) -> tuple[Any, ...]:
        """The values' own."""
        return tuple(getattr(self.total, "shape", ()))

    def item(self) -> float:
        """Return the mean as a number."""
        total, weight = plain(self.total), plain(self.weight)
        if isinstance(total, str) or isinstance(weight, str) or total is None or weight is None:
            raise TypeError(f"a sum of {total}")
        return total / weight if weight else math.nan

    def plus(self, value: Any, weight: Any) -> Mean:
        """Return the mean with one more value."""
        value, weight = _wide(value), _wide(weight)
        if str(getattr(value, "dtype", "")) != str(getattr(weight, "dtype", "")) and _is_tensorflow(weight):
            weight = sys.modules["tensorflow"].cast(weight, value.dtype if _is_tensorflow(value) else "float32")
        weighted = value if isinstance(weight, int) and weight == 1 else value * weight
        return Mean(self.total + weighted, self.weight + weight)


NO_MEAN = Mean(0.0, 0.0)


def _wide(value: Any) -> Any:
    """`value` in a type that sums can be made in: sums of 16 bits stand still, those of whole numbers overflow."""
    kind = str(getattr(value, "dtype", ""))
    if not any(part in kind for part in ("16", "float8", "int", "bool")):
        return value
    if type(value).__module__ == "numpy":
        return value.astype(float)
    if hasattr(value, "astype"):  # JAX
        return value.astype("float32")
    if _is_tensorflow(value):
        return sys.modules["tensorflow"].cast(value, "float32")
    return value.float()


def _is_tensorflow(value: Any) -> bool:
    tensorflow = sys.modules.get("tensorflow")
    return tensorflow is not None and bool(tensorflow.is_tensor(value))
