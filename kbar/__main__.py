"""The command line: ``kbar``, or ``python -m kbar``."""

from __future__ import annotations

import argparse
import contextlib
import errno
import io
import json
import math
import os
import runpy
import sys
import time
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from .core.text import clean
from .history.follow import recorded
from .history.watch import replay, watch
from .renderers import check, create, names
from .renderers.jsonl import is_unicode
from .sources.install import install
from .sources.loops import loop
from .system.portable import is_closed_pipe

if TYPE_CHECKING:
    from .history.show import Summary


def demo(args: argparse.Namespace) -> int:
    """Show a simulated run."""
    with loop(args.epochs, label="fit", renderer=args.renderer, log_file=args.log_file) as run:
        for epoch in run.epochs():
            for step in epoch.steps(range(120)):
                time.sleep(args.seconds * 0.8 / 120)
                loss = 2.0 / (1 + (120 * epoch.index + step) / 40)
                epoch.log(loss=loss, accuracy=1 - loss / 2.5)
            for _ in epoch.steps(range(30), "validation"):
                time.sleep(args.seconds * 0.2 / 30)
                epoch.mean(val_loss=1.1 * loss)
    return 0


def _watch(args: argparse.Namespace) -> int:
    for path in args.files:
        if not os.path.exists(path):
            _tell(f"waiting for {path}")
    with _skipped() as skipped:
        watch(args.files, create(args.renderer), skipped, until_end=args.until_end)
    return 0


def _replay(args: argparse.Namespace) -> int:
    with _skipped() as skipped:
        found = replay(recorded(args.file, skipped), create(args.renderer), speed=args.speed)
    return _exit_code(args.file, found)


def _show(args: argparse.Namespace) -> int:
    from .history.show import summaries

    with _skipped() as skipped:
        found = summaries(recorded(args.file, skipped))
        if args.json:
            plain = [summary.plain() for summary in found]
            json.dump(plain, sys.stdout, indent=1, ensure_ascii=not is_unicode(sys.stdout))
            sys.stdout.write("\n")
        elif args.html and found:
            from .history.report import report

            Path(args.html).write_text(report(found), encoding="utf-8", errors="replace")
        elif not args.html:
            _show_all(found)
    return _exit_code(args.file, bool(found))


def _show_all(found: Sequence[Summary]) -> None:
    from .history.show import show

    for at, summary in enumerate(found):
        sys.stdout.write("\n" if at else "")
        show(summary, sys.stdout)


def _run(args: argparse.Namespace) -> int:
    """Run a program as Python does, with kbar installed."""
    if not args.m and not os.path.exists(args.program):
        _tell(f"can't open file {args.program!r}: {os.strerror(errno.ENOENT)}")
        return 2
    install(renderer=args.renderer, log_file=args.log_file, tqdm=args.tqdm)
    sys.argv = [args.program, *args.arguments]
    if not getattr(sys.flags, "safe_path", False):
        sys.path[0] = os.getcwd() if args.m else os.path.dirname(os.path.realpath(args.program))
    try:
        if args.m:
            runpy.run_module(args.program, run_name="__main__", alter_sys=True)
        elif os.path.isdir(args.program) or zipfile.is_zipfile(args.program):
            runpy.run_path(args.program, run_name="__main__")
        else:
            _run_file(os.path.abspath(args.program))
    except SystemExit:
        raise
    except BaseException as error:
        own = (__file__, runpy.run_path.__code__.co_filename)
        trace = error.__traceback__
        while trace and trace.tb_frame.f_code.co_filename in own:
            trace = trace.tb_next
        sys.excepthook(type(error), error.with_traceback(trace), trace)
        sys.excepthook = lambda *_: None  # it is written; Python does the rest, such as the exit code
        raise
    return 0


def _run_file(path: str) -> None:
    # Not by `runpy`, which changes argv[0], and takes the module away before threads and functions for the exit end.
    main = ModuleType("__main__")
    main.__file__, main.__loader__ = path, SourceFileLoader("__main__", path)
    sys.modules["__main__"] = main
    with io.open_code(path) as file:
        code = compile(file.read(), path, "exec", dont_inherit=True)
    exec(code, main.__dict__)  # noqa: S102  # that is what was asked


