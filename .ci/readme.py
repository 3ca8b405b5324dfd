"""Runs the README's two commands as they stand there, each on a copy of the checkout with an environment of its own.

python .ci/readme.py FOLDER
"""

import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def command(heading: str) -> str:
    """The one line of the fenced block under a heading."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    found = re.search(rf"^## {heading}\n.*?^```\w*\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)
    if not found or found[1].count("\n") != 1:
        sys.exit(f"README.md: one fenced line is wanted under {heading!r}")
    return found[1].strip()


def main() -> None:
    folder = Path(sys.argv[1])
    for heading in ("Run it", "Test it"):
        checkout = folder / heading.replace(" ", "-")
        files = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT,
            check=True,
            capture_output=True,
            text=True,
        ).stdout.split("\0")
        for name in filter(None, files):
            target = checkout / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target)
        print(f"$ {command(heading)}", flush=True)
        subprocess.run(["bash", "-euc", command(heading)], cwd=checkout, check=True)
        shutil.rmtree(checkout)  # an environment with TensorFlow is gigabytes


if __name__ == "__main__":
    main()
