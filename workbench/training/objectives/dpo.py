"""Direct preference optimisation."""

from typing import Any, ClassVar, Literal

from pydantic import Field

from workbench.training.objective import OBJECTIVES, Objective, Setup


@OBJECTIVES.register
class Dpo(Objective):
    """Learns from pairs of a chosen and a rejected answer to prefer the chosen kind.

    Rafailov et al. 2023, https://arxiv.org/abs/2305.18290. The reference is the model it starts from: the base with
    the adapter off, or, going on from an adapter, a frozen copy of that adapter. With an SFT weight it is RPO, Pang et
    al. 2024, https://arxiv.org/abs/2404.19733: without it a small model learns from few pairs mostly to be short.
    """

    method: ClassVar[str] = "dpo"
    title: ClassVar[str] = "DPO: learn from preferences"
    dataset_kinds: ClassVar[tuple[str, ...]] = ("preference",)

    learning_rate: float = Field(5e-5, gt=0, le=1, description="Step size at its highest. 5e-6 to 1e-4 suits LoRA.")
    beta: float = Field(0.1, gt=0, le=10, description="How strongly it is held near the reference: less moves further.")
    loss: Literal["sigmoid", "ipo", "hinge", "robust", "sigmoid_norm"] = Field(
        "sigmoid", description="The DPO loss. robust expects noisy labels, sigmoid_norm divides by the length."
    )
    label_smoothing: float = Field(
        0.0, ge=0, lt=0.5, description="Share of labels expected to be wrong; used by the robust loss."
    )

    sft_weight: float = Field(
        0.0, ge=0, le=10, description="Adds the SFT loss on chosen answers (RPO). 1 to 2 helps with few pairs."
    )

    def trainer(self, setup: Setup) -> Any:
        from trl import DPOConfig

        from workbench.training.collating import PairCollator, as_dataset, mean_weight
        from workbench.training.finiteness import guarded

        if mean_weight(setup.encoded["train"]):
            setup.notes.append("The weights of rows and turns are not used: DPO counts every pair alike.")
        arguments = DPOConfig(
            learning_rate=self.learning_rate,
            beta=self.beta,
            loss_type=[self.loss, "sft"] if self.sft_weight else [self.loss],
            loss_weights=[1.0, self.sft_weight] if self.sft_weight else None,
            label_smoothing=self.label_smoothing,
            max_length=None,
            remove_unused_columns=False,
            **setup.arguments,
        )
        trainer = guarded(_on_encoded_pairs(self.sft_weight))(
            model=setup.model,
            args=arguments,
            train_dataset=as_dataset(setup.encoded["train"]),
            eval_dataset=as_dataset(setup.encoded["eval"]) if "eval" in setup.encoded else None,
            processing_class=setup.tokenizer,
        )
        trainer.data_collator = PairCollator(trainer.data_collator.pad_token_id)
        return trainer


def _on_encoded_pairs(sft_weight: float) -> type[Any]:
    """TRL's trainer on pairs that are encoded already, with evaluations that do not depend on the batch size."""
    from trl import DPOTrainer

    from workbench.training.evaluating import exact_for_pairs

    class OnEncodedPairs(DPOTrainer):
        def _prepare_dataset(self, dataset: Any, *_: Any, **__: Any) -> Any:
            """As it is: TRL would render and tokenize it again, otherwise than the token view shows."""
            return dataset

    return exact_for_pairs(OnEncodedPairs, sft_weight)
