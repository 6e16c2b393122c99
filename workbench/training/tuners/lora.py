"""LoRA: low-rank adapters beside frozen weights."""

from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field

from workbench.errors import UserError
from workbench.hardware import Hardware
from workbench.models.adapters import PROMPTS, adapter_kind
from workbench.training.tuner import TUNERS, Tuner


@TUNERS.register
class Lora(Tuner):
    """Trains small low-rank matrices beside the frozen weights.

    Hu et al. 2021, https://arxiv.org/abs/2106.09685. Going on from an adapter keeps that adapter's own rank and layers.
    """

    method: ClassVar[str] = "lora"
    title: ClassVar[str] = "LoRA"

    r: int = Field(
        16, ge=1, le=512, description="Rank: the width of the added matrices. More learns more and costs more."
    )
    alpha: float = Field(32, gt=0, le=2048, description="Scale: the update counts alpha / r times.")
    dropout: float = Field(0.0, ge=0, lt=1, description="Share of the adapter's inputs dropped while training.")
    targets: Literal["all-linear", "attention", "mlp"] = Field(
        "all-linear", description="Which layers get an adapter. All linear layers is the usual best."
    )
    rslora: bool = Field(False, description="Scale by alpha / √r instead, steadier at high rank (rsLoRA).")

    def load(self, base: Path, adapter: Path | None, hardware: Hardware) -> Any:
        from workbench.models.loading import load_base

        return self.attach(load_base(base, hardware), adapter)

    def attach(self, model: Any, adapter: Path | None) -> Any:
        """Puts a fresh adapter on a base model, or loads one to go on training it."""
        from peft import LoraConfig, get_peft_model

        from workbench.models.loading import attach_adapter, fit_rows

        if adapter:
            return attach_adapter(fit_rows(model, adapter), adapter, trainable=True)
        config = LoraConfig(
            r=self.r,
            lora_alpha=self.alpha,  # type: ignore[arg-type]
            lora_dropout=self.dropout,
            target_modules=self._modules(model),
            use_rslora=self.rslora,
            task_type="CAUSAL_LM",
        )
        return get_peft_model(model, config)

    def _modules(self, model: Any) -> str | list[str]:
        """peft's word for all linear layers, or the names of the linear layers inside attention or MLP blocks."""
        if self.targets == "all-linear":
            return "all-linear"
        import torch

        place = ("attn", "attention") if self.targets == "attention" else ("mlp", "feed_forward", "ffn")
        found = {
            name.rsplit(".", 1)[-1]
            for name, module in model.named_modules()
            if isinstance(module, torch.nn.Linear) and any(part in name.lower() for part in place)
        }
        return sorted(found) or "all-linear"

    def reason_against(self, base: Path, adapter: Path | None) -> UserError | None:
        if adapter is None:
            return None
        kind = adapter_kind(adapter)
        if kind.refusal:
            return UserError(f"The adapter {adapter.name!r} {kind.refusal}.", kind.remedy, "model")
        if kind.is_prompt:
            why = f"{adapter.name!r} is {PROMPTS[kind.type]}, which PEFT does not go on training."
            return UserError(why, f"Start from its base, {base.name!r}.", "model")
        return None
