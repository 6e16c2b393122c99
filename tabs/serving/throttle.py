"""How often a password may be tried."""

import ipaddress
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

FREE_FAILURES = 5
LONGEST_WAIT_SECONDS = 900.0
FORGET_SECONDS = 3600.0
MOST_ADDRESSES = 10_000
OVERALL_BURST_FAILURES, OVERALL_PER_SECOND = 30.0, 0.5


@dataclass
class _Address:
    failures: int = 0
    next_try: float = 0.0
    last: float = 0.0


class Throttle:
    """Five wrong passwords of an address are free, then each doubles the wait, to a quarter of an hour at most.

    All addresses together have 30 tries at once and one more every two seconds: many addresses guess no faster.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._addresses: OrderedDict[str, _Address] = OrderedDict()
        self._left, self._counted = OVERALL_BURST_FAILURES, now()

    def wait(self, address: str) -> float:
        """Takes one try; 0, or how many seconds to wait because there is none."""
        with self._lock:
            now = self._now()
            known = self._known(address, now)
            if known.next_try > now:
                return known.next_try - now
            self._left = min(OVERALL_BURST_FAILURES, self._left + (now - self._counted) * OVERALL_PER_SECOND)
            self._counted = now
            if self._left < 1:
                return (1 - self._left) / OVERALL_PER_SECOND
            self._left -= 1
            # counted as wrong until it is known to be right: tries at the same time do not slip through
            known.failures, known.last = known.failures + 1, now
            if known.failures >= FREE_FAILURES:
                known.next_try = now + min(LONGEST_WAIT_SECONDS, 2.0 ** (known.failures - FREE_FAILURES))
            return 0.0

    def succeeded(self, address: str) -> None:
        """Forgets the failures of an address, and gives the try back."""
        with self._lock:
            self._addresses.pop(network(address), None)
            self._left = min(OVERALL_BURST_FAILURES, self._left + 1)

    def failures(self, address: str) -> int:
        with self._lock:
            known = self._addresses.get(network(address))
            return known.failures if known else 0

    def _known(self, address: str, now: float) -> _Address:
        key = network(address)
        known = self._addresses.setdefault(key, _Address(last=now))
        if now - known.last > FORGET_SECONDS:
            known = self._addresses[key] = _Address(last=now)
        self._addresses.move_to_end(key)
        while len(self._addresses) > MOST_ADDRESSES:
            self._addresses.popitem(last=False)
        return known


def network(address: str) -> str:
    """The address, or of IPv6 the /64 it lies in: whoever has one address there has them all."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return address
