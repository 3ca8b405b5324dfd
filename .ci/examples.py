"""Runs examples on a terminal with each renderer, and without one, and looks at what is left.

python .ci/examples.py [--python PYTHON] [NAME…]
"""

import argparse
import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from kbar.testing import VirtualTerminal

EXAMPLES = Path(__file__).parent.parent / "examples"
NEEDS = {"ray_tune.py": "ray"}  # what no extra of kbar's has, as it is large


def on_a_terminal(python: str, path: Path, renderer: str) -> str:
    """What the terminal shows at the end."""
    terminal = VirtualTerminal(100, 30)
    code = terminal.run([python, str(path)], env={"KBAR_RENDERER": renderer})
    if code or terminal.screen.cursor.hidden:
        sys.exit(f"{path.name} with {renderer}: exit code {code}, or a hidden cursor\n{terminal.text}")
    return terminal.text


def look_at(python: str, path: Path) -> str:
    """What is to be seen of an example, however it is run."""
    needed = NEEDS.get(path.name)
    if needed and subprocess.run([python, "-c", f"import {needed}"], capture_output=True).returncode:
        return f"-- {path.name}: skipped, as {needed} is missing: pip install {needed}"
    shown = [f"-- {path.name}, {name}\n{on_a_terminal(python, path, name)}" for name in ("rich", "tqdm")]
    piped = subprocess.run([python, str(path)], check=True, capture_output=True, text=True)
    if path.name != "own_renderer.py" and any(c in piped.stdout for c in "\r\x1b\b"):
        sys.exit(f"{path.name}: control characters in a pipe: {piped.stdout!r}")
    return "\n".join(shown)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="files in examples; all of them by default")
    parser.add_argument("--python", default=sys.executable)
    args = parser.parse_args()
    paths = [EXAMPLES / name for name in args.names] or sorted(EXAMPLES.glob("*.py"))
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(2) as pool:
        os.chdir(folder)
        for shown in pool.map(lambda path: look_at(args.python, path), paths):
            print(shown, flush=True)


if __name__ == "__main__":
    main()
