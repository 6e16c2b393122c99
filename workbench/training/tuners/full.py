"""Full training: every weight learns, and the result is a whole model."""

from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field

from workbench.core.errors import UserError
from workbench.core.hardware import Hardware
from workbench.core.lineage import read_manifest
from workbench.models import tensors
from workbench.training.tuner import TUNERS, Tuner

LARGE = "The run most likely ran away: lower the learning rate, or start from a model in bfloat16."
TRAINED, CHECKPOINT = 16, 12  # bytes a parameter: float32 weight, gradient and Adam's two averages; without gradient


@TUNERS.register
class Full(Tuner):
    """Trains all weights and saves a whole model. It takes 16 bytes of memory a parameter, and small learning rates.

    Weights, gradients and AdamW's averages are float32 (2.2 GB for 135M parameters), products bfloat16 where the
    device computes it natively; the result has the type of its start. The zeros of a pruned model stay zero: their
    gradients are taken away at every step, so that AdamW has nothing to move them by. Learning rates of 1e-5 to 1e-4
    are usual, a tenth of LoRA's.
    """

    method: ClassVar[str] = "full"
    title: ClassVar[str] = "All weights"
    makes: ClassVar[str] = "model"

    embeddings: bool = Field(True, description="Train embeddings and head too; without them it takes less memory.")
    keep_zeros: bool = Field(True, description="Keep the zeros of a pruned model, so that it stays as sparse.")

    def load(self, base: Path, adapter: Path | None, hardware: Hardware) -> Any:
        import torch

        from workbench.models.loading import load_base

        assert adapter is None, "checked before the job is queued"
        model = load_base(base, hardware, dtype=torch.float32).requires_grad_(True)
        for part in () if self.embeddings else (model.get_input_embeddings(), model.get_output_embeddings()):
            if part is not None:
                part.requires_grad_(False)
        hold_zeros(model, self.masked(base))
        return model

    def masked(self, base: Path) -> list[str]:
        """The matrices whose zeros stay, as their names within a layer; none unless the model was pruned so."""
        return list(read_manifest(base).info.get("masked", [])) if self.keep_zeros else []

    def memory(self, base: Path) -> int:
        """Bytes that weights, gradients and optimizer take while it trains."""
        return tensors.summary(base).parameters * TRAINED

    def disk(self, base: Path, adapter: Path | None, checkpoints: int) -> int:
        found = tensors.summary(base)
        return checkpoints * found.parameters * CHECKPOINT + found.size

    def save(self, model: Any, base: Path, folder: Path) -> dict[str, Any]:
        """Writes the model in the type of its start; returns what its manifest should say more."""
        import torch

        from workbench.models.casting import cast

        dtype = getattr(torch, tensors.summary(base).dtype)
        for name, weight in model.named_parameters():
            cast(name, weight.detach(), dtype, LARGE, "objective.learning_rate")
        model.to(dtype).save_pretrained(folder, max_shard_size="2GB")
        masked = self.masked(base)
        return {"masked": masked} if masked else {}

    def reason_against(self, base: Path, adapter: Path | None) -> UserError | None:
        """Why a model cannot be trained whole, or None."""
        if adapter:
            return UserError(
                f"{adapter.name!r} is an adapter.",
                "Fold it into its base in the Models tab, and train the sum.",
                "model",
            )
        if tensors.model_config(base).get("quantization_config"):
            return UserError(f"{base.name!r} is quantized.", "Train the model it was made from, or use LoRA.", "model")
        return None


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
