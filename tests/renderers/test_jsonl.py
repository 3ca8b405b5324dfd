"""Log lines for programs: what they hold, and what reads them."""

from __future__ import annotations

import io
import json
import logging
import math
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

import kbar
from kbar.display.process import current
from kbar.history.read import Record, read
from kbar.options import Options
from kbar.renderers.jsonl import dumps, message_of, record_of
from kbar.system.worker import Worker
from kbar.testing import FakeClock, VirtualTerminal, fake_clock

from .test_screens import begin_with, life

SCHEMA = json.loads((Path(kbar.__file__).parent / "schema.json").read_text(encoding="utf-8"))
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA, format_checker=jsonschema.FormatChecker())


def lines_of(stream: io.StringIO) -> list[dict[str, Any]]:
    """The objects on the lines, which all match the schema."""
    found = [json.loads(line, parse_constant=pytest.fail) for line in stream.getvalue().splitlines()]
    for each in found:
        VALIDATOR.validate(each)
    return found


@pytest.fixture
def stream() -> io.StringIO:
    return io.StringIO()


def test_the_objects_of_a_run(clock: FakeClock, stream: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    """The beginning and end of each stage, the end of each epoch, where they lie, and their metrics."""
    begin_with(Options(kbar.JsonLinesRenderer(stream)), monkeypatch)
    for _ in life(clock):
        pass
    found = lines_of(stream)
    assert len({(each["run"], each["pid"], each["host"], each["rank"]) for each in found}) == 1
    ends_and_begins = [(each["event"], each["path"]) for each in found if each["event"] != "progress"]
    assert ends_and_begins == [
        ("begin", "fit"),
        ("begin", "fit epoch 1/4 train"), ("end", "fit epoch 1/4 train"),
        ("begin", "fit epoch 1/4 validation"), ("end", "fit epoch 1/4 validation"), ("end", "fit epoch 1/4"),
        ("begin", "fit epoch 2/4 train"), ("end", "fit epoch 2/4 train"),
        ("begin", "fit epoch 2/4 evaluate"), ("end", "fit epoch 2/4 evaluate"),
        ("begin", "fit epoch 2/4 validation"), ("end", "fit epoch 2/4 validation"), ("end", "fit epoch 2/4"),
        ("begin", "fit epoch 3/4 train"), ("end", "fit epoch 3/4 train"), ("end", "fit epoch 3/4"),
        ("end", "fit"),
    ]  # fmt: skip
    progress = next(each for each in found if each["event"] == "progress")
    assert (progress["stage"], progress["done"], progress["total"], progress["unit"]) == ("train", 50, 500, "step")
    assert progress["metrics"] == {"loss": pytest.approx(1 / 1.1), "accuracy": 0.9, "a_long_name": 123456}
    assert (progress["rate"], progress["elapsed"]) == (pytest.approx(100), pytest.approx(2.5))
    assert [above["path"] for above in progress["above"]] == ["fit"]
    epoch = next(each for each in found if each["stage"] == "epoch")
    assert (epoch["outcome"], epoch["done"], epoch["total"]) == ("done", 500, 500)
    assert list(epoch["metrics"]) == ["loss", "val_loss", "accuracy", "val_accuracy"]
    assert sum(epoch["spent"].values()) == pytest.approx(epoch["elapsed"])
    assert epoch["id"] == epoch["above"][0]["id"], "an epoch has the id of the stage around it"
    assert found[-1]["outcome"] == "stopped"


def test_pandas_reads_it_with_one_call(clock: FakeClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "run.jsonl"
    begin_with(Options("none", log_file=path), monkeypatch)
    for _ in life(clock):
        pass
    pd = pytest.importorskip("pandas")
    table = pd.read_json(path, lines=True)
    epochs = table[(table.event == "end") & (table.stage == "epoch")]
    assert list(epochs.path) == ["fit epoch 1/4", "fit epoch 2/4", "fit epoch 3/4"]
    assert pd.json_normalize(list(epochs.metrics))["val_loss"].tolist() == [0.5] * 3
    assert pd.to_datetime(table.time).is_monotonic_increasing


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize(
    ("value", "written"),
    [
        (math.nan, "NaN"),
        (math.inf, "Infinity"),
        (-math.inf, "-Infinity"),
        (10**400, "Infinity"),
        (-(10**25), -1e25),
        (True, True),
        (None, None),
        ("a\nb\x1b[31mc\u202e", "a b [31mc"),
    ],
)
def test_any_metric_is_valid_json(value: Any, written: Any, stream: io.StringIO) -> None:
    stage = current().begin("evaluate", unit="step", total=1, options=Options(kbar.JsonLinesRenderer(stream)))
    stage.advance_to(1, current().clock(), {"metric": value})
    current().end(stage, "done")
    assert lines_of(stream)[-1]["metrics"] == {"metric": written}


@pytest.mark.usefixtures("clock")
@pytest.mark.filterwarnings("ignore::kbar.KbarWarning")
def test_an_array_is_valid_json(stream: io.StringIO) -> None:
    np = pytest.importorskip("numpy")
    for value, written in ((-np.float32("inf"), "-Infinity"), (np.float32(0.5), 0.5), (np.zeros((2, 3)), "[2×3]")):
        test_any_metric_is_valid_json(value, written, stream)


texts = st.text(st.characters(), max_size=60)


@given(text=texts, name=texts, value=st.one_of(texts, st.floats(), st.integers(), st.none(), st.booleans()))
def test_a_line_is_printable_and_reads_back_as_what_it_was(text: str, name: str, value: Any) -> None:
    stream = io.StringIO()
    with fake_clock():
        renderers = [kbar.JsonLinesRenderer(stream), kbar.LogRenderer(people := io.StringIO())]
        stage = current().begin(text, unit=text, total=2, options=Options(renderers))
        stage.advance_to(1, current().clock(), {name: value})
        current().end(stage, "error")
    found = lines_of(stream)
    assert [each["event"] for each in found] == ["begin", "end"]
    for line in (*stream.getvalue().split("\n"), *people.getvalue().split("\n")):
        assert not any(ord(c) < 32 or 127 <= ord(c) < 160 or c in "\u2028\u2029\u202e\u2066" for c in line)
        line.encode("utf-8")
    for each, line in zip(found, stream.getvalue().splitlines(), strict=True):
        record = read(line)
        assert record is not None
        assert record.stage is not None
        assert (record.kind, record.run, record.pid) == (each["event"], each["run"], each["pid"])
        again = record_of(
            kbar.Event(record.kind, record.time, record.stage), Worker(record.rank, record.pid, record.host)
        )  # type: ignore[arg-type]  # no message is among them
        assert {**again, "text": None} == each


@given(st.one_of(st.binary(), st.text().map(str.encode), st.just(b"[" * 100_000), st.just(b"1" * 5000)))
def test_other_text_is_no_record(line: bytes) -> None:
    assert read(line) is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts, lambda x: st.lists(x) | st.dictionaries(texts, x)
)


@given(st.data())
def test_a_line_with_any_wrong_value_gives_a_harmless_record_or_none(data: st.DataObject) -> None:
    with fake_clock():
        stage = current().begin("fit", unit="epoch", total=2, options=Options(kbar.JsonLinesRenderer(io.StringIO())))
        event = kbar.Event("progress", 1000.0, stage.view(1001.0))
        record = record_of(event, Worker(0, 1, "host"))
        current().end(stage, "done")
    record[data.draw(st.sampled_from(sorted(record)))] = data.draw(JSON)
    found = read(json.dumps(record))
    assert found is None or isinstance(found, Record)
    if found and found.stage:
        for text in (
            found.run,
            found.host,
            found.text,
            found.stage.title,
            found.stage.path,
            *map(str, dict(found.stage.metrics)),
        ):
            assert "\x1b" not in text
            assert "\n" not in text


def test_a_run_that_resumes_says_so(clock: FakeClock, stream: io.StringIO) -> None:
    people = io.StringIO()
    renderers = [kbar.JsonLinesRenderer(stream), kbar.LogRenderer(people)]
    with kbar.loop(5, initial_epoch=3, renderer=renderers) as loop:
        for _ in loop.epochs():
            clock.advance(1.0)
    (message,) = (each for each in lines_of(stream) if each["event"] == "message")
    assert (message["text"], message["stage"], message["done"]) == ("resumes at 3/5", "loop", 3)
    assert people.getvalue().splitlines()[1].endswith(" loop resumes at 3/5 60%")


@pytest.mark.usefixtures("clock")
def test_a_gap_is_a_message(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    stage = current().begin("fit", unit="epoch", total=1, options=Options("none", log_file=path))
    path.unlink()
    path.mkdir()
    with pytest.warns(kbar.KbarWarning):
        current().end(current().begin("train", unit="step", total=1, parent=stage), "done")
    path.rmdir()
    current().end(stage, "done")
    gap = json.loads(path.read_text().splitlines()[0])
    VALIDATOR.validate(gap)
    assert gap["text"] == "lines missing: 2 (Is a directory)"


def test_printed_lines_are_logged_if_wanted_and_still_printed(
    clock: FakeClock, stream: io.StringIO, capsys: pytest.CaptureFixture[str]
) -> None:
    people = io.StringIO()
    logs = [kbar.JsonLinesRenderer(stream, messages=True), kbar.LogRenderer(people, messages=True)]
    before = sys.stdout
    stage = current().begin("fit", unit="epoch", total=1, options=Options(logs))
    print("saved \x1b[1mmodel.keras\x1b[0m", end="")
    assert capsys.readouterr().out == "saved \x1b[1mmodel.keras\x1b[0m"
    print("\nand", file=sys.stdout)
    print("a warning", file=sys.stderr)
    current().end(stage, "done")
    assert sys.stdout is before
    assert capsys.readouterr() == ("\nand\n", "a warning\n")
    messages = [each for each in lines_of(stream) if each["event"] == "message"]
    assert [each["text"] for each in messages] == ["saved model.keras", "and", "a warning"]
    assert {each["run"] for each in messages} == {stage.run}
    assert [line[26:] for line in people.getvalue().splitlines()[1:-1]] == [
        "message saved model.keras", "message and", "message a warning",
    ]  # fmt: skip


def test_printed_lines_go_above_the_bars_and_into_the_log_once(
    clock: FakeClock, stream: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = VirtualTerminal(60, 10)
    monkeypatch.setattr(sys, "stdout", terminal)
    logs = ["rich", kbar.JsonLinesRenderer(stream, messages=True)]
    stage = current().begin("fit", unit="epoch", total=1, options=Options(logs))
    print("one")
    clock.advance(0.1)
    print("two")
    current().end(stage, "done")
    assert [line.split(" ")[0] for line in terminal.text.splitlines()] == ["one", "two", "fit"]
    assert [each["text"] for each in lines_of(stream) if each["event"] == "message"] == ["one", "two"]
    assert sys.stdout is terminal


def test_a_logger_gets_records_with_fields_at_the_given_level(
    clock: FakeClock, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    logger = logging.getLogger("training")
    caplog.set_level(logging.DEBUG, "training")
    begin_with(Options(kbar.LogRenderer(logger, level=logging.DEBUG)), monkeypatch)
    for _ in life(clock):
        pass
    first, second, *_, last = caplog.records
    assert (first.getMessage(), first.levelno, first.name) == ("fit begins total=4", logging.DEBUG, "training")
    assert second.getMessage().startswith("fit epoch 1/4 train 50/500 10% loss=0.9091")
    plain = vars(logging.makeLogRecord({}))
    assert {*vars(second)} - {*plain, "message", "asctime"} == {
        "kbar"
    }  # what others keep there, such as `host`, has room beside it
    fields: Any = vars(second)["kbar"]
    assert (fields["event"], fields["path"]) == ("progress", "fit epoch 1/4 train")
    assert (fields["done"], fields["total"], fields["metrics"]["a_long_name"]) == (50, 500, 123456)
    VALIDATOR.validate(fields)
    assert last.getMessage().startswith("fit stopped at 3/4")


@pytest.mark.usefixtures("clock")
def test_adapters_of_a_logger_add_to_its_records(caplog: pytest.LogCaptureFixture) -> None:
    """Python's own would put its attributes in the place of kbar's; others change the text."""

    class Prefix(logging.LoggerAdapter):  # type: ignore[type-arg]  # it takes none in Python 3.10
        def process(self, msg: Any, kwargs: Any) -> tuple[Any, Any]:
            return f"[100%] {msg}", kwargs

    logger = logging.getLogger("training")
    caplog.set_level(logging.INFO, "training")
    adapter: Any = Prefix(logging.LoggerAdapter(logger, {"user": "me"}), {})
    with kbar.stage("export", total=3, renderer=["none", kbar.LogRenderer(adapter)]) as stage:
        stage.advance(3)
    first, last = caplog.records
    assert first.getMessage() == "[100%] export begins total=3"
    assert [(vars(each)["kbar"]["event"], vars(each)["user"]) for each in (first, last)] == [
        ("begin", "me"),
        ("end", "me"),
    ]


def test_a_path_with_an_attribute_that_loggers_have_is_a_path(clock: FakeClock, tmp_path: Path) -> None:
    """As paths of Python 3.14 have."""

    class PathWithInfo(type(tmp_path)):  # type: ignore[misc]  # that depends on the system
        info = "of the file"

    with kbar.stage("export", total=3, renderer=kbar.LogRenderer(PathWithInfo(tmp_path / "run.log"))):
        pass
    assert "export begins" in (tmp_path / "run.log").read_text()


class OtherLogger:
    """A logger of another library, which only looks like one of Python's."""

    def info(self, text: str) -> None:
        """Log a text."""

    def __repr__(self) -> str:
        return "<OtherLogger>"


@pytest.mark.parametrize(
    ("arguments", "error", "says"),
    [
        ({"file": OtherLogger()}, TypeError, r"a logger of Python's `logging` or None; got <OtherLogger>"),
        ({"file": "a.log", "messages": "yes"}, TypeError, "messages must be True or False; got 'yes'"),
        ({"messages": True}, ValueError, "messages=True needs a path"),
        ({"file": logging.getLogger("a"), "messages": True}, ValueError, "messages=True needs a path"),
        ({"level": "INFO"}, TypeError, r"level must be a number such as logging\.INFO; got 'INFO'"),
        ({"file": b"a.log"}, TypeError, "file must be a path, a text stream or None; got b'a.log'"),
    ],
)
def test_wrong_arguments_are_refused(arguments: Any, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        kbar.LogRenderer(**arguments)


@pytest.mark.parametrize(
    ("log_file", "error", "says"),
    [
        (5, TypeError, "log_file must be a path; got 5"),
        ("{epoch}.log", ValueError, "got '{epoch}.log'"),
        ("/", IsADirectoryError, "directory"),
    ],
)
def test_a_wrong_log_file_is_refused(log_file: Any, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        kbar.stage("train", log_file=log_file)


def test_a_log_file_keeps_its_own_throttle(clock: FakeClock, tmp_path: Path) -> None:
    """The given one is for the screen."""
    path = tmp_path / "train.log"
    options = Options("none", throttle=kbar.always, log_file=path)
    stage = current().begin("train", unit="step", total=100, options=options)
    for done in range(100):
        clock.advance(0.2)
        stage.advance_to(done, current().clock())
    current().end(stage, "done")
    assert len(path.read_text().splitlines()) == 11


def test_a_message_about_no_stage_matches_the_schema() -> None:
    VALIDATOR.validate(json.loads(dumps(message_of("x\ny", 0.0, "", Worker(0, 1, "host")))))


def test_names_survive_a_stream_that_cannot_encode_them(clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the redirected output of a program on Windows."""
    stream = io.TextIOWrapper(io.BytesIO(), encoding="cp1252")
    with kbar.stage("\u5b66\u7fd2", total=1, renderer=kbar.JsonLinesRenderer(stream)):
        clock.advance(1.0)
    stream.flush()
    lines = stream.buffer.getvalue().decode("utf-8").splitlines()  # type: ignore[attr-defined]  # BytesIO
    assert [json.loads(line)["stage"] for line in lines] == ["\u5b66\u7fd2"] * 2
