"""Supervised fine-tuning."""

from typing import Any, ClassVar, Literal

from pydantic import Field

from workbench.errors import UserError
from workbench.training.objective import OBJECTIVES, Objective, Setup


@OBJECTIVES.register
class Sft(Objective):
    """Learns to give the answers of the dataset.

    Cross-entropy on the assistant's turns, end-of-turn token included. What is trained on is exactly what
    'what the model sees' shows: both come from `workbench.data.rendering`.
    """

    method: ClassVar[str] = "sft"
    title: ClassVar[str] = "SFT: learn from examples"
    dataset_kinds: ClassVar[tuple[str, ...]] = ("conversation", "text")

    learning_rate: float = Field(3e-4, gt=0, le=1, description="Step size at its highest. 1e-4 to 1e-3 suits LoRA.")
    train_on: Literal["assistant", "all"] = Field(
        "assistant", description="Learn only the assistant's turns, or every token of the conversation."
    )

    def trainer(self, setup: Setup) -> Any:
        from trl import SFTConfig, SFTTrainer

        encoded = {split: self._encode(setup, split) for split in setup.rows}
        has_weights = "weight" in encoded["train"].column_names
        arguments = SFTConfig(
            learning_rate=self.learning_rate,
            max_length=None,
            dataset_kwargs={"skip_prepare_dataset": True},
            remove_unused_columns=not has_weights,
            **setup.arguments,
        )
        trainer = _whole_logits(SFTTrainer) if _fits_in_ram(setup) else SFTTrainer
        if has_weights:
            from workbench.training.weighting import weighted

            trainer = weighted(SFTTrainer)
        made = trainer(
            model=setup.model,
            args=arguments,
            train_dataset=encoded["train"],
            eval_dataset=encoded.get("eval"),
            processing_class=setup.tokenizer,
        )
        if has_weights:
            from workbench.training.weighting import WithWeights

            made.data_collator = WithWeights(made.data_collator)
        return made

    def _encode(self, setup: Setup, split: str) -> Any:
        from datasets import Dataset

        from workbench.data.rendering import Tokenizer, encode_rows

        tokenizer = Tokenizer.load(setup.folder)
        rows, report = encode_rows(
            setup.rows[split], setup.kind, tokenizer, setup.template, setup.max_length, self.train_on
        )
        setup.notes.append(f"{split} rows: {report.to_dict()}")
        if not rows and split == "train":
            reason = report.dropped[0][1] if report.dropped else "the dataset is empty"
            raise UserError(f"No row has anything to train on: {reason}.", "Look at 'what the model sees'.", "dataset")
        if split == "train":
            self._weigh(setup, rows, {place for place, _ in report.dropped})
        return Dataset.from_list(rows) if rows else None

    @staticmethod
    def _weigh(setup: Setup, encoded: list[dict[str, Any]], dropped: set[int]) -> None:
        """Puts the weights of the rows kept beside what is learnt from them, if they differ."""
        from workbench.training.weighting import WEIGHT, weights_of

        weights = weights_of([row for place, row in enumerate(setup.rows["train"]) if place not in dropped])
        for row, weight in zip(encoded, weights or [], strict=False):
            row[WEIGHT] = weight
        if weights:
            setup.notes.append(f"Rows count {min(weights):.2g} to {max(weights):.2g} times, as their metadata says.")


def _fits_in_ram(setup: Setup) -> bool:
    """Whether this trains on a CPU with logits small enough to hold at once (2 GB in float32)."""
    rows = setup.arguments["per_device_train_batch_size"] * setup.max_length
    return bool(setup.arguments["use_cpu"]) and rows * len(setup.tokenizer) * 4 < 2e9


def _whole_logits(trainer: Any) -> Any:
    """The trainer with transformers' own loss in place of TRL's chunked one.

    Chunking saves memory that a CPU has and costs time that it has not: 2.6 against 3.9 s for a batch of 4 × 248
    tokens on SmolLM2-135M with 2 cores. The loss is the same; token accuracy and entropy are left out.
    """
    from transformers import Trainer

    class WholeLogits(trainer):  # type: ignore[misc]
        def compute_loss(
            self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
        ) -> Any:
            if self.model.training:
                self._total_train_tokens += int(inputs["attention_mask"].sum())
                self._metrics["train"]["num_tokens"] = [self._total_train_tokens]
            inputs["use_cache"] = False
            return Trainer.compute_loss(self, model, inputs, return_outputs, num_items_in_batch)

        def prediction_step(self, model: Any, inputs: Any, prediction_loss_only: bool, ignore_keys: Any = None) -> Any:
            return Trainer.prediction_step(self, model, inputs, prediction_loss_only, ignore_keys)

    return WholeLogits
