"""The same work on many items by several threads, with progress and a way to stop."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Made = TypeVar("Made")
Tell = Callable[[float, float, str], None]
Stop = Callable[[], None]


def spread(
    work: Callable[[Item], Made],
    items: Iterable[Item],
    threads: int = 0,
    tell: Callable[[int], None] | None = None,
    stop: Stop | None = None,
) -> Iterator[Made]:
    """What `work` makes of every item, in the items' order; `threads` 0 takes every core this process may use.

    At most two items a thread are under way. `tell(done)` and `stop()` are called between items; what `stop` raises
    ends the work.
    """
    count = threads or cores()
    waiting: deque[Future[Made]] = deque()
    pool = ThreadPoolExecutor(count)
    try:
        for completed, item in enumerate(items, 1):
            waiting.append(pool.submit(work, item))
            if len(waiting) > 2 * count:
                yield waiting.popleft().result()
            if stop:
                stop()
            if tell:
                tell(completed)
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def cores() -> int:
    """The processor cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
