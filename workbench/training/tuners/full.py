"""Full training: every weight learns, and the result is a whole model."""

import math
from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field

from workbench.core.errors import UserError
from workbench.core.hardware import Hardware
from workbench.core.lineage import MANIFEST, read_manifest
from workbench.models import tensors
from workbench.models.base_settings import scaling_info
from workbench.training.settings.positions import PositionSettings
from workbench.training.tuner import TUNERS, WholeModelTuner
from workbench.training.weight_facts import FLOAT32_BYTES, TABLES, WeightFacts


@TUNERS.register
class Full(PositionSettings, WholeModelTuner):
    """Trains all weights and saves a whole model. It takes 16 bytes of memory a parameter, and small learning rates.

    Weights, gradients and AdamW's averages are float32 (2.2 GB for 135M parameters), products bfloat16 where the
    device computes it natively; the result has the type of its start. The zeros of a pruned model stay zero: their
    gradients are taken away at every step, so that AdamW has nothing to move them by. Learning rates of 1e-5 to 1e-4
    are usual, a tenth of LoRA's.
    """

    method: ClassVar[str] = "full"
    title: ClassVar[str] = "All weights"

    embeddings: bool = Field(
        True, title="Train embeddings",
        description="Train embeddings and output head too; without them it takes less memory.",
    )  # fmt: skip
    keep_zeros: bool = Field(
        True, title="Keep zeros", description="Keep the zeros of a pruned model, so that it stays as sparse."
    )

    def load(self, base: Path, adapter: Path | None, hardware: Hardware) -> Any:
        import torch

        from workbench.models.loading import load_base

        assert adapter is None, "checked before the job is queued"
        settings = self.positions_over(base, None)
        model = load_base(base, hardware, dtype=torch.float32, settings=settings).requires_grad_(True)
        for module in () if self.embeddings else (model.get_input_embeddings(), model.get_output_embeddings()):
            if module is not None:
                module.requires_grad_(False)
        hold_zeros(model, self.masked(base))
        return model

    def reason_against(self, base: Path, adapter: Path | None) -> UserError | None:
        return super().reason_against(base, adapter) or self.reason_against_positions(base, adapter)

    def facts(self, base: Path, adapter: Path | None) -> list[list[str]]:
        return [*super().facts(base, adapter), *self.position_facts(base, adapter)]

    def weight_facts(self, base: Path, adapter: Path | None, hardware: Hardware) -> WeightFacts:
        if self.embeddings:
            return super().weight_facts(base, adapter, hardware)
        shapes = [(name.endswith(TABLES), shape) for name, shape, _ in tensors.shapes(base)]
        frozen = sum(math.prod(shape) * FLOAT32_BYTES for is_table, shape in shapes if is_table)
        return WeightFacts(frozen, tuple(shape for is_table, shape in shapes if not is_table), whole=True)

    def masked(self, base: Path) -> list[str]:
        """The matrices whose zeros stay, as their names within a layer; none unless the model was pruned so.

        An adapter that was folded in has filled them: such a folder has no manifest.
        """
        if not self.keep_zeros or not (base / MANIFEST).is_file():
            return []
        return list(read_manifest(base).info.get("masked", []))

    def save(self, model: Any, base: Path, folder: Path) -> dict[str, Any]:
        masked = self.masked(base)
        return {
            **super().save(model, base, folder),
            **({"masked": masked} if masked else {}),
            **scaling_info(self.positions_over(base, None)),
        }


def hold_zeros(model: Any, parts: list[str]) -> None:
    """Weights of these matrices that are zero get no gradient any more; raises `UserError` when one is not there."""
    from workbench.models.anatomy import within

    missing = set(parts)
    for name, parameter in model.named_parameters():
        if within(name) in parts:
            missing.discard(within(name))
            parameter.register_hook(lambda gradient, held=parameter: gradient.masked_fill(held.detach() == 0, 0))
    if missing:
        raise UserError(
            f"The zeros of {min(missing)} cannot be kept: the loaded model holds it in another form.",
            "Train without keep_zeros, or use LoRA.",
            "tuner",
        )
