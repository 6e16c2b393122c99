"""A training that runs out of memory goes on with smaller batches, which are added up to the same steps.

Imports torch: only job processes import this.
"""

import gc
from pathlib import Path
from typing import Any

import torch

from workbench.core.errors import MemoryShortage, explain
from workbench.jobs.job import JobContext
from workbench.training.checkpoints import last_checkpoint
from workbench.training.settings.batching import halved_batch

SMALLEST = (
    "The batch is a single row already: lower the maximum length, switch gradient checkpointing on, choose QLoRA, or "
    "free memory; then resume."
)


def train_in_memory(trainer: Any, checkpoint: Path | None, ctx: JobContext) -> None:
    """Trains from a checkpoint, or from the start; each time the memory runs out, with the next smaller batch.

    The step that failed is done again: no weight had changed in it. Effective batch, steps and loss stay the same.
    The batch is written into the job's events, by which a run that goes on takes it up. Raises `MemoryShortage` where a
    single row does not fit.
    """
    while True:
        try:
            trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
            return
        except Exception as error:  # libraries tell of missing memory in many ways
            shortage = explain(error)
            if not isinstance(shortage, MemoryShortage):
                raise
            batch = halved_batch(trainer.args.per_device_train_batch_size, trainer.args.gradient_accumulation_steps)
            if batch is None:
                raise MemoryShortage(shortage.message, SMALLEST, "batch_size") from error
        checkpoint = _saved(trainer, ctx.folder / "checkpoints")
        take_batch(trainer, *batch)
        step = trainer.state.global_step
        settings = {"batch_size": batch[0], "gradient_accumulation": batch[1], "from_step": step}
        ctx.events.append("used", settings=settings)
        ctx.note(
            f"{shortage.message} Going on from step {step} with {batch[0]} rows at a time, added up over {batch[1]} "
            "passes: the effective batch size stays the same."
        )


def _saved(trainer: Any, folder: Path) -> Path | None:
    """The state after the last whole step, written if it is none yet; None where no step was done."""
    trainer.model.zero_grad(set_to_none=True)
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    if not trainer.state.global_step:
        return None
    found = last_checkpoint(folder)
    if found is None or int(found.name.split("-")[-1]) != trainer.state.global_step:
        trainer._save_checkpoint(trainer.model, trial=None)
    return last_checkpoint(folder)


def take_batch(trainer: Any, rows: int, passes: int) -> None:
    """Sets the batch of the next `train`, and of evaluations, which give the same means whatever it is."""
    trainer.args.per_device_train_batch_size = rows
    trainer.args.per_device_eval_batch_size = min(rows, trainer.args.per_device_eval_batch_size)
    trainer.args.gradient_accumulation_steps = passes
    trainer._train_batch_size = rows
    trainer.args.eval_on_start = trainer.args.eval_on_start and not trainer.state.global_step
