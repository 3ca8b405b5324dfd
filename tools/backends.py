"""Runs the tests of Keras with other backends and versions, each in an environment of its own.

    python tools/backends.py FOLDER [NAME…]

The environments are made in FOLDER once. Most of them add packages to those of the Python that runs this, which has to
have kbar's tests. All are run unless some are named; one whose Python is missing is left out.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TESTS = ("pytest>=8", "pytest-timeout", "pytest-xdist", "pyte", "hypothesis")
LOWEST = ("tqdm==4.66.3", "rich==10.4")  # what pyproject.toml allows


@dataclass(frozen=True)
class Environment:
    """Where the tests run.

    Attributes:
        install: what is given to ``pip install``.
        adds: the environment whose packages it uses besides: another one, "this" for the running Python's, "" for none.
        python: the version of Python; "" for the running one.
        backend: the backend of Keras.
        tests: what is run.
        marks: which of these tests, as pytest's ``-m`` takes it.
    """

    install: tuple[str, ...] = ()
    adds: str = "this"
    python: str = ""
    backend: str = "tensorflow"
    tests: str = "tests/sources"
    marks: str = "keras and not slow"


ANY = "tests/sources/test_versions.py"  # the tests that Keras 2 can run as well
OLDEST = ("tensorflow-cpu==2.16.1", "keras==3.0.0", *LOWEST, *TESTS)
ALL = {"tests": "tests", "marks": "not slow"}  # of a Python: all default tests
ENVIRONMENTS = {
    "tensorflow": Environment(),
    "jax": Environment(("jax",), backend="jax"),
    # Later ones bring the libraries of CUDA, some gigabytes.
    "torch": Environment(("torch==2.13.0",), backend="torch"),
    "tf_keras": Environment(("--no-deps", "tf_keras"), tests=ANY),
    "keras-3.0": Environment(OLDEST, adds="", python="3.10"),
    "keras-3.3": Environment(("--no-deps", "keras==3.3.3"), adds="keras-3.0", python="3.10"),
    "keras-3.6": Environment(("--no-deps", "keras==3.6.0"), adds="keras-3.0", python="3.10"),
    "keras-3.10": Environment(("--no-deps", "keras==3.10.0")),
    "keras-3.11": Environment(("--no-deps", "keras==3.11.3")),
    "python-3.13": Environment(("-e", f"{ROOT}[test]"), adds="", python="3.13", **ALL),
    "lowest": Environment(("-e", f"{ROOT}[test]", *OLDEST), adds="", python="3.10", **ALL),
    "keras-2.15": Environment(("tensorflow-cpu==2.15.1", *TESTS, *LOWEST), adds="", python="3.11", tests=ANY),
}


def interpreter(version: str) -> str | None:
    """The path of a Python of this version, such as ``3.10``; None if there is none."""
    if version in ("", f"{sys.version_info.major}.{sys.version_info.minor}"):
        return sys.executable
    found = [shutil.which(f"python{version}"), *sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python"))]
    works = (
        str(path) for path in found if path and not subprocess.run([path, "-c", ""], capture_output=True).returncode
    )
    return next(works, None)


def packages_of(python: str) -> str:
    """The folder of a Python's packages."""
    code = "import sysconfig; print(sysconfig.get_path('purelib'))"
    return subprocess.run([python, "-c", code], check=True, capture_output=True, text=True).stdout.strip()


def made(folder: Path, name: str) -> str | None:
    """The Python of the environment called `name`, which is made if it is not there; None if its Python is missing."""
    if name == "this":
        return sys.executable
    environment, place = ENVIRONMENTS[name], folder / name
    python = str(place / "bin" / "python")
    base, complete = interpreter(environment.python), place / "complete"
    if base is None or complete.exists():
        return base and python
    other = made(folder, environment.adds) if environment.adds else None
    subprocess.run([base, "-m", "venv", "--clear", place], check=True)
    if other:
        Path(packages_of(python), "others.pth").write_text(packages_of(other))
    if environment.install:
        subprocess.run([python, "-m", "pip", "install", "-q", *environment.install], check=True)
    complete.touch()
    return python


def main() -> None:
    """Make the environments, and run the tests in each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("folder", type=Path, help="where the environments are made")
    parser.add_argument("names", nargs="*", choices=[*ENVIRONMENTS, []], metavar="NAME", help=", ".join(ENVIRONMENTS))
    args = parser.parse_args()
    failed = []
    for name in args.names or ENVIRONMENTS:
        environment, python = ENVIRONMENTS[name], made(args.folder.resolve(), name)
        if python is None:
            print(f"-- {name}: left out, there is no Python {environment.python}", flush=True)
            continue
        print(f"-- {name}", flush=True)
        variables = {"KERAS_BACKEND": environment.backend, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}
        command = [python, "-m", "pytest", "-n", "2", "-m", environment.marks, environment.tests]
        if subprocess.run(command, cwd=ROOT, env={**os.environ, **variables}).returncode:
            failed.append(name)
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
