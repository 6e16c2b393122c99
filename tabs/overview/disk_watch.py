"""The ledger of the disk as the page shows it: measured in a thread of its own, and never waited for."""

import logging
import threading
import time
from collections.abc import Callable, Hashable

from workbench.core.errors import explain
from workbench.inventory.disk_ledger import DiskLedger

log = logging.getLogger(__name__)

LEAST_SECONDS = 10.0
"""Between two measurements, however much changes."""
MOST_SECONDS = 120.0
"""How old a ledger may be that is looked at while nothing on the shelves changes."""


class DiskWatch:
    """The last ledger; a look at it has it measured anew in the background when it may be out of date.

    measure: makes the ledger. mark: changes with what is on the shelves.
    """

    def __init__(self, measure: Callable[[], DiskLedger], mark: Callable[[], Hashable]):
        self._measure, self._mark = measure, mark
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._ledger: DiskLedger | None = None
        self._measured_mark: Hashable = None
        self._measured_at = float("-inf")
        self._version = 0
        self.problem = ""

    def look(self) -> DiskLedger | None:
        """What was measured last, at once; None before the first measurement is done."""
        with self._lock:
            age = time.monotonic() - self._measured_at
            outdated = age > MOST_SECONDS or (age > LEAST_SECONDS and self._mark() != self._measured_mark)
            if outdated and self._thread is None:
                self._thread = threading.Thread(target=self._run, name="disk ledger", daemon=True)
                self._thread.start()
            return self._ledger

    def version(self) -> int:
        """Grows with every ledger that differs from the one before."""
        return self._version

    def outdate(self) -> None:
        """Has it measured anew at the next look: something was deleted."""
        with self._lock:
            self._measured_at = float("-inf")

    def _run(self) -> None:
        mark, began, ledger, problem = self._mark(), time.monotonic(), self._ledger, ""
        try:
            ledger = self._measure()
        except Exception as error:
            log.exception("the disk could not be measured")
            problem = str(explain(error))
        with self._lock:
            if ledger != self._ledger or problem != self.problem:
                self._version += 1
            self._ledger, self.problem = ledger, problem
            self._measured_mark, self._thread = mark, None
            if self._measured_at <= began:
                self._measured_at = time.monotonic()
