"""Everything that can be said of a merge before it runs: what stops it, what to know, what it takes.

Reads configs, tokenizer.json and the headers of weight files, never a weight, so it may run at every edit of a form.
NaN and infinity cannot be seen from there: the engine refuses them while merging. What is demanded is what mergekit
0.1.5 demands: InputContract.validate_ids, resolve_parameters, GatherTensors, PermutedVocabulary.
"""

from dataclasses import dataclass

from workbench.core.errors import Problem, Problems, suggestion
from workbench.core.home import Home
from workbench.core.units import human_count, human_size
from workbench.merging import catalogue
from workbench.merging.checking.architectures import check_architecture
from workbench.merging.checking.context import View, read_context
from workbench.merging.checking.inputs import check_layers, inputs
from workbench.merging.checking.model_facts import read_all_facts
from workbench.merging.checking.precision import precision, result_dtype
from workbench.merging.checking.room import Estimate, estimate_of, room
from workbench.merging.checking.rows import result_tokens
from workbench.merging.checking.settings import check_settings
from workbench.merging.checking.shapes import alike, all_alike, tied
from workbench.merging.checking.templates import templates
from workbench.merging.checking.tokenizers import padding, tokenizers
from workbench.merging.recipe import MergeRecipe
from workbench.models import tensors


@dataclass(frozen=True)
class Findings:
    """problems stop a merge, notes do not; facts are rows of (label, value)."""

    problems: list[Problem]
    notes: list[Problem]
    facts: list[list[str]]


def check_recipe(home: Home, recipe: MergeRecipe, output: str = "") -> Findings:
    """Everything wrong with a recipe at once, what to know about it, and what it makes."""
    view = read_context(home, recipe)
    info = catalogue.methods().get(recipe.merge_method)
    if info is None:
        remedy = suggestion(recipe.merge_method, list(catalogue.methods()))
        view.problems.add("merge_method", f"there is no merge method {recipe.merge_method!r}.", remedy)
    else:
        inputs(view, info)
        check_settings(view, info)
    for step in (check_layers, all_alike, tied, precision, tokenizers, padding, templates, check_architecture):
        step(view)
    estimate = estimate_of(view)
    room(view, output, estimate)
    return Findings(list(dict.fromkeys(view.problems.found)), list(dict.fromkeys(view.notes)), _facts(view, estimate))


def mismatches(home: Home, names: list[str]) -> list[Problem]:
    """Why the tensors of these models cannot be compared one by one: not there, not readable, not alike."""
    problems = Problems()
    models = list(read_all_facts(home, dict.fromkeys(names), problems).values())
    for other in models[1:]:
        alike(problems, models[0], other)
        if other.depth != models[0].depth:
            message = f"{other.name!r} has {other.depth} layers, {models[0].name!r} {models[0].depth}."
            problems.add("models", message, "Choose models of one size.")
    return list(dict.fromkeys(problems.found))


def _facts(view: View, estimate: Estimate) -> list[list[str]]:
    config = view.recipe
    info = catalogue.methods().get(config.merge_method)
    layers = sum(segment.length for segment in view.segments)
    made_of = "" if any(segment.whole for segment in view.segments) else f" from {len(view.segments)} slices"
    tokens = f"{len(result_tokens(view))} tokens" if view.donor and view.donor.vocabulary else "?"
    whose = {"union": "union of all", None: f"that of {view.donor.name}" if view.donor else "?"}
    kinds = [tensors.DTYPE_NAMES[result_dtype(view)], tensors.DTYPE_NAMES[result_dtype(view, maths=True)]]
    return [
        ["Method", info.title if info else config.merge_method],
        ["Models", ", ".join(view.recipe.references())],
        ["Parameters", human_count(estimate.parameters)],
        ["Layers", f"{layers}{made_of}"],
        ["Size on disk", human_size(estimate.bytes)],
        ["Memory", f"about {human_size(estimate.memory)}"],
        ["Tokenizer", f"{whose.get(view.tokenizer, f'that of {view.donor.name}' if view.donor else '?')}, {tokens}"],
        ["Precision", kinds[0] if kinds[0] == kinds[1] else f"{kinds[0]}, maths in {kinds[1]}"],
    ]
