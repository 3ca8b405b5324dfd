"""Log files: whole lines or none, whatever happens to the file."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import kbar
from kbar.system.logfile import LogFile, check_path
from kbar.testing import FakeClock, RecordingRenderer

from ..helpers import has, run_python


def gap(missing: int, reason: str) -> str:
    return f"{missing} missing: {reason}"


@pytest.fixture
def now() -> FakeClock:
    return FakeClock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "train.log"


@pytest.fixture
def log(path: Path, now: FakeClock) -> LogFile:
    return LogFile(str(path), gap, now)


def test_folders_are_created_and_the_umask_decides_the_permissions(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "train.log"
    before = os.umask(0o027)
    try:
        log = LogFile(str(path), gap)
        assert not path.parent.exists(), "nothing is created before there is a line"
        log.write("one")
    finally:
        os.umask(before)
    assert path.read_text() == "one\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640 or not has("getuid")


@pytest.mark.parametrize(
    "rotate",
    [
        lambda path: path.rename(path.with_suffix(".1")),
        lambda path: path.unlink(),
        lambda path: (path.rename(path.with_suffix(".1")), path.write_text("")),
    ],
    ids=["moved", "deleted", "replaced"],
)
def test_a_rotated_file_is_created_anew(path: Path, log: LogFile, rotate: Callable[[Path], object]) -> None:
    log.write("before")
    rotate(path)
    log.write("after")
    assert path.read_text() == "after\n"
    moved = path.with_suffix(".1")
    assert not moved.exists() or moved.read_text() == "before\n"


def test_a_truncated_file_goes_on_from_its_beginning(path: Path, log: LogFile) -> None:
    log.write("before")
    os.truncate(path, 0)
    log.write("after")
    assert path.read_text() == "after\n"


def test_an_unfinished_line_of_another_program_is_ended_first(path: Path, log: LogFile) -> None:
    path.write_text("whole\nto")
    log.write("mine")
    assert path.read_text() == "whole\nto\nmine\n"


def test_a_file_that_fails_is_tried_again_after_a_minute(
    path: Path, log: LogFile, now: FakeClock, recwarn: pytest.WarningsRecorder
) -> None:
    log.write("one")
    os.remove(path)
    path.mkdir()  # root may write to what is read-only, but not to this
    for line in ("two", "three"):
        log.write(line)
    path.rmdir()
    now.advance(59)
    log.write("four")
    assert not path.exists()
    now.advance(2)
    log.write("five")
    assert path.read_text() == "3 missing: Is a directory\nfive\n"
    (warning,) = recwarn
    assert issubclass(warning.category, kbar.KbarWarning)
    assert str(warning.message) == (
        f"nothing can be written to {path}: Is a directory. It is tried again every minute; the run goes on."
    )


def test_the_last_line_is_tried_again_when_the_run_ends(path: Path, log: LogFile) -> None:
    path.mkdir()
    with pytest.warns(kbar.KbarWarning):
        log.write("one")
    path.rmdir()
    log.close()
    assert path.read_text() == "one\n", "nothing is missing then"


@pytest.mark.slow
def test_a_full_disk_leaves_whole_lines_only(path: Path) -> None:
    """A line that has no space as a whole is taken back."""
    code = """
import resource, sys
from kbar.system.logfile import LogFile
class Clock:
    now = 0.0
    def __call__(self): return self.now
clock = Clock()
log = LogFile(sys.argv[1], lambda missing, reason: f"{missing} missing: {reason}", clock)
resource.setrlimit(resource.RLIMIT_FSIZE, (25, resource.RLIM_INFINITY))
for line in ("a" * 9, "b" * 9, "c" * 9, "d"):
    log.write(line)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
