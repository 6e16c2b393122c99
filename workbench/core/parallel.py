"""The same work on many items by several threads, with progress and a way to stop."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sized
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from workbench.core.tasks import Task

Item = TypeVar("Item")
Made = TypeVar("Made")


def parallel_map(
    work: Callable[[Item], Made],
    items: Iterable[Item],
    threads: int = 0,
    task: Task | None = None,
    text: str = "",
) -> Iterator[Made]:
    """What `work` makes of every item, in the items' order; `threads` 0 takes every core this process may use.

    At most two items a thread are under way. `task` is told of each, where it is known how many there are, and may
    stop the work between two of them.
    """
    count, task = threads or cores(), task or Task()
    total = len(items) if isinstance(items, Sized) else 0
    waiting: deque[Future[Made]] = deque()
    pool = ThreadPoolExecutor(count)
    try:
        for completed, item in enumerate(items, 1):
            waiting.append(pool.submit(work, item))
            if len(waiting) > 2 * count:
                yield waiting.popleft().result()
            task.check_stop()
            if total:
                task.update(completed, total, text)
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def cores() -> int:
    """The processor cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
