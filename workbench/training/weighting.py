"""Rows that count more or less than others: their weight multiplies their part of the loss.

Imports torch: only job processes import this.
"""

import sys
from typing import Any

import torch
from torch.nn.functional import cross_entropy

WEIGHT = "weight"


def weights_of(rows: list[dict[str, Any]]) -> list[float] | None:
    """The weight in each row's metadata (1 where none is usable), scaled to a mean of 1; None if all are equal."""
    found = [_weight((row.get("metadata") or {}).get(WEIGHT)) for row in rows]
    mean = sum(found) / len(found) if found else 0.0
    if mean <= 0 or min(found) == max(found):
        return None
    return [weight / mean for weight in found]


def _weight(given: Any) -> float:
    """A finite number from 0 on; 1 for anything else."""
    return float(given) if type(given) in (int, float) and 0 <= given <= sys.float_info.max else 1.0


def weighted_loss(
    logits: torch.Tensor, labels: torch.Tensor, weights: torch.Tensor, items: torch.Tensor | int | None
) -> torch.Tensor:
    """Cross-entropy of the next tokens, each row's times its weight, over the number of tokens learnt.

    logits: (batch, length, vocabulary); labels: (batch, length), -100 where nothing is learnt; weights: (batch,).
    items: tokens learnt in all batches of a step, or None for those of this one.
    """
    targets = labels[:, 1:]
    losses = cross_entropy(logits[:, :-1].float().transpose(1, 2), targets, reduction="none", ignore_index=-100)
    count = (targets != -100).sum() if items is None else items
    return (losses.sum(1) * weights).sum() / count


class WithWeights:
    """A collator that passes the rows' weights on beside what the one inside makes of the rest."""

    def __init__(self, collator: Any):
        self.collator = collator

    def __call__(self, rows: list[dict[str, Any]]) -> dict[str, Any]:
        weights = [row.get(WEIGHT, 1.0) for row in rows]
        batch = dict(self.collator([{name: row[name] for name in row if name != WEIGHT} for row in rows]))
        return {**batch, WEIGHT: torch.tensor(weights)}


def weighted(trainer: type[Any]) -> type[Any]:
    """The trainer with the weighted loss; evaluating counts every row alike."""
    from transformers import Trainer

    class Weighted(trainer):
        def compute_loss(
            self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
        ) -> Any:
            weights = inputs.pop(WEIGHT)
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
