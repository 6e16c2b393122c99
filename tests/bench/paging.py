"""Leafing through a large dataset: any page of 200,000 rows (150 MB of text), and the first page of a search."""

import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from typing import Any

from workbench.core.home import Home
from workbench.data.store.datasets import rows, write_rows
from workbench.data.store.search import search

ROWS, PAGES, PAGE = 200_000, 100, 20
GOAL = 300.0
RARE = "zyzzyva"


def measure() -> Iterator[tuple[Any, ...]]:
    """Milliseconds: the 95th percentile of random pages, and searches of a common, a rare and no word at all."""
    with tempfile.TemporaryDirectory(prefix="llm-workbench-bench-") as folder:
        yield from _measured(Home.at(folder))


def _measured(home: Home) -> Iterator[tuple[Any, ...]]:
    write_rows(home, "large", "conversation", _rows())
    draw = random.Random(1)
    pages = [_timed(lambda: rows(home, "large", "train", draw.randrange(ROWS - PAGE), PAGE)) for _ in range(PAGES)]
    yield "page_p95", sorted(pages)[int(PAGES * 0.95)], GOAL, "ms"
    yield "page_median", statistics.median(pages), None, "ms"
    yield "search_common_first_page", _timed(lambda: search(home, "large", "train", "river")), GOAL, "ms"
    yield "search_pattern_first_page", _timed(lambda: search(home, "large", "train", "riv.r", regex=True)), GOAL, "ms"
    yield "search_rare_whole", _timed(lambda: _to_the_end(home, RARE)), 5000.0, "ms"
    yield "search_again", _timed(lambda: search(home, "large", "train", RARE)), GOAL, "ms"


def _rows() -> Iterator[dict[str, Any]]:
    draw = random.Random(0)
    words = ["".join(draw.choices("abcdefghijklmnopqrstuvw", k=draw.randint(2, 10))) for _ in range(20_000)] + ["river"]
    for number in range(ROWS):
        asked, answered = " ".join(draw.choices(words, k=20)), " ".join(draw.choices(words, k=85))
        mark = f" {RARE}" if number == ROWS - 7 else ""
        yield {
            "messages": [
                {"role": "user", "content": f"{number}: {asked}?"},
                {"role": "assistant", "content": f"{answered} river{mark}."},
            ]
        }


def _to_the_end(home: Home, word: str) -> None:
    while not search(home, "large", "train", word)["complete"]:
        pass


def _timed(work: Callable[[], Any]) -> float:
    began = time.perf_counter()
    work()
    return 1000 * (time.perf_counter() - began)
