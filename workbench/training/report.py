"""The trainer's callback: metrics out to the job's events, stop requests in.

Imports transformers: only job processes import this.
"""

import time
from collections.abc import Callable
from typing import Any

import psutil
import torch
from transformers import TrainerCallback

from workbench.core.parallel import cores
from workbench.core.units import human_duration
from workbench.jobs.job import JobContext
from workbench.training.alarms import Alarms
from workbench.training.forecast import Forecast

RENAMED = {"mean_token_accuracy": "token_accuracy", "eval_mean_token_accuracy": "eval_token_accuracy"}
LEFT_OUT = ("runtime", "per_second", "num_tokens", "epoch", "total_flos", "num_input_tokens", "train_loss")


class Report(TrainerCallback):
    """Writes one metrics event a step and one an evaluation; asks the trainer to stop when the job is asked to."""

    def __init__(self, ctx: JobContext, batch: Callable[[], list[str]] = list):
        self.ctx = ctx
        self.stop = ""
        self.first_step_at = 0.0
        self._batch = batch
        self._alarms = Alarms(batch)
        self._use = DeviceUse()
        self._forecast = Forecast()
        self._began = 0.0
        self._tokens = 0.0
        self._seconds = 0.0

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._alarms = Alarms(self._batch)  # training begins again, too, where the memory ran out
        self._alarms.remember(state.log_history)
        self.ctx.task.update(state.global_step, state.max_steps, "Training")

    def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._began = time.perf_counter()

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._seconds = time.perf_counter() - self._began
        self.first_step_at = self.first_step_at or time.time()
        eval_every = int(args.eval_steps or 0) if args and args.eval_strategy != "no" else 0
        left = self._forecast.seconds_left(self._seconds, state.max_steps - state.global_step, eval_every)
        if left is not None:
            steps = state.max_steps - state.global_step
            self.ctx.note(f"By the first steps, the {steps:,} that are left take about {human_duration(left)}.")
        self.stop = self.ctx.stop_requested()
        if self.stop:
            control.should_training_stop = True
            control.should_save = self.stop in ("keep", "pause")

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **_: Any) -> None:
        values = {
            RENAMED.get(key, key): float(value)
            for key, value in (logs or {}).items()
            if isinstance(value, int | float) and not any(fragment in key for fragment in LEFT_OUT)
        }
        if logs and "eval_runtime" in logs:
            self._forecast.evaluated(float(logs["eval_runtime"]))
        if "loss" in values:
            values |= self._pace(logs or {})
            self.ctx.task.update(state.global_step, state.max_steps, f"Step {state.global_step} of {state.max_steps}")
        if values:
            self.ctx.metrics(state.global_step, **values)
        for alarm in self._alarms.after(state.global_step, values):
            self.ctx.alarm(alarm.kind, alarm.step, alarm.text)

    def _pace(self, logs: dict[str, Any]) -> dict[str, float]:
        """Tokens per second of the last step (evaluation and saving left out), memory in MB, device use in percent."""
        pace = {"memory_mb": round(memory_mb(), 1)}
        if (use := self._use.percent()) is not None:
            pace["device_percent"] = round(use, 1)
        tokens = float(logs.get("num_tokens", 0.0))
        if tokens > self._tokens and self._seconds:
            pace["tokens_per_second"] = round((tokens - self._tokens) / self._seconds, 1)
        self._tokens = tokens
        return pace

    def on_evaluate(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.ctx.task.update(state.global_step, state.max_steps, f"Evaluated at step {state.global_step}")


def memory_mb() -> float:
    """What the work holds now: allocated on the GPU if there is one, else this process's resident set."""
    if torch.cuda.is_available():
        return torch.cuda.memory_allocated() / 2**20
    return psutil.Process().memory_info().rss / 2**20


class DeviceUse:
    """How busy the device was since the last look: the GPU's own figure, else this process's share of the cores."""

    def __init__(self) -> None:
        self._process = psutil.Process()
        self._process.cpu_percent()  # the first call only starts the measurement

    def percent(self) -> float | None:
        """0 to 100; None where the GPU does not tell."""
        if not torch.cuda.is_available():
            return min(100.0, self._process.cpu_percent() / cores())
        try:
            return float(torch.cuda.utilization())
        except Exception:  # it needs NVML's Python bindings, and containers may hide the counters
            return None
