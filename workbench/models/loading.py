"""Loading models of the shelf with transformers and peft. Only job and chat processes import this."""

from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig, PreTrainedModel

from workbench.errors import UserError
from workbench.hardware import Hardware


def load_tokenizer(folder: Path) -> Any:
    """The tokenizer of a model folder, with a pad token."""
    tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def load_base(folder: Path, hardware: Hardware, quantization: BitsAndBytesConfig | None = None) -> PreTrainedModel:
    """A base model on the device, in bfloat16 where the device computes it natively, else float32.

    Raises `UserError` when the folder is no causal language model of this transformers version.
    """
    options: dict[str, Any] = {"dtype": torch.bfloat16 if hardware.bf16 else torch.float32}
    if hardware.device == "cuda" and not hardware.bf16:
        options["dtype"] = torch.float16
    if hardware.device != "cpu" or quantization:
        options["device_map"] = {"": hardware.device}
    if quantization:
        options["quantization_config"] = quantization
    try:
        model = AutoModelForCausalLM.from_pretrained(
            folder, use_safetensors=True, trust_remote_code=False, local_files_only=True, **options
        )
    except (ValueError, KeyError, OSError) as error:
        raise UserError(
            f"{folder.name} cannot be loaded as a language model: {str(error).splitlines()[0][:300]}",
            "Check that it is a causal language model that this version of transformers knows.",
            "model",
        ) from error
    if quantization:
        keep_4bit_weights_intact(model)
    return model


def keep_4bit_weights_intact(model: PreTrainedModel) -> None:
    """Switches off bitsandbytes' repacking of 4-bit weights on AVX512-BF16 CPUs.

    It happens at the first forward in eval mode and is never undone, so that the weights are garbage for training,
    saving and merging after it. Slower generation is the price.
    """
    for module in model.modules():
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False  # type: ignore[assignment]
