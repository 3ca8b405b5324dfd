"""How a stage that an exception has left ended."""

from __future__ import annotations

import sys

from .snapshot import Outcome


def outcome_of(error: BaseException) -> Outcome:
    """How a stage ended that `error` has left."""
    asyncio = sys.modules.get("asyncio")  # nothing else raises what it cancels by
    if isinstance(error, KeyboardInterrupt) or (asyncio is not None and isinstance(error, asyncio.CancelledError)):
        return "interrupted"
    return "stopped" if isinstance(error, (SystemExit, GeneratorExit)) else "error"
