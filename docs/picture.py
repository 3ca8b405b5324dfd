"""Makes the README's picture: a real run of examples/fit.py, taken off a terminal while it trains.

python docs/picture.py [docs/fit.svg]
"""

from __future__ import annotations

import itertools
import re
import sys
from pathlib import Path
from typing import Any

import pyte
from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

from kbar.testing import VirtualTerminal

COLUMNS, LINES = 110, 8
COMMAND = "python examples/fit.py --epochs 4"
WITHOUT_ERRORS = ["sh", "-c", 'exec "$@" 2>/dev/null', "sh"]  # what TensorFlow says of a missing GPU is no part of it


def style_of(cell: Any) -> str:
    """A cell's colour and weight, as rich names them."""
    colour = f"#{cell.fg}" if re.fullmatch("[0-9a-f]{6}", cell.fg) else cell.fg
    return f"bold {colour}" if cell.bold else colour


def text_of(screen: pyte.Screen, command: str) -> Text:
    """The screen with its colours, below the command line that led to it."""
    text = Text(f"$ {command}\n")
    for number in range(LINES):
        cells = [screen.buffer[number][column] for column in range(COLUMNS)]
        # Words and blanks apart: not all viewers keep the blanks at the beginning of a text.
        for (style, _), run in itertools.groupby(cells, key=lambda cell: (style_of(cell), cell.data == " ")):
            text.append("".join(cell.data for cell in run), style=style)
        text.append("\n")
    text.rstrip()
    return text


def main() -> None:
    root = Path(__file__).parent.parent
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else root / "docs" / "fit.svg"
    terminal = VirtualTerminal(COLUMNS, LINES)
    best: list[Text] = []

    def look(_: float) -> None:
        # The third epoch's validation, under way: all three bars and two finished epochs.
        found = re.search(r"validation .* (\d+)%", terminal.text)
        if "epoch 2/4" in terminal.text and found and 3 < int(found[1]) < 97 and not best:
            best.append(text_of(terminal.screen, COMMAND))

    command = [sys.executable, *COMMAND.replace("examples", str(root / "examples")).split()[1:]]
    if terminal.run([*WITHOUT_ERRORS, *command], look):
        sys.exit(terminal.text)
    console = Console(record=True, width=COLUMNS, file=open("/dev/null", "w", encoding="utf-8"))  # noqa: SIM115  # until exit
    console.print(best[0])
    svg = console.export_svg(title="kbar", theme=MONOKAI)
    svg = re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)  # no fonts from elsewhere
    target.write_text(svg.replace("Fira Code", "ui-monospace, DejaVu Sans Mono"), encoding="utf-8")
    print(target)


if __name__ == "__main__":
    main()
