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

        from workbench.training.lean_trainer import lean

        return self.built(lean(SFTTrainer), setup)

    def built(self, trainer: type[Any], setup: Setup) -> Any:
        """A trainer of a class derived from SFTTrainer, on the encoded rows, in the batches of `setup`."""
        from trl import SFTConfig

        from workbench.training.collating import AnswerCollator, as_dataset, mean_weight
        from workbench.training.evaluating import exact
        from workbench.training.finiteness import finite_trainer
        from workbench.training.lean_trainer import arrange_batches, in_batches
        from workbench.training.smoothing import smoothed

        mean = mean_weight(setup.encoded["train"])
        if mean:
            setup.notes.append("Rows and turns count as their weights say, over the mean of all learned tokens.")
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
        result = finite_trainer(exact(in_batches(trainer)))(
            model=setup.model,
            args=arguments,
            train_dataset=as_dataset(setup.encoded["train"]),
            eval_dataset=as_dataset(setup.encoded["eval"]) if "eval" in setup.encoded else None,
            processing_class=setup.tokenizer,
        )
        # The trainer's own collator knows the padding token that was chosen for tokenizer and model.
        collator = AnswerCollator(result.data_collator.pad_token_id, mean)
        noisy = "NEFTune's noise depends on the length of a row" if self.neftune_alpha else ""
        arrange_batches(result, setup, collator, ("input_ids",), reason=noisy)
        return result