clock.now += 61
log.write("e")
"""
    shown = run_python(code, path)
    assert path.read_text() == f"{'a' * 9}\n{'b' * 9}\n2 missing: there was no space for a whole line\ne\n"
    assert shown.stderr.count("KbarWarning") == 1


@pytest.mark.needs("/dev/full")
def test_a_full_device_gives_one_warning() -> None:
    log = LogFile("/dev/full", gap)
    with pytest.warns(kbar.KbarWarning, match="nothing can be written to /dev/full: No space left on device"):
        log.write("one")
    log.commit()
    log.close()


@pytest.mark.needs("mkfifo")
def test_a_fifo_without_a_reader_does_not_block(path: Path, log: LogFile) -> None:
    os.mkfifo(path)
    with pytest.warns(kbar.KbarWarning, match="nothing can be written"):
        log.write("one")


@pytest.mark.needs("mkfifo")
@pytest.mark.parametrize("target", ["/dev/null", "fifo"])
def test_a_link_to_something_else_than_a_file_is_not_followed(path: Path, log: LogFile, target: str) -> None:
    if target == "fifo":
        os.mkfifo(path.parent / target)
        reader = os.open(path.parent / target, os.O_RDONLY | os.O_NONBLOCK)
    path.symlink_to(target)
    with pytest.warns(kbar.KbarWarning, match="a link to something that is no file"):
        log.write("one")
    if target == "fifo":
        assert os.read(reader, 10) == b""
        os.close(reader)


def test_a_link_to_a_file_is_followed(path: Path, log: LogFile) -> None:
    path.symlink_to(path.parent / "there")
    log.write("one")
    assert (path.parent / "there").read_text() == "one\n"


@pytest.mark.slow
def test_eight_writers_share_a_file_without_mixing_lines(path: Path) -> None:
    code = """
import sys
from kbar.system.logfile import LogFile
log = LogFile(sys.argv[1], None)
for i in range(1000):
    log.write(f"{sys.argv[2]} {i} " + sys.argv[2] * (37 * i % 900))
"""
    writers = [subprocess.Popen([sys.executable, "-c", code, path, str(n)]) for n in range(8)]
    assert [writer.wait() for writer in writers] == [0] * 8
    lines = path.read_text().splitlines()
    assert sorted(lines) == sorted(f"{n} {i} " + str(n) * (37 * i % 900) for n in range(8) for i in range(1000))


@pytest.mark.slow
def test_a_killed_writer_leaves_whole_lines(path: Path) -> None:
    code = """
import sys
from kbar.system.logfile import LogFile
log = LogFile(sys.argv[1], None)
while True:
    log.write("x" * 999)
"""
    writer = subprocess.Popen([sys.executable, "-c", code, path])
    while not path.exists() or path.stat().st_size < 100_000:
        assert writer.poll() is None
    writer.kill()
    writer.wait()
    assert set(path.read_text().split("\n")) == {"x" * 999, ""}


def test_placeholders_are_filled_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "3")
    monkeypatch.setenv("WORLD_SIZE", "4")
    log = LogFile(str(tmp_path / "{host}" / "{rank:02d}-{pid}-{time}.log"), gap)
    log.write("one")
    assert Path(log.path).name.startswith(f"03-{os.getpid()}-20")
    assert Path(log.path).read_text() == "one\n"


@pytest.mark.parametrize(
    ("path", "error", "says"),
    [
        ("{epoch}.log", ValueError, r"may hold \{rank\}, .* doubled braces; got '\{epoch\}.log'"),
        ("{.log", ValueError, "got '{.log'"),
        ("{rank:zz}.log", ValueError, "got '{rank:zz}.log'"),
        ("{rank:{epoch}}.log", ValueError, "got"),
        ("{}.log", ValueError, "got '{}.log'"),
        ("a\0b", ValueError, "file must be a path"),
        ("", ValueError, "file must be a path"),
        ("/", IsADirectoryError, "/"),
        (f"{__file__}/train.log", NotADirectoryError, "train.log"),
    ],
)
def test_an_impossible_path_is_refused_at_once(path: str, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        check_path(path)


@pytest.mark.slow
def test_a_path_without_permission_is_refused_at_once(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o500)
    (tmp_path / "read-only.log").touch(mode=0o400)
    code = """
