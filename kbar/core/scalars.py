"""Numbers from the scalars of any framework, and what may be done with them; no framework is imported."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Union

from ..system.warnings import from_signal, text_of

Plain = Union[bool, int, float, str, None, tuple[Union[bool, int, float], ...]]
Report = Callable[[str], object]
"""What takes the text of a warning."""

_FEW = 4  # the most values of a vector that is shown by them


def is_plain(value: object) -> bool:
    """Whether `value` is Python's own already."""
    return value is None or isinstance(value, (bool, int, float, str))


def plain(value: Any, report: Report = lambda _: None) -> Plain:
    """Return `value` as Python's own number: what has one element, of any framework, is that element.

    A vector of up to four numbers becomes a tuple of them. Anything else becomes text: an array its shape. `report`
    then gets the reason, unless it was text before.
    """
    if is_plain(value):
        return value  # type: ignore[no-any-return]  # that is what was asked
    text = ""
    try:
        shape = _shape(value)
        if _is_short(shape):
            return _values(value)
        if math.prod(shape) == 1:
            return _item(value)
        if hasattr(value, "shape"):
            text = "[" + "×".join(map(str, shape)) + "]"
        problem = f"shape {shape}"
    except (Exception, SystemExit) as error:  # whatever the object does, it must cost no more than its own metric
        if from_signal(error):
            raise
        problem = text_of(error)
    report(f"is no number ({type(value).__name__}: {problem}) and is shown as text")
    return text or text_of(value)


def _shape(value: Any) -> tuple[Any, ...]:
    is_list = isinstance(value, (list, tuple)) and not hasattr(value, "shape")
    return (len(value),) if is_list else tuple(getattr(value, "shape", ()))


def _is_short(shape: tuple[Any, ...]) -> bool:
    """Whether this is the shape of a vector that is shown by its values."""
    return len(shape) == 1 and 1 < shape[0] <= _FEW


def _values(vector: Any) -> tuple[bool | int | float, ...]:
    """The numbers of a short vector.

    Raises:
        TypeError: if they are no numbers.
    """
    if isinstance(vector, Mean):
        return vector.values()
    if not hasattr(vector, "tolist") and hasattr(vector, "numpy"):
        vector = vector.numpy()
    found = [plain(each) for each in (vector.tolist() if hasattr(vector, "tolist") else vector)]
    numbers = tuple(each for each in found if isinstance(each, (bool, int, float)))
    if len(numbers) < len(found):
        raise TypeError(f"not all are numbers: {vector}")
    return numbers


def _item(value: Any) -> bool | int | float:
    if isinstance(value, (list, tuple)):
        (value,) = value
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
    """Whether a JAX array has been deleted, or donated to a function: its memory then belongs to something else."""
    try:
        return bool(value.is_deleted())
    except Exception:  # all others have no such question
        return False


def device_of(value: Any) -> str:
    """The kind of device (``cuda``, ``mps``) that only the thread that computed `value` may fetch its number from.

    That is so of torch's scalars and short vectors that are not on the CPU, of means of them, and of lists of them; ""
    of all others, such as larger tensors, of which nothing but the shape is shown.
    """
    if is_plain(value):
        return ""
    if isinstance(value, Mean):
        return device_of(value.total) or device_of(value.weight)
    if isinstance(value, (list, tuple)):
        return next(filter(None, map(_device, value)), "")
    device = _device(value)
    return device if device and (math.prod(value.shape) == 1 or _is_short(tuple(value.shape))) else ""


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
        if not isinstance(total, (int, float)) or not isinstance(weight, (int, float)):
            raise TypeError(f"a sum of {total}")
        return total / weight if weight else math.nan

    def values(self) -> tuple[float, ...]:
        """Return the means of a short vector."""
        totals, weights = _values(self.total), plain(self.weight)
        each = weights if isinstance(weights, tuple) else (weights,) * len(totals)
        if not all(isinstance(weight, (int, float)) for weight in each):
            raise TypeError(f"a weight of {weights}")
        return tuple(t / w if w else math.nan for t, w in zip(totals, each, strict=True))  # type: ignore[operator]  # numbers

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
