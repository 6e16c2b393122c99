"""What must outlive a kill -9: votes of several people over HTTP, and a training killed where it hurts most."""

import http.client
import http.cookiejar
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
import uuid
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from tests.toys import toy_home
from tests.voting import make_session
from tests.waiting import until
from workbench.core.home import Home
from workbench.jobs.queue import Queue
from workbench.models.shelf import list_models
from workbench.preferences import store, tables
from workbench.preferences.sessions import get_session
from workbench.training.jobs.train import Train

ROOT = Path(__file__).resolve().parents[1]
SESSION = "round"


# ---- votes -------------------------------------------------------------------------------------------------


class Server:
    """The app in a process of its own, on a free port; killed with -9 and started again at will."""

    def __init__(self, home: Home):
        self.home = home
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        environment = {**os.environ, "WORKBENCH_HOME": str(self.home.root), "WORKBENCH_PORT": str(self.port)}
        self.process = subprocess.Popen(
            [sys.executable, "app.py"], cwd=ROOT, env=environment, stdout=subprocess.DEVNULL
        )
        until(self._answers, 120, "the server")

    def _answers(self) -> bool:
        try:
            urllib.request.urlopen(self.url, timeout=5).close()
        except OSError:
            return False
        return True

    def kill(self) -> None:
        if self.process:
            self.process.kill()
            self.process.wait()


class Annotator:
    """One browser without a screen: its cookies, and the pad's calls over HTTP."""

    def __init__(self, url: str, name: str):
        self.url, self.name = url, name
        jar = http.cookiejar.CookieJar()
        self.opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar))
        self.session_hash = uuid.uuid4().hex
        with self.opener.open(f"{url}/config", timeout=60) as reply:
            parts = json.load(reply)["components"]
        self.pad = next(part["id"] for part in parts if part["props"].get("elem_id") == "vote-pad")

    def call(self, function: str, **query: Any) -> dict[str, Any]:
        """The server function's answer; raises `OSError` when no server is there."""
        body = {
            "data": {"session": SESSION, "annotator": self.name, **query},
            "component_id": self.pad,
            "fn_name": function,
            "session_hash": self.session_hash,
        }
        request = urllib.request.Request(
            f"{self.url}/gradio_api/component_server/",
            json.dumps(body).encode(),
            {"Content-Type": "application/json", "Origin": self.url},
        )
        try:
            with self.opener.open(request, timeout=20) as reply:
                return json.load(reply)
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{function}: {error.code} {error.read()[:200]!r}") from error

    def insist(self, function: str, **query: Any) -> dict[str, Any]:
        """Sends the very same call until a server answers, as the page's Retry does."""

        def answer() -> dict[str, Any] | None:
            try:
                return self.call(function, **query)
            except (OSError, http.client.HTTPException):  # killed before it answered, or within its answer
                return None

        reply: dict[str, Any] = until(answer, 180, f"an answer to {function}")  # type: ignore[assignment]
        return reply


@dataclass
class Voting:
    """What came of it: votes the server said it had saved, those on the disk, and pairs with more votes than wanted."""

    acknowledged: set[str] = field(default_factory=set)
    kept: list[str] = field(default_factory=list)
    twice: int = 0
    wanted: int = 0
    kills: int = 0
    errors: list[BaseException] = field(default_factory=list)


def voting(home: Home, annotators: int, pairs: int, kills: int = 2) -> Voting:
    """So many people vote on so many pairs over HTTP, while the server is killed with -9 and started again."""
    make_session(home, SESSION, pairs)
    server, found = Server(home), Voting(wanted=pairs)
    server.start()
    people = [Annotator(server.url, f"annotator {n}") for n in range(annotators)]
    threads = [threading.Thread(target=_vote_all, args=(person, found), daemon=True) for person in people]
    for thread in threads:
        thread.start()
    try:
        for kill in range(1, kills + 1):
            goal = pairs * kill // (kills + 1)
            until(lambda goal=goal: len(found.acknowledged) >= goal or found.errors, 300, f"{goal} votes")
            server.kill()
            found.kills += 1
            server.start()
        for thread in threads:
            thread.join(300)
    finally:
        server.kill()
    if found.errors:
        raise found.errors[0]
    _count(home, found)
    return found


def _vote_all(person: Annotator, found: Voting) -> None:
    try:
        reply = person.insist("next_pair")
        while item := reply.get("item"):
            person.insist("hold_pair", token=item["token"])
            key = uuid.uuid4().hex
            vote = {"token": item["token"], "choice": "left", "key": key, "seconds": 1.0}
            reply = person.insist("cast_vote", **vote)
            if reply.get("saved"):
                found.acknowledged.add(key)
            if not reply.get("item"):
                reply = _next(person)
    except BaseException as error:  # shown by the thread that waits for it
        found.errors.append(error)


