"""What an adapter will stand on, told before the start from the headers and the config of its base. Imports no torch.

Mixtures of experts hold their experts as one parameter each. PEFT puts an adapter on these in place of the layers
that older releases had, for some types only, and then leaves out other layers whose names end alike; what it does is
peft.utils.transformers_weight_conversion. The log of a run counts what its adapter stands on in the end.
"""

import re
from pathlib import Path
from typing import Any

from workbench.models import tensors
from workbench.models.model_kinds import EXPERTS
from workbench.training.lora_targets import LAYER_PREFIX, group_of, in_layer

MOST_NAMES = 8
CONVERTED = frozenset({
    "afmoe", "beam", "cohere2_moe", "deepseek_v2", "deepseek_v3", "deepseek_v32", "dots1", "Dots3NoteTextModel",
    "ernie4_5_moe", "exaone_moe", "flex_olmo", "glm4_moe", "glm4_moe_lite", "glm4v_moe", "glm_moe_dsa",
    "hunyuan_v1_moe", "longcat_flash", "mellum", "minimax", "minimax_m2", "mixtral", "olmoe", "qwen3_moe",
    "qwen3_next", "qwen3_omni_moe", "qwen3_omni_moe_text", "qwen3_omni_moe_thinker", "solar_open",
    "UnlimitedOcrTextModel",
})  # fmt: skip
"""Types of models of which PEFT turns the names of experts' layers into their fused parameters."""
EXPERT = re.compile(r"(?:^|\.)experts?\.(?:\d+\.)?")
FUSED = ("gate_proj", "up_proj", "down_proj", "w1", "w2", "w3")


def target_fact(base: Path, targets: str) -> str:
    """'attention: self_attn.k_proj, …', and what a mixture of experts leaves out."""
    names = sorted({_inner(name) for name, shape, _ in tensors.shapes(base) if _wanted(name, shape, targets)})
    config = tensors.model_config(base)
    experts = [name for name in names if EXPERT.search(name)]
    others = [name for name in names if name not in experts]
    remark = ""
    if targets != "attention" and is_mixture(config):
        if _type(config) in CONVERTED:
            left = [name for name in others if name.rpartition(".")[2] in FUSED]
            others = [name for name in others if name not in left]
            remark = f"PEFT takes the experts in place of {_listed(left)}, which get none." if left else ""
        elif targets == "all-linear":
            experts, others = [], [name for name in others if name not in ("mlp.gate", "mlp.router")]
            remark = "The experts are no layers and get none: choose mlp for them."
    if targets == "all-linear" and "vision_config" in config:
        remark = f"{remark} The vision tower's get one too, which no text trains.".strip()
    sentence = f"{targets}: {_listed(others + (['the experts'] if experts else []))}."
    return f"{sentence} {remark}".strip()


def is_mixture(config: dict[str, Any]) -> bool:
    """Whether a config describes a mixture of experts."""
    inner = config.get("text_config")
    text = inner if isinstance(inner, dict) else config
    return any(text.get(name) for name in EXPERTS)


def _type(config: dict[str, Any]) -> str:
    inner = config.get("text_config")
    own = str(config.get("model_type", ""))
    return own if own in CONVERTED or not isinstance(inner, dict) else str(inner.get("model_type", ""))


def _wanted(name: str, shape: tuple[int, ...], targets: str) -> bool:
    if len(shape) < 2 or not name.endswith(("weight", "_proj", "_blocks")):
        return False
    return in_layer(name) if targets == "all-linear" else group_of(name) == targets


def _inner(name: str) -> str:
    """The name within a layer, whichever expert it belongs to."""
    layer = LAYER_PREFIX.search(name)
    inner = name[layer.end() :] if layer else name
    return re.sub(r"\.\d+\.", ".", inner).removesuffix(".weight")


def _listed(names: list[str]) -> str:
    more = len(names) - MOST_NAMES
    return ", ".join(names[:MOST_NAMES]) + (f" and {more} more" if more > 0 else "")
