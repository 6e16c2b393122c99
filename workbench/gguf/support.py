"""What llama.cpp computes in one way only, whatever a config says: models that it would run as other ones.

Each was found by holding its logits against those of transformers. The rest of a config is written into the GGUF.
https://github.com/ggml-org/llama.cpp/tree/master/src/models (MIT)
"""

from typing import Any, NamedTuple


class Fixed(NamedTuple):
    """A setting that llama.cpp takes for granted: the values that mean that, and transformers' default."""

    setting: str
    values: tuple[Any, ...]
    default: Any


SILU = Fixed("hidden_act", ("silu", "swish"), "silu")
FIXED: dict[str, tuple[Fixed, ...]] = {
    "Qwen3MoeForCausalLM": (Fixed("norm_topk_prob", (True,), False), SILU),
    "Qwen2MoeForCausalLM": (Fixed("norm_topk_prob", (False,), False), SILU),
    "OlmoeForCausalLM": (Fixed("norm_topk_prob", (False,), False), SILU),
    "FalconForCausalLM": (
        Fixed("alibi", (False,), False), Fixed("parallel_attn", (True,), True), Fixed("bias", (False,), False),
    ),
    **dict.fromkeys(
        (
            "LlamaForCausalLM", "MistralForCausalLM", "MixtralForCausalLM", "Qwen2ForCausalLM", "Qwen3ForCausalLM",
            "Phi3ForCausalLM", "Olmo2ForCausalLM", "StableLmForCausalLM", "SmolLM3ForCausalLM", "CohereForCausalLM",
            "Cohere2ForCausalLM",
        ),
        (SILU,),
    ),
}  # fmt: skip
DEEPSEEK = ("DeepseekV2ForCausalLM", "DeepseekV3ForCausalLM")
LITE_LAYERS = (26, 27)  # of DeepSeek models whose queries are not compressed, by which llama.cpp knows them


def computed_otherwise(architecture: str, config: dict[str, Any]) -> str:
    """What llama.cpp would do otherwise than this config says, as the rest of a sentence; '' for nothing known."""
    for fixed in FIXED.get(architecture, ()):
        value = config.get(fixed.setting, fixed.default)
        if value not in fixed.values:
            wanted, written = _yaml(fixed.values[0]), _yaml(value)
            return f"runs every model of this architecture with {fixed.setting}: {wanted}; here it is {written}"
    layers = config.get("num_hidden_layers")
    if architecture in DEEPSEEK and config.get("q_lora_rank") is None and layers not in LITE_LAYERS:
        return f"runs DeepSeek models without q_lora_rank only if they have 26 or 27 layers; here are {layers}"
    return ""


def _yaml(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
