"""Bars of Ray's workers: what they send, when they are chosen, and what the driver shows."""

from __future__ import annotations

import json
import os
import pickle
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

import kbar
from kbar import renderers
from kbar.system import ray as ray_process
from kbar.system.cells import without_escapes
from kbar.testing import FakeClock, VirtualTerminal

from ..helpers import Boom, run_python

MAGIC = "__ray_tqdm_magic_token__"


class FakeTqdm:
    """`ray.experimental.tqdm_ray.tqdm` as far as kbar uses it."""

    __module__, __qualname__ = "ray.experimental.tqdm_ray", "tqdm"

    def _get_state(self) -> dict[str, Any]:
        state = {"__magic_token__": MAGIC, "x": 0, "pos": 0, "desc": "", "total": None, "unit": "it"}
        return {**state, "ip": "192.0.2.2", "pid": 7, "uuid": "b5", "closed": False}

    def refresh(self) -> None: ...

    def close(self) -> None: ...


class FakeRay:
    """Ray as far as kbar uses it, of which this process is a worker or the driver.

    Attributes:
        seam: the module of Ray's bars.
        drawn: what the driver was given to draw at once.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *, worker: bool) -> None:
        module: Any = ModuleType("ray")
        module.WORKER_MODE = 1
        module.is_initialized = lambda: True
        context = SimpleNamespace(worker=SimpleNamespace(mode=1 if worker else 0), get_job_id=lambda: "01")
        module.get_runtime_context = lambda: context
        # As on a system without /proc, Ray does not say which process is the driver.
        module.util = SimpleNamespace(get_node_ip_address=lambda: "192.0.2.2")
        self.drawn: list[dict[str, Any]] = []
        self.seam: Any = ModuleType("ray.experimental.tqdm_ray")
        self.seam.tqdm = FakeTqdm
        self.seam.instance = lambda: SimpleNamespace(process_state_update=self.drawn.append)
        experimental: Any = ModuleType("ray.experimental")
        module.experimental, experimental.tqdm_ray = experimental, self.seam
        for each in (module, experimental, self.seam):
            monkeypatch.setitem(sys.modules, each.__name__, each)
        self.module = module
        ray_process.driver_shows_bars.cache_clear()
        self._monkeypatch, self._capsys, self._out = monkeypatch, capsys, ""

    def run_trial(self, name: str) -> None:
        """Let this process be one that runs a trial of Tune."""
        tune: Any = ModuleType("ray.tune")
        tune.get_context = lambda: SimpleNamespace(get_trial_id=lambda: name)
        self._monkeypatch.setitem(sys.modules, "ray.tune", tune)

    def have_driver(self, pid: int, ip: str = "192.0.2.2") -> None:
        """Let Ray know of the process that runs the driver."""
        jobs = [{"JobID": "02", "DriverPid": 1}, {"JobID": "01", "DriverPid": pid, "DriverIPAddress": ip}]
        ray_process.driver_shows_bars.cache_clear()
        self.module._private = SimpleNamespace(state=SimpleNamespace(jobs=lambda: jobs))

    @property
    def out(self) -> list[str]:
        """The lines that were written."""
        self._out += self._capsys.readouterr().out
        return self._out.splitlines()

    @property
    def states(self) -> list[dict[str, Any]]:
        """What was sent to the driver, in order."""
        return [json.loads(line) for line in self.out if MAGIC in line]

    @property
    def texts(self) -> list[str]:
        """What bars were described by."""
        return [state["desc"] for state in self.states]


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> FakeRay:
    return FakeRay(monkeypatch, capsys, worker=True)


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> FakeRay:
    return FakeRay(monkeypatch, capsys, worker=False)


def train(clock: FakeClock, **options: Any) -> None:
    """A loop of two epochs with validation."""
    with kbar.loop(epochs=2, label="fit", **options) as loop:
        for epoch in loop.epochs():
            for step in epoch.steps(range(3)):
                epoch.log(loss=0.5 + step)
                clock.advance(1.0)
            for _ in epoch.steps(range(2), stage="validation"):
                epoch.mean(val_loss=0.25)
                clock.advance(1.0)


def test_a_worker_sends_one_bar_for_a_run(worker: FakeRay, clock: FakeClock) -> None:
    train(clock)
    assert len({state["uuid"] for state in worker.states}) == 1
    assert [state["closed"] for state in worker.states].count(True) == 1
    last = worker.states[-1]
    assert last["closed"]
    assert (last["x"], last["total"], last["unit"]) == (2, 2, "epoch")
    assert (last["ip"], last["pid"]) == ("192.0.2.2", 7)
    at = [state["x"] for state in worker.states]
    assert at == sorted(at)
    assert len(worker.states) == len(worker.out)


def test_a_bar_says_what_happens_inside(worker: FakeRay, clock: FakeClock) -> None:
    train(clock)
    assert "fit epoch 1/2 train 1/3 loss=1.5000" in worker.texts
    assert "fit epoch 2/2 validation 1/2 val_loss=0.2500" in worker.texts
    assert worker.texts[-1] == "fit done loss=2.5000 val_loss=0.2500"


def test_a_long_description_leaves_metrics_out(worker: FakeRay, clock: FakeClock) -> None:
    with kbar.stage("a long name of a stage with much to say", total=4) as stage:
        stage.log(of_considerable_length=1, loss=0.5)
        stage.advance()
        clock.advance(1.0)
    with kbar.stage("x" * 80, total=4):
        clock.advance(1.0)
    assert worker.texts[1] == "a long name of a stage with much to say loss=0.5000"
    assert {len(text) for text in worker.texts if "x" in text} == {52}


def test_bars_of_a_trial_begin_with_its_id(worker: FakeRay, clock: FakeClock) -> None:
    worker.run_trial("3f2a1_00001")
    train(clock)
    assert all(text.startswith("3f2a1_00001 fit") for text in worker.texts)


def test_a_failed_run_says_so(worker: FakeRay, clock: FakeClock) -> None:
    def run() -> None:
        with kbar.stage("items", total=10) as stage:
            stage.advance(3)
            clock.advance(1.0)
            raise Boom

    with pytest.raises(Boom):
        run()
    last = worker.states[-1]
    assert (last["closed"], last["desc"], last["x"]) == (True, "items failed at 3/10", 3)


def test_runs_at_the_same_time_have_a_bar_each(worker: FakeRay, clock: FakeClock) -> None:
    one, two = kbar.stage("one", total=4), kbar.stage("two", total=4)
    with one:
        clock.advance(1.0)
    with two:
        clock.advance(1.0)
    found = {(state["desc"].split()[0], state["uuid"]) for state in worker.states}
    assert len({name for name, _ in found}) == len({uuid for _, uuid in found}) == 2


def test_a_state_begins_a_line(worker: FakeRay, clock: FakeClock) -> None:
    with kbar.stage("export", total=4) as stage:
        clock.advance(1.0)
        print("unfinished", end="")
        stage.advance(1)
        clock.advance(1.0)
    assert "unfinished" in worker.out
    assert worker.states[-1]["x"] == 1


@pytest.mark.parametrize("how", ["missing", "another", "stateless"])
def test_another_ray_costs_a_warning_and_log_lines_are_written(
    worker: FakeRay, clock: FakeClock, how: str, recwarn: pytest.WarningsRecorder
) -> None:
    if how == "missing":
        del worker.seam.tqdm
    else:
        worker.seam.tqdm = object if how == "stateless" else lambda: None
    renderers._note.cache_clear()
    train(clock)
    train(clock)
    assert [w.category for w in recwarn] == [kbar.KbarWarning]
    assert "log lines are written, as Ray cannot be asked for bars" in str(recwarn[0].message)
    assert " fit epoch 1/2 done 3/3 " in "\n".join(worker.out)
    assert not worker.states


def test_auto_chooses_bars_in_workers_only(worker: FakeRay, monkeypatch: pytest.MonkeyPatch) -> None:
    assert type(renderers.create("auto")).__name__ == "RayRenderer"
    monkeypatch.setenv("KBAR_RENDERER", "log")
    assert type(renderers.create("auto")).__name__ == "LogRenderer"
    monkeypatch.delenv("KBAR_RENDERER")
    worker.module.is_initialized = lambda: False  # it is shut down
    assert type(renderers.create("auto")).__name__ == "LogRenderer"


def test_the_driver_itself_draws_as_anywhere(driver: FakeRay, clock: FakeClock, monkeypatch: Any) -> None:
    assert type(renderers.create("auto")).__name__ == "LogRenderer"
    monkeypatch.setattr(sys, "stdout", VirtualTerminal())
    assert type(renderers.create("auto")).__name__ == "RichRenderer"


def test_a_driver_on_another_machine_may_have_a_terminal(worker: FakeRay, monkeypatch: pytest.MonkeyPatch) -> None:
    assert ray_process.driver_shows_bars()  # Ray does not say which process it is
    monkeypatch.setattr(os, "readlink", lambda path: "/tmp/log")
    worker.have_driver(os.getpid(), "192.0.2.3")
    assert ray_process.driver_shows_bars()
    worker.have_driver(os.getpid())
    assert type(renderers.create("auto")).__name__ == "LogRenderer"


# This process is the driver that it asks for.
DRIVER = """
import os, sys
from types import SimpleNamespace as Names
jobs = [{"JobID": "01", "DriverPid": os.getpid(), "DriverIPAddress": "192.0.2.2"}]
sys.modules["ray"] = Names(
    get_runtime_context=lambda: Names(get_job_id=lambda: "01"),
    util=Names(get_node_ip_address=lambda: "192.0.2.2"),
    _private=Names(state=Names(jobs=lambda: jobs)),
)
from kbar.system.ray import driver_shows_bars
print(driver_shows_bars())
"""


@pytest.mark.slow
@pytest.mark.needs("/proc", "openpty")
def test_a_worker_knows_whether_its_driver_can_redraw_bars() -> None:
    terminal = VirtualTerminal()
    terminal.run([sys.executable, "-c", DRIVER])
    assert terminal.text == "True"
    assert run_python(DRIVER).stdout == "False\n"
    assert run_python(DRIVER, "-m", "ipykernel_launcher").stdout == "True\n"


def test_kbar_does_not_import_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)  # importing it would fail
    assert type(renderers.create("auto")).__name__ == "LogRenderer"
    assert ray_process.trial() == ""


# Ray's class, given by the user.


def test_a_worker_draws_with_rays_class(worker: FakeRay, clock: FakeClock) -> None:
    given = pickle.loads(pickle.dumps(kbar.TqdmRenderer(tqdm_class=FakeTqdm)))
    train(clock, renderer=given)
    train(clock, renderer=given)
    assert worker.texts.count("fit done loss=2.5000 val_loss=0.2500") == 4
    assert len(worker.states) == len(worker.out)


def test_the_driver_draws_with_rays_class(driver: FakeRay, clock: FakeClock) -> None:
    train(clock, renderer=kbar.TqdmRenderer(FakeTqdm))
    assert driver.drawn[-1]["closed"]
    assert driver.drawn[-1]["desc"] == "fit done loss=2.5000 val_loss=0.2500"
    assert not driver.out


# A real Ray.

CLUSTER = """
import sys
import ray
for _ in range(3):
    try:
        ray.init(num_cpus=3, include_dashboard=False, log_to_driver=False)
    except Exception as error:  # on a busy machine, the 30 seconds that Ray gives itself may be too few
        print(error, file=sys.stderr)
        continue
    print(ray.get_runtime_context().gcs_address, flush=True)
    sys.stdin.read()
    break
