"""Supervised fine-tuning."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from workbench.core.display import ADVANCED, Display
from workbench.data.encoding.batches import Rules
from workbench.rendering.templates import Template
from workbench.training.objective import OBJECTIVES, Objective, Setup


@OBJECTIVES.register
class Sft(Objective):
    """Learns to give the answers of the dataset.

    Cross-entropy on the assistant's turns, end-of-turn token included. What is trained on is exactly what
    'what the model sees' shows: both come from `workbench.rendering.rendered`. Label smoothing: Szegedy et al. 2016,
    https://arxiv.org/abs/1512.00567; NEFTune: Jain et al. 2024, https://arxiv.org/abs/2310.05914.
    """

    method: ClassVar[str] = "sft"
    title: ClassVar[str] = "SFT: learn from examples"
    dataset_kinds: ClassVar[tuple[str, ...]] = ("conversation", "text")

    learning_rate: float = Field(
        3e-4, gt=0, le=1, title="Learning rate",
        description="Size of the steps at their highest: larger learns faster, too large diverges. 1e-4 to 1e-3 "
        "suits LoRA.",
    )  # fmt: skip
    train_on: Annotated[
        Literal["assistant", "all"], Display(labels={"assistant": "assistant turns", "all": "every token"})
    ] = Field(
        "assistant", title="Train on", description="Which tokens of a conversation count in the loss."
    )  # fmt: skip
    label_smoothing: Annotated[float, ADVANCED] = Field(
        0.0, ge=0, lt=1, title="Label smoothing",
        description="Share of each token's target that is spread over the vocabulary: larger makes the model less "
        "certain. Above 0 a batch's logits are held at once, which takes memory.",
    )  # fmt: skip
    neftune_alpha: Annotated[float, ADVANCED] = Field(
        0.0, ge=0, le=100, title="NEFTune noise (α)",
        description="Noise on the embeddings while training, which often makes longer, better answers of few rows: 5 "
        "to 15 are usual, 0 adds none.",
    )  # fmt: skip

    def rules(self, kind: str, template: Template, max_length: int) -> Rules:
        return Rules(kind, template, max_length, self.train_on)

    def trainer(self, setup: Setup) -> Any:
        from trl import SFTTrainer

        from workbench.training.collating import mean_weight
        from workbench.training.weighting import weighted

        mean = mean_weight(setup.encoded["train"])
        if mean:
            setup.notes.append("Rows and turns count as their weights say, over the mean of all learned tokens.")
            return self.built(weighted(SFTTrainer), setup, mean)
        return self.built(_whole_logits(SFTTrainer) if _fits_in_ram(setup) else SFTTrainer, setup)

    def built(self, trainer: type[Any], setup: Setup, mean: float | None = None) -> Any:
        """A trainer of a class derived from SFTTrainer, on the encoded rows; `mean` is that of the weights."""
        from trl import SFTConfig

        from workbench.training.collating import AnswerCollator, as_dataset
        from workbench.training.evaluating import exact
        from workbench.training.finiteness import finite_trainer
        from workbench.training.smoothing import smoothed

        if self.label_smoothing:
            trainer = smoothed(trainer, self.label_smoothing)
        arguments = SFTConfig(
            learning_rate=self.learning_rate,
            max_length=None,
            neftune_noise_alpha=self.neftune_alpha or None,
            dataset_kwargs={"skip_prepare_dataset": True},
            remove_unused_columns=False,
            **setup.arguments,
        )
        result = finite_trainer(exact(trainer))(
            model=setup.model,
            args=arguments,
            train_dataset=as_dataset(setup.encoded["train"]),
            eval_dataset=as_dataset(setup.encoded["eval"]) if "eval" in setup.encoded else None,
            processing_class=setup.tokenizer,
        )
        # The trainer's own collator knows the padding token that was chosen for tokenizer and model.
        result.data_collator = AnswerCollator(result.data_collator.pad_token_id, mean)
        return result


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

    class WholeLogits(trainer):
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
