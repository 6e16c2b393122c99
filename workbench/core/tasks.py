"""Work under way: how far it is, and whether somebody asked to stop it.

Whoever starts a piece of work makes a `Task` that knows where its progress goes and what a wish to stop does. The work
tells it how far it is as often as it likes, hands parts of it to what it calls, and asks it between two steps whether
to go on.
"""

import time
from collections.abc import Callable, Sequence

INTERVAL_SECONDS = 0.2
LEAST_SHARE = 0.01
"""What moved the work on by this share is reported at once, however little time has passed."""
DIGITS = 4

Report = Callable[[float, float, str], object]


class _Reporter:
    """Passes on what is worth it: another activity, a step on, the end, and else a few words a second."""

    def __init__(self, report: Report, clock: Callable[[], float]):
        self._report, self._clock = report, clock
        self._last: tuple[float, float, str] | None = None
        self._last_time = 0.0
        self._held: tuple[float, float, str] | None = None

    def __call__(self, done: float, total: float, text: str) -> None:
        now = self._clock()
        if self._last is None or now - self._last_time >= INTERVAL_SECONDS or self._is_news(done, total, text):
            self._send((done, total, text), now)
        else:
            self._held = done, total, text

    def flush(self) -> None:
        """Reports what was held back, if it is time."""
        now = self._clock()
        if self._held is not None and now - self._last_time >= INTERVAL_SECONDS:
            self._send(self._held, now)

    def _send(self, words: tuple[float, float, str], now: float) -> None:
        self._last, self._last_time, self._held = words, now, None
        done, total, text = words
        self._report(round(done, DIGITS), total, text)

    def _is_news(self, done: float, total: float, text: str) -> bool:
        assert self._last is not None
        last_done, last_total, last_text = self._last
        if total != last_total or done < last_done:
            return True
        if done == last_done:  # it stays where it is, but does something else there
            return text != last_text
        return total > 0 and ((done - last_done) / total >= LEAST_SHARE or done >= total > last_done)


class Task:
    """A piece of work: `update` says how far it is, `part` is a piece of it, `check_stop` raises if it is to end.

    report: gets (done, total, text). check_stop: raises if somebody asked to stop. Without them it says nothing and
    goes on.
    """

    def __init__(
        self,
        report: Report | None = None,
        check_stop: Callable[[], object] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ):
        self._reporter = _Reporter(report or _silent, clock)
        self._check = check_stop
        self._start, self._end, self._label = 0.0, 1.0, ""
        self._is_part = False
        self._reached = 0.0

    def update(self, done: float, total: float, text: str = "") -> None:
        """Says that `done` of `total` are finished; a total of 0 where nobody knows. A part never goes back."""
        if not self._is_part:
            self._reporter(done, total, text)
            return
        if total > 0:
            self._reached = max(self._reached, min(1.0, max(0.0, done / total)))
        words = ": ".join(word for word in (self._label, text) if word)
        self._reporter(self._start + (self._end - self._start) * self._reached, 1.0, words)

    def part(self, start: float, end: float, label: str = "") -> "Task":
        """The piece of this work from the share `start` of it to `end`, both from 0 to 1; `label` begins its words.

        What it reports is a share of the whole: (0.35, 1, text). Raises `ValueError` unless 0 ≤ start ≤ end ≤ 1.
        """
        if not 0 <= start <= end <= 1:
            raise ValueError(f"no part of a whole: {start} to {end}")
        piece = Task.__new__(Task)
        piece._reporter, piece._check = self._reporter, self._check
        width = self._end - self._start
        piece._start, piece._end = self._start + width * start, self._start + width * end
        piece._label = ": ".join(word for word in (self._label, label) if word)
        piece._is_part, piece._reached = True, 0.0
        return piece

    def step(self, index: int, count: int, label: str = "") -> "Task":
        """The piece for one of `count` things that take about the same time each, counted from 0."""
        return self.part(index / count, (index + 1) / count, label)

    def check_stop(self) -> None:
        """Raises what stops this work, if somebody asked for it."""
        self._reporter.flush()
        if self._check is not None:
            self._check()


def _silent(done: float, total: float, text: str) -> None:
    """For work that nobody watches."""


def seconds_left(history: Sequence[tuple[float, float]], total: float, now: float) -> float | None:
    """How long the rest takes by the pace from the first to the last of (seconds, done); None if that tells nothing."""
    if len(history) < 2:
        return None
    (first, start), (last, end) = history[0], history[-1]
    if end <= start or last <= first:
        return None
    pace = (last - first) / (end - start)
    return max(0.0, (total - end) * pace - (now - last))