"""


@pytest.fixture(scope="module")
def cluster() -> Iterator[dict[str, str]]:
    """What to add to the environment of a program that is to use Ray, which runs until the tests are over."""
    pytest.importorskip("ray", reason="Ray is missing: pip install 'ray[tune,train]'")
    paths = filter(None, [str(Path(kbar.__file__).parents[1]), os.environ.get("PYTHONPATH")])
    settings = {
        "PYTHONPATH": os.pathsep.join(paths),
        "RAY_AUTH_MODE": "disabled",  # it would write a token into the home folder
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_agent_register_timeout_ms": "300000",  # the machine may be busy
    }
    if "RAY_ADDRESS" in os.environ:  # one that runs already
        yield settings
        return
    pipes: Any = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", CLUSTER], env={**os.environ, **settings}, **pipes) as process:
        address = process.stdout.readline().strip() if process.stdout else ""
        if not address:
            pytest.skip("Ray could not start, for which it needs two free cores")
        yield {**settings, "RAY_ADDRESS": address}
        process.communicate()


def run_with_ray(code: str, terminal: VirtualTerminal, cluster: dict[str, str], folder: Path) -> str:
    """What a program has written to the terminal."""
    program = folder / "program.py"
    program.write_text("import os, sys, time\nimport ray\nray.init()\n" + code)
    exit_code = terminal.run([sys.executable, str(program), str(folder / "results")], env=cluster)
    text = "".join(terminal.received)
    assert exit_code == 0, text
    assert not re.search(r"KbarWarning|Failed to decode|__magic", text), text
    return text


TASKS = """
import signal

