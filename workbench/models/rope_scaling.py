"""Longer contexts by rotary positions that are drawn closer together: linear interpolation and YaRN.

Chen et al. 2023, https://arxiv.org/abs/2306.15595; Peng et al. 2024, https://arxiv.org/abs/2309.00071. Both are fixed
in the config, so that whatever loads the model computes as it was trained. Dynamic scaling, which changes with the
longest row so far, is none of them: a training that goes on from a checkpoint would not compute the same.
"""

from typing import Any


def reason_against_scaling(config: dict[str, Any]) -> str:
    """Why the positions of a model with this config.json cannot be scaled; '' if they can."""
    if "text_config" in config:
        return "is of several parts, each with positions of its own"
    rope = config.get("rope_parameters")
    rope = rope if isinstance(rope, dict) else {"rope_theta": config["rope_theta"]} if "rope_theta" in config else {}
    if "rope_theta" not in rope or not config.get("max_position_embeddings"):
        return "has no rotary positions of one kind (RoPE)"
    former = config.get("rope_scaling")
    kind = rope.get("rope_type", "default")
    if kind != "default" or (isinstance(former, dict) and former):
        return "has scaled positions already"
    return ""


def scale_positions(model: Any, kind: str, factor: float) -> None:
    """Has a loaded model of such a config see positions `factor` times as close together, and say so in its config."""
    config = model.config
    length = config.max_position_embeddings
    scaled = {**config.rope_parameters, "rope_type": kind, "factor": factor}
    if kind == "yarn":
        scaled["original_max_position_embeddings"] = length
    config.rope_parameters = scaled
    config.max_position_embeddings = round(length * factor)
    for parent in list(model.modules()):
        for name, module in parent.named_children():
            if hasattr(module, "original_inv_freq"):
                setattr(parent, name, type(module)(config=config).to(module.inv_freq.device))
