"""Libraries that log and the standard library's own ways: each line once and whole, above the bars."""

from __future__ import annotations

from pathlib import Path

import pytest

from .conftest import Trainings

pytestmark = pytest.mark.slow


CONFIG = """
import logging.config
def config():
    return {"version": 1, "disable_existing_loggers": False,
        "formatters": {"plain": {"format": "%(name)s| %(message)s"}},
        "handlers": {name: {"class": "logging.StreamHandler", "formatter": "plain", "stream": "ext://sys." + name}
                     for name in ("stdout", "stderr")},
        "loggers": {name: {"handlers": [name], "level": "INFO", "propagate": False} for name in ("stdout", "stderr")}}
with open(os.path.join(folder, "logging.ini"), "w") as file:
    file.write('''
[loggers]
keys=root,file
[handlers]
keys=err
[formatters]
keys=plain
[logger_root]
handlers=
[logger_file]
level=INFO
handlers=err
qualname=file
propagate=0
[handler_err]
class=StreamHandler
args=(sys.stderr,)
formatter=plain
[formatter_plain]
format=%(name)s| %(message)s
''')
"""


def test_logging_that_is_configured_before_and_during_a_training(trainings: Trainings) -> None:
    configure = (
        "logging.config.dictConfig(config()); "
        "logging.config.fileConfig(os.path.join(folder, 'logging.ini'), disable_existing_loggers=False)"
    )
    trained = trainings.run(
        f"self.n % 10 == 5 and exec({configure!r}); "
        "[logging.getLogger(name).info(line(name)) for name in ('stdout', 'stderr', 'file')]",
        first=CONFIG + configure,
    )
    for name in ("stdout", "stderr", "file"):
        trained.has_each_once(name, before=rf"{name}\| ")


def test_lines_of_kbar_by_a_logger_with_a_handler_on_the_same_terminal(trainings: Trainings) -> None:
    trained = trainings.run("print(line('print'))", first="logging.basicConfig(format='root| %(message)s')")
    trained.has_each_once("print")
    rows = [row.removeprefix("root| ") for row in trained.text.splitlines() if row.startswith("root| ")]
    assert "\n".join(rows) + "\n" == (trainings.folder / "logger.log").read_text()


def test_warnings(trainings: Trainings) -> None:
    trained = trainings.run("warnings.warn(line('warned'))", first="warnings.simplefilter('always', UserWarning)")
    trained.has_each_once("warned", before=r".*UserWarning: ")


def test_prints_that_are_redirected_elsewhere(trainings: Trainings) -> None:
    trained = trainings.run(
        "exec(redirected)",
        first="kept = open(os.path.join(folder, 'kept.txt'), 'w')\n"
        "redirected = '''\nwith contextlib.redirect_stdout(kept), contextlib.redirect_stderr(kept):\n"
        "    print(line('kept')); print(line('error'), file=sys.stderr)\nprint(line('print'))'''",
        then="kept.close()",
    )
    trained.has_each_once("print")
    kept = trainings.read("kept.txt")
    trained.has_each_once("kept", "error", text=kept)
    assert len(kept.splitlines()) == 2 * len(trained.renderers) * 40
    assert "kept" not in trained.text


def test_trainings_that_are_redirected_to_a_file(trainings: Trainings) -> None:
    trained = trainings.run(
        "print(line('print')); print(line('error'), file=sys.stderr)",
        first="kept = open(os.path.join(folder, 'kept.txt'), 'w')\nfitted = keras.Model.fit\n"
        "def fit(*args, **options):\n    with contextlib.redirect_stdout(kept): return fitted(*args, **options)\n"
        "keras.Model.fit = fit",
        then="kept.close()",
    )
    trained.has_each_once("error")
    kept = trainings.read("kept.txt")
    trained.has_each_once("print", text=kept)
    trained.has_each_epoch_once(kept)


def test_absl(trainings: Trainings) -> None:
    pytest.importorskip("absl", reason="pip install absl-py")
    trained = trainings.run(
        "absl.logging.info(line('absl')); logging.getLogger('other').info(line('other'))",
        first="import absl.logging\nabsl.logging.use_absl_handler(); absl.logging.set_verbosity('info')",
    )
    trained.has_each_once("absl", "other", before=r"I\d{4} \S+ +\d+ [^:]+:\d+\] ")


def test_loguru(trainings: Trainings) -> None:
    """Its sinks of all kinds, one of which shows what kbar gives to a logger as well."""
    pytest.importorskip("loguru", reason="pip install loguru")
    sinks = {"plain": "", "colour": ", colorize=True", "queue": ", enqueue=True"}
    add = "".join(
        f"log.add(sys.{stream}, format='{name}_{stream}| {{message}}', "
        f"filter=lambda r: {name!r} in r['extra']{options})\n"
        for name, options in sinks.items()
        for stream in ("stdout", "stderr")
    )
    trained = trainings.run(
        f"[log.bind(**{{name: 1}}).info(line(name)) for name in {[*sinks]}]; self.n % 20 == 19 and log.complete()",
        first=f"from loguru import logger as log\nlog.remove()\n{add}"
        "class Intercepts(logging.Handler):\n"
        "    def emit(self, record): log.bind(plain=1).log(record.levelname, record.getMessage())\n"
        "logging.basicConfig(handlers=[Intercepts()])",
    )
    for name in sinks:
        for stream in ("stdout", "stderr"):
            rows = [row for row in trained.text.splitlines() if row.startswith(f"{name}_{stream}| ")]
            trained.has_each_once(name, text="\n".join(rows), before=rf"{name}_{stream}\| ")
            assert trained.text.count(f"{name}_{stream}| ") == len(rows)
            lines = [row.removeprefix(f"{name}_{stream}| ") for row in rows if "| fit" in row]
            assert "".join(f"{line}\n" for line in lines) == (trainings.read("logger.log") if name == "plain" else "")


def test_structlog(trainings: Trainings) -> None:
    """Loggers of all kinds, made before and during the training; most keep the method that writes."""
    pytest.importorskip("structlog", reason="pip install structlog")
    trained = trainings.run(
        "[log.error(line(kind), n=self.n) for kind, log in [*before.items(), *made('during').items()]]",
        first="""
import structlog
logging.basicConfig(format='%(message)s')
def made(when):
    text = structlog.processors.KeyValueRenderer()
    some = {"Print": [text], "Write": [text], "Bytes": [text, lambda _, __, text: text.encode()]}
    loggers = {when + kind: structlog.wrap_logger(getattr(structlog, kind + "LoggerFactory")()(), processors)
               for kind, processors in some.items()}
    return {**loggers, when + "stdlib": structlog.wrap_logger(structlog.stdlib.LoggerFactory()("structlog"), [text])}
before = made("before")
""",
    )
    kinds = [f"{when}{kind}" for when in ("before", "during") for kind in ("Print", "Write", "Bytes", "stdlib")]
    trained.has_each_once(*kinds, before=r"n=\d+ event='", after="'")


def test_all_ways_of_the_standard_library_to_a_file(tmp_path: Path) -> None:
    trained = Trainings(tmp_path, "file").run(
        "print(line('print')); print(line('error'), file=sys.stderr); logging.info(line('root')); "
        "warnings.warn(line('warned'))",
        first="warnings.simplefilter('always', UserWarning); logging.captureWarnings(True); "
        "logging.basicConfig(level='INFO', format='%(message)s')",
    )
    trained.has_each_once("print", "error", "root")
    trained.has_each_once("warned", before=r".*UserWarning: ")
