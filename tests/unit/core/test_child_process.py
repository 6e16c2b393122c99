"""A child is started, heard, stopped and ended alike everywhere: no pipe stays open and no zombie stays behind."""

import contextlib
import gc
import multiprocessing
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from workbench.core import child_process
from workbench.core.child_process import ChildFailed, ChildProcess, exit_reason, run_child

SLEEP = "import time; time.sleep(60)"
ECHO = "import sys\nfor line in sys.stdin: print(line.upper(), end='', flush=True)"


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    """Every test ends its children, and leaves no file to the garbage collector."""
    with warnings.catch_warnings(action="ignore"):
        gc.collect()  # what other tests left
    pipes, children = _pipes(), _children()
    with warnings.catch_warnings(record=True) as unclosed:
        warnings.simplefilter("always", ResourceWarning)
        yield
        gc.collect()
    assert [str(warning.message) for warning in unclosed if "unclosed" in str(warning.message)] == []
    assert _pipes() <= pipes and _children() <= children


def _pipes() -> set[str]:
    """The pipes this process holds."""
    targets = set()
    for link in Path("/proc/self/fd").glob("*"):
        with contextlib.suppress(OSError):  # that of the listing itself
            targets.add(str(link.readlink()))
    return {target for target in targets if target.startswith("pipe:")}


def _children() -> set[int]:
    """Zombies, too."""
    return {process.pid for process in psutil.Process().children()}


def child(code: str, **options: Any) -> ChildProcess:
    return ChildProcess([sys.executable, "-c", code], **options)


def nobody() -> None:
    """Nobody asks to stop."""


def test_lines_are_heard_as_they_come_and_their_end_too() -> None:
    with child("print('one'); print('zwölf'); raise SystemExit(3)", extra={"PYTHONIOENCODING": "utf-8"}) as process:
        assert list(process.lines(nobody)) == ["one\n", "zwölf\n"]
        assert process.next_line(0) is None and process.wait(10) == 3
    assert not process.is_alive and process.returncode == 3


def test_a_child_answers_what_it_is_written() -> None:
    with child(ECHO) as process:
        process.write("first\n")
        assert process.next_line(30) == "FIRST\n" and process.is_alive
        process.write("second\n")
        process.finish_input()
        assert list(process.lines(nobody)) == ["SECOND\n"] and process.wait(30) == 0


def test_a_silent_child_times_out_and_is_killed() -> None:
    began = time.monotonic()
    with child(SLEEP) as process:
        with pytest.raises(TimeoutError):
            process.next_line(0.05)
        with pytest.raises(TimeoutError):
            process.wait(0.05)
        assert process.is_alive
    assert process.returncode == -signal.SIGKILL and time.monotonic() - began < 20
    process.end()  # once more does nothing


def test_a_stop_ends_a_child_that_says_nothing() -> None:
    checks = iter(range(9))

    def check() -> None:
        if next(checks) == 2:
            raise InterruptedError

    with pytest.raises(InterruptedError), child(SLEEP) as process:
        list(process.lines(check, every=0.01))
    assert process.returncode == -signal.SIGKILL and next(checks) == 3


def test_a_dead_child_is_written_to_with_an_error_and_closed_all_the_same() -> None:
    with child("") as process:
        process.wait(30)
        with pytest.raises(OSError):
            process.write("x" * 2**20)
            process.write("x" * 2**20)
    assert not process.is_alive


def test_a_grandchild_that_holds_the_pipe_does_not_hold_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child_process, "HEARD_SECONDS", 0.1)
    code = f"import subprocess, sys; print(subprocess.Popen([sys.executable, '-c', {SLEEP!r}]).pid, flush=True)"
    began = time.monotonic()
    with child(f"{code}\n{SLEEP}") as process:
        grandchild = psutil.Process(int(process.next_line(30) or 0))
    assert time.monotonic() - began < 30
    grandchild.kill()
    process._reader.join(30)
    assert not process._reader.is_alive()


def test_errors_go_among_the_lines_or_into_a_file(tmp_path: Path) -> None:
    code = "import sys; print('bad', file=sys.stderr)"
    with child(code, errors=subprocess.STDOUT) as process:
        assert list(process.lines(nobody)) == ["bad\n"]
    with (tmp_path / "log").open("wb") as log, child(code, errors=log) as process:
        assert list(process.lines(nobody)) == [] and process.wait(30) == 0
    assert (tmp_path / "log").read_text() == "bad\n"


def test_one_without_pipes_reads_nothing_and_says_nothing(tmp_path: Path) -> None:
    code = f"import sys; open({str(tmp_path / 'seen')!r}, 'w').write(repr(sys.stdin.read())); print('lost')"
    with child(code, piped=False) as process:
        assert process.wait(30) == 0 and list(process.lines(nobody)) == []
    assert (tmp_path / "seen").read_text() == "''"


def test_a_child_has_a_clean_environment_and_finds_our_modules(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SECRET_TOKEN", "x")
    monkeypatch.chdir(tmp_path)
    code = "import os, workbench.core.errors; print(os.environ.get('SECRET_TOKEN'), os.environ['MORE'])"
    with child(code, extra={"MORE": "1"}) as process:
        assert list(process.lines(nobody)) == ["None 1\n"]


def test_its_session_is_its_own_only_if_asked() -> None:
    code = "import os; print(os.getsid(0) == os.getpid())"
    for own in (True, False):
        with child(code, own_session=own) as process:
            assert process.next_line(30) == f"{own}\n"


def _inherits(process: ChildProcess, answers: Any) -> None:
    alive = process.is_alive
    process.end()
    answers.send(alive)


def test_a_child_inherited_through_a_fork_is_let_go() -> None:
    context = multiprocessing.get_context("fork")
    here, there = context.Pipe()
    with here, there, child(ECHO) as process:
        forked = context.Process(target=_inherits, args=(process, there))
        forked.start()
        assert here.poll(60) and here.recv() is False
        forked.join(10)
        process.write("still\n")
        assert process.next_line(30) == "STILL\n"


def test_what_a_child_writes_until_its_end() -> None:
    code = "import sys; print('why', file=sys.stderr); sys.stdout.write(sys.stdin.read()[::-1])"
    assert run_child([sys.executable, "-c", code], seconds=60, data=b"abc") == (b"cba", "why\n")


@pytest.mark.parametrize(
    ("code", "words", "returncode"),
    [
        ("import sys; print('first\\nthe reason', file=sys.stderr); raise SystemExit(3)",
         "ended with exit code 3: the reason", 3),
        ("raise SystemExit(4)", "ended with exit code 4", 4),
        ("import os; os.kill(os.getpid(), 9)", "was killed, most likely because memory ran out", -9),
        ("import os; os.kill(os.getpid(), 11)", "was ended by signal 11 (Segmentation fault)", -11),
    ],
)  # fmt: skip
def test_a_bad_end_is_said_in_words(code: str, words: str, returncode: int) -> None:
    with pytest.raises(ChildFailed) as caught:
        run_child([sys.executable, "-c", code], seconds=60)
    assert (str(caught.value), caught.value.returncode) == (words, returncode)


def test_what_takes_too_long_is_killed() -> None:
    with pytest.raises(ChildFailed, match=r"took longer than 0\.1 seconds") as caught:
        run_child([sys.executable, "-c", SLEEP], seconds=0.1)
    assert caught.value.returncode is None


def test_an_end_that_was_none() -> None:
    assert exit_reason(0) == exit_reason(None) == "ended without a word"
    assert exit_reason(1, "x" * 999) == f"ended with exit code 1: {'x' * 300}"
