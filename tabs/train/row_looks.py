"""Looks at the rows that go on while the page asks how far they are: one for each opened page."""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from workbench.core.errors import UserError, explain
from workbench.core.tasks import Task

log = logging.getLogger(__name__)

ABANDONED_SECONDS = 20.0
"""Without a question from its page a look ends: the page is gone."""
KEPT_SECONDS = 300.0
"""How long a look that ended is known."""

Look = Callable[[Task], list[str]]


class LookStopped(Exception):
    """Nobody wants to know any more: stopped by a person, or by a newer look, or its page is gone."""


@dataclass
class _Running:
    """A look: how far it is, and its sentences or what went wrong once it has ended."""

    progress: tuple[float, float, str] = (0.0, 0.0, "Looking at the rows")
    is_stopped: bool = False
    ended: dict[str, Any] | None = None
    asked_at: float = field(default_factory=time.monotonic)

    def check_stop(self) -> None:
        if self.is_stopped or time.monotonic() - self.asked_at > ABANDONED_SECONDS:
            raise LookStopped

    def report(self, done: float, total: float, text: str) -> None:
        self.progress = (done, total, text)

    def state(self) -> dict[str, Any]:
        """{done, total, text} while it goes on; {lines}, {error} or {stopped} at its end."""
        if self.ended is not None:
            return self.ended
        done, total, text = self.progress
        return {"done": done, "total": total, "text": text}


class RowLooks:
    """The looks of all pages, each known by a name that its page made up."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: dict[str, _Running] = {}

    def start(self, page: str, look: Look) -> dict[str, Any]:
        """Begins in a thread of its own, and stops what the same page began before; returns the state."""
        running = _Running()
        with self._lock:
            self._forget()
            if older := self._running.get(page):
                older.is_stopped = True
            self._running[page] = running
        threading.Thread(target=_carry_out, args=(running, look), name="row look", daemon=True).start()
        return running.state()

    def state(self, page: str) -> dict[str, Any]:
        """How far the newest look of a page is; {stopped} where none is known."""
        with self._lock:
            running = self._running.get(page)
        if running is None:
            return {"stopped": True}
        running.asked_at = time.monotonic()
        return running.state()

    def stop(self, page: str) -> dict[str, Any]:
        """Ends the look of a page at its next step, and forgets it."""
        with self._lock:
            if running := self._running.pop(page, None):
                running.is_stopped = True
        return {"stopped": True}

    def _forget(self) -> None:
        now = time.monotonic()
        old = [page for page, running in self._running.items() if now - running.asked_at > KEPT_SECONDS]
        for page in old:
            self._running.pop(page).is_stopped = True


def _carry_out(running: _Running, look: Look) -> None:
    try:
        running.ended = {"lines": look(Task(running.report, running.check_stop))}
    except LookStopped:
        running.ended = {"stopped": True}
    except Exception as error:
        if not isinstance(error, UserError):
            log.exception("the look at the rows failed")
        running.ended = {"error": str(explain(error))}
