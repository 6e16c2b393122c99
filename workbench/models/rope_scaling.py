"""Longer contexts by rotary positions that are drawn closer together: linear interpolation, YaRN and dynamic NTK.

Chen et al. 2023, https://arxiv.org/abs/2306.15595; Peng et al. 2024, https://arxiv.org/abs/2309.00071, for the latter
two. The config tells them, so that whatever loads the model computes as it was trained. Dynamic
scaling draws positions the closer together the longer the rows are, and leaves those of the usual length as they are.
In transformers it follows the longest row so far; here it follows the rows at hand, so that what a model computes does
not depend on what it computed before, and a training that goes on from a checkpoint computes the same.
"""

from collections.abc import Mapping
from typing import Any

DYNAMIC = "dynamic"
MARK = "_workbench_scales_by_own_length"
TITLES = {"linear": "linear interpolation", "yarn": "YaRN", DYNAMIC: "dynamic NTK"}
SCALED = tuple(TITLES)
LARGEST_RATIO = 128


def reason_against_scaling(config: dict[str, Any]) -> str:
    """Why the positions of a model with this config.json cannot be scaled; '' if they can."""
    if "text_config" in config:
        return "is of several parts, each with positions of its own"
    rope = rope_of(config)
    if "rope_theta" not in rope or not config.get("max_position_embeddings"):
        return "has no rotary positions of one kind (RoPE)"
    former = config.get("rope_scaling")
    if rope.get("rope_type", "default") != "default" or (isinstance(former, dict) and former):
        return "has scaled positions already"
    return ""


def scaled_settings(config: Mapping[str, Any], kind: str, factor: float) -> dict[str, Any]:
    """What a config.json whose positions can be scaled has to say so that they lie `factor` times as close together.

    kind: 'linear', 'yarn' or 'dynamic', whose config keeps the usual length as `max_position_embeddings`.
    """
    length = int(config["max_position_embeddings"])
    scaled = {**rope_of(config), "rope_type": kind, "factor": factor}
    scaled.pop("type", None)
    if kind == "yarn":
        scaled["original_max_position_embeddings"] = length
    longer = length if kind == DYNAMIC else round(length * factor)
    return {"rope_parameters": scaled, "max_position_embeddings": longer}


def rope_of(config: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of its rotary positions in the form of transformers 5, as far as a config tells; {} without any."""
    rope, former = config.get("rope_parameters"), config.get("rope_scaling")
    found = {**(rope if isinstance(rope, dict) else former if isinstance(former, dict) else {})}
    if "rope_theta" in config:
        found.setdefault("rope_theta", config["rope_theta"])
    if "type" in found:
        found.setdefault("rope_type", found.pop("type"))
    return found


def scaling_words(config: Mapping[str, Any]) -> str:
    """The RoPE scaling of a config as it is called: 'YaRN × 4'; '' without one."""
    rope = rope_of(config)
    title, factor = TITLES.get(str(rope.get("rope_type"))), rope.get("factor")
    return f"{title} × {factor:g}" if title and isinstance(factor, int | float) else ""


def scale_by_own_length(model: Any) -> None:
    """Has the dynamically scaled positions of a model follow the longest row of each pass alone, not of those before.

    Models whose positions are not scaled so are left as they are.
    """
    for module in model.modules():
        kind = getattr(module, "rope_type", None)
        if kind == DYNAMIC and hasattr(module, "max_seq_len_cached") and not getattr(module, MARK, False):
            setattr(module, MARK, True)
            module.register_forward_pre_hook(_forget_length)


def _forget_length(module: Any, _: Any) -> None:
    """Undoes what transformers' dynamic_rope_update keeps from one pass to the next."""
    module.max_seq_len_cached = module.original_max_seq_len
    module.register_buffer("inv_freq", module.original_inv_freq.to(module.inv_freq.device), persistent=False)


def loaded_context_tokens(model: Any) -> int:
    """How many tokens a loaded model takes at most; 0 if its config does not say so."""
    names = ("max_position_embeddings", "rope_parameters", "rope_scaling")
    return context_tokens({name: getattr(model.config, name, None) for name in names})


def context_tokens(config: Mapping[str, Any]) -> int:
    """How many tokens a model with this config takes at most; 0 if it does not say so.

    With dynamic scaling that is `factor` times the `max_position_embeddings`, which stand for the usual length.
    """
    length = int(config.get("max_position_embeddings") or 0)
    rope = config.get("rope_parameters") or config.get("rope_scaling")
    rope = rope if isinstance(rope, dict) else {}
    factor = rope.get("factor") if (rope.get("rope_type") or rope.get("type")) == DYNAMIC else None
    return round(length * factor) if isinstance(factor, int | float) and factor > 1 else length
