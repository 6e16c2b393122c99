"""Tokens that count more or less than others: their weight multiplies their part of the loss.

Imports torch: only job processes import this.
"""

from typing import Any

import torch
from torch.nn.functional import cross_entropy

from workbench.rendering.rendered import IGNORED
from workbench.training.collating import WEIGHTS_COLUMN


def weighted_loss(
    logits: torch.Tensor, labels: torch.Tensor, weights: torch.Tensor, items: torch.Tensor | int | None
) -> torch.Tensor:
    """Cross-entropy of the next tokens, each times its weight, over the number of tokens learned.

    logits: (batch, length, vocabulary); labels: (batch, length), -100 where nothing is learned; weights: (batch,
    length). items: tokens learned in all batches of a step, or None for those of this one.
    """
    targets = labels[:, 1:]
    losses = cross_entropy(logits[:, :-1].float().transpose(1, 2), targets, reduction="none", ignore_index=IGNORED)
    count = (targets != IGNORED).sum() if items is None else items
    return (losses * weights[:, 1:]).sum() / count


def weighted(trainer: type[Any]) -> type[Any]:
    """The trainer with the weighted loss; evaluating counts every token alike."""
    from transformers import Trainer

    class Weighted(trainer):
        def compute_loss(
            self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
        ) -> Any:
            weights = inputs.pop(WEIGHTS_COLUMN)
            if not self.model.training:
                return Trainer.compute_loss(self, model, inputs, return_outputs, num_items_in_batch)
            self._total_train_tokens += int(inputs["attention_mask"].sum())
            self._metrics["train"]["num_tokens"] = [self._total_train_tokens]
            labels = inputs.pop("labels")
            outputs = model(**inputs, use_cache=False)
            loss = weighted_loss(outputs.logits, labels, weights.to(labels.device), num_items_in_batch)
            return (loss, outputs) if return_outputs else loss

        def prediction_step(self, model: Any, inputs: Any, prediction_loss_only: bool, ignore_keys: Any = None) -> Any:
            return Trainer.prediction_step(self, model, inputs, prediction_loss_only, ignore_keys)

    return Weighted
