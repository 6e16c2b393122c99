"""The loss of SFT over real tokens, and the batches a trainer takes.

Imports torch, transformers and trl: only job processes import this.
"""

from collections.abc import Callable
from typing import Any

import torch

from workbench.training.collating import WEIGHTS_COLUMN
from workbench.training.fused_loss import chosen_loss_code
from workbench.training.lora_forward import compute_lora_in_one_step
from workbench.training.objective import Setup
from workbench.training.ordering import LengthGroupedSampler, PackedRows, row_lengths
from workbench.training.row_attention import cleared_rows
from workbench.training.unpadded_forward import compute_real_tokens_only


def lean(trainer: type[Any]) -> type[Any]:
    """A trainer derived from SFTTrainer whose loss is the mean over the trained tokens, each times its weight.

    As TRL's, without the entropy, which costs a pass over the logits. Evaluating counts every token alike.
    """

    class Lean(trainer):
        def compute_loss(
            self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
        ) -> Any:
            weights = inputs.pop(WEIGHTS_COLUMN, None)
            if self.aux_loss_enabled:
                inputs["output_router_logits"] = True
            outputs = model(**inputs, use_cache=False, fused_lm_head=True)
            losses = -outputs.log_probs
            if weights is not None and self.model.training:
                losses = losses * weights[:, 1:]
            items = outputs.label_mask.sum() if num_items_in_batch is None else num_items_in_batch
            loss = losses.sum() / torch.as_tensor(items).clamp(min=1)
            if self.aux_loss_enabled:
                steps = 1 if num_items_in_batch is None else self.current_gradient_accumulation_steps
                loss = loss + self.router_aux_loss_coef * outputs.aux_loss / steps
            self._tell(inputs, outputs)
            return (loss, outputs) if return_outputs else loss

        def _tell(self, inputs: Any, outputs: Any) -> None:
            mode = "train" if self.model.training else "eval"
            learned = outputs.label_mask
            right = (outputs.is_top1 & learned).sum() / learned.sum().clamp(min=1)
            self._metrics[mode]["mean_token_accuracy"].append(float(right))
            if mode == "train":
                self._total_train_tokens += int(inputs["attention_mask"].sum())
            self._metrics[mode]["num_tokens"] = [self._total_train_tokens]

    return Lean


def in_batches(trainer: type[Any]) -> type[Any]:
    """The trainer whose rows lie end to end only while it computes, in batches of similar length where asked to."""

    class InBatches(trainer):
        train_sampler: Any = None

        def _get_train_sampler(self, *args: Any) -> Any:
            return self.train_sampler or super()._get_train_sampler(*args)

        def training_step(self, *args: Any, **settings: Any) -> Any:
            with cleared_rows():
                return super().training_step(*args, **settings)

        def prediction_step(self, *args: Any, **settings: Any) -> Any:
            with cleared_rows():
                return super().prediction_step(*args, **settings)

    return InBatches


def arrange_batches(
    trainer: Any,
    setup: Setup,
    collate: Callable[[list[Any]], Any],
    columns: tuple[str, ...],
    statistics: bool = False,
    reason: str = "",
) -> None:
    """Gives a trainer that was made the batches of its setup: rows end to end where the model can, packed, grouped.

    `columns` are those of the rows' ids; with `statistics` its model tells entropy and mean logit; `reason` is why rows
    must be padded, if they must.
    """
    padded = bool(reason) or setup.batching in ("grouped", "padded")
    compute_lora_in_one_step(trainer.model)
    code = chosen_loss_code(setup.fused_loss, trainer.model.device.type, statistics)
    setup.loss_code = code.name
    if trainer.model.device.type == "cuda":
        setup.notes.append(f"The loss is computed by {code.name}.")
    reason = compute_real_tokens_only(trainer.model, padded, statistics, code) or reason
    for model in (*setup.models.values(), *([trainer.ref_model] if getattr(trainer, "ref_model", None) else [])):
        compute_real_tokens_only(model, padded, statistics)
    if reason:
        setup.notes.append(f"Rows cannot lie end to end here, so they are padded: {reason}.")
    if setup.batching == "grouped" or (reason and setup.bins is None and setup.batching != "padded"):
        lengths = row_lengths(setup.encoded["train"].table, columns)
        step_rows = trainer.args.train_batch_size * trainer.args.gradient_accumulation_steps
        trainer.train_sampler = LengthGroupedSampler(lengths, step_rows, trainer.args.seed)
    if setup.bins is not None:
        trainer.train_dataset = PackedRows(trainer.train_dataset, setup.bins)
    trainer.data_collator = unpacking(collate)


def unpacking(collate: Callable[[list[Any]], Any]) -> Callable[[list[Any]], Any]:
    """The collator for items that may be bins of rows."""

    def collate_bins(items: list[Any]) -> Any:
        return collate([row for item in items for row in (item if isinstance(item, list) else [item])])

    return collate_bins
