"""How long a run will take, from its first measured steps: the warm-up of the first is left out, evaluations are in."""

import math

MEASURED_STEPS = 5


class Forecast:
    """Takes in the seconds of steps and evaluations; tells once, after the fifth step, what all of it will take."""

    def __init__(self) -> None:
        self._steps: list[float] = []
        self._evaluation_seconds: list[float] = []

    def evaluated(self, seconds: float) -> None:
        self._evaluation_seconds.append(seconds)

    def seconds_left(self, seconds: float, left: int, eval_every: int) -> float | None:
        """After a step that took so many seconds: those of the `left` steps and of the evaluations between them.

        eval_every: steps between two evaluations, 0 for none. None before and after the fifth step of this process, and
        when nothing is left. The first step is not counted: it pays for what is done once.
        """
        self._steps.append(seconds)
        if len(self._steps) != MEASURED_STEPS or left <= 0:
            return None
        mean = sum(self._steps[1:]) / (MEASURED_STEPS - 1)
        evaluations = math.ceil(left / eval_every) if eval_every else 0
        each = sum(self._evaluation_seconds) / len(self._evaluation_seconds) if self._evaluation_seconds else 0.0
        return left * mean + evaluations * each
