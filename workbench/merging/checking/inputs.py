"""Which models go into each part of the result, how many, and which of their layers."""

from collections import Counter

from workbench.merging.checking.context import MOST_LAYERS, View
from workbench.merging.checking.model_facts import Seen
from workbench.merging.parameters import MethodInfo
from workbench.merging.stack import Part


def inputs(view: View, info: MethodInfo) -> None:
    """The demands of mergekit's InputContract, of each part of the result."""
    for part in view.parts:
        keys = Counter(view.key(one.model) for one in part.inputs)
        for one in {view.key(one.model): one for one in part.inputs}.values():
            if keys[view.key(one.model)] > 1:
                view.problems.add(
                    part.label, f"{one.model!r} goes in {keys[view.key(one.model)]} times.",
                    "Name each model once, and give it more weight instead.",
                )  # fmt: skip
        has_base = part.base is not None and view.key(part.base) in keys
        _base(view, info, part, has_base)
        _count(view, info, part, len(keys), has_base and info.base != "ignored")
    listed = [view.key(source.model) for source in view.recipe.sources()]
    base = view.recipe.config.base_model
    if info.base == "ignored" and base and view.key(base) not in listed and any(part.whole for part in view.parts):
        view.note(
            "base_model", f"{info.name} knows no base: {base!r} is merged in as one more model.",
            "Take base_model out if that is not meant; config and tokenizer then come from the first model.",
        )  # fmt: skip


def _base(view: View, info: MethodInfo, part: Part, has_base: bool) -> None:
    if info.base == "ignored":
        return
    if part.base and not has_base:
        view.problems.add(
            part.label, f"the base {part.base!r} is not among the sources.",
            "Add the base's layers as a source of this slice, or leave base_model out.",
        )  # fmt: skip
    elif info.base == "required" and not has_base:
        view.problems.add(
            "base_model", f"{info.name} needs a base: it works on the differences to it.",
            "Set base_model, best the model the others were fine-tuned from.",
        )  # fmt: skip
    elif info.base == "forbidden" and has_base:
        view.problems.add("base_model", f"{info.name} takes no base.", "Leave base_model out.")


def _count(view: View, info: MethodInfo, part: Part, count: int, has_base: bool) -> None:
    limits = [("models", count, info.least, info.most)]
    if info.least_others is not None or info.most_others is not None:
        limits.append(("models besides the base", count - has_base, info.least_others or 0, info.most_others))
    for what, number, least, most in limits:
        if number >= least and (most is None or number <= most):
            continue
        wanted = f"exactly {least}" if least == most else f"at least {least}" if number < least else f"at most {most}"
        counted = ", the base counted" if has_base and what == "models" else ""
        remedy = "Add a model." if number < least else "Take models out, or choose a method for more."
        if info.most == 1 and not part.whole:
            remedy = "Give each slice one source."
        view.problems.add(part.label, f"{info.name} takes {wanted} {what}{counted}; here are {number}.", remedy)


def layers(view: View) -> None:
    """Ranges must lie in the models, and the sources of a part be equally long."""
    for part in view.parts:
        lengths = {one.last - one.first for one in part.inputs if one.model in view.models}
        if len(lengths) > 1:
            told = ", ".join(f"{one.model} {one.last - one.first}" for one in part.inputs)
            remedy = "Choose layers with slices:." if part.whole else "Give all sources of a slice as many layers."
            view.problems.add(part.label, f"the sources differ in layers ({told}).", remedy)
        for one in part.inputs:
            seen = view.models.get(one.model)
            if seen and not seen.depth:
                view.problems.add("models", f"the config.json of {one.model!r} names no number of layers.", "Add it.")
            elif seen and one.last > seen.depth:
                view.problems.add(
                    part.label, f"{one.model!r} has {seen.depth} layers; [{one.first}, {one.last}] goes beyond.",
                    f"End it at {seen.depth}: the last number is not included.",
                )  # fmt: skip
    if view.first and not any(part.whole or part.module for part in view.parts):
        _rebuilt(view, view.first)


def _rebuilt(view: View, first: Seen) -> None:
    """What follows from putting layers together anew."""
    count = sum(part.length for part in view.parts)
    lists = [key for key, value in first.config.items() if isinstance(value, list) and len(value) == first.depth > 2]
    for key in lists if count != first.depth else ():
        how = "is gone through again from its start" if key == "layer_types" else "is copied as it is"
        view.note("slices", f"{key} in config.json has an entry a layer ({first.depth}, not {count}): it {how}.",
                  "Check that each layer still has its own kind; loading fails where the length matters.")  # fmt: skip
    moved = [
        (one.model, one.first + n)
        for part in view.parts
        for one in part.inputs[:1]
        for n in range(min(part.length, MOST_LAYERS))
    ]
    if moved != [(moved[0][0], n) for n in range(first.depth)] and len(view.parts[0].inputs) == 1:
        view.note("slices", "layers in a new order answer badly at first.", "Plan a short fine-tuning of the result.")
    if len(view.parts[-1].inputs) > len(view.parts[0].inputs):
        view.note(
            view.parts[-1].label,
            f"the last norm and the head come from its first {len(view.parts[0].inputs)} sources only.",
            "Put the most important model first.",
        )  # fmt: skip
