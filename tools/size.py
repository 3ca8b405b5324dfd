"""Prints how large kbar is: lines of code by folder, and what is larger than it should be.

Run it in the repository: ``python tools/size.py``. The exit code is 1 if anything is larger than its limit.
"""

from __future__ import annotations

import ast
import io
import re
import subprocess
import sys
import tokenize
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "kbar"

LONGEST_MODULE = 350  # lines in all
LONGEST_CLASS = 200  # lines in all
MOST_COMPLEX = 10  # cyclomatic complexity of a function, as ruff counts it

LAYOUT = {
    tokenize.ENCODING,
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENDMARKER,
}


def code_lines(source: str) -> int:
    """The number of lines with code: without blank lines, comments and strings that stand for themselves."""
    found: set[int] = set()
    statement: list[tokenize.TokenInfo] = []
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in LAYOUT:
            statement.append(token)
        if token.type == tokenize.NEWLINE:
            if any(part.type != tokenize.STRING for part in statement):
                found.update(line for part in statement for line in range(part.start[0], part.end[0] + 1))
            statement = []
    return len(found)


def long_classes(source: str) -> Iterator[tuple[str, int]]:
    """The classes that are too long, with their numbers of lines."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ClassDef):
            lines = (node.end_lineno or 0) - node.lineno + 1
            if lines > LONGEST_CLASS:
                yield node.name, lines


def complex_functions() -> Iterator[str]:
    """The functions that are too complex, also those for which a comment excuses it."""
    command = ["ruff", "check", "--isolated", "--select", "C901", "--ignore-noqa", "--output-format", "concise"]
    limit = f"lint.mccabe.max-complexity={MOST_COMPLEX}"
    shown = subprocess.run(
        [sys.executable, "-m", *command, "--config", limit, PACKAGE], check=False, capture_output=True, text=True
    )
    for line in shown.stdout.splitlines():
        if found := re.match(r"(.+?):\d+:\d+: C901 `(.+)` is too complex \((\d+) ", line):
            path, name, complexity = found.groups()
            yield f"{Path(path).resolve().relative_to(ROOT)}: {name} has a complexity of {complexity}"


def main() -> int:
    """Print it all; return the exit code."""
    folders: Counter[str] = Counter()
    too_large = []
    for path in sorted(PACKAGE.rglob("*.py")):
        source = path.read_text(encoding="utf-8")
        name = str(path.relative_to(ROOT))
        folders[path.relative_to(PACKAGE).parts[0] if path.parent != PACKAGE else "."] += code_lines(source)
        lines = len(source.splitlines())
        if lines > LONGEST_MODULE:
            too_large.append(f"{name} has {lines} lines")
        too_large += [f"{name}: class {class_} has {lines} lines" for class_, lines in long_classes(source)]
    too_large += complex_functions()

    for folder, lines in folders.most_common():
        print(f"{lines:6,}  {folder}")
    print(f"{folders.total():6,}  in all")
    print(f"{folders.total() - folders['history']:6,}  without history")
    print(*too_large or ["Nothing is too large."], sep="\n")
    return bool(too_large)


if __name__ == "__main__":
    sys.exit(main())
