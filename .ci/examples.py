"""Runs every example on a terminal with each renderer, and without one, and looks at what is left."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from kbar.testing import VirtualTerminal

EXAMPLES = Path(__file__).parent.parent / "examples"


def on_a_terminal(path: Path, renderer: str) -> str:
    """What the terminal shows at the end."""
    terminal = VirtualTerminal(100, 30)
    code = terminal.run([sys.executable, str(path)], env={"KBAR_RENDERER": renderer})
    if code:
        sys.exit(f"{path.name} with {renderer}: exit code {code}\n{terminal.text}")
    return terminal.text


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        for path in sorted(EXAMPLES.glob("*.py")):
            for renderer in ("rich", "tqdm"):
                print(f"-- {path.name}, {renderer}\n{on_a_terminal(path, renderer)}", flush=True)
            piped = subprocess.run([sys.executable, str(path)], check=True, capture_output=True, text=True)
            if path.name != "own_renderer.py" and any(c in piped.stdout for c in "\r\x1b\b"):
                sys.exit(f"{path.name}: control characters in a pipe: {piped.stdout!r}")


if __name__ == "__main__":
    main()
