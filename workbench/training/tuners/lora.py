"""LoRA: low-rank adapters beside frozen weights."""

import math
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from workbench.core.display import Display
from workbench.core.errors import UserError
from workbench.core.hardware import Hardware
from workbench.models import tensors
from workbench.models.adapters import PROMPT_METHODS, adapter_kind
from workbench.training.lora_targets import adapted_layers, group_of, in_layer, no_such, targets_of
from workbench.training.settings.positions import PositionSettings
from workbench.training.target_facts import target_fact
from workbench.training.tuner import TUNERS, AdapterTuner
from workbench.training.weight_facts import WeightFacts, frozen_bytes


@TUNERS.register
class Lora(PositionSettings, AdapterTuner):
    """Trains small low-rank matrices beside the frozen weights.

    Hu et al. 2021, https://arxiv.org/abs/2106.09685. Going on from an adapter keeps that adapter's own rank,
    layers and RoPE scaling. What RoPE scaling asks of the base's config.json stands in the adapter's base_config.json.
    """

    method: ClassVar[str] = "lora"
    title: ClassVar[str] = "LoRA"

    r: int = Field(
        16, ge=1, le=512, title="LoRA rank (r)",
        description="Width of the added matrices: larger learns more, and takes more memory and disk.",
    )  # fmt: skip
    alpha: float = Field(
        32, gt=0, le=2048, title="LoRA alpha (α)",
        description="The update is scaled by alpha / r: larger changes the model more.",
    )  # fmt: skip
    dropout: float = Field(
        0.0, ge=0, lt=1, title="LoRA dropout",
        description="Share of the adapter's inputs dropped while training: more guards against overfitting.",
    )  # fmt: skip
    targets: Annotated[
        Literal["all-linear", "attention", "mlp"],
        Display(labels={
            "all-linear": "all linear layers", "attention": "attention", "mlp": "MLP and experts",
        }),
    ] = Field(
        "all-linear", title="Target layers",
        description="Which layers get an adapter; all linear layers usually work best.",
    )  # fmt: skip
    rslora: bool = Field(
        False, title="Rank-stabilised scaling (rsLoRA)",
        description="Scale by alpha / √r instead, which is steadier at high rank.",
    )  # fmt: skip

    def load(self, base: Path, adapter: Path | None, hardware: Hardware) -> Any:
        from workbench.models.loading import load_base

        return self.attach(load_base(base, hardware, settings=self.positions_over(base, adapter)), adapter)

    def attach(self, model: Any, adapter: Path | None) -> Any:
        """Puts a fresh adapter on a base model, or loads one to go on training it."""
        from peft import LoraConfig, get_peft_model

        from workbench.models.loading import attach_adapter, fit_rows

        if adapter:
            return attach_adapter(fit_rows(model, adapter), adapter, trainable=True)
        modules, parameters = self._targets(model)
        config = LoraConfig(
            r=self.r,
            lora_alpha=self.alpha,  # type: ignore[arg-type]
            lora_dropout=self.dropout,
            target_modules=modules,
            target_parameters=parameters or None,
            use_rslora=self.rslora,
            task_type="CAUSAL_LM",
        )
        try:
            return get_peft_model(model, config)
        except ValueError as error:
            if "lora_dropout" in str(error):  # PEFT: "ParamWrapper does not work with lora_dropout != 0."
                raise UserError(
                    "Experts that are held as one parameter take no dropout.",
                    "Set it to 0, or choose attention as targets.", ("tuner", "dropout"),
                ) from None  # fmt: skip
            raise

    def _targets(self, model: Any) -> tuple[str | list[str], list[str]]:
        """What PEFT is to put the adapter on: its word for all linear layers, or names of layers and of parameters."""
        if self.targets == "all-linear":
            return "all-linear", []
        matching = targets_of(model, self.targets)
        return matching.modules, matching.parameters

    def chosen(self, model: Any) -> dict[str, int]:
        return adapted_layers(model)

    def facts(self, base: Path, adapter: Path | None) -> list[list[str]]:
        if adapter:
            targets = [["Targets", f"those of {adapter.name!r}"], *self._kept_facts(adapter)]
        else:
            targets = [["Targets", target_fact(base, self.targets)]]
        return [*targets, *self.position_facts(base, adapter)]

    def _kept_facts(self, adapter: Path) -> list[list[str]]:
        """Which settings an adapter brings with it, and which of this tuner's are therefore not used."""
        config = adapter_kind(adapter).config
        own = {"rank": self.r, "alpha": self.alpha, "dropout": self.dropout, "rsLoRA": self.rslora}
        kept = {
            "rank": config.get("r"), "alpha": config.get("lora_alpha"), "dropout": config.get("lora_dropout"),
            "rsLoRA": config.get("use_rslora"),
        }  # fmt: skip
        known = {name: value for name, value in kept.items() if isinstance(value, bool | int | float)}
        facts = [["Kept of the adapter", ", ".join(f"{name} {_written(value)}" for name, value in known.items())]]
        unused = [f"{name} {_written(own[name])}" for name, value in known.items() if value != own[name]]
        return [*facts, *([["Not used", f"{', '.join(unused)}: an adapter keeps its shape"]] if unused else [])]

    def weight_facts(self, base: Path, adapter: Path | None, hardware: Hardware) -> WeightFacts:
        matrices = self._matrices(base)
        trained = [shape for _, shape, _ in tensors.shapes(adapter)] if adapter else [
            side for rank, shape in matrices for side in _sides(rank, shape)
        ]  # fmt: skip
        rank = min((min(shape) for shape in trained if len(shape) > 1), default=self.r)
        layers = max(1, int(tensors.model_config(base).get("num_hidden_layers") or 1))
        targets = math.ceil(len(matrices) / layers)
        return WeightFacts(
            self.held_bytes(base, hardware), tuple(trained), rank=rank, targets=targets, in_one_step=self.is_plain
        )

    @property
    def is_plain(self) -> bool:
        """Whether its layers compute in one step, as `lora_forward` does it."""
        return not self.dropout

    def held_bytes(self, base: Path, hardware: Hardware) -> int:
        """Of the frozen weights, as `load` holds them."""
        quantized = tensors.model_config(base).get("quantization_config")
        return tensors.summary(base).size if quantized else frozen_bytes(tensors.shapes(base), hardware)

    def _matrices(self, base: Path) -> list[tuple[int, tuple[int, ...]]]:
        """(rank, shape) of each matrix a fresh adapter stands on.

        PEFT doubles the rank of experts whose two matrices transformers fuses; at most that is assumed.
        """
        found = []
        for name, shape, _ in tensors.shapes(base):
            wanted = group_of(name) == self.targets if self.targets != "all-linear" else in_layer(name)
            if wanted and len(shape) in (2, 3):
                rank = self.r * (2 if "experts." in name and self.targets == "all-linear" else 1)
                found.append((rank, shape))
        return found

    def reason_against(self, base: Path, adapter: Path | None) -> UserError | None:
        if reason := self.reason_against_positions(base, adapter):
            return reason
        if adapter is None:
            return self._reason_against_targets(base)
        kind = adapter_kind(adapter)
        if kind.refusal:
            return UserError(f"The adapter {adapter.name!r} {kind.refusal}.", kind.remedy, "model")
        if kind.is_prompt:
            why = f"{adapter.name!r} is {PROMPT_METHODS[kind.type]}, which PEFT does not go on training."
            return UserError(why, f"Start from its base, {base.name!r}.", "model")
        return None

    def _reason_against_targets(self, base: Path) -> UserError | None:
        if self.targets == "all-linear":
            return None
        named = (name for name, shape, _ in tensors.shapes(base) if len(shape) > 1)
        return None if any(group_of(name) == self.targets for name in named) else no_such(self.targets, base.name)


def _written(value: bool | float) -> str:
    return ("on" if value else "off") if isinstance(value, bool) else f"{value:g}"


def _sides(rank: int, shape: tuple[int, ...]) -> list[tuple[int, ...]]:
    """The two matrices of an adapter beside one of this shape, or beside each of a stack of them."""
    return [(*shape[:-2], rank, shape[-1]), (*shape[:-2], shape[-2], rank)]