def _exit_code(path: str, found: bool) -> int:
    if not found:
        _tell(f"{path}: there is no run in it")
    return 0 if found else 1


def _tell(text: str) -> None:
    if sys.stderr:
        sys.stderr.write(f"kbar: {clean(text, 200)}\n")


@contextlib.contextmanager
def _skipped() -> Iterator[Counter[str]]:
    """Counts lines that are not kbar's, by file; in the end a message says how many were skipped."""
    skipped: Counter[str] = Counter()
    try:
        yield skipped
    finally:
        for path, lines in skipped.items():
            _tell(f"{path}: skipped {lines} line{'s' * (lines > 1)} that kbar did not write")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="kbar", description="Even, honest progress bars for Keras.")
    commands = parser.add_subparsers(dest="command", required=True)
    renderer = argparse.ArgumentParser(add_help=False)
    renderer.add_argument("--renderer", default="auto", help=f"one of {', '.join(names())} (default: auto)")

    command = commands.add_parser("demo", parents=[renderer], help="show the bars over a simulated run; needs no Keras")
    command.add_argument("--epochs", type=_above_zero(int), default=3)
    command.add_argument("--seconds", type=_above_zero(float), default=4.0, help="seconds of an epoch (default: 4)")
    command.add_argument("--log-file", help="also append lines to this file; JSON, if its name ends in .jsonl")
    command.set_defaults(run=demo)

    command = commands.add_parser(
        "watch", parents=[renderer], help="draw the bars of runs from their JSON-lines logs, until Ctrl-C"
    )
    command.add_argument("files", nargs="+", metavar="FILE")
    command.add_argument("--until-end", action="store_true", help="return when all runs in the files are over")
    command.set_defaults(run=_watch)

    command = commands.add_parser(
        "run", parents=[renderer], help="run a program as it is, with kbar's bars in place of Keras's own"
    )
    command.add_argument("--log-file", help="also append lines to this file; JSON, if its name ends in .jsonl")
    command.add_argument("--tqdm", action="store_true", help="show tqdm's bars as well")
    command.add_argument("-m", action="store_true", help="run a module, as python -m does")
    command.add_argument("program", metavar="PROGRAM", help="a Python file, or with -m the name of a module")
    command.add_argument("arguments", nargs=argparse.REMAINDER, metavar="...", help="the program's arguments")
    command.set_defaults(run=_run)

    command = commands.add_parser("replay", parents=[renderer], help="draw the bars of finished runs again")
    command.add_argument("file", metavar="FILE")
    command.add_argument("--speed", type=_above_zero(float), default=1.0, help="how many times as fast (default: 1)")
    command.set_defaults(run=_replay)

    command = commands.add_parser("show", help="sum up the runs in a JSON-lines log")
    command.add_argument("file", metavar="FILE")
    how = command.add_mutually_exclusive_group()
    how.add_argument("--json", action="store_true", help="write everything, as JSON")
    how.add_argument("--html", metavar="PAGE", help="write a page for a browser, with tables and curves, to this file")
    command.set_defaults(run=_show)
    return parser


def _above_zero(kind: Callable[[str], float]) -> Callable[[str], float]:
    def parse(text: str) -> float:
        value = kind(text)
        if not 0 < value < math.inf:
            raise argparse.ArgumentTypeError(f"must be above 0; got {text}")
        return value

    parse.__name__ = "number"  # argparse has this name in its message where `kind` fails
    return parse


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    parser = _parser()
    args = parser.parse_args(arguments)
    try:
        if hasattr(args, "renderer"):
            check(args.renderer)
    except (ValueError, ImportError) as error:
        parser.error(str(error))
    if args.command == "run":  # what it writes, and how it ends, is the program's own affair
        return int(args.run(args))
    _prepare_stdout()
    try:
        code: int = args.run(args)
        sys.stdout.flush()
        return code
    except OSError as error:
        if is_closed_pipe(error):  # Python must not write there again when it exits
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 128 + 13
        _tell(f"{error.filename}: {error.strerror}" if error.filename else str(error))
        return 1
    except KeyboardInterrupt:
        return 130  # what shells return after Ctrl-C


def _prepare_stdout() -> None:
    """Make sure that there is a standard output, and that it takes any character."""
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115  # it stays open until the process ends
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")


if __name__ == "__main__":
    sys.exit(main())
