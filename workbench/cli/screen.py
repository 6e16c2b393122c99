"""What a command shows in the terminal: its own words. What libraries print besides goes to a log.

Libraries write progress bars and warnings to standard error, some from C. That descriptor leads to a log while a
command runs, for a job also standard output: to the job's own log, else to a file that stays only when it is needed to
understand an error. With --verbose it is all shown.
"""

import contextlib
import io
import os
import sys
import tempfile
import threading
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from workbench.core.errors import SEE_LOG, UserError, explain

OUT, ERR = 1, 2
FOLLOW_SECONDS = 0.1


class Screen:
    """Standard error for a command's own words, wherever the descriptor leads meanwhile."""

    def __init__(self, verbose: bool, err: TextIO, log: Path):
        self.verbose, self.log = verbose, log
        self.err = err

    def tell(self, text: str) -> None:
        print(text, file=self.err, flush=True)

    def fail(self, error: BaseException) -> bool:
        """Tells what went wrong; returns whether the log is needed to understand it."""
        known = explain(error, SEE_LOG)
        needed = known.remedy == SEE_LOG and not self.verbose
        if known.remedy == SEE_LOG and not isinstance(error, UserError):
            with self.log.open("a", encoding="utf-8") as file:
                traceback.print_exception(error, file=file if needed else self.err)
        self.tell(f"error: {known} It is {self.log}." if needed else f"error: {explain(error)}")
        return needed


_current: list[Screen] = []


def tell(text: str) -> None:
    """Shows a line on standard error."""
    if _current:
        _current[-1].tell(text)
    else:
        print(text, file=sys.stderr, flush=True)


def screen_stream() -> TextIO:
    """The stream `tell` writes to."""
    return _current[-1].err if _current else sys.stderr


@contextlib.contextmanager
def quiet(verbose: bool) -> Iterator[Screen]:
    """While a command runs: standard error leads to a temporary log, unless `verbose`."""
    number, name = tempfile.mkstemp(prefix="llm-workbench-", suffix=".log")
    os.close(number)
    with _shown_apart(sys.stderr, ERR) as err, contextlib.ExitStack() as stack:
        if not verbose:
            stack.enter_context(_redirected(Path(name), ERR))
        _current.append(Screen(verbose, err, Path(name)))
        try:
            yield _current[-1]
        finally:
            _current.pop()


@contextlib.contextmanager
def logged(log: Path) -> Iterator[TextIO]:
    """While a job runs in this process all output leads to its log. Yields standard output, to show progress on."""
    verbose = bool(_current and _current[-1].verbose)
    log.touch()
    with _shown_apart(sys.stdout, OUT) as out, contextlib.ExitStack() as stack:
        if verbose:
            stack.enter_context(_followed(log))
        stack.enter_context(_redirected(log, OUT, ERR))
        if out is sys.stdout:  # something else stands in for it, and would show what libraries print
            shown = stack.enter_context(log.open("a", encoding="utf-8", buffering=1))
            stack.enter_context(contextlib.redirect_stdout(shown))
            stack.enter_context(contextlib.redirect_stderr(shown))
        yield out


@contextlib.contextmanager
def _shown_apart(stream: TextIO | None, number: int) -> Iterator[TextIO]:
    """A stream that goes on showing where `stream` does when descriptor `number` is led elsewhere."""
    try:
        on_it = stream is not None and stream.fileno() == number
        copy = os.dup(number) if on_it else -1
    except (OSError, ValueError):  # closed, or a stream without a descriptor that stands in for it
        copy = -1
    if copy < 0:
        yield stream or io.StringIO()
        return
    with os.fdopen(copy, "w", encoding="utf-8", errors="backslashreplace", buffering=1) as apart:
        yield apart


@contextlib.contextmanager
def _redirected(log: Path, *numbers: int) -> Iterator[None]:
    """The descriptors lead to the end of the log, and then where they led before."""
    target = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    before = {}
    for number in numbers:
        with contextlib.suppress(OSError):  # closed: nothing to give back
            before[number] = os.dup(number)
    _flush()
    for number in before:
        os.dup2(target, number)
    os.close(target)
    try:
        yield
    finally:
        _flush()
        for number, old in before.items():
            os.dup2(old, number)
            os.close(old)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            with contextlib.suppress(OSError, ValueError):  # a pipe nobody reads
                stream.flush()


@contextlib.contextmanager
def _followed(log: Path) -> Iterator[None]:
    """Shows on standard error what is added to the log meanwhile; a file, since a full pipe would hold the job up."""
    ended, begin = threading.Event(), log.stat().st_size

    def follow(shown: TextIO) -> None:
        with log.open("rb") as file:
            file.seek(begin)
            ending = False
            while not ending:
                ending = ended.wait(FOLLOW_SECONDS)
                if data := file.read():
                    shown.write(data.decode("utf-8", "replace"))
                    shown.flush()

    with _shown_apart(sys.stderr, ERR) as shown:
        thread = threading.Thread(target=follow, args=(shown,), daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()
