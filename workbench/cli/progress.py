"""Progress of what a command does itself, on standard error: one line, written over where a terminal shows it."""

from collections.abc import Iterator
from contextlib import contextmanager

from workbench.cli.screen import screen_stream, tell
from workbench.core.tasks import Task

CLEAR = "\r\x1b[K"


@contextmanager
def shown_progress(begin: str) -> Iterator[Task]:
    """A task whose progress is shown. `begin` is told at once; where no terminal shows it, it stays the only line."""
    stream = screen_stream()
    if not stream.isatty():
        tell(f"{begin} …")
        yield Task()
        return

    def report(done: float, total: float, text: str) -> None:
        share = f": {done:,.0f} of {total:,.0f}" if total else ""
        stream.write(f"{CLEAR}{text}{share}")
        stream.flush()

    report(0, 0, f"{begin} …")
    try:
        yield Task(report)
    finally:
        stream.write(CLEAR)
        stream.flush()
