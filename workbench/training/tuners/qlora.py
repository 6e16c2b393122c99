"""QLoRA: LoRA over a base held in 4 bits."""

import importlib.util
from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field

from workbench.core.errors import UserError
from workbench.core.hardware import Hardware
from workbench.models import tensors
from workbench.training.tuner import TUNERS
from workbench.training.tuners.lora import Lora
from workbench.training.weight_facts import nf4_bytes

TRANSPOSED = ("gpt2", "openai-gpt")  # types whose layers are Conv1D, which bitsandbytes turns into Linear


@TUNERS.register
class QLora(Lora):
    """LoRA with the frozen weights held in 4-bit NormalFloat: about a quarter of the memory, slower steps.

    Dettmers et al. 2023, https://arxiv.org/abs/2305.14314. The adapter answers on the full-precision base afterwards.
    """

    method: ClassVar[str] = "qlora"
    title: ClassVar[str] = "QLoRA (4-bit nf4)"

    double_quantization: bool = Field(
        True, title="Double quantization", description="Quantize the scales too, which saves another 0.4 bits a weight."
    )

    @classmethod
    def unavailable(cls) -> str:
        return (
            ""
            if importlib.util.find_spec("bitsandbytes")
            else "bitsandbytes is not installed: pip install bitsandbytes"
        )

    def load(self, base: Path, adapter: Path | None, hardware: Hardware) -> Any:
        import torch
        from peft import prepare_model_for_kbit_training
        from transformers import BitsAndBytesConfig

        from workbench.models.loading import load_base

        config = BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=self.double_quantization,
            bnb_4bit_compute_dtype=torch.bfloat16 if hardware.bf16 else torch.float32,
        )
        model = load_base(base, hardware, config, settings=self.positions_over(base, adapter))
        return self.attach(prepare_model_for_kbit_training(model, use_gradient_checkpointing=False), adapter)

    @property
    def is_plain(self) -> bool:
        return False

    def held_bytes(self, base: Path, hardware: Hardware) -> int:
        return nf4_bytes(base, bool(tensors.model_config(base).get("quantization_config")))

    def reason_against(self, base: Path, adapter: Path | None) -> UserError | None:
        if tensors.model_config(base).get("model_type") in TRANSPOSED:
            return UserError(
                f"{base.name!r} holds its weights transposed (Conv1D): an adapter trained over them in 4 bits fits the"
                " 4-bit model alone.", "Use LoRA.", "tuner",
            )  # fmt: skip
        return super().reason_against(base, adapter)
