"""Direct preference optimisation."""

import json
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
        from datasets import Dataset
        from trl import DPOConfig, DPOTrainer

        arguments = DPOConfig(
            learning_rate=self.learning_rate,
            beta=self.beta,
            loss_type=[self.loss, "sft"] if self.sft_weight else [self.loss],
            loss_weights=[1.0, self.sft_weight] if self.sft_weight else None,
            label_smoothing=self.label_smoothing,
            max_length=setup.max_length,
            **setup.arguments,
        )
        setup.tokenizer.chat_template = setup.template.text
        sets = {split: Dataset.from_list(_bare(rows)) for split, rows in setup.rows.items() if rows}
        return DPOTrainer(
            model=setup.model,
            args=arguments,
            train_dataset=sets["train"],
            eval_dataset=sets.get("eval"),
            processing_class=setup.tokenizer,
        )


def _bare(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows, all with the same columns and without metadata, whose keys differ from row to row.

    Tools are JSON text, as TRL reads them, or None.
    """
    names = sorted({name for row in rows for name in row} - {"metadata"})
    made = [{name: row.get(name) for name in names} for row in rows]
    if "tools" in names:
        for row in made:
            row["tools"] = json.dumps(row["tools"], ensure_ascii=False) if row["tools"] else None
    return made
