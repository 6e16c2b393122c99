"""Alarms: what goes wrong in a training run while it runs, read from its losses alone.

Each alarm speaks once for what it has noticed, not at every step. They are fed with the history of a resumed run first,
so that they go on where they were.
"""

import math
import statistics
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

WINDOW_STEPS = 5  # of a mean that tells a trend
SPIKE_WINDOW_STEPS, LEAST_SPIKE_STEPS, MOST_SPIKES = 20, 10, 5
SPIKE_DEVIATIONS, SPIKE_SHARE = 6.0, 0.5  # beyond the median: robust standard deviations, and a share of it
WORSE_EVALUATIONS, WORSE_SHARE = 3, 0.01  # evaluations in a row above the best by this share
UNCHANGED_SHARE = 0.005  # of a share of right tokens or pairs: less is no change
ACCURACIES = ("eval_token_accuracy", "eval_mean_token_accuracy", "eval_rewards/accuracies")
DEVIATION_RATIO = 1.4826  # from the median absolute deviation, for normal values


@dataclass(frozen=True)
class Alarm:
    """kind: 'spike', 'runaway', 'overfitting' or 'overconfidence'; `text` says what was seen and what to do."""

    kind: str
    step: int
    text: str


class Alarms:
    """All alarms of a run. `batch` tells the beginnings of the rows of the last step, for the spikes."""

    def __init__(self, batch: Callable[[], list[str]] = list):
        self._batch = batch
        self._runaway, self._spikes, self._evaluations = Runaway(), Spikes(), Evaluations()

    def remember(self, history: Iterable[Mapping[str, Any]]) -> None:
        """Takes in what a resumed run had logged, and says nothing of it."""
        batch, self._batch = self._batch, list
        for entry in history:
            self.after(int(entry.get("step", 0)), entry)
        self._batch = batch

    def after(self, step: int, values: Mapping[str, Any]) -> list[Alarm]:
        """The alarms that the values of a step or an evaluation set off."""
        raised: list[Alarm] = []
        loss, eval_loss = values.get("loss"), values.get("eval_loss")
        if loss is not None and math.isfinite(loss):
            self._evaluations.learned(loss)
            if text := self._runaway.after(loss, step):
                raised.append(Alarm("runaway", step, text))
            if text := self._spikes.after(loss):
                rows = "".join(f"\n· {row}" for row in self._batch())
                raised.append(Alarm("spike", step, text + (f" The rows of that step begin:{rows}" if rows else "")))
        if eval_loss is not None and math.isfinite(eval_loss):
            accuracy = next((values[name] for name in ACCURACIES if values.get(name) is not None), None)
            if found := self._evaluations.after(eval_loss, accuracy, step):
                raised.append(found)
        return raised


class Runaway:
    """Notices once when the loss runs away: its mean over `WINDOW_STEPS` is twice the lowest, and a nat above it."""

    def __init__(self) -> None:
        self._last: deque[float] = deque(maxlen=WINDOW_STEPS)
        self._lowest = math.inf
        self._lowest_at = 0
        self._said = False

    def after(self, loss: float, step: int) -> str:
        """What to say after a step's loss, mostly ''."""
        self._last.append(loss)
        if self._said or len(self._last) < WINDOW_STEPS:
            return ""
        mean = sum(self._last) / WINDOW_STEPS
        if mean < self._lowest:
            self._lowest, self._lowest_at = mean, step
        self._said = mean > 2 * self._lowest and mean > self._lowest + 1
        if not self._said:
            return ""
        return (
            f"The loss runs away: {self._lowest:.3g} around step {self._lowest_at}, {mean:.3g} now. "
            "The learning rate is most likely too high."
        )


class Spikes:
    """Notices a step whose loss lies far above those before it; what is bad in one batch is mostly a bad row.

    Far is six robust standard deviations (from the median absolute deviation) and half the median.
    """

    def __init__(self) -> None:
        self._last: deque[float] = deque(maxlen=SPIKE_WINDOW_STEPS)
        self._count = 0

    def after(self, loss: float) -> str:
        """What to say of a step's loss, mostly ''; of the sixth spike and those after it nothing."""
        before = list(self._last)
        self._last.append(loss)
        if len(before) < LEAST_SPIKE_STEPS or self._count >= MOST_SPIKES:
            return ""
        median = statistics.median(before)
        deviation = DEVIATION_RATIO * statistics.median(abs(value - median) for value in before)
        if loss - median <= max(SPIKE_DEVIATIONS * deviation, SPIKE_SHARE * abs(median)):
            return ""
        self._last.pop()  # it must not raise what the next ones are held against
        self._count += 1
        return f"The loss jumps to {loss:.3g}; the {len(before)} steps before had {median:.3g} in the middle."


class Evaluations:
    """Notices when evaluation gets worse while training gets better: overfitting, or growing overconfidence."""

    def __init__(self) -> None:
        self._losses: deque[float] = deque(maxlen=WINDOW_STEPS)
        self._best, self._best_at, self._best_accuracy = math.inf, 0, None  # type: tuple[float, int, float | None]
        self._train_at_best = math.inf
        self._worse = 0

    def learned(self, loss: float) -> None:
        """Takes in the training loss of a step."""
        self._losses.append(loss)

    def after(self, eval_loss: float, accuracy: float | None, step: int) -> Alarm | None:
        """The alarm after an evaluation; one for each best that is followed by worse."""
        train = sum(self._losses) / len(self._losses) if self._losses else math.inf
        if eval_loss <= self._best:
            self._best, self._best_at, self._best_accuracy = eval_loss, step, accuracy
            self._train_at_best, self._worse = train, 0
            return None
        self._worse = self._worse + 1 if eval_loss > self._best * (1 + WORSE_SHARE) else 0
        if self._worse != WORSE_EVALUATIONS or train >= self._train_at_best:
            return None
        seen = f"Eval loss has risen from {self._best:.3g} at step {self._best_at} to {eval_loss:.3g}"
        if (
            accuracy is not None
            and self._best_accuracy is not None
            and accuracy >= self._best_accuracy - UNCHANGED_SHARE
        ):
            return Alarm(
                "overconfidence", step,
                f"{seen} while accuracy stands at {accuracy:.1%}: the model is no more often right, only surer"
                " of itself where it is wrong. Fewer epochs, label smoothing or a lower learning rate help.",
            )  # fmt: skip
        return Alarm(
            "overfitting", step,
            f"{seen} while the training loss falls: the model learns the rows by heart. Stop here, or keep the best"
            " checkpoint; fewer epochs, more rows, dropout or a lower rank help.",
        )  # fmt: skip
