"""What the output can do, and which renderer suits it."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from kbar import renderers
from kbar.system.environment import surface
from kbar.system.warnings import KbarWarning
from kbar.testing import VirtualTerminal


class OnlyWrites:
    """The least that may stand in `sys.stdout`."""

    def write(self, text: str) -> int:
        return len(text)


def closed() -> io.StringIO:
    stream = io.StringIO()
    stream.close()
    return stream


def in_a_notebook(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("IPython")
    module.get_ipython = lambda: SimpleNamespace(config={"IPKernelApp": {}})  # type: ignore[attr-defined]  # a fake
    monkeypatch.setitem(sys.modules, "IPython", module)


@pytest.mark.parametrize(
    "stream", [io.StringIO(), closed(), OnlyWrites(), None], ids=["file", "closed", "bare", "none"]
)
def test_what_is_no_terminal_gets_lines(stream: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", stream)
    assert surface(sys.stdout) == "plain"
    assert type(renderers.create("auto")).__name__ == "LogRenderer"


def test_a_terminal_gets_rich_unless_it_is_a_dumb_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", VirtualTerminal())
    assert type(renderers.create("auto")).__name__ == "RichRenderer"
    monkeypatch.setenv("TERM", "dumb")
    assert type(renderers.create("auto")).__name__ == "LogRenderer"


def test_a_notebook_gets_html(monkeypatch: pytest.MonkeyPatch) -> None:
    in_a_notebook(monkeypatch)
    for name in ("auto", "rich", "html"):
        assert type(renderers.create(name)).__name__ == "HtmlRenderer"
    assert type(renderers.create("tqdm")).__name__ in ("TqdmRenderer", "HtmlRenderer")
    monkeypatch.setenv("KBAR_RENDERER", "log")
    assert type(renderers.create("auto")).__name__ == "LogRenderer"


@pytest.mark.parametrize(
    "what", ["spyder", "databricks", pytest.param("console", marks=pytest.mark.slow), "command of a cell"]
)
def test_what_shows_text_only_gets_lines(what: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    if what == "command of a cell":
        monkeypatch.setattr(sys, "stdout", VirtualTerminal())
        monkeypatch.setenv("TERM", "xterm-color")
        monkeypatch.setenv("JPY_PARENT_PID", "1")
    else:
        in_a_notebook(monkeypatch)
    if what == "spyder":
        monkeypatch.setitem(sys.modules, "spyder_kernels", ModuleType("spyder_kernels"))
    elif what == "databricks":
        monkeypatch.setenv("DATABRICKS_RUNTIME_VERSION", "15.4")
    elif what == "console":
        program = tmp_path / "jupyter-console"
        program.write_text("print('here', flush=True); input()")
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        for arguments, shown in (([program], "plain"), (["-c", program.read_text(), program, program], "notebook")):
            with subprocess.Popen([sys.executable, *arguments], **pipes) as process:
                assert process.stdout
                process.stdout.readline()  # only now the system knows its command for certain
                monkeypatch.setenv("JPY_PARENT_PID", str(process.pid))
                assert surface(sys.stdout) == shown
                process.communicate(b"\n")
        return
    assert surface(sys.stdout) == "plain"
    assert type(renderers.create("auto")).__name__ == "LogRenderer"


def test_html_without_a_notebook_is_what_auto_would_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", VirtualTerminal())
    with pytest.warns(KbarWarning, match="no notebook"):
        assert type(renderers.create("html")).__name__ == "RichRenderer"


def test_the_environment_overrides_auto_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KBAR_RENDERER", "tqdm")
    assert type(renderers.create("auto")).__name__ == "TqdmRenderer"
    assert type(renderers.create("none")).__name__ == "NullRenderer"
    monkeypatch.setenv("KBAR_RENDERER", "nonsense")
    with pytest.raises(ValueError, match="got KBAR_RENDERER=nonsense"):
        renderers.create("auto")


def test_a_renderer_that_another_package_registers_can_be_asked_for_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Through the entry-point group `kbar.renderers`, as installed packages have it."""
    (tmp_path / "plugged.py").write_text("import kbar\nclass Plugged(kbar.NullRenderer): pass\nbad = int\n")
    info = tmp_path / "plugged-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: plugged\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[kbar.renderers]\nplugged = plugged:Plugged\nbad = plugged:bad\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert {"plugged", "bad", "auto", "rich"} <= set(renderers.names())
    assert type(renderers.create("plugged")).__name__ == "Plugged"
    with pytest.raises(TypeError, match=r"'bad' is a int, not a kbar\.Renderer"):
        renderers.create("bad")
