"""Carries out the search for a learning rate: steps of a training at rising rates, of which only the losses are kept.

Imports torch and transformers: only job processes import this.
"""

import math
from typing import Any

from torch.optim.lr_scheduler import LambdaLR
from transformers import TrainerCallback
from transformers.trainer_callback import PrinterCallback, ProgressCallback
from transformers.trainer_utils import IntervalStrategy, SaveStrategy

from workbench.jobs.job import JobContext, JobStopped
from workbench.training.finiteness import NotFinite
from workbench.training.jobs.find_learning_rate import FindLearningRate
from workbench.training.rate_course import advise, has_run_away, rate_at
from workbench.training.run import prepare_training, remove_folded


class RateReport(TrainerCallback):
    """Writes the loss of each step with its rate, and ends the search when the loss runs away or somebody asks to."""

    def __init__(self, ctx: JobContext):
        self.ctx = ctx
        self.rates: list[float] = []
        self.losses: list[float] = []
        self.stop, self.ran_away = "", False

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.stop = self.ctx.stop_requested()
        control.should_training_stop |= bool(self.stop)

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **_: Any) -> None:
        values = logs or {}
        if "loss" not in values or "learning_rate" not in values:
            return
        self.rates.append(float(values["learning_rate"]))
        self.losses.append(float(values["loss"]))
        self.ctx.metrics(state.global_step, loss=self.losses[-1], learning_rate=self.rates[-1])
        self.ctx.task.update(state.global_step, state.max_steps, f"Step {state.global_step} at {self.rates[-1]:.2g}")
        if has_run_away(self.losses):
            self.ran_away = control.should_training_stop = True


def search_rate(job: FindLearningRate, ctx: JobContext) -> dict[str, Any]:
    """Trains at rising rates and returns the course, the suggested rate and the reasons for it."""
    training = job.training()
    trainer = prepare_training(training, ctx).trainer
    report = RateReport(ctx)
    trainer.remove_callback(PrinterCallback)
    trainer.remove_callback(ProgressCallback)
    trainer.add_callback(report)
    trainer.args.eval_on_start, trainer.args.eval_strategy = False, IntervalStrategy.NO
    trainer.args.save_strategy = SaveStrategy.NO
    trainer.lr_scheduler = LambdaLR(
        trainer.optimizer, lambda step: rate_at(step, job.steps, job.lowest, job.highest) / job.highest
    )
    try:
        trainer.train()
    except NotFinite:
        if not report.losses:
            raise
        report.ran_away = True
    finally:
        remove_folded(ctx)
    if report.stop == "discard":
        raise JobStopped({"stopped_at": trainer.state.global_step})
    result = _result(report)
    if report.stop:
        raise JobStopped(result)
    return result


def _result(report: RateReport) -> dict[str, Any]:
    finite = [math.isfinite(loss) for loss in report.losses]
    count = finite.index(False) if False in finite else len(finite)
    rates, losses = report.rates[:count], report.losses[:count]
    advice = advise(rates, losses, report.ran_away)
    for sentence in advice.sentences:
        report.ctx.note(sentence)
    return {**advice.facts(rates, losses), "ran_away": report.ran_away}