@ray.remote(max_retries=0)
def work(label, kill_at=None):
    import kbar
    for i in kbar.track(range(30), label=label):
        time.sleep(0.1)
        if i == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

@ray.remote
def fit():
    import kbar
    with kbar.loop(epochs=2, label="fit") as loop:
        for epoch in loop.epochs():
            for i in epoch.steps(range(10)):
                time.sleep(0.1)
                epoch.log(loss=1.0 + i)
    raise ValueError("on purpose")

for task in [work.remote("whole"), work.remote("killed", 15), fit.remote()]:
    try:
        ray.get(task)
    except Exception as error:
        print("caught", type(error).__name__)
time.sleep(2)  # for Ray to pass on the last lines
print("over")
"""


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_tasks_on_a_real_ray(cluster: dict[str, str], tmp_path: Path) -> None:
    terminal = VirtualTerminal(columns=120, lines=60)
    text = run_with_ray(TASKS, terminal, cluster, tmp_path)
    assert re.search(r"^\(pid=\d+\) whole done: 100%.* 30.0/30.0 ", terminal.text, re.M), text
    assert re.search(r"^\(pid=\d+\) fit done loss=10.0\d*: 100%", terminal.text, re.M), text
    assert re.search(r"^\(pid=\d+\) killed: .* 1\d.*/30.0 ", terminal.text, re.M), text
    assert "fit epoch 2/2 train " in text
    assert terminal.text.count("caught") == 2, text


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_the_driver_shows_rays_bars_among_its_own(cluster: dict[str, str], tmp_path: Path) -> None:
    terminal = VirtualTerminal(columns=120, lines=60)
    code = TASKS.replace("import signal", "import signal, kbar; kbar.install(tqdm=True)")
    code = code.replace("in [work", "in kbar.track([work").replace("fit.remote()]", "fit.remote()], label='tasks')")
    text = run_with_ray(code, terminal, cluster, tmp_path)
    assert re.search(r"tasks +━.*pid=\d+\) whole +━", without_escapes(text)), text  # in one frame, which ends no line


TRIALS = """
import numpy
from ray import tune

