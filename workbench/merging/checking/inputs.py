"""Which models go into each part of the result, how many, and which of their layers."""

from collections import Counter

from workbench.merging.checking.context import MOST_LAYERS, View
from workbench.merging.checking.model_facts import ModelFacts
from workbench.merging.parameters import MethodInfo
from workbench.merging.stack import Segment


def inputs(view: View, info: MethodInfo) -> None:
    """The demands of mergekit's InputContract, of each part of the result."""
    for segment in view.segments:
        keys = Counter(view.key(source.model) for source in segment.inputs)
        for source in {view.key(source.model): source for source in segment.inputs}.values():
            if keys[view.key(source.model)] > 1:
                view.problems.add(
                    segment.path, f"{source.model!r} goes in {keys[view.key(source.model)]} times.",
                    "Name each model once, and give it more weight instead.",
                )  # fmt: skip
        has_base = segment.base is not None and view.key(segment.base) in keys
        _base(view, info, segment, has_base)
        _count(view, info, segment, len(keys), has_base and info.base != "ignored")
    listed = [view.key(source.model) for source in view.recipe.sources()]
    base = view.recipe.base_model
    if (
        info.base == "ignored"
        and base
        and view.key(base) not in listed
        and any(segment.whole for segment in view.segments)
    ):
        view.note(
            "base_model", f"{info.name} knows no base: {base!r} is merged in as one more model.",
            "Take base_model out if that is not meant; config and tokenizer then come from the first model.",
        )  # fmt: skip


def _base(view: View, info: MethodInfo, segment: Segment, has_base: bool) -> None:
    if info.base == "ignored":
        return
    if segment.base and not has_base:
        view.problems.add(
            segment.path, f"the base {segment.base!r} is not among the sources.",
            "Add the base's layers as a source of this slice, or leave base_model out.",
        )  # fmt: skip
    elif info.base == "required" and not has_base:
        view.problems.add(
            "base_model", f"{info.name} needs a base: it works on the differences to it.",
            "Set base_model, best the model the others were fine-tuned from.",
        )  # fmt: skip
    elif info.base == "forbidden" and has_base:
        view.problems.add("base_model", f"{info.name} takes no base.", "Leave base_model out.")


def _count(view: View, info: MethodInfo, segment: Segment, count: int, has_base: bool) -> None:
    limits = [("models", count, info.least, info.most)]
    if info.least_others is not None or info.most_others is not None:
        limits.append(("models besides the base", count - has_base, info.least_others or 0, info.most_others))
    for subject, number, least, most in limits:
        if number >= least and (most is None or number <= most):
            continue
        wanted = f"exactly {least}" if least == most else f"at least {least}" if number < least else f"at most {most}"
        counted = ", the base counted" if has_base and subject == "models" else ""
        remedy = "Add a model." if number < least else "Take models out, or choose a method for more."
        if info.most == 1 and not segment.whole:
            remedy = "Give each slice one source."
        view.problems.add(segment.path, f"{info.name} takes {wanted} {subject}{counted}; here are {number}.", remedy)


def check_layers(view: View) -> None:
    """Ranges must lie in the models, and the sources of a part be equally long."""
    for segment in view.segments:
        lengths = {source.last - source.first for source in segment.inputs if source.model in view.models}
        if len(lengths) > 1:
            counts = ", ".join(f"{source.model} {source.last - source.first}" for source in segment.inputs)
            remedy = "Choose layers with slices:." if segment.whole else "Give all sources of a slice as many layers."
            view.problems.add(segment.path, f"the sources differ in layers ({counts}).", remedy)
        for source in segment.inputs:
            facts = view.models.get(source.model)
            if facts and not facts.depth:
                view.problems.add(
                    "models", f"the config.json of {source.model!r} names no number of layers.", "Add it."
                )
            elif facts and source.last > facts.depth:
                view.problems.add(
                    segment.path,
                    f"{source.model!r} has {facts.depth} layers; [{source.first}, {source.last}] goes beyond.",
                    f"End it at {facts.depth}: the last number is not included.",
                )  # fmt: skip
    if view.first and not any(segment.whole or segment.module for segment in view.segments):
        _rebuilt(view, view.first)


def _rebuilt(view: View, first: ModelFacts) -> None:
    """What follows from putting layers together anew."""
    count = sum(segment.length for segment in view.segments)
    lists = [key for key, value in first.config.items() if isinstance(value, list) and len(value) == first.depth > 2]
    for key in lists if count != first.depth else ():
        how = "is gone through again from its start" if key == "layer_types" else "is copied as it is"
        view.note("slices", f"{key} in config.json has an entry a layer ({first.depth}, not {count}): it {how}.",
                  "Check that each layer still has its own kind; loading fails where the length matters.")  # fmt: skip
    moved = [
        (source.model, source.first + n)
        for segment in view.segments
        for source in segment.inputs[:1]
        for n in range(min(segment.length, MOST_LAYERS))
    ]
    if moved != [(moved[0][0], n) for n in range(first.depth)] and len(view.segments[0].inputs) == 1:
        view.note("slices", "layers in a new order answer badly at first.", "Plan a short fine-tuning of the result.")
    if len(view.segments[-1].inputs) > len(view.segments[0].inputs):
        view.note(
            view.segments[-1].path,
            f"the last norm and the head come from its first {len(view.segments[0].inputs)} sources only.",
            "Put the most important model first.",
        )  # fmt: skip
