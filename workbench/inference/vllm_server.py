"""vLLM's server for one base model and the adapters over it: started, watched and ended. Imports no torch.

https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html. It listens on this machine alone, at a port that
is free, and asks for a key made up for it, which no command line shows.
"""

import contextlib
import logging
import secrets
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from workbench.core.child_process import ChildProcess, exit_reason
from workbench.core.errors import UserError

log = logging.getLogger(__name__)

HOST = "127.0.0.1"
BASE = "base"
"""What the base model is asked for by."""
KEPT_LINES, SHOWN_LINES = 200, 8
POLL_SECONDS = 0.5
ANSWER_SECONDS = 5.0  # for its health, version and models
END_SECONDS = 20.0
LAST_WORDS_SECONDS = 3.0
LESS_MEMORY = "Its last lines tell more. Less GPU memory share or another engine may help."
QUIET = {"VLLM_NO_USAGE_STATS": "1", "HF_HUB_OFFLINE": "1", "PYTHONPATH": ""}


class ServerEnded(Exception):
    """The server does not answer any more."""


@dataclass(frozen=True)
class ServerPlan:
    """What is served. adapters: their folders by the names they are asked for by; rank: the highest of them; memory:
    the share of the GPU's; start_seconds: how long it may take."""

    program: Path
    folder: Path
    adapters: Mapping[str, Path] = field(default_factory=dict)
    rank: int = 0
    memory: float = 0.9
    start_seconds: float = 900.0

    def command(self, port: int) -> list[str]:
        """Sampling is what each request says, nothing from the model's own generation_config.json."""
        command = [
            str(self.program), "serve", str(self.folder), "--host", HOST, "--port", str(port),
            "--served-model-name", BASE, "--generation-config", "vllm",
            "--gpu-memory-utilization", f"{self.memory:.3f}",
        ]  # fmt: skip
        if not self.adapters:
            return command
        modules = [f"{name}={folder}" for name, folder in self.adapters.items()]
        return [*command, "--enable-lora", "--max-lora-rank", str(self.rank), "--lora-modules", *modules]


class VllmServer:
    """A server process. version: vLLM's own; longest: the most tokens of prompt and answer."""

    def __init__(self, plan: ServerPlan):
        self.plan = plan
        self.version, self.longest = "", 2**31
        self._process: ChildProcess | None = None
        self._key, self._port = "", 0
        self._lines: deque[str] = deque(maxlen=KEPT_LINES)

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self._port}"

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._key}"}

    def start(self) -> Iterator[str]:
        """Starts it, anew if it has ended, and waits until it answers; yields how long that has taken.

        Raises `UserError` with its last lines where it ends before, or takes too long.
        """
        self.close()
        self._key, self._port = secrets.token_urlsafe(32), _free_port()
        command = [sys.executable, "-m", "workbench.inference.vllm_keeper", *self.plan.command(self._port)]
        extra = {**QUIET, "VLLM_API_KEY": self._key}
        self._process = ChildProcess(command, extra=extra, errors=subprocess.STDOUT, own_session=True)
        began = time.monotonic()
        while not self._answers():
            seconds = time.monotonic() - began
            yield f"Starting vLLM for {self.plan.folder.name}: {seconds:.0f} s"
            if seconds > self.plan.start_seconds:
                self.close()
                remedy = f"{LESS_MEMORY} Or allow more time to start."
                raise UserError(
                    f"vLLM was not ready after {seconds:.0f} seconds. {self.last_words()}", remedy, "engine"
                )
            self._hear(POLL_SECONDS)
            if not self._process.is_alive:
                raise UserError(f"vLLM {self.end_words()}", LESS_MEMORY, "engine")
        self._read_facts()

    def check(self) -> None:
        """Takes in what it wrote; raises `ServerEnded` when it is no more."""
        self._hear(0)
        if self._process is None or not self._process.is_alive:
            raise ServerEnded

    def end_words(self) -> str:
        """How it ended, with its last lines, which may come a moment after it stopped to answer."""
        deadline = time.monotonic() + LAST_WORDS_SECONDS
        while self._process and self._process.is_alive and time.monotonic() < deadline:
            self._hear(POLL_SECONDS)
        self._hear(POLL_SECONDS)
        code = self._process.returncode if self._process else None
        how = exit_reason(code) if code is not None else "does not answer any more"
        return f"{how}. {self.last_words()}"

    def last_words(self) -> str:
        lines = [line for line in self._lines if line.strip()][-SHOWN_LINES:]
        return "Its log ends:\n" + "\n".join(lines) if lines else "It wrote nothing."

    def close(self) -> None:
        """Ends it with all that it started."""
        process, self._process = self._process, None
        if process is None:
            return
        process.finish_input()  # its keeper's sign to end the whole group
        with contextlib.suppress(TimeoutError):
            process.wait(END_SECONDS)
        process.end()

    def _answers(self) -> bool:
        reply = self._get("/health")
        return reply is not None and reply.status_code == httpx.codes.OK

    def _read_facts(self) -> None:
        version, models = self._get("/version"), self._get("/v1/models")
        if models is None or models.status_code != httpx.codes.OK:
            raise UserError(f"vLLM does not list its models. {self.last_words()}", LESS_MEMORY, "engine")
        self.version = str(version.json().get("version", "")) if version and version.is_success else ""
        self.longest = int(models.json()["data"][0].get("max_model_len") or self.longest)

    def _get(self, path: str) -> httpx.Response | None:
        """None where nothing answers."""
        try:
            return httpx.get(self.url + path, headers=self.headers, timeout=ANSWER_SECONDS, trust_env=False)
        except httpx.HTTPError:
            return None

    def _hear(self, seconds: float) -> None:
        """Takes in what it wrote, waiting so long for the first line; it goes to the job's log."""
        try:
            while self._process and (line := self._process.next_line(seconds)) is not None:
                text = line.rstrip().replace(self._key, "[key]")
                self._lines.append(text)
                log.info("%s", text)
                seconds = 0
        except TimeoutError:
            return


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])
