"""`kbar run`: a program runs as Python itself would run it, with kbar installed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from kbar.__main__ import main

PROGRAM = """
import os, sys
print(sys.argv, sys.path[0], __name__, __file__, getattr(__spec__, "name", None))
print(sys.modules[__name__].__dict__ is globals())
def double(x):
    return 2 * x
if __name__ == "__main__":
    how = sys.argv[1]
    if how == "pool":
        import multiprocessing
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            print(pool.map(double, [1, 2]))
    if how == "code":
        sys.exit(7)
    if how == "text":
        sys.exit("text")
    if how == "raise":
        {}["key"]
    if how == "hook":
        sys.excepthook = lambda *error: print("hook", error[0])
        1 / 0
    if how == "atexit":
        import atexit
        atexit.register(lambda: print("exit", double(3)))
    if how == "signal":
        import signal
        signal.raise_signal(signal.SIGINT)
"""


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "program.py"
    path.write_text(PROGRAM)
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent.parent))
    monkeypatch.chdir(tmp_path)
    return path


def run(*arguments: str) -> tuple[int, str, str]:
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


KBAR = ("-m", "kbar", "run")


@pytest.mark.slow
@pytest.mark.parametrize("how", [(), ("-m",)])
@pytest.mark.parametrize("then", ["code", "text", "raise", "hook", "atexit", "signal", "pool"])
def test_a_program_ends_and_prints_as_by_python_itself(program: Path, how: Sequence[str], then: str) -> None:
    name = "program" if how else "program.py"
    arguments = (then, "--renderer", "x", "-h", "--", "-m")
    expected, seen = run(*how, name, *arguments), run(*KBAR, *how, name, *arguments)
    if then == "pool":  # the workers' own prints may come or not
        expected, seen = ((code, out.splitlines()[0], out.splitlines()[-1]) for code, out, _ in (expected, seen))
    elif how:
        tail = 3  # Python's own frames before the program's have other names
        expected, seen = ((code, out, err.splitlines()[-tail:]) for code, out, err in (expected, seen))  # type: ignore[misc]
    assert seen == expected
    assert then != "signal" or seen[0] == -signal.SIGINT


@pytest.mark.slow
@pytest.mark.parametrize("pack", [True, False])
def test_a_folder_or_archive_is_run(program: Path, pack: bool) -> None:
    target = program.parent / "app"
    if pack:
        with zipfile.ZipFile(target, "w") as archive:
            archive.write(program, "__main__.py")
    else:
        target.mkdir()
        (target / "__main__.py").write_text(PROGRAM)
    code, shown, _ = run(*KBAR, "app", "code")
    assert code == 7
    assert shown.startswith("['app', 'code']")


@pytest.mark.slow
@pytest.mark.parametrize("text", ["x = (", "import nonsense_that_is_missing"])
def test_errors_have_no_frames_of_kbars(program: Path, text: str) -> None:
    program.write_text(text)
    assert run(*KBAR, "program.py") == run(str(program))


@pytest.mark.slow
def test_the_bars_and_the_log_are_kbars(program: Path) -> None:
    pytest.importorskip("keras", reason="needs Keras: pip install 'keras-kbar[tensorflow]'")
    program.write_text(
        "import keras, numpy as np\n"
        "from tqdm import tqdm\n"
        "model = keras.Sequential([keras.layers.Input((2,)), keras.layers.Dense(1)])\n"
        "model.compile('sgd', 'mse', run_eagerly=True)\n"
        "for _ in tqdm(range(2), desc='folds'):\n"
        "    model.fit(np.zeros((8, 2)), np.zeros(8))\n"
    )
    code, shown, _ = run(*KBAR, "--tqdm", "--renderer", "log", "--log-file", "log.jsonl", "program.py")
    assert code == 0
    assert "folds done 2/2" in shown
    events = [json.loads(line) for line in Path("log.jsonl").read_text().splitlines()]
    assert [e["outcome"] for e in events if e["event"] == "end" and e["stage"] in ("fit", "folds")] == ["done"] * 3


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--renderer", "nonsense", "x.py"], "renderer must be one of"),
        ([], "PROGRAM"),
        (["--nonsense", "x.py"], "--nonsense"),
    ],
)
def test_wrong_arguments_are_named(arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["run", *arguments])
    assert left.value.code == 2
    assert says in capsys.readouterr().err


def test_a_file_that_is_missing_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    before: Any = [*sys.argv]
    assert main(["run", os.path.join("no", "file.py")]) == 2
    assert "No such file" in capsys.readouterr().err
    assert sys.argv == before
