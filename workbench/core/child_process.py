"""Processes that work for this one: started alike, heard line by line, ended whole, and their end said in words.

A child gets the clean environment of `workbench.core.children`. Its pipes are closed by whoever ends it and by the
thread that hears it, so that none is left to the garbage collector; none stays behind as a zombie.
"""

import contextlib
import os
import queue
import signal
import subprocess
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, NamedTuple

from workbench.core.assets import ROOT
from workbench.core.children import Credential, child_environment

KILLED = -9  # the return code of what the system ends when memory runs out
POLL_SECONDS = 0.2
HEARD_SECONDS = 5.0  # how long a grandchild that holds the pipe may keep its reader waiting
LAST_WORDS = 300  # characters of an error's last line


class ChildProcess:
    """A child whose lines are heard by a thread; as a context manager it is ended in the end.

    needs, only, extra: its environment, see `child_environment`. cwd: the folder of this program, where its modules
    are found. piped: whether it is written to and heard; else it has neither input nor output. errors: where its
    standard error goes: a file, `subprocess.STDOUT` for among its lines, None for where this process's goes.
    own_session: whether it is to outlive this process's terminal and job, and the killing of either.
    """

    def __init__(
        self,
        command: Sequence[str],
        *needs: Credential,
        only: Collection[str] | None = None,
        extra: Mapping[str, str] | None = None,
        cwd: Path = ROOT,
        piped: bool = True,
        errors: IO[bytes] | int | None = None,
        own_session: bool = False,
    ):
        pipe = subprocess.PIPE if piped else subprocess.DEVNULL
        self._owner, self._ended = os.getpid(), False
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._process = subprocess.Popen(
            command, stdin=pipe, stdout=pipe, stderr=errors, encoding="utf-8", errors="replace", cwd=cwd,
            start_new_session=own_session, env=child_environment(*needs, only=only, extra=extra),
        )  # fmt: skip
        # the reader alone has the pipe: closing it under a thread that reads would wait for that thread
        output, self._process.stdout = self._process.stdout, None
        self._reader = threading.Thread(target=_read, args=(output, self._lines), name="child", daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        """Its exit code, negative for a signal; None while it runs."""
        return self._process.poll()

    @property
    def is_alive(self) -> bool:
        """Whether it runs and is this process's own, not inherited through a fork."""
        return self._owner == os.getpid() and self.returncode is None

    @property
    def has_output(self) -> bool:
        """Whether a line, or the end of its lines, waits to be taken."""
        return not self._lines.empty()

    def write(self, text: str) -> None:
        """Sends text to its standard input; raises `OSError` when it does not read any more."""
        assert self._process.stdin
        self._process.stdin.write(text)
        self._process.stdin.flush()

    def finish_input(self) -> None:
        """Closes its standard input; what it never read is lost."""
        if self._process.stdin:
            with contextlib.suppress(OSError):
                self._process.stdin.close()

    def next_line(self, seconds: float) -> str | None:
        """The next line it wrote, None at their end; raises `TimeoutError` when none comes in time."""
        if self._ended:
            return None
        try:
            line = self._lines.get(timeout=seconds)
        except queue.Empty:
            raise TimeoutError(f"no line within {seconds:g} seconds") from None
        self._ended = line is None
        return line

    def lines(self, check: Callable[[], object], every: float = POLL_SECONDS) -> Iterator[str]:
        """Its lines as they come. `check` is called before each, and every so many seconds; it may raise to stop."""
        while True:
            check()
            try:
                line = self.next_line(every)
            except TimeoutError:
                continue
            if line is None:
                return
            yield line

    def wait(self, seconds: float | None = None) -> int:
        """Its exit code when it has ended by itself; raises `TimeoutError` if it does not in time."""
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise TimeoutError(f"process {self.pid} did not end within {seconds} seconds") from None

    def end(self) -> None:
        """Kills it unless it has ended, waits for that and closes its pipes; one inherited is only let go."""
        if self._owner != os.getpid():
            return
        self._process.kill()
        self._process.wait()
        self.finish_input()
        self._reader.join(HEARD_SECONDS)

    def __enter__(self) -> "ChildProcess":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.end()


def _read(output: IO[str] | None, lines: "queue.SimpleQueue[str | None]") -> None:
    if output:
        with output:
            for line in output:
                lines.put(line)
    lines.put(None)


def run_in_terminal(command: Sequence[str]) -> int:
    """Runs what a person works with in this terminal, such as an editor, to its end; its exit code.

    Raises `ChildFailed` if there is no such program.
    """
    try:
        return subprocess.run(command, check=False, env=child_environment()).returncode
    except OSError as error:
        raise ChildFailed(f"could not be started: {error.strerror}", None, "") from None


class ChildOutput(NamedTuple):
    """What a child wrote until its end, and what it wrote as errors."""

    data: bytes
    errors: str


class ChildFailed(Exception):
    """A child ended badly; the text is the rest of a sentence about it. returncode: None if it took too long."""

    def __init__(self, reason: str, returncode: int | None, errors: str):
        super().__init__(reason)
        self.returncode, self.errors = returncode, errors


def run_child(
    command: Sequence[str],
    *needs: Credential,
    seconds: float,
    data: bytes = b"",
    only: Collection[str] | None = None,
    extra: Mapping[str, str] | None = None,
) -> ChildOutput:
    """Runs a child with `data` as its input to its end; raises `ChildFailed`, after `seconds` at the latest."""
    try:
        ended = subprocess.run(
            command, input=data, capture_output=True, check=False, cwd=ROOT, timeout=seconds,
            env=child_environment(*needs, only=only, extra=extra),
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        errors = (error.stderr or b"").decode("utf-8", "replace")
        raise ChildFailed(f"took longer than {seconds:g} seconds", None, errors) from None
    errors = ended.stderr.decode("utf-8", "replace")
    if ended.returncode:
        raise ChildFailed(exit_reason(ended.returncode, errors), ended.returncode, errors)
    return ChildOutput(ended.stdout, errors)


def exit_reason(returncode: int | None, errors: str = "") -> str:
    """How a process ended, as the rest of a sentence; with the last line of its errors."""
    if returncode == KILLED:
        return "was killed, most likely because memory ran out"
    if returncode is not None and returncode < 0:
        words = f"was ended by signal {-returncode} ({signal.strsignal(-returncode) or 'unknown'})"
    else:
        words = f"ended with exit code {returncode}" if returncode else "ended without a word"
    last = errors.strip().rpartition("\n")[2].strip()[:LAST_WORDS]
    return f"{words}: {last}" if last else words
