"""Owns the command line: ``python -m kbar demo``."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence

from .loops import loop
from .renderers import names


def demo(renderer: str, epochs: int, seconds: float) -> None:
    """Shows a simulated run of so many epochs, each of about so many seconds."""
    with loop(epochs, label="fit", renderer=renderer) as run:
        for epoch in run.epochs():
            for step in epoch.steps(range(120)):
                time.sleep(seconds * 0.8 / 120)
                loss = 2.0 / (1 + (120 * epoch.index + step) / 40)
                epoch.log(loss=loss, accuracy=1 - loss / 2.5)
            for _ in epoch.steps(range(30), "validation"):
                time.sleep(seconds * 0.2 / 30)
                epoch.mean(val_loss=1.1 * loss)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m kbar", description="Even, honest progress bars for Keras.")
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("demo", help="show the bars over a simulated run; needs no Keras")
    command.add_argument("--renderer", default="auto", help=f"one of {', '.join(names())} (default: auto)")
    command.add_argument("--epochs", type=int, default=3)
    command.add_argument("--seconds", type=float, default=4.0, help="for each epoch (default: 4)")
    args = parser.parse_args(arguments)
    if args.epochs < 1 or not 0 <= args.seconds < 3600:
        parser.error("--epochs must be at least 1 and --seconds from 0 to 3600")
    try:
        demo(args.renderer, args.epochs, args.seconds)
    except (ValueError, ImportError) as error:
        parser.error(str(error))
    except KeyboardInterrupt:
        return 130  # as a shell says of what Ctrl-C has ended
    return 0


if __name__ == "__main__":
    sys.exit(main())
