"""Which parts of a model 'attention' and 'mlp' mean: found by names, and by the classes that hold them.

Architectures name the same part differently (q_proj, c_attn, query_key_value, Wqkv; up_proj, c_fc, dense_h_to_4h, fc1)
and hold experts as one parameter each instead of as layers. Nothing here imports torch before a model is given.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from workbench.core.errors import UserError

Group = Literal["attention", "mlp"]
LAYER_PREFIX = re.compile(r"(?:^|\.)\d+\.")
ATTENTION = re.compile(r"attn|attention|(?<![a-z])[qkvo]_proj|query_key_value|wqkv|qkv_proj", re.IGNORECASE)
MLP = re.compile(
    r"mlp|ffn|feed_?forward|moe|expert|(?<![a-z])fc_?(?:\d|in|out)(?![a-z])|(?:gate|up|down)_proj|c_fc"
    r"|dense_h_to_4h|dense_4h_to_h|(?<![a-z\d])w[123](?!\d)",
    re.IGNORECASE,
)
# Neither: what chooses experts, and towers that no text goes through, which get no gradient.
ROUTER = re.compile(r"(?:^|\.)(?:gate|router|shared_expert_gate)(?:\.|$)")
TOWER = re.compile(r"(?:^|\.)(?:vision|visual|audio|image|multi_modal)[a-z_]*\.")


@dataclass(frozen=True)
class Targets:
    """What an adapter stands on, in PEFT's words: modules by name, and parameters that are no module's weight."""

    modules: list[str]
    parameters: list[str]


def group_of(name: str, classes: str = "") -> Group | None:
    """The group of a module or tensor by its name, `classes` being those of the modules around it; None for others."""
    layer = LAYER_PREFIX.search(name)
    if layer is None or not in_layer(name):
        return None
    inner = name[layer.end() :]
    if ATTENTION.search(inner) or "Attention" in classes:
        return "attention"
    if (MLP.search(inner) or MLP.search(classes)) and not ROUTER.search(inner):
        return "mlp"
    return None


def in_layer(name: str) -> bool:
    """Whether a tensor belongs to one of the layers that text goes through."""
    return LAYER_PREFIX.search(name) is not None and not TOWER.search(name)


def no_such(group: Group, model: str) -> UserError:
    """What is said of a model in which a group is not found."""
    return UserError(
        f"No {group} layers are known in {model!r}.", "Choose all-linear as targets.", ("tuner", "targets")
    )


def targets_of(model: Any, group: Group) -> Targets:
    """The layers and expert parameters of a group; raises `UserError` when there is none."""
    import torch
    from transformers.pytorch_utils import Conv1D

    classes = {name: type(module).__name__ for name, module in model.named_modules()}
    around = {name: " ".join(classes[holder] for holder in _holders(name)) for name in classes}
    modules = [
        name
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.Linear | Conv1D) and group_of(name, around[name]) == group
    ]
    held = {f"{name}.weight" for name in modules}
    parameters = [
        name
        for name, parameter in model.named_parameters()
        if parameter.ndim == 3 and name not in held and group_of(name, around[name.rpartition(".")[0]]) == group
    ]
    if not modules and not parameters:
        raise no_such(group, type(model).__name__)
    return Targets(_shortest(modules, classes), _shortest(parameters, [name for name, _ in model.named_parameters()]))


def _holders(name: str) -> list[str]:
    """The modules that a module lies in, below its layer: the layer's own class says nothing of its parts."""
    layer = LAYER_PREFIX.search(name)
    dots = [dot.start() for dot in re.finditer(r"\.", name)]
    return [name[:dot] for dot in dots if layer and dot >= layer.end()]


def _shortest(chosen: list[str], names: Iterable[str]) -> list[str]:
    """The ends of names that PEFT finds these by and no others; a whole name where no end will do."""
    others = set(names) - set(chosen)
    ends = dict.fromkeys(next(end for end in _ends(name) if not _ending(end, others)) for name in chosen)
    return sorted(ends)


def _ends(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[-count:]) for count in (1, 2, 3) if count < len(parts)] + [name]


def _ending(end: str, names: Iterable[str]) -> bool:
    return any(name == end or name.endswith(f".{end}") for name in names)


def adapted_layers(model: Any) -> dict[str, int]:
    """What a PEFT model's adapter stands on: how many layers or parameters by the name they have within a layer."""
    tuner = model.base_model
    names = [*getattr(tuner, "targeted_module_names", ()), *getattr(tuner, "targeted_parameter_names", ())]
    counts: dict[str, int] = {}
    for name in names:
        layer = LAYER_PREFIX.search(name)
        inner = LAYER_PREFIX.sub(".", name[layer.end() :]).lstrip(".") if layer else name
        counts[inner] = counts.get(inner, 0) + 1
    return counts


def layers_sentence(counts: dict[str, int]) -> str:
    """The same for the log."""
    listed = ", ".join(f"{name} ({count})" for name, count in sorted(counts.items()))
    return f"The adapter stands on {sum(counts.values())} weights: {listed}."
