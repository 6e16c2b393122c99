"""The trainer's callback: metrics out to the job's events, stop requests in.

Imports transformers: only job processes import this.
"""

import math
import time
from collections import deque
from typing import Any

import psutil
import torch
from transformers import TrainerCallback

from workbench.jobs.job import JobContext

RENAMED = {"mean_token_accuracy": "token_accuracy", "eval_mean_token_accuracy": "eval_token_accuracy"}
WINDOW_STEPS = 5
LEFT_OUT = ("runtime", "per_second", "num_tokens", "epoch", "total_flos", "num_input_tokens", "train_loss")


class Report(TrainerCallback):
    """Writes one metrics event a step and one an evaluation; asks the trainer to stop when the job is asked to."""

    def __init__(self, ctx: JobContext):
        self.ctx = ctx
        self.stop = ""
        self.first_step_at = 0.0
        self._runaway = Runaway()
        self._began = 0.0
        self._tokens = 0.0
        self._seconds = 0.0

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.ctx.task.update(state.global_step, state.max_steps, "Training")

    def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._began = time.perf_counter()

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._seconds = time.perf_counter() - self._began
        self.first_step_at = self.first_step_at or time.time()
        self.stop = self.ctx.stop_requested()
        if self.stop:
            control.should_training_stop = True
            control.should_save = self.stop == "keep"

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **_: Any) -> None:
        values = {
            RENAMED.get(key, key): float(value)
            for key, value in (logs or {}).items()
            if isinstance(value, int | float) and not any(fragment in key for fragment in LEFT_OUT)
        }
        if "loss" in values:
            if warning := self._runaway.after(values["loss"], state.global_step):
                self.ctx.note(warning)
            values |= self._pace(logs or {})
            self.ctx.task.update(state.global_step, state.max_steps, f"Step {state.global_step} of {state.max_steps}")
        if values:
            self.ctx.metrics(state.global_step, **values)

    def _pace(self, logs: dict[str, Any]) -> dict[str, float]:
        """Tokens per second of the last step (evaluation and saving left out) and memory in MB."""
        pace = {"memory_mb": round(memory_mb(), 1)}
        tokens = float(logs.get("num_tokens", 0.0))
        if tokens > self._tokens and self._seconds:
            pace["tokens_per_second"] = round((tokens - self._tokens) / self._seconds, 1)
        self._tokens = tokens
        return pace

    def on_evaluate(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.ctx.task.update(state.global_step, state.max_steps, f"Evaluated at step {state.global_step}")


class Runaway:
    """Notices once when the loss runs away: its mean over `WINDOW` steps is twice the lowest, and a nat above it."""

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
            f"The loss runs away: {self._lowest:.3g} around step {self._lowest_at}, {mean:.3g} now at step {step}. "
            "The learning rate is most likely too high."
        )


def memory_mb() -> float:
    """What the work holds now: allocated on the GPU if there is one, else this process's resident set."""
    if torch.cuda.is_available():
        return torch.cuda.memory_allocated() / 2**20
    return psutil.Process().memory_info().rss / 2**20
