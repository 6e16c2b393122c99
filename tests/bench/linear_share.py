"""How much of a training step the linear layers alone take: their products forward and for the input's gradient.

Argument: home. The same shapes as in the step, frozen weights, no adapter; steps and products in turn in one process.
"""

import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from workbench.core.hardware import detect_hardware
from workbench.core.home import Home
from workbench.data.encoding.cache import encoded_rows
from workbench.models import starter
from workbench.models.loading import load_tokenizer
from workbench.rendering.templates import get_template
from workbench.training.jobs.train import Train
from workbench.training.objective import Setup
from workbench.training.row_attention import cleared_rows

ROUNDS = 8


def main() -> None:
    home, hardware = Home.at(sys.argv[1]), detect_hardware()
    job = Train.parse({"model": starter.STARTER_NAME, "dataset": "field-guide"})
    folder = home.models / job.model
    rules = job.objective.rules("conversation", get_template("model", folder), job.max_length)
    rows = encoded_rows(home, job.dataset, "train", folder, rules)
    arguments = job.trainer_arguments(Path(tempfile.mkdtemp()), hardware, {"train": len(rows)})
    model = job.tuner.load(folder, None, hardware)
    trainer = job.objective.trainer(Setup(model, load_tokenizer(folder), {"train": rows}, job.max_length, arguments))
    trainer.create_optimizer_and_scheduler(100)
    trainer.model = trainer.accelerator.prepare_model(trainer.model)  # its precision, as in a run
    batches = list(trainer.get_train_dataloader())[: ROUNDS + 1]
    pairs = []
    for batch in batches:
        shapes = _shapes(trainer, batch)
        step, products = _timed(lambda batch=batch: _step(trainer, batch)), _timed(lambda s=shapes: _products(s))
        pairs.append((products[0] / step[0], products[1] / step[1]))
    share, cpu_share = (statistics.median(column) for column in zip(*pairs[1:], strict=True))
    print(json.dumps({"share": share, "cpu_share": cpu_share}))


def _step(trainer: Any, batch: Any) -> None:
    trainer.current_gradient_accumulation_steps = 1
    with cleared_rows():
        items = trainer._get_num_items_in_batch([batch], trainer.args.device)
        trainer.training_step(trainer.model, dict(batch), items)
    torch.nn.utils.clip_grad_norm_(trainer.model.parameters(), 1.0)
    trainer.optimizer.step()
    trainer.optimizer.zero_grad()


def _shapes(trainer: Any, batch: Any) -> list[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
    """(weight, input, slope) of every linear layer in the order of the forward pass."""
    tokens, learned = int(batch["attention_mask"].sum()), int((batch["labels"][:, 1:] != -100).sum())
    base = trainer.model.get_base_model()
    weights = [(m.base_layer.weight, tokens) for m in base.modules() if hasattr(m, "base_layer")]
    weights.append((base.get_output_embeddings().weight, learned))
    made: dict[tuple[int, int], torch.Tensor] = {}

    def values(rows: int, width: int, dtype: torch.dtype) -> torch.Tensor:
        return made.setdefault((rows, width), torch.randn(rows, width, dtype=dtype))

    return [(w, values(n, w.shape[1], w.dtype), values(n, w.shape[0], w.dtype)) for w, n in weights]


@torch.no_grad()
def _products(shapes: list[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]) -> None:
    for weight, values, _ in shapes:
        torch.nn.functional.linear(values, weight)
    for weight, _, slope in reversed(shapes):
        slope @ weight


def _timed(work: Callable[[], None]) -> tuple[float, float]:
    began, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - began, time.process_time() - cpu


if __name__ == "__main__":
    main()
