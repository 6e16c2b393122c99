"""Environments for libraries that need other versions than this one, made when a job first needs them.

Such an environment lies over this one: it holds the packages that clash and finds all others, torch above all, here.
That makes it 150 MB instead of several GB. Every package is pinned; nothing is resolved.
"""

import hashlib
import os
import shutil
import sys
import venv
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from subprocess import STDOUT

from filelock import FileLock, Timeout

from workbench.core.child_process import ChildProcess
from workbench.core.children import Credential
from workbench.core.errors import UserError
from workbench.core.home import Home, write_text
from workbench.core.tasks import Task

READY = "ready"
POLL_SECONDS = 0.5  # seconds between looks at whether somebody asked to stop
KEPT_LINES = 30


@dataclass(frozen=True)
class Environment:
    """What is installed where. pins: name==version, everything that is not taken from the outer environment."""

    name: str
    pins: tuple[str, ...]

    def folder(self, home: Home) -> Path:
        """Another Python, other pins or another outer environment make another folder."""
        identity = "\n".join([*self.pins, sys.version, *_outer()])
        return home.cache / "environments" / f"{self.name}-{hashlib.sha256(identity.encode()).hexdigest()[:10]}"

    def ready(self, home: Home) -> bool:
        return (self.folder(home) / READY).is_file()


def ensure(home: Home, wanted: Environment, task: Task) -> Path:
    """The Python of the environment, installed first if needed.

    A stop of the `task` leaves nothing. Raises `UserError` without internet.
    """
    folder = wanted.folder(home)
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if wanted.ready(home):
        return python
    folder.parent.mkdir(parents=True, exist_ok=True)
    with _alone(folder, task):
        if not wanted.ready(home):
            shutil.rmtree(folder, ignore_errors=True)
            try:
                _install(folder, python, wanted, task)
            except BaseException:
                shutil.rmtree(folder, ignore_errors=True)
                raise
    return python


def _install(folder: Path, python: Path, wanted: Environment, task: Task) -> None:
    task.update(0, 1, f"Making the environment {wanted.name}")
    venv.create(folder, with_pip=False)
    site = next(folder.glob("Lib/site-packages" if os.name == "nt" else "lib/python*/site-packages"))
    write_text(site / "_outer.pth", "\n".join(_outer()) + "\n")
    command = [
        sys.executable, "-m", "pip", "--python", str(python), "--disable-pip-version-check", "--no-input", "install",
        "--no-deps", "--retries", "2", "--timeout", "30", *wanted.pins,
    ]  # fmt: skip
    try:
        run_command(command, lambda line: task.update(0, 1, _shortened(line)), task, needs=("index",))
    except CommandFailed as error:
        raise UserError(
            f"The environment {wanted.name} could not be installed: {_reason(error.lines)}.",
            "Its packages come from PyPI once. Connect this machine to the internet, then resume the job.",
        ) from None
    write_text(folder / READY, "\n".join(wanted.pins))


def _outer() -> list[str]:
    """The folders this environment's packages lie in."""
    return [path for path in sys.path if Path(path).name in ("site-packages", "dist-packages")]


class _alone:
    """Holds the lock of a folder; while another process holds it, `task` may be stopped."""

    def __init__(self, folder: Path, task: Task):
        self._lock, self._task = FileLock(f"{folder}.lock"), task

    def __enter__(self) -> None:
        while True:
            self._task.check_stop()
            try:
                self._lock.acquire(timeout=POLL_SECONDS)
                return
            except Timeout:
                continue

    def __exit__(self, *_: object) -> None:
        self._lock.release()


class CommandFailed(Exception):
    """A command ended badly; `lines` are the last it wrote."""

    def __init__(self, code: int, lines: list[str]):
        super().__init__(f"ended with {code}")
        self.code, self.lines = code, lines


def run_command(
    command: list[str], hear: Callable[[str], None], task: Task, more: dict[str, str] | None = None,
    needs: tuple[Credential, ...] = (),
) -> None:  # fmt: skip
    """Runs a command, `hear` gets each line it writes; `task` is asked twice a second whether to go on.

    more: environment variables; needs: the credentials it gets. Raises `CommandFailed`.
    """
    last: list[str] = []
    with ChildProcess(command, *needs, extra=more, errors=STDOUT) as process:
        process.finish_input()
        for line in filter(None, map(str.rstrip, process.lines(task.check_stop, POLL_SECONDS))):
            last = [*last, line][-KEPT_LINES:]
            hear(line)
        code = process.wait()
    if code:
        raise CommandFailed(code, last)


def _shortened(line: str) -> str:
    """pip's line in a few words."""
    words = line.split()
    if words[:1] in (["Collecting"], ["Downloading"]) and len(words) > 1:
        return f"{words[0]} {words[1]}"
    return "Installing packages" if line.startswith("Installing") else "Installing"


def _reason(lines: list[str]) -> str:
    """The line that tells most of what pip wrote at last."""
    errors = [line for line in lines if line.startswith("ERROR:")] or lines or ["pip wrote nothing"]
    return errors[-1].removeprefix("ERROR:").strip()[:300].rstrip(".")