def _next(person: Annotator) -> dict[str, Any]:
    """The next pair, waited for while others hold the last ones."""

    def answer() -> dict[str, Any] | None:
        reply = person.insist("next_pair")
        held = not reply.get("error") and not reply.get("item") and reply["title"].startswith("Others are judging")
        return None if held else reply

    reply: dict[str, Any] = until(answer, 120, "the last pairs")  # type: ignore[assignment]
    return reply


def _count(home: Home, found: Voting) -> None:
    events = tables.vote_events
    with store.reading(home) as db:
        rows = db.execute(sa.select(events.c.key, events.c.pair_id)).all()
    found.kept = [row.key for row in rows]
    per_pair = Counter(row.pair_id for row in rows)
    found.twice = sum(count - 1 for count in per_pair.values())
    assert get_session(home, SESSION).votes == len(rows)


# ---- a training --------------------------------------------------------------------------------------------

KILLED_IN = {
    # after the weights of the second checkpoint, before the state that makes it whole
    "checkpoint": "import transformers as t; calls = []; real = t.Trainer._save_optimizer_and_scheduler\n"
    "def die(self, *a, **k):\n calls.append(1); len(calls) == 2 and os.kill(os.getpid(), signal.SIGKILL)\n"
    " return real(self, *a, **k)\nt.Trainer._save_optimizer_and_scheduler = die",
    # when the adapter is written, before it takes its name
    "save": "import workbench.training.run as run\n"
    "def die(*a, **k):\n os.kill(os.getpid(), signal.SIGKILL)\nrun.write_manifest = die",
    "nothing": "",
}
WORKER = (
    "import os, signal, sys; from pathlib import Path\n{patch}\nfrom workbench.jobs.worker import main\n"
    "main(Path(sys.argv[1]))"
)
STEPS = 12


@dataclass
class Killed:
    """A run killed in `place`: whether nothing half-made was on the shelf, and the resumed result is bit-identical."""

    place: str
    whole_or_nothing: bool
    resumed: str
    identical: bool
    seconds: float


def training(folder: Path) -> list[Killed]:
    """A toy's training, undisturbed, and killed in a checkpoint and in the final save, each resumed afterwards."""
    home = toy_home(folder)
    queue = Queue(home)
    undisturbed = _weights(home, _run(queue, queue.submit(_job("undisturbed"), here=True), "nothing"), "undisturbed")
    found = []
    for place in ("checkpoint", "save"):
        began = time.monotonic()
        job = queue.submit(_job(f"killed-in-{place}"), here=True)
        _run(queue, job, place)
        shelf = {info.name: info.error for info in list_models(home)}
        nothing = f"killed-in-{place}" not in shelf and not any(shelf.values())
        queue.resume(job)
        status = _run(queue, job, "nothing")
        weights = _weights(home, status, f"killed-in-{place}")
        found.append(Killed(place, nothing, status, weights == undisturbed, time.monotonic() - began))
    return found


def _job(output: str) -> Train:
    """Everything random that a resume has to restore: order of rows, dropout, a fresh adapter."""
    return Train.parse(
        {
            "model": "toy", "dataset": "talks", "output": output, "max_steps": STEPS, "batch_size": 4,
            "gradient_accumulation": 2, "checkpoint_every": 4, "eval_every": 100, "seed": 7,
            "objective": {"method": "sft", "learning_rate": 0.005},
            "tuner": {"method": "lora", "r": 4, "dropout": 0.1},
        }
    )  # fmt: skip


def _run(queue: Queue, job: str, place: str) -> str:
    """Carries out a queued job in a worker of its own, which kills itself in that place; the status after it."""
    folder = queue.get(job).folder
    environment = {**os.environ, "WORKBENCH_HOME": str(queue.home.root), "OMP_NUM_THREADS": "1"}
    code = WORKER.format(patch=KILLED_IN[place])
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder)], cwd=ROOT, env=environment, check=False, capture_output=True
    )
    expected = 0 if place == "nothing" else -signal.SIGKILL
    if done.returncode != expected:
        raise AssertionError(f"ended with {done.returncode}: {queue.log(job)[0][-2000:]}")
    return queue.get(job).status


def _weights(home: Home, status: str, output: str) -> bytes:
    if status != "done":
        return b""
    return (home.models / output / "adapter_model.safetensors").read_bytes()
