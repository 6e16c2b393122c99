"""What must outlive a crash: a worker or the whole server killed with -9 in the middle of training."""

import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.toys import toy_home
from tests.waiting import end_processes_of, until
from workbench.core.home import Home
from workbench.jobs.queue import Queue
from workbench.jobs.runner import Runner
from workbench.jobs.view import JobRecord
from workbench.models.model_references import resolve
from workbench.training.jobs.train import Train

pytestmark = pytest.mark.prove
ROOT = Path(__file__).parents[2]
STEPS = 60
WEIGHTS = "adapter_model.safetensors"
SAME = ("loss", "eval_loss", "learning_rate", "grad_norm")
SERVER = "import sys, threading; from workbench.core.home import Home; from workbench.jobs.runner import Runner; \
Runner(Home.default(), warm=sys.argv[1] == 'warm').start(); threading.Event().wait()"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """One home for all, with a runner whose warm spare saves importing torch for the next job."""
    made = toy_home(tmp_path_factory.mktemp("crash"))
    yield made
    end_processes_of(made.root)


@pytest.fixture
def queue(home: Home, monkeypatch: pytest.MonkeyPatch) -> Queue:
    monkeypatch.setenv("WORKBENCH_HOME", str(home.root))
    return Queue(home)


@pytest.fixture
def runner(queue: Queue) -> Iterator[Runner]:
    made = Runner(queue.home, warm=True).start()
    yield made
    made.halt()


def training(output: str) -> Train:
    """Slow enough to be hit in the middle, and with everything random that a resume has to restore."""
    return Train.parse(
        {
            "model": "toy",
            "dataset": "talks",
            "output": output,
            "max_steps": STEPS,
            "batch_size": 4,
            "gradient_accumulation": 4,
            "checkpoint_every": 10,
            "eval_every": 20,
            "seed": 7,
            "objective": {"method": "sft", "learning_rate": 0.005},
            "tuner": {"method": "lora", "r": 4, "dropout": 0.1},
        }
    )


def ended(queue: Queue, job: str) -> JobRecord:
    return until(lambda: view if (view := queue.get(job)).state.ended_at else None, 240, "the end")


def reaches(queue: Queue, job: str, step: int) -> JobRecord:
    """The job when it has made that step, and is still far from its last."""
    view = until(lambda: found if steps_of(found := queue.get(job)) >= step else None, 120, f"step {step}")
    assert view.status == "running" and steps_of(view) < STEPS - 10
    return view


def steps_of(view: JobRecord) -> int:
    return max((point["step"] for point in view.state.points if "loss" in point), default=0)


def values_of(view: JobRecord, name: str) -> list[float]:
    return [point[name] for point in view.state.points if name in point]


def assert_whole(view: JobRecord) -> None:
    """Every step once, every evaluation once, in order."""
    points = view.state.points
    assert [point["step"] for point in points if "loss" in point] == list(range(1, STEPS + 1))
    evaluated = Counter(point["step"] for point in points if "eval_loss" in point)
    assert evaluated == {0: 1, 20: 1, 40: 1, 60: 1}
    assert [point["step"] for point in points] == sorted(point["step"] for point in points)


@pytest.fixture(scope="module")
def uninterrupted(home: Home) -> JobRecord:
    """The same run, never disturbed, in the process of a runner of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WORKBENCH_HOME", str(home.root))
        queue = Queue(home)
        runner = Runner(home, warm=True).start()
        view = ended(queue, queue.submit(training("undisturbed")))
        runner.halt()
    assert view.status == "done", view.state.error
    assert_whole(view)
    return view


def test_a_worker_killed_in_training_resumes_to_the_same_end(
    uninterrupted: JobRecord, queue: Queue, runner: Runner
) -> None:
    job = queue.submit(training("killed"))
    view = reaches(queue, job, 25)
    os.kill(view.state.pid, signal.SIGKILL)
    assert ended(queue, job).status == "interrupted"
    assert not (queue.home.models / "killed").exists()
    queue.resume(job)
    view = ended(queue, job)
    assert view.status == "done", view.state.error
    assert_whole(view)
    assert view.state.generation == 1 and any("Going on from step" in note for note in view.state.notes)
    expected = uninterrupted.state.result
    assert expected["eval_loss_last"] < expected["eval_loss_first"] - 0.1
    assert [values_of(view, name) for name in SAME] == [values_of(uninterrupted, name) for name in SAME]
    killed, undisturbed = (resolve(queue.home, name).adapter for name in ("killed", "undisturbed"))
    assert killed and undisturbed
    assert (killed / WEIGHTS).read_bytes() == (undisturbed / WEIGHTS).read_bytes()


def test_a_run_stopped_and_kept_goes_on_when_resumed(queue: Queue, runner: Runner) -> None:
    job = queue.submit(training("kept"))
    reaches(queue, job, 12)
    queue.stop(job, "keep")
    view = ended(queue, job)
    assert view.status == "stopped" and resolve(queue.home, view.state.result["model"]).adapter
    queue.resume(job)
    view = ended(queue, job)
    assert view.status == "done", view.state.error
    assert_whole(view)
    assert view.state.result["steps"] == STEPS


def test_training_goes_on_when_the_server_is_killed(queue: Queue, home: Home) -> None:
    job = queue.submit(training("orphan"))
    after = queue.submit(training("after"))
    server = subprocess.Popen([sys.executable, "-c", SERVER, "cold"], cwd=ROOT)
    pid = reaches(queue, job, 5).state.pid
    server.kill()
    server.wait()
    step = steps_of(queue.get(job))
    until(lambda: steps_of(queue.get(job)) > step, 60, "a step after the server's death")
    assert queue.get(after).status == "queued"
    successor = Runner(home, warm=False).start()
    view = ended(queue, job)
    assert (view.status, view.state.pid) == ("done", pid)
    assert_whole(view)
    assert queue.log(job)[0].count(" starts ") == 1
    until(lambda: queue.get(after).status == "running", 60, "the next job")
    queue.stop(after, "kill")
    until(lambda: queue.get(after).state.status == "interrupted", 30, "its end")
    successor.halt()


def test_the_spare_worker_ends_with_its_server(home: Home, queue: Queue) -> None:
    import psutil

    server = subprocess.Popen([sys.executable, "-c", SERVER, "warm"], cwd=ROOT)
    spare = until(lambda: psutil.Process(server.pid).children(), 60, "the spare")[0]
    server.kill()
    server.wait()
    until(lambda: not spare.is_running() or spare.status() == psutil.STATUS_ZOMBIE, 120, "the end of the spare")
