"""Whether models are alike enough to be merged tensor by tensor: architecture, sizes, tensors, output heads."""

import json
import re
from typing import Any

from workbench.core.errors import Problems
from workbench.merging.checking.context import View
from workbench.merging.checking.model_facts import BUFFERS, ModelFacts, is_vocabulary
from workbench.merging.stack import layer_of, tensor_group

SIZES = (
    "hidden_size", "intermediate_size", "num_attention_heads", "num_key_value_heads", "head_dim", "n_embd", "n_head",
    "num_experts", "num_local_experts", "moe_intermediate_size",
)  # fmt: skip
BEHAVIOUR = (
    "rope_theta", "rope_parameters", "rope_scaling", "hidden_act", "sliding_window", "rms_norm_eps",
    "max_position_embeddings", "attn_logit_softcapping", "final_logit_softcapping",
)  # fmt: skip


def all_alike(view: View) -> None:
    """Every model must have the architecture, the sizes and the tensors of the first."""
    first = view.first
    for other in list(view.models.values())[1:]:
        assert first
        if not alike(view.problems, first, other):
            continue
        for key in BEHAVIOUR:
            if _differ(first, other, key):
                view.note(
                    "models",
                    f"{key} is {_short(other.config[key])} in {other.name!r}, {_short(first.config[key])} in "
                    f"{first.name!r}; the result has the latter.",
                    "Merges across such differences often lose quality.",
                )
        extra = sorted(_keyed(other, first).keys() - _keyed(first, other).keys())
        if extra:
            view.note(
                "models",
                f"{other.name!r} has {len(extra)} tensors that {first.name!r} has not: {extra[0]}.",
                "They are left out, or make the merge fail; best take models of one base.",
            )


def alike(problems: Problems, first: ModelFacts, other: ModelFacts) -> bool:
    """Whether two models have one architecture, its sizes and its tensors; adds the first reasons why not."""
    before = len(problems.found)
    wrong = [key for key in SIZES if _differ(first, other, key)]
    if "?" not in (first.architecture, other.architecture) and other.architecture != first.architecture:
        problems.add(
            "models",
            f"{other.name!r} is a {other.architecture}, {first.name!r} a {first.architecture}.",
            "Only models of one architecture can be merged; choose fine-tunes of one base.",
        )
    elif wrong:
        differences = ", ".join(f"{key} {other.config[key]} against {first.config[key]}" for key in wrong)
        problems.add(
            "models",
            f"{other.name!r} has other sizes than {first.name!r}: {differences}.",
            "Choose models of one size, best fine-tunes of one base.",
        )
    else:
        _tensors(problems, first, other)
    return len(problems.found) == before


def _differ(first: ModelFacts, other: ModelFacts, key: str) -> bool:
    return key in first.config and key in other.config and first.config[key] != other.config[key]


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) < 60 else f"{text[:57]}…"


def _tensors(problems: Problems, first: ModelFacts, other: ModelFacts) -> None:
    """Tensor by tensor, from headers."""
    mine, theirs = _keyed(first, other), _keyed(other, first)
    missing = sorted(mine.keys() - theirs.keys())
    wrong = sorted(name for name in mine.keys() & theirs.keys() if mine[name] != theirs[name])
    if wrong:
        shapes = f"{min(theirs[wrong[0]])} against {min(mine[wrong[0]])}"
        problems.add(
            "models",
            f"{len(wrong)} tensors of {other.name!r} have other shapes than in {first.name!r}: {wrong[0]} {shapes}.",
            "Choose models of one size.",
        )
    if missing:
        problems.add(
            "models",
            f"{other.name!r} lacks {len(missing)} tensors that {first.name!r} has: {missing[0]}.",
            "Get that model again, or choose another.",
        )


def _keyed(facts: ModelFacts, other: ModelFacts) -> dict[str, set[tuple[int, ...]]]:
    """Shapes by tensor name, or by kind of tensor where two models differ in layers.

    Without buffers and the head, which may be tied; rows of vocabulary tensors are dealt with on their own.
    """
    shapes: dict[str, set[tuple[int, ...]]] = {}
    for name, (shape, _) in facts.shapes.items():
        if not BUFFERS.search(name) and not (layer_of(name) is None and tensor_group(name) == "head"):
            key = name if facts.depth == other.depth else re.sub(r"\.\d+\.", ".N.", name, count=1)
            shapes.setdefault(key, set()).add(shape[1:] if is_vocabulary(name) else shape)
    return shapes


def tied(view: View) -> None:
    """Output heads: tied to the embedding in some models, of their own in others."""
    ties = {
        facts.name: bool(facts.config.get("tie_word_embeddings", not _has_head(facts)))
        for facts in view.models.values()
    }
    for name, tied in ties.items():
        if not tied and not _has_head(view.models[name]):
            view.problems.add("models", f"{name!r} has no output head and does not tie it.", "Get that model again.")
    if not view.first or len(set(ties.values())) < 2:
        return
    own = ", ".join(name for name, tied in ties.items() if not tied)
    if ties[view.first.name]:
        view.note(
            "models", f"{view.first.name!r} ties its head to the embedding, so the heads of {own} are lost.",
            "Make a model with a head of its own the base.",
        )  # fmt: skip
    else:
        view.note(
            "models", f"only {own} have a head of their own; of the others the embedding is taken for it.",
            "That is sound as long as all come from one base.",
        )  # fmt: skip


def _has_head(facts: ModelFacts) -> bool:
    return any(layer_of(name) is None and tensor_group(name) == "head" for name in facts.shapes)
