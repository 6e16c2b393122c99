"""Direct preference optimisation."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from workbench.core.display import Display
from workbench.training.objective import OBJECTIVES, Objective, Setup


@OBJECTIVES.register
class Dpo(Objective):
    """Learns from pairs of a chosen and a rejected answer to prefer the chosen kind.

    Rafailov et al. 2023, https://arxiv.org/abs/2305.18290. The reference is the model it starts from: the base with
    the adapter off, or, going on from an adapter, a frozen copy of that adapter. With an SFT weight it is RPO, Pang et
    al. 2024, https://arxiv.org/abs/2404.19733: without it a small model learns from few pairs mostly to be short. With
    a margin weight it is ODPO, Amini et al. 2024, https://arxiv.org/abs/2402.10571: −log σ(βΔ − weight · margin), and
    reward margin and accuracy are those after the offset.
    """

    method: ClassVar[str] = "dpo"
    title: ClassVar[str] = "DPO: learn from preferences"
    dataset_kinds: ClassVar[tuple[str, ...]] = ("preference",)
    rows_at_once: ClassVar[int] = 2
    needs_reference: ClassVar[bool] = True
    metrics: ClassVar[tuple[str, ...]] = ("loss", "accuracy", "margin")
    packs: ClassVar[bool] = False

    learning_rate: float = Field(
        5e-5, gt=0, le=1, title="Learning rate",
        description="Size of the steps at their highest: larger learns faster, too large diverges. 5e-6 to 1e-4 "
        "suits LoRA.",
    )  # fmt: skip
    beta: float = Field(
        0.1, gt=0, le=10, title="Beta (β)",
        description="How strongly the model is held near the reference: smaller moves further from it.",
    )  # fmt: skip
    loss: Annotated[
        Literal["sigmoid", "ipo", "hinge", "robust", "sigmoid_norm"],
        Display(labels={
            "sigmoid": "sigmoid (DPO)", "ipo": "IPO", "hinge": "hinge", "robust": "robust to noisy labels",
            "sigmoid_norm": "sigmoid, divided by length",
        }),
    ] = Field(
        "sigmoid", title="Loss", description="The form of the DPO loss."
    )  # fmt: skip
    label_smoothing: Annotated[float, Display(shown_if={"loss": "robust"})] = Field(
        0.0, ge=0, lt=0.5, title="Label smoothing",
        description="Share of labels expected to be wrong, for the robust loss: larger trusts the labels less.",
    )  # fmt: skip

    sft_weight: float = Field(
        0.0, ge=0, le=10, title="SFT weight (RPO)",
        description="Adds the SFT loss on chosen answers: larger keeps answers from getting short; 1 to 2 helps "
        "with few pairs.",
    )  # fmt: skip

    margin_weight: Annotated[float, Display(shown_if={"loss": "sigmoid"}, advanced=True)] = Field(
        0.0, ge=0, le=10, title="Margin weight (ODPO)",
        description="How far the chosen answer must be ahead for each point of its row's margin, such as that of "
        "graded votes: 0 takes all pairs alike.",
    )  # fmt: skip

    @property
    def uses_margins(self) -> bool:
        return self.loss == "sigmoid" and self.margin_weight > 0

    def trainer(self, setup: Setup) -> Any:
        from trl import DPOConfig

        from workbench.training.collating import PairCollator, as_numbered_dataset, mean_weight
        from workbench.training.finiteness import finite_trainer
        from workbench.training.lean_trainer import arrange_batches, in_batches

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
        trainer = finite_trainer(in_batches(_on_encoded_pairs(self.sft_weight)))(
            model=setup.model,
            args=arguments,
            train_dataset=as_numbered_dataset(setup.encoded["train"]),
            eval_dataset=as_numbered_dataset(setup.encoded["eval"]) if "eval" in setup.encoded else None,
            processing_class=setup.tokenizer,
        )
        collator = PairCollator(trainer.data_collator.pad_token_id)
        arrange_batches(trainer, setup, collator, ("chosen_ids", "rejected_ids"), statistics=True)
        trainer.remember_reference({split: (rows.key, len(rows)) for split, rows in setup.encoded.items()})
        if self.uses_margins:
            share = self.margin_weight / self.beta
            trainer.offsets = {split: [share * margin for margin in each] for split, each in setup.margins.items()}
        return trainer


def _on_encoded_pairs(sft_weight: float) -> type[Any]:
    """TRL's trainer on pairs that are encoded already, with evaluations that do not depend on the batch size."""
    from trl import DPOTrainer

    from workbench.training.evaluating import exact_for_pairs
    from workbench.training.reference_log_probs import remembering_reference

    class OnEncodedPairs(DPOTrainer):
        def _prepare_dataset(self, dataset: Any, *_: Any, **__: Any) -> Any:
            """As it is: TRL would render and tokenize it again, otherwise than the token view shows."""
            return dataset

    return exact_for_pairs(remembering_reference(OnEncodedPairs), sft_weight)
