"""Which evaluation of a run is the best, and whether to wait for a better one: told from the run's history alone.

The history lies in every checkpoint, so that a resumed run finds the same answers. Imports no torch.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Metric:
    """A number that evaluations give: its key in a trainer's history, what it is called, and which way is better."""

    key: str
    title: str
    lower_is_better: bool = True

    def gain(self, value: float, before: float) -> float:
        """By how much a value is better than another; negative if it is worse."""
        return before - value if self.lower_is_better else value - before


METRICS = {
    "loss": Metric("eval_loss", "eval loss"),
    "accuracy": Metric("eval_rewards/accuracies", "accuracy on the eval pairs", lower_is_better=False),
    "margin": Metric("eval_rewards/margins", "reward margin on the eval pairs", lower_is_better=False),
}


@dataclass(frozen=True)
class BestSoFar:
    """How a run stands at an evaluation: the best one, the last one, and the one before any training.

    waited: evaluations since the last that was better than all before by more than the least improvement.
    """

    best_step: int = 0
    best: float = math.nan
    last_step: int = 0
    last: float = math.nan
    before: float | None = None
    waited: int = 0

    @property
    def found(self) -> bool:
        """Whether there was any evaluation after a step of training."""
        return self.best_step > 0

    def facts(self, metric: Metric) -> dict[str, Any]:
        """What the result of a job says of it."""
        numbers = {"best": self.best, "last": self.last, **({} if self.before is None else {"before": self.before})}
        rounded = {name: round(value, 4) for name, value in numbers.items()}
        return {"metric": metric.title, "step": self.best_step, "last_step": self.last_step, **rounded}


def best_so_far(history: Sequence[Mapping[str, Any]], metric: Metric, least_improvement: float = 0.0) -> BestSoFar:
    """How a run stands after these entries of its history; the evaluation before the first step is no candidate."""
    found = BestSoFar()
    for entry in history:
        step, value = int(entry.get("step", 0)), entry.get(metric.key)
        if value is None or not math.isfinite(value):
            continue
        if step == 0:
            found = BestSoFar(before=value)
            continue
        gain = metric.gain(value, found.best) if found.found else math.inf
        best_step, best = (step, value) if gain > 0 else (found.best_step, found.best)
        waited = 0 if gain > least_improvement else found.waited + 1
        found = BestSoFar(best_step, best, step, value, found.before, waited)
    return found


def kept_sentences(stand: BestSoFar, metric: Metric, stopped_after: int = 0) -> list[str]:
    """What was kept and why; `stopped_after` evaluations without improvement the run was ended, 0 if it was not."""
    told = []
    if stopped_after:
        count = f"{stopped_after} evaluation{'s' if stopped_after > 1 else ''}"
        told.append(f"Stopped early at step {stand.last_step}: {count} without improvement.")
    kept = f"Kept the weights of step {stand.best_step}, {metric.title} {stand.best:.4g}"
    other = "" if stand.last_step == stand.best_step else f"; step {stand.last_step} had {stand.last:.4g}"
    told.append(f"{kept}{other}.")
    if stand.before is not None and metric.gain(stand.best, stand.before) <= 0:
        told.append(
            f"Before training it was {stand.before:.4g}: no evaluation was better, so that this run has taught the"
            " model nothing that the eval rows show."
        )
    return told
