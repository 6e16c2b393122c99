"""Child processes get no credential of the operator's but those of their work."""

import ast
import os
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from workbench.core import child_process
from workbench.core.assets import ROOT
from workbench.core.children import WITHHELD, child_environment, is_secret, withheld
from workbench.core.home import Home
from workbench.core.telemetry import TELEMETRY_OFF
from workbench.jobs.job import JOBS
from workbench.jobs.queue import Queue
from workbench.jobs.runner import Runner

SECRETS = {
    "HF_TOKEN": "hf_x", "HUGGING_FACE_HUB_TOKEN": "hf_y", "WORKBENCH_PASSWORD": "p", "WORKBENCH_ENDPOINT_KEY": "k",
    "AWS_SECRET_ACCESS_KEY": "a", "AWS_ACCESS_KEY_ID": "a", "OPENAI_API_KEY": "s", "GITHUB_PAT": "g", "PGPASSWORD": "p",
    "DATABASE_URL": "postgres://h/d", "WORKBENCH_LABELS_URL": "postgresql://u:p@h/d", "WANDB_APIKEY": "w",
    "HTTPS_PROXY": "http://u:p@proxy:1", "PIP_INDEX_URL": "https://u:p@index/simple", "SSH_AUTH_SOCK": "/s",
    "client_secret": "c", "SESSION_COOKIE": "c",
}  # fmt: skip
HARMLESS = {
    "PATH": "/bin", "HOME": "/root", "PWD": "/x", "LANG": "C.UTF-8", "CUDA_VISIBLE_DEVICES": "0",
    "OMP_NUM_THREADS": "1", "WORKBENCH_HOME": "/home", "HF_HOME": "/cache", "TOKENIZERS_PARALLELISM": "false",
    "HTTP_PROXY": "http://proxy:1",
    "KEYBOARD": "us", "AUTHOR": "x", "MONKEY": "x", "PIP_CACHE_DIR": "/p", "LD_LIBRARY_PATH": "/lib",
    "WORKBENCH_ENDPOINT_URL": "https://host/v1",
}  # fmt: skip
STARTERS = ("Popen", "run", "call", "check_call", "check_output", "create_subprocess_exec", "create_subprocess_shell")
OTHERS = ("ProcessPoolExecutor", "system", "execv", "execve", "spawnv", "posix_spawn", "fork", "popen")
HELPER = "workbench/core/child_process.py"
INHERIT = {
    "workbench/data/encoding/shards.py": "the processes of a job's own pool, which have its environment",
    "workbench/inference/vllm_keeper.py": "was itself started with the clean environment that its command gets",
}


