"""Owns the command line: ``python -m kbar demo``."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence

from .display import current
from .options import Options
from .renderers import names


def demo(renderer: str, epochs: int, seconds: float) -> None:
    """Shows a simulated run of so many epochs, each of about so many seconds."""
    display = current()
    run = display.begin("fit", unit="epoch", total=epochs, options=Options(renderer))
    try:
        step = 0
        for epoch in range(epochs):
            display.start_lap(run)
            for label, steps, share in (("train", 120, 0.8), ("validation", 30, 0.2)):
                title = f"epoch {epoch + 1}" if label == "train" else label
                stage = display.begin(label, title=title, unit="step", total=steps, parent=run, part=True)
                for done in range(1, steps + 1):
                    time.sleep(seconds * share / steps)
                    step += label == "train"
                    loss = 2.0 / (1 + step / 40)
                    stage.advance_to(done, {"loss": loss, "accuracy": 1 - loss / 2.5})
                display.end(stage, "done")
            display.finish_lap(run, {"loss": loss, "val_loss": 1.1 * loss, "accuracy": 1 - loss / 2.5})
        display.end(run, "done")
    except KeyboardInterrupt:
        display.end(run, "interrupted")


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
    return 0


if __name__ == "__main__":
    sys.exit(main())
