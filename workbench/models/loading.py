"""Loading models of the shelf with transformers and peft. Imports torch: only job and chat processes import this."""

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel

from workbench.core.errors import UserError
from workbench.core.hardware import Hardware
from workbench.models import tensors
from workbench.models.adapters import adapter_kind
from workbench.models.base_settings import require_positions, settings_over
from workbench.models.model_kinds import kind_of
from workbench.models.rope_scaling import scale_by_own_length

logging.getLogger("bitsandbytes.autograd._functions").setLevel(logging.ERROR)  # warns at every product of bfloat16

SETTINGS = "_workbench_settings"


def load_tokenizer(folder: Path) -> Any:
    """The tokenizer of a model folder, with a pad token."""
    tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def load_base(
    folder: Path,
    hardware: Hardware,
    quantization: Any = None,
    dtype: torch.dtype | None = None,
    answers_only: bool = False,
    settings: Mapping[str, Any] | None = None,
) -> PreTrainedModel:
    """A base model on the device, in bfloat16 where the device computes it natively, else float32.

    quantization: a config object of transformers; a folder that is quantized already keeps its own.
    dtype: in place of the device's own. answers_only: nothing will be trained, saved or merged, so that weights may
    be rearranged for speed. settings: of config.json, in place of the folder's own: what an adapter asks for
    (`workbench.models.base_settings`). Raises `UserError` when the folder is no causal language model of this
    transformers.
    """
    kind_of(folder).require_text(folder.name)
    tensors.summary(folder)  # says what a weight file is that cannot be read
    packed = packed_by(folder)
    options: dict[str, Any] = {**(settings or {}), "dtype": dtype or usual_dtype(hardware)}
    if hardware.device != "cpu" or quantization:
        options["device_map"] = {"": hardware.device}
    if packed == "compressed-tensors":
        options["quantization_config"] = _unpacked()
    elif quantization and not packed:
        options["quantization_config"] = quantization
    try:
        model = AutoModelForCausalLM.from_pretrained(
            folder, use_safetensors=True, trust_remote_code=False, local_files_only=True, **options
        )
    except torch.OutOfMemoryError:
        raise
    except _failures(packed) as error:
        cause = (str(error) or type(error).__name__).splitlines()[0][:300]
        raise UserError(
            f"{folder.name} cannot be loaded as a language model: {cause}",
            f"It is quantized by {packed}, which may not run on this machine; choose the model it was made from."
            if packed
            else "Check that it is a causal language model that this version of transformers knows.",
            "model",
        ) from error
    if not answers_only:
        keep_4bit_weights_intact(model)
    scale_by_own_length(model)
    setattr(model, SETTINGS, dict(settings or {}))
    return model


def asked_settings(model: Any) -> dict[str, Any]:
    """The settings that a base was loaded with in place of its folder's own; `model` may be that in PEFT's wrapper."""
    return dict(getattr(model, SETTINGS, {}))


def fit_rows(model: Any, adapter: Path) -> Any:
    """The model with as many rows in its embedding as the adapter brings, whose file holds all of them."""
    rows = adapter_kind(adapter).rows
    if rows and rows != model.get_input_embeddings().weight.shape[0]:
        model.resize_token_embeddings(rows, mean_resizing=False)
    return model


def attach_adapter(model: Any, adapter: Path, slot: str = "default", trainable: bool = False) -> Any:
    """An adapter over its base, by PEFT; the base must have the rows (`fit_rows`) and the positions that it needs.

    Raises `UserError` where the base was loaded without those positions.
    """
    from peft import PeftModel

    require_positions(model.config, adapter)
    return PeftModel.from_pretrained(model, str(adapter), adapter_name=slot, is_trainable=trainable)


def load_whole(base: Path, adapter: Path | None, hardware: Hardware, **options: Any) -> Any:
    """A base as its adapter needs it, with the adapter over it if there is one; `options` are those of `load_base`."""
    model: Any = load_base(base, hardware, settings=settings_over(base, adapter), **options)
    return attach_adapter(fit_rows(model, adapter), adapter) if adapter else model


def usual_dtype(hardware: Hardware) -> torch.dtype:
    """What a device computes in, or was chosen for it."""
    if hardware.dtype:
        chosen: torch.dtype = getattr(torch, hardware.dtype)
        return chosen
    if hardware.bf16:
        return torch.bfloat16
    return torch.float16 if hardware.device == "cuda" else torch.float32


def packed_by(folder: Path) -> str:
    """What quantized a model folder (bitsandbytes, torchao, compressed-tensors, …), or ''."""
    try:
        config = json.loads((folder / "config.json").read_text("utf-8")).get("quantization_config")
    except (OSError, ValueError, AttributeError):
        return ""  # loading says what is wrong with it
    return str(config.get("quant_method") or "quantized") if isinstance(config, dict) else ""


def _unpacked() -> Any:
    """Weights of compressed-tensors are unpacked while loading: no kernel here multiplies them packed.

    Otherwise its first forward does that, with the same memory, after peft has looked for weights in vain.
    """
    try:
        from transformers import CompressedTensorsConfig

        return CompressedTensorsConfig(dequantize=True)
    except ImportError:
        raise UserError(
            "Models quantized by GPTQ or AWQ need the package compressed-tensors.",
            "pip install compressed-tensors==0.20.0, then start again.",
            "model",
        ) from None


def _failures(packed: str) -> tuple[type[Exception], ...]:
    """Errors of loading that speak of the folder; packed weights fail in many ways where their kernels do not run."""
    common = (ValueError, KeyError, OSError, ImportError)
    return (*common, RuntimeError, NotImplementedError, AssertionError) if packed else common


def keep_4bit_weights_intact(model: PreTrainedModel) -> None:
    """Switches off bitsandbytes' repacking of 4-bit weights on AVX512-BF16 CPUs.

    It happens at the first forward in eval mode and is never undone, so that the weights are garbage for training,
    saving and merging after it. Generation is about a third as fast for it.
    """
    for module in model.modules():
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False  # type: ignore[assignment]
