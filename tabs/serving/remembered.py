"""Values that are remembered for a while and taken out once, such as codes that work once."""

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

MOST_VALUES = 10_000
Value = TypeVar("Value")


class Remembered(Generic[Value]):
    """Values by a key, each for some seconds; of too many the oldest goes."""

    def __init__(self, seconds: float, now: Callable[[], float] = time.monotonic) -> None:
        self.seconds, self.now = seconds, now
        self._lock = threading.Lock()
        self._values: dict[str, tuple[float, Value]] = {}

    def add(self, key: str, value: Value) -> bool:
        """False when the key is there already."""
        with self._lock:
            now = self.now()
            self._values = {known: pair for known, pair in self._values.items() if pair[0] > now}
            if key in self._values:
                return False
            if len(self._values) >= MOST_VALUES:
                self._values.pop(next(iter(self._values)))
            self._values[key] = (now + self.seconds, value)
            return True

    def take(self, key: str) -> Value | None:
        """The value, which is forgotten; None when there is none, or its time is over."""
        with self._lock:
            found = self._values.pop(key, None)
        return found[1] if found and found[0] > self.now() else None
