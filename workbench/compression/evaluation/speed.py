"""How fast a loaded variant reads a prompt and writes an answer on this machine."""

import itertools
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import psutil

from workbench.compression.evaluation.windows import ScoredText
from workbench.core.tasks import Task
from workbench.inference.backend import Backend

RUNS = 3
WARM_UP_TOKENS = 2
BUSY_SHARE = 0.15  # of the processors' time that other programs may take


@dataclass(frozen=True)
class SpeedTest:
    """A prompt of fixed tokens and how many are generated after it."""

    prompt: list[int]
    tokens: int

    @classmethod
    def of(cls, text: ScoredText, prompt: int, tokens: int, longest: int) -> "SpeedTest":
        """The start of the measured text, repeated until it is long enough, both within what the model takes."""
        tokens = min(tokens, max(longest // 2, 1))
        ids = itertools.cycle(itertools.chain.from_iterable(row.ids for row in text.rows))
        return cls(list(itertools.islice(ids, min(prompt, longest - tokens))), tokens)


def measure_speed(backend: Backend, test: SpeedTest, threads: int, task: Task | None = None) -> dict[str, Any]:
    """Tokens a second, each {'value': median, 'low', 'high'} of `RUNS`: {'prompt', 'generation', …}; JSON types.

    `busy` is the share of the processors' time that other programs took meanwhile.
    """
    task = task or Task()
    backend.run(test.prompt, WARM_UP_TOKENS)
    watch = _Others()
    runs = []
    for completed in range(RUNS):
        task.update(completed, RUNS, "Speed")
        runs.append(backend.run(test.prompt, test.tokens))
    return {
        "prompt": _pace(len(test.prompt), [prompt for prompt, _ in runs]),
        "generation": _pace(test.tokens, [written for _, written in runs]),
        "prompt_tokens": len(test.prompt),
        "tokens": test.tokens,
        "threads": threads,
        "busy": round(watch.share(), 2),
    }


def _pace(tokens: int, seconds: Sequence[float]) -> dict[str, float]:
    paces = [tokens / max(duration, 1e-9) for duration in seconds]
    interval = {"value": statistics.median(paces), "low": min(paces), "high": max(paces)}
    return {name: float(f"{pace:.4g}") for name, pace in interval.items()}


class _Others:
    """What other programs use of the processors from now on."""

    def __init__(self) -> None:
        self._all, self._mine = _busy_seconds(), _own_seconds()

    def share(self) -> float:
        """Of all processor time since then, 0 to 1."""
        (busy, idle), (busy_before, idle_before) = _busy_seconds(), self._all
        passed = busy - busy_before + idle - idle_before
        others = busy - busy_before - (_own_seconds() - self._mine)
        return min(max(others / passed, 0.0), 1.0) if passed > 0 else 0.0


def _busy_seconds() -> tuple[float, float]:
    times = psutil.cpu_times()
    idle = times.idle + getattr(times, "iowait", 0.0)
    counted = sum(times) - getattr(times, "guest", 0.0) - getattr(times, "guest_nice", 0.0)  # guests count as user too
    return counted - idle, idle


def _own_seconds() -> float:
    times = psutil.Process().cpu_times()
    return float(times.user + times.system)