def trial(config):
    import keras
    import kbar
    from ray.experimental import tqdm_ray
    x = numpy.zeros((64, 2))
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    renderer = kbar.TqdmRenderer(tqdm_ray.tqdm) if config["at"] == 2 else "auto"

    def on_epoch_end(epoch, logs):
        tune.report(dict(logs))
        if config["at"] == epoch == 1:
            raise ValueError("on purpose")

    callbacks = [keras.callbacks.LambdaCallback(on_epoch_end=on_epoch_end), kbar.ProgressBar(renderer)]
    model.fit(x, x[:, :1], epochs=3, verbose=0, callbacks=callbacks)

run = tune.RunConfig(storage_path=sys.argv[1], verbose=0)
results = tune.Tuner(trial, param_space={"at": tune.grid_search([0, 1, 2])}, run_config=run).fit()
time.sleep(2)
print("trials over", len(results), results.num_errors)
"""


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_trials_of_tune(cluster: dict[str, str], tmp_path: Path) -> None:
    pytest.importorskip("ray.tune", reason="Tune is missing: pip install 'ray[tune]'")
    text = run_with_ray(TRIALS, VirtualTerminal(columns=140, lines=60), cluster, tmp_path)
    assert "trials over 3 1" in text
    for number in (0, 2):
        assert re.search(rf"_0000{number} fit done loss=\S*: 100%", text), text
    assert re.search(r"_00001 fit failed at \d/3", text), text


TRAIN = """
from ray.train import RunConfig, ScalingConfig
from ray.train.tensorflow import TensorflowTrainer

def train(config):
    import keras, numpy
    import kbar
    from ray.train.tensorflow.keras import ReportCheckpointCallback
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    x = numpy.zeros((64, 2))
    callbacks = [ReportCheckpointCallback(), kbar.ProgressBar()]
    model.fit(x, x[:, :1], epochs=3, verbose=0, callbacks=callbacks)

run = RunConfig(storage_path=sys.argv[1])
TensorflowTrainer(train, scaling_config=ScalingConfig(num_workers=2), run_config=run).fit()
time.sleep(2)
print("training over")
"""


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_of_trains_workers_the_first_is_shown(cluster: dict[str, str], tmp_path: Path) -> None:
    pytest.importorskip("ray.train", reason="Train is missing: pip install 'ray[train]'")
    terminal = VirtualTerminal(columns=140, lines=60)
    text = run_with_ray(TRAIN, terminal, cluster, tmp_path)
    assert "training over" in text
    assert len(re.findall(r"^\(pid=\d+\) fit done loss=\S*: 100%", terminal.text, re.M)) == 1, text
