"""The house as a whole: what imports what, what it costs, what it says of itself."""

from __future__ import annotations

import ast
import builtins
import keyword
import re
import sys
from pathlib import Path
from typing import get_args

import pytest

import kbar
from kbar.core.snapshot import Outcome

from .helpers import run_python

PACKAGE = Path(kbar.__file__).parent
ROOT = Path(__file__).parent.parent

# A folder imports only folders further down; what lies in one line may import each other.
HOUSE = (
    {"__main__", "testing", "tuning"},
    {"sources"},
    {"display"},
    {"history"},
    {"options"},
    {"renderers"},
    {"core"},
    {"system"},
)


def modules() -> dict[str, Path]:
    found = {}
    for path in PACKAGE.rglob("*.py"):
        name = ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
        found[name.removesuffix(".__init__")] = path
    del found["__init__"]
    return found


def imported(name: str, path: Path) -> set[str]:
    """The modules of kbar that one imports, as the house names them."""
    found = set()
    parts = name.split(".") if path.stem == "__init__" else name.split(".")[:-1]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = parts[: len(parts) - node.level + 1] + (node.module.split(".") if node.module else [])
            for alias in node.names:
                whole = ".".join([*base, alias.name])
                found.add(whole if whole in modules() else ".".join(base))
    return found - {""}


def test_folders_import_only_folders_below_them() -> None:
    level = {name: i for i, names in enumerate(HOUSE) for name in names}
    for name, path in modules().items():
        for other in imported(name, path):
            own, others = level[name.split(".")[0]], level[other.split(".")[0]]
            assert others >= own, f"{name} imports {other}"


def test_core_does_no_io_starts_no_thread_reads_no_clock() -> None:
    forbidden = {"time", "threading", "os", "io", "socket", "subprocess", "select", "signal", "datetime", "logging"}
    for path in (PACKAGE / "core").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
            assert not forbidden & {name.split(".")[0] for name in names}, path


@pytest.mark.slow
def test_importing_kbar_imports_nothing_else() -> None:
    code = "import sys; before = set(sys.modules); import kbar; print(*sorted(set(sys.modules) - before))"
    assert run_python(code).stdout.split() == ["kbar"]


@pytest.mark.slow
def test_making_a_renderer_imports_nothing_that_draws() -> None:
    code = (
        "import sys, kbar; kbar.RichRenderer(); kbar.TqdmRenderer(); kbar.LogRenderer();"
        "from kbar.options import Options; Options('auto'); Options('rich'); Options('tqdm');"
        "print({'rich', 'tqdm', 'keras', 'tensorflow'} & set(sys.modules))"
    )
    assert run_python(code).stdout.strip() == "set()"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("missing", "code", "says"),
    [
        ("keras", "kbar.ProgressBar", "pip install 'keras-kbar[tensorflow]'"),
        ("rich", "Options('rich')", "pip install rich"),
        ("tqdm", "Options(['tqdm'])", "pip install tqdm"),
    ],
)
def test_a_missing_library_gives_one_line_that_says_what_to_install(missing: str, code: str, says: str) -> None:
    program = f"import sys; sys.modules[{missing!r}] = None; import kbar; from kbar.options import Options; {code}"
    last = run_python(program).stderr.splitlines()[-1]
    assert last.startswith("ImportError: ")
    assert says in last


def test_all_public_names_are_there() -> None:
    pytest.importorskip("keras", reason="ProgressBar is a callback of Keras")
    for name in kbar.__all__:
        assert getattr(kbar, name).__doc__, name
    assert set(kbar.__all__) <= set(dir(kbar))
    assert re.fullmatch(r"\d+\.\d+\.\d+", kbar.__version__)
    with pytest.raises(AttributeError, match="has no attribute 'nonsense'"):
        kbar.nonsense  # noqa: B018  # asking is the test


def defined(path: Path) -> set[str]:
    """The names that a module defines: its own, those of its classes as ``Class.name``, and all by themselves."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            found.add(node.name)
        if isinstance(node, ast.ClassDef):
            found |= {f"{node.name}.{inner.name}" for inner in node.body if isinstance(inner, ast.FunctionDef)}
            attributes = (inner for inner in ast.walk(node) if isinstance(inner, ast.Attribute))
            found |= {f"{node.name}.{each.attr}" for each in attributes if isinstance(each.ctx, ast.Store)}
        if isinstance(node, ast.arg):
            found.add(node.arg)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
    return found


PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")


def test_each_path_in_the_architecture_page_exists() -> None:
    for path in re.findall(r"`([\w/.]*(?:/|\.py))`", PAGE):
        assert (ROOT / path).exists() or (PACKAGE / path).exists(), path


def test_each_function_in_the_architecture_page_is_in_the_module_beside_it() -> None:
    rows = re.findall(r"^\| `([\w/]+\.py)` \| (.*?) \|", PAGE, flags=re.MULTILINE)
    assert len(rows) > 30
    for path, names in rows:
        assert {*re.findall(r"`(.*?)`", names)} <= defined(PACKAGE / path), path


def test_each_name_in_the_architecture_page_exists() -> None:
    known = {*dir(builtins), *keyword.kwlist, *get_args(Outcome)}
    known |= {f"kbar.{name}" for name in (*dir(kbar), *modules())}
    for path in [PACKAGE / "__init__.py", *modules().values()]:
        known |= defined(path)
    for name in re.findall(r"`([\w.]+)(?:\(\))?`", PAGE):
        assert name in known or name.endswith(".py") or name.split(".")[0] in sys.stdlib_module_names, name