import os, sys
from kbar.system.logfile import check_path
if os.geteuid() == 0:
    os.setuid(65534)
for path in sys.argv[1:]:
    try:
        check_path(path)
    except PermissionError as error:
        print(error.filename)
"""
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(0o755)
    paths = [str(closed / "train.log"), str(closed / "a" / "{rank}.log"), str(tmp_path / "read-only.log")]
    assert run_python(code, *paths).stdout.splitlines() == paths


def test_making_a_renderer_creates_no_file(path: Path) -> None:
    kbar.LogRenderer(path)
    kbar.JsonLinesRenderer(path)
    assert not path.exists()


def test_a_link_to_a_file_that_does_not_exist_yet_is_allowed(path: Path) -> None:
    path.symlink_to(path.parent / "there")
    check_path(str(path))


def test_the_latest_line_follows_the_mark_of_a_gap_at_the_end(path: Path, log: LogFile) -> None:
    path.mkdir()
    with pytest.warns(kbar.KbarWarning):
        for line in ("one", "two", "the end"):
            log.write(line)
    path.rmdir()
    log.close()
    assert path.read_text() == "2 missing: Is a directory\nthe end\n"


def test_a_relative_path_is_relative_to_where_it_was_given(
    clock: FakeClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    renderer = kbar.LogRenderer("train.log")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    with kbar.stage("train", renderer=renderer):
        pass
    assert len((tmp_path / "train.log").read_text().splitlines()) == 2
    assert not os.listdir()


def test_a_file_of_two_nested_stages_gets_each_line_once(clock: FakeClock, path: Path) -> None:
    with kbar.stage("outer", renderer="none", log_file=path), kbar.stage("inner", log_file=path):
        pass
    assert len(path.read_text().splitlines()) == 4 - 1, "the beginning of an inner stage has no line"


def test_a_log_that_fails_leaves_the_screen_alone(clock: FakeClock, path: Path) -> None:
    screen = RecordingRenderer(screen=True)
    stage = kbar.stage("train", renderer=screen, log_file=path)
    path.mkdir()
    with pytest.warns(kbar.KbarWarning, match="Is a directory"), stage:
        pass
    assert [event.kind for event in screen.events] == ["begin", "end"]


@pytest.mark.parametrize("folder", ["run{1}", "{rank}", "{pid", "{}", "{{host}}"])
@pytest.mark.parametrize("name", ["run.log", "./a/run.jsonl", "../{rank}.log"])
def test_braces_in_the_working_directory_are_no_placeholders(
    clock: FakeClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str, name: str
) -> None:
    (tmp_path / folder).mkdir()
    monkeypatch.chdir(tmp_path / folder)
    with kbar.stage("train", renderer="none", log_file=name):
        pass
    assert len((tmp_path / folder / name.format(rank=0)).read_text().splitlines()) == 2


def test_a_drive_that_is_not_there_is_refused_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """On Windows, the folder around such a drive is the drive itself."""
    monkeypatch.setattr(os.path, "lexists", lambda path: False)
    with pytest.raises(FileNotFoundError, match=r"train\.log"):
        check_path("/mnt/train.log")


def test_a_file_system_without_inodes_can_have_logs(path: Path, log: LogFile, monkeypatch: pytest.MonkeyPatch) -> None:
    """As those of some networks; a file that was moved is still noticed."""
    real = os.stat

    def without_inode(file: Any, **options: Any) -> os.stat_result:
        found = real(file, **options)
        return os.stat_result((found.st_mode, 0, *found[2:]))

    with monkeypatch.context() as patched:
        patched.setattr(os, "stat", without_inode)
        log.write("first")
        log.write("second")
        path.rename(path.with_suffix(".old"))
        log.write("third")
        log.close()
    assert path.with_suffix(".old").read_text() == "first\nsecond\n"
    assert path.read_text() == "third\n"