@pytest.fixture(autouse=True)
def operator(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {**SECRETS, **HARMLESS}.items():
        monkeypatch.setenv(name, value)


def test_credentials_are_left_out_and_everything_else_is_passed_on() -> None:
    assert {name for name in SECRETS if not is_secret(name, SECRETS[name])} == set()
    assert {name for name in HARMLESS if is_secret(name, HARMLESS[name])} == set()
    given = child_environment(extra={"MORE": "1"})
    assert {name: given.get(name) for name in HARMLESS} == HARMLESS and given["MORE"] == "1"
    assert {name: given[name] for name in SECRETS if name in given} == {"WORKBENCH_LABELS_URL": WITHHELD}


@pytest.mark.parametrize(
    ("need", "names"),
    [
        ("hub", {"HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HTTPS_PROXY"}), ("index", {"PIP_INDEX_URL", "HTTPS_PROXY"}),
        ("endpoint", {"WORKBENCH_ENDPOINT_KEY", "HTTPS_PROXY"}), ("labels", {"WORKBENCH_LABELS_URL", "PGPASSWORD"}),
    ],
)  # fmt: skip
def test_a_child_gets_the_credentials_of_its_work_alone(need: Any, names: set[str]) -> None:
    given = child_environment(need)
    assert {name for name, value in SECRETS.items() if given.get(name) == value} == names
    assert ("HF_HUB_DISABLE_IMPLICIT_TOKEN" in given) is (need != "hub")


def test_only_what_is_named_is_passed_on() -> None:
    given = child_environment(only=("PATH", "HF_TOKEN"), extra={"HOME": "/empty"})
    assert given == {"PATH": "/bin", "HOME": "/empty", **TELEMETRY_OFF}


def test_an_unknown_need_is_an_error() -> None:
    with pytest.raises(ValueError, match="everything"):
        child_environment("everything")  # type: ignore[arg-type]


def test_without_the_address_of_the_labels_no_other_ones_are_taken(tmp_path: Path, monkeypatch: Any) -> None:
    from workbench.core.errors import UserError
    from workbench.preferences.store import location

    monkeypatch.setenv("WORKBENCH_LABELS_URL", WITHHELD)
    with pytest.raises(UserError, match="not a database address"):
        location(Home.at(tmp_path))


def calls() -> Iterator[tuple[str, ast.Call, str]]:
    """Every call in the project that could start a process: (file, call, name)."""
    for path in sorted([*(ROOT / "workbench").rglob("*.py"), *(ROOT / "tabs").rglob("*.py"), ROOT / "app.py"]):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            owner, name = "", getattr(node.func, "id", "")
            if isinstance(node.func, ast.Attribute):
                owner, name = ast.unparse(node.func.value), node.func.attr
            known = (name in STARTERS and owner in ("subprocess", "asyncio")) or name == "Popen"
            known = known and (owner, name) != ("asyncio", "run")  # which runs a coroutine
            if known or (name in OTHERS and owner in ("", "os", "multiprocessing", "context")):
                yield path.relative_to(ROOT).as_posix(), node, name


def test_no_process_is_started_past_the_clean_environment() -> None:
    started = 0
    for file, call, name in calls():
        env = next((ast.unparse(keyword.value) for keyword in call.keywords if keyword.arg == "env"), "")
        clean = file == HELPER and name in STARTERS and env.startswith("child_environment(")
        assert clean or file in INHERIT, f"{file}:{call.lineno}: start it by workbench.core.child_process"
        started += clean
    assert started == 3


# ---- jobs ----------------------------------------------------------------------------------------------------

NEEDS = {
    "hub-model": ("hub",), "push-gguf": ("hub",), "push-dataset": ("hub",), "starter-model": ("index",),
    "quantize": ("index",), "generate": ("labels",), "fit-stacking": ("labels",),
    "import-answers": ("labels",), "extend-session": ("labels",), "backup": ("labels",),
    "make-data": (), "import-data": (), "prepare": (), "train": (),
}  # fmt: skip


def test_a_kind_of_job_has_credentials_only_if_it_stands_here() -> None:
    for kind in JOBS:
        own = "credentials" in vars(kind)
        assert own is (kind.method in NEEDS), f"{kind.method}: which credentials does it work with?"
        if own and NEEDS[kind.method]:
            assert kind.credentials(None) == NEEDS[kind.method]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("job", "needs"),
    [
        ({"method": "make-data", "dataset": "d"}, ("endpoint",)),
        ({"method": "make-data", "dataset": "d", "model": "m"}, ()),
        ({"method": "make-data", "dataset": "d", "model": "m", "judge": "@endpoint"}, ("endpoint",)),
        ({"method": "import-data", "name": "x", "source": {"method": "hub", "dataset": "a/b"}}, ("hub",)),
        ({"method": "import-data", "name": "x", "source": {"method": "pasted", "text": "x"}}, ()),
        ({"method": "prepare", "recipe": {"name": "x", "source": {"method": "hub", "dataset": "a/b"}}}, ("hub",)),
        ({"method": "prepare", "recipe": {"name": "x"}}, ()),
        ({"method": "train", "model": "m", "dataset": "d"}, ()),
        ({"method": "train", "model": "m", "dataset": "d", "tracker": "wandb"}, ("tracker",)),
    ],
)
def test_what_a_job_needs_follows_what_it_does(job: dict[str, Any], needs: tuple[str, ...]) -> None:
    assert JOBS.parse(job).credentials() == needs


class Recorded:
    """Stands for subprocess.Popen: keeps the environments children were started with."""

    def __init__(self) -> None:
        self.environments: list[dict[str, str]] = []

    def __call__(self, command: list[str], **options: Any) -> Any:
        assert "workbench.jobs.worker" in command
        self.environments.append(options["env"])
        return type("Child", (), {"poll": lambda self: None, "pid": 0, "stdin": None, "stdout": None})()


def test_the_runner_gives_a_job_what_it_needs_and_the_spare_nothing(tmp_path: Path, monkeypatch: Any) -> None:
    home, started = Home.at(tmp_path), Recorded()
    monkeypatch.setattr(child_process, "subprocess", SimpleNamespace(Popen=started, PIPE=-1, DEVNULL=-3))
    queue = Queue(home)
    queue.submit(JOBS.parse({"method": "hub-model", "repo": "a/b"}))
    working = Runner(home, queue)
    working.step()
    job, spare = started.environments
    assert job["HF_TOKEN"] == "hf_x" and "WORKBENCH_ENDPOINT_KEY" not in job
    assert withheld() <= set(os.environ) and not {"HF_TOKEN", "WORKBENCH_PASSWORD"} & set(spare)
