"""Maps an exception to the outcome of the stages it leaves."""

from __future__ import annotations

import sys

from .snapshot import Outcome


def outcome_of(error: BaseException) -> Outcome:
    """Return how a stage ended that `error` was raised through."""
    asyncio = sys.modules.get("asyncio")  # without it, nothing can have raised its exception
    if isinstance(error, KeyboardInterrupt) or (asyncio is not None and isinstance(error, asyncio.CancelledError)):
        return "interrupted"
    return "stopped" if isinstance(error, (SystemExit, GeneratorExit)) else "error"
