"""Label smoothing: part of each token's target is spread over the vocabulary.

Imports torch: only job processes import this.
"""

from typing import Any

import torch
from torch.nn.functional import cross_entropy

from workbench.rendering.rendered import IGNORED
from workbench.training.collating import WEIGHTS_COLUMN


def smoothed_loss(
    logits: torch.Tensor, targets: torch.Tensor, epsilon: float, weights: torch.Tensor | None, items: Any
) -> torch.Tensor:
    """Cross-entropy of the trained tokens against 1 - ε of the token and ε of all alike, over their number.

    logits: (tokens, vocabulary); targets: (tokens,); weights: (tokens,), what each token's part is multiplied by.
    items: tokens learned in all batches of a step, or None for those of this one.
    """
    losses = cross_entropy(logits.float(), targets, reduction="none", label_smoothing=epsilon)
    if weights is not None:
        losses = losses * weights
    return losses.sum() / (max(len(targets), 1) if items is None else items)


def smoothed(trainer: type[Any], epsilon: float) -> type[Any]:
    """The trainer of `lean` with the smoothed loss; evaluations are without it, to stay comparable."""

    class Smoothed(trainer):
        def compute_loss(
            self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
        ) -> Any:
            if not self.model.training:
                return super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
            self._total_train_tokens += int(inputs["attention_mask"].sum())
            self._metrics["train"]["num_tokens"] = [self._total_train_tokens]
            weights, targets = inputs.pop(WEIGHTS_COLUMN, None), inputs["labels"][:, 1:]
            learned = targets != IGNORED
            logits = model(**inputs, use_cache=False, learned_logits=True)
            counted = None if weights is None else weights[:, 1:][learned]
            loss = smoothed_loss(logits, targets[learned], epsilon, counted, num_items_in_batch)
            return (loss, {"logits": logits}) if return_outputs else loss

    return Smoothed
