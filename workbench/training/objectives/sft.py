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
        arguments = SFTConfig(
            learning_rate=self.learning_rate,
            max_length=None,
            dataset_kwargs={"skip_prepare_dataset": True},
            **setup.arguments,
        )
        return SFTTrainer(
            model=setup.model,
            args=arguments,
            train_dataset=encoded["train"],
            eval_dataset=encoded.get("eval"),
            processing_class=setup.tokenizer,
        )

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
        return Dataset.from_list(rows) if rows else None
