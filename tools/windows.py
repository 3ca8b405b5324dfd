"""Runs a program or tests with Python for Windows, by Wine: ``python tools/windows.py FOLDER -m pytest tests/system``.

The first call puts Python for Windows into FOLDER: CPython's library and extension modules from the wheel of Panda3D,
which holds them for programs that bring their own Python; the standard library of the Python that runs this script,
which must be of the same version; and the packages that the tests need. It needs Debian's packages wine64 and
gcc-mingw-w64-x86-64-posix.

Wine is not Windows: it has no soft links, removes a file only once all have closed it, and shows escape sequences on
its console whatever the console's mode is.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
VERSION = f"{sys.version_info.major}{sys.version_info.minor}"
WHEELS = ["--platform", "win_amd64", "--python-version", VERSION, "--only-binary", ":all:"]
PACKAGES = ["rich", "tqdm", "colorama", "pytest", "pytest-timeout", "pyte", "hypothesis", "numpy==1.26.4"]
MAIN = """
#include <windows.h>
int wmain(int count, wchar_t **words) {
    HMODULE python = LoadLibraryW(L"python%s.dll");
    return python ? ((int (*)(int, wchar_t **))GetProcAddress(python, "Py_Main"))(count, words) : 120;
}
"""


def make(folder: Path) -> None:
    """Put Python for Windows into the folder."""
    shutil.copytree(
        sysconfig.get_path("stdlib"),
        folder / "Lib",
        ignore=shutil.ignore_patterns("site-packages", "test", "lib-dynload", "config-*", "__pycache__"),
    )
    pip = [sys.executable, "-m", "pip"]
    with tempfile.TemporaryDirectory() as scratch:
        subprocess.run([*pip, "download", "-q", "--no-deps", "-d", scratch, *WHEELS, "panda3d"], check=True)
        (wheel,) = Path(scratch).glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            for name in archive.namelist():
                if name.startswith("deploy_libs/") and not Path(name).name.startswith("api-ms"):
                    (folder / Path(name).name).write_bytes(archive.read(name))
        source = Path(scratch, "main.c")
        source.write_text(MAIN % VERSION, encoding="utf-8")
        compiler = ["x86_64-w64-mingw32-gcc", "-municode", "-o", str(folder / "python.exe"), str(source)]
        subprocess.run(compiler, check=True)
    subprocess.run(
        [*pip, "install", "-q", "--target", str(folder / "Lib" / "site-packages"), *WHEELS, *PACKAGES], check=True
    )


def main() -> int:
    """Run Python for Windows with the arguments of this script; return its exit code."""
    folder = Path(sys.argv[1]).absolute()
    program = folder / "python.exe"
    if not program.exists():
        make(folder)
    env = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    env |= {"WINEPREFIX": str(folder / "wine"), "WINEDEBUG": "-all", "WINEDLLOVERRIDES": "mscoree,mshtml="}
    env |= {"PYTHONPATH": f"Z:{ROOT}".replace("/", "\\"), "PYTHONDONTWRITEBYTECODE": "1"}
    wine = next((path for path in ("/usr/lib/wine/wine64", "/usr/bin/wine64") if os.path.exists(path)), "wine")
    if not Path(env["WINEPREFIX"]).exists():
        registry = ["reg", "add", r"HKCU\Software\Wine", "/v", "Version", "/d", "win10", "/f"]
        subprocess.run([wine, *registry], env=env, check=True, stdin=subprocess.DEVNULL, capture_output=True)
    with (
        subprocess.Popen(  # by a pipe, as Wine's Python takes no file for its standard output
            [wine, str(program), *sys.argv[2:]],
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        ) as process
    ):
        assert process.stdout
        for line in process.stdout:
            sys.stdout.buffer.write(line)
            sys.stdout.flush()
    return process.returncode


if __name__ == "__main__":
    sys.exit(main())
