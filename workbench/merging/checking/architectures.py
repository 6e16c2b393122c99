"""What mergekit's descriptions of architectures leave out: tensors, parts, whole architectures."""

import functools
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from workbench.merging.checking.context import MOST_LAYERS, View
from workbench.merging.checking.model_facts import BUFFERS, ModelFacts
from workbench.models.json_files import mergekit_files

LAYER = "${layer_index}"  # in mergekit's names


@dataclass
class Described:
    """An architecture in mergekit's words: its tensors (numbers as #) and parts."""

    tensors: set[str] = field(default_factory=set)
    modules: set[str] = field(default_factory=set)
    required: list[tuple[str, ...]] = field(default_factory=list)  # each by its names, one of which must be there


def check_architecture(view: View) -> None:
    """Tensors that mergekit's description of an architecture leaves out, and architectures it has none of."""
    first = view.first
    if not first or first.architecture == "?":
        return
    description = _described(first)
    if description is None:
        view.note(
            "models", f"mergekit does not list {first.architecture}; it infers the layers from the tensors' names.",
            "That works for most; look at the answers after merging.",
        )  # fmt: skip
        return
    modules = view.recipe.modules or {}
    for name in modules.keys() - description.modules:
        remedy = f"Its parts are: {', '.join(sorted(description.modules))}."
        view.problems.add(("modules", name), f"{first.architecture} has no part {name!r}.", remedy)
    for name in sorted(description.modules - modules.keys()) if modules else ():
        view.note("modules", f"the part {name!r} is left out of the result.", "Add it unless that is meant.")
    names = {_kind(name) for name in first.shapes if not BUFFERS.search(name)}
    left = sorted(names - description.tensors)
    message = _missing(view, description)
    if not message and description.tensors and left and not any(map(_fused, left)):
        message = f"mergekit's description of {first.architecture} leaves out {len(left)} kinds of tensor: {left[0]}."
    if message and modules:
        view.problems.add("modules", message, "Leave modules out: the files' own names are followed then.")
    elif message:
        view.note("models", message, "The files' own names are followed instead; look at the answers after merging.")


def _missing(view: View, description: Described) -> str:
    """What is to be said of the first tensor that mergekit demands and none of a model's layers has, or ''.

    One that only some layers of the first model have is a hole in it, and becomes a problem; holes in the others are
    found where they are compared to it.
    """
    message = ""
    for facts in view.models.values():
        kinds = {_kind(name) for name in facts.shapes}
        for names in description.required:
            if not kinds & set(map(_kind, names)):
                if not message and not _fused(names[0]):
                    wanted = names[0].replace(LAYER, "0")
                    message = (
                        f"mergekit's description of {facts.architecture} demands {wanted}; {facts.name!r} has none."
                    )
            elif (
                facts is view.first and LAYER in names[0] and "vision" not in names[0] and (hole := _hole(facts, names))
            ):
                view.problems.add("models", f"{facts.name!r} lacks {hole}.", "Get that model again.")
    return message


def _hole(facts: ModelFacts, names: tuple[str, ...]) -> str:
    """A tensor of these names that one of the model's layers lacks; '' for none."""
    for index in range(min(facts.depth, MOST_LAYERS)):
        called = [name.replace(LAYER, str(index)) for name in names]
        if not any(name in facts.shapes for name in called):
            return called[0]
    return ""


def _fused(name: str) -> bool:
    """Whether transformers makes it from other tensors, or others from it, when a mixture of experts is loaded."""
    return "expert" in name or "moe" in name or name.endswith(".mlp.gate.weight")


def _kind(name: str) -> str:
    return re.sub(r"\$\{[^}]*\}|\d+", "#", name)


def _described(facts: ModelFacts) -> Described | None:
    """The description that mergekit takes for a model; None where it infers one."""
    descriptions = _architectures().get(facts.architecture, {})
    return (
        next(iter(descriptions.values()))
        if len(descriptions) == 1
        else descriptions.get(str(facts.config.get("model_type")))
    )


@functools.cache
def _architectures() -> dict[str, dict[str, Described]]:
    """By architecture and type: some have several descriptions."""
    descriptions: dict[str, dict[str, Described]] = {}
    for path in mergekit_files("architectures/*.json"):
        data = json.loads(path.read_text("utf-8"))
        weights = list(_weights(data, ""))
        for architecture in data.get("architectures") or []:
            description = descriptions.setdefault(architecture, {}).setdefault(str(data.get("model_type")), Described())
            description.tensors |= {_kind(name) for names, _ in weights for name in names}
            description.modules |= set(data.get("modules") or ["default"])
            description.required += [names for names, optional in weights if not optional]
    return descriptions


def _weights(data: dict[str, Any], prefix: str) -> Iterator[tuple[tuple[str, ...], bool]]:
    """(names; whether it is optional) of every tensor of a description, its parts included."""
    for module in (data.get("modules") or {}).values():
        yield from _weights(module["architecture"], module.get("weight_prefix") or "")
    lists = [data.get("pre_weights"), data.get("post_weights"), (data.get("layer_templates") or {}).get("weights")]
    for weight in (weight for entries in lists for weight in entries or []):
        names = (weight["name"], *(weight.get("aliases") or ()), *(weight.get("tied_names") or ()))
        yield tuple(prefix + name for name in names), bool(weight.get("optional"))
