"""How alike models are, tensor by tensor: weights, task vectors (fine-tuned minus base) and their signs.

Rules of thumb in the sentences: task vectors that are nearly orthogonal add up with little interference
(task arithmetic, https://arxiv.org/abs/2212.04089, figure 5); opposite signs and redundant small values are what
TIES (https://arxiv.org/abs/2306.01708, sections 3 and 4) and DARE (https://arxiv.org/abs/2311.03099) deal with.
"""

import itertools
import json
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.core.errors import UserError
from workbench.core.home import write_text
from workbench.core.tasks import Task
from workbench.merging.stack import layer_of, tensor_group

if TYPE_CHECKING:
    from torch import Tensor

FILE = "likeness.json"
GROUPS = ("embeddings", "attention", "mlp", "norms", "head", "other")
CHUNK_ELEMENTS = 2**20  # elements compared at once: what fits in a processor's cache
SAMPLE_ELEMENTS = 2**20  # elements the threshold of the strongest is taken from
STRONGEST_SHARE = 0.2  # TIES keeps the strongest fifth
LOOSE = -1  # the layer of embeddings, last norm and head

Pair = tuple[int, int]


@dataclass
class Sums:
    """What is added up over the elements of some tensors; everything shown is a ratio of these."""

    dots: dict[Pair, float] = field(default_factory=lambda: defaultdict(float))
    task_dots: dict[Pair, float] = field(default_factory=lambda: defaultdict(float))
    both: dict[Pair, int] = field(default_factory=lambda: defaultdict(int))
    agree: dict[Pair, int] = field(default_factory=lambda: defaultdict(int))
    strong_both: dict[Pair, int] = field(default_factory=lambda: defaultdict(int))
    strong_agree: dict[Pair, int] = field(default_factory=lambda: defaultdict(int))
    changed: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    base: float = 0.0
    count: int = 0

    def __add__(self, other: "Sums") -> "Sums":
        """The sums over both's elements."""
        total = Sums(base=self.base + other.base, count=self.count + other.count)
        for name in ("dots", "task_dots", "both", "agree", "strong_both", "strong_agree", "changed"):
            for sums in (self, other):
                for key, value in getattr(sums, name).items():
                    getattr(total, name)[key] += value
        return total

    def pair(self, pair: Pair) -> dict[str, float | None]:
        """The measures of two models: 'weights', and with a base 'tasks', 'signs' and 'strong_signs'."""
        first, second = pair
        return {
            "weights": _cosine(self.dots[pair], self.dots[first, first], self.dots[second, second]),
            "tasks": _cosine(self.task_dots[pair], self.task_dots[first, first], self.task_dots[second, second]),
            "signs": self.agree[pair] / self.both[pair] if self.both[pair] else None,
            "strong_signs": self.strong_agree[pair] / self.strong_both[pair] if self.strong_both[pair] else None,
        }

    def model(self, index: int) -> dict[str, float | None]:
        """'norm' of its task vector, relative to the base's; share of elements 'changed'."""
        return {
            "norm": (self.task_dots[index, index] / self.base) ** 0.5 if self.base else None,
            "changed": self.changed[index] / self.count if self.base and self.count else None,
        }


def _cosine(dot: float, first_squared: float, second_squared: float) -> float | None:
    return (
        max(-1.0, min(1.0, dot / (first_squared * second_squared) ** 0.5))
        if first_squared > 0 and second_squared > 0
        else None
    )


def measure(weights: "list[Tensor]", base: "Tensor | None") -> Sums:
    """The sums over one tensor of every model, and of the base; float32 in chunks, whatever the dtype.

    Cosines need only sums; a task vector's strongest fifth is found from at most `SAMPLE` of its elements.
    """
    flat = [tensor.reshape(-1) for tensor in weights]
    start = base.reshape(-1) if base is not None else None
    sums = Sums(count=flat[0].numel())
    limits = [_limit(vector, start) for vector in flat] if start is not None else []
    for at in range(0, sums.count, CHUNK_ELEMENTS):
        parts = [vector[at : at + CHUNK_ELEMENTS].float() for vector in flat]
        _dots(sums.dots, parts)
        if start is not None:
            below = start[at : at + CHUNK_ELEMENTS].float()
            sums.base += float(below @ below)
            _tasks(sums, [chunk - below for chunk in parts], limits)
    return sums


def _dots(into: dict[Pair, float], parts: "list[Tensor]") -> None:
    for first, second in itertools.combinations_with_replacement(range(len(parts)), 2):
        into[first, second] += float(parts[first] @ parts[second])


def _limit(tuned: "Tensor", base: "Tensor") -> float:
    """The size from which an element belongs to the strongest of a task vector."""
    step = -(-tuned.numel() // SAMPLE_ELEMENTS)
    sizes = (tuned[::step].float() - base[::step].float()).abs()
    count = max(1, int(sizes.numel() * STRONGEST_SHARE))
    return float(sizes.topk(count).values[-1]) if sizes.numel() else 0.0


def _tasks(sums: Sums, deltas: "list[Tensor]", limits: list[float]) -> None:
    """Task vectors against each other: dot products, and where their signs meet."""
    import torch

    _dots(sums.task_dots, deltas)
    up = [delta > 0 for delta in deltas]
    moved = [delta != 0 for delta in deltas]
    strong = [(delta.abs() >= limit) & there for delta, limit, there in zip(deltas, limits, moved, strict=True)]
    for index, there in enumerate(moved):
        sums.changed[index] += int(torch.count_nonzero(there))
    for first, second in itertools.combinations(range(len(deltas)), 2):
        alike = up[first] == up[second]
        for masks, both, agree in ((moved, sums.both, sums.agree), (strong, sums.strong_both, sums.strong_agree)):
            shared = masks[first] & masks[second]
            both[first, second] += int(torch.count_nonzero(shared))
            agree[first, second] += int(torch.count_nonzero(shared & alike))


def compare(
    models: dict[str, Any],
    base: Any = None,
    base_name: str = "",
    task: Task | None = None,
) -> dict[str, Any]:
    """Compares models given as readers (`workbench.models.weights.open_weights`), one tensor of each at a time.

    Tensors that not all have, or have in other shapes, are left out and named under 'left_out'. `task` is told
    of every layer, and may stop it.
    """
    task = task or Task()
    readers = [*models.values(), *([base] if base is not None else [])]
    names = [name for name in readers[0].names() if all(name in reader for reader in readers)]
    alike = [name for name in names if len({tuple(reader.shape(name)) for reader in readers}) == 1]
    by_layer: dict[int, list[str]] = defaultdict(list)
    for name in alike:
        layer = layer_of(name)
        by_layer[LOOSE if layer is None else layer].append(name)
    if not by_layer:
        raise UserError("These models have no tensor in common.", "Choose models of one architecture and size.")
    cells: dict[tuple[int, str], Sums] = defaultdict(Sums)
    for completed, layer in enumerate(sorted(by_layer), 1):
        for name in by_layer[layer]:
            tensors = [reader.get(name) for reader in readers]
            start = tensors.pop() if base is not None else None
            cells[layer, tensor_group(name)] += measure(tensors, start)
        words = _words(layer, list(models), base is not None, cells)
        task.update(completed, len(by_layer), f"Compared {words}")
        task.check_stop()
    left_out = sorted(set(itertools.chain.from_iterable(reader.names() for reader in readers)) - set(alike))
    return {**_tables(list(models), base_name if base is not None else "", cells), "left_out": left_out}


def _words(layer: int, models: list[str], tasks: bool, cells: dict[tuple[int, str], Sums]) -> str:
    value = _total(cells, layer).pair((0, 1))["tasks" if tasks else "weights"]
    cosine = f", cosine {value:.3f} of {models[0]} and {models[1]}" if value is not None else ""
    return f"{_row(layer)}{cosine}"


def _row(layer: int) -> str:
    return "outside the layers" if layer == LOOSE else f"layer {layer}"


def _tables(models: list[str], base: str, cells: dict[tuple[int, str], Sums]) -> dict[str, Any]:
    """Every measure by pair or model, each as {'all', 'groups', 'layers', 'cells'}."""
    layers = sorted({layer for layer, _ in cells})
    groups = [group for group in GROUPS if any(group == cell_group for _, cell_group in cells)]
    totals = {
        "all": _total(cells),
        "groups": {group: _total(cells, group=group) for group in groups},
        "layers": [_total(cells, layer) for layer in layers],
        "cells": {group: [_total(cells, layer, group) for layer in layers] for group in groups},
    }
    measures: tuple[str, ...] = ("weights", "tasks", "signs", "strong_signs") if base else ("weights",)
    pairs = itertools.combinations(range(len(models)), 2)
    return {
        "models": models,
        "base": base,
        "layers": [_row(layer) for layer in layers],
        "groups": groups,
        "pairs": {
            f"{models[first]} · {models[second]}": _each(totals, partial(Sums.pair, pair=(first, second)), measures)
            for first, second in pairs
        },
        "changes": {
            model: _each(totals, partial(Sums.model, index=at), ("norm", "changed")) for at, model in enumerate(models)
        }
        if base
        else {},
    }


def _total(cells: dict[tuple[int, str], Sums], layer: int | None = None, group: str = "") -> Sums:
    """The sums over all cells, or those of a layer, of a group, or of both."""
    wanted = (sums for (at, name), sums in cells.items() if layer in (None, at) and group in ("", name))
    return sum(wanted, Sums())


def _each(
    totals: dict[str, Any], read: Callable[[Sums], dict[str, float | None]], names: tuple[str, ...]
) -> dict[str, Any]:
    """The totals read as numbers, one table of their shape for each measure."""
    return {name: _numbers(totals, lambda sums, name=name: read(sums)[name]) for name in names}  # type: ignore[misc]


def _numbers(totals: Any, read: Callable[[Sums], float | None]) -> Any:
    if isinstance(totals, dict):
        return {key: _numbers(value, read) for key, value in totals.items()}
    if isinstance(totals, list):
        return [_numbers(value, read) for value in totals]
    value = read(totals)
    return None if value is None else round(value, 6)


def sentences(data: dict[str, Any]) -> list[str]:
    """What the numbers mean for a merge, by rules of thumb."""
    texts = []
    for model, change in data["changes"].items():
        share = change["changed"]["all"] or 0.0
        texts.append(
            f"{model} changed {share:.0%} of the weights; its task vector is "
            f"{(change['norm']['all'] or 0.0):.2%} as long as {data['base']}'s weights."
        )
    for pair, measures in data["pairs"].items():
        names = pair.replace(" · ", " and ")
        texts.extend(_of_tasks(names, measures) if data["base"] else _of_weights(names, measures["weights"]["all"]))
    if data["left_out"]:
        texts.append(f"{len(data['left_out'])} tensors are not in all models in one shape and were left out.")
    if data["base"]:
        texts.append("These are rules of thumb from the TIES, DARE and task arithmetic papers: measure the merge.")
    return texts


def _of_weights(names: str, cosine: float | None) -> Iterator[str]:
    if cosine is None:
        return
    if cosine > 0.9:
        yield f"{names} are close (cosine {cosine:.3f}): fine-tunes of one base; linear and slerp are safe."
    else:
        yield f"{names} are far apart (cosine {cosine:.3f}): hardly from one base, so averaging them may break both."


def _of_tasks(names: str, measures: dict[str, Any]) -> Iterator[str]:
    cosine, signs, strong = (measures[name]["all"] for name in ("tasks", "signs", "strong_signs"))
    if cosine is None:
        yield f"Task vectors of {names}: one of them is zero, so there is nothing to compare."
        return
    size = abs(cosine)
    if size < 0.1:
        yield (
            f"Task vectors of {names} are nearly orthogonal (cosine {cosine:.2f}): "
            "task arithmetic or linear loses little."
        )
    elif cosine < 0:
        yield f"Task vectors of {names} pull against each other (cosine {cosine:.2f}): adding them cancels both."
    else:
        how = "much the same" if size > 0.8 else "partly the same"
        yield f"Task vectors of {names} learnt {how} (cosine {cosine:.2f}): averaging them keeps it."
    if signs is not None and 1 - signs > 0.3:
        strongest = f", in {1 - strong:.0%} of the strongest fifth" if strong is not None else ""
        yield f"Their signs conflict in {1 - signs:.0%} of the weights both changed{strongest}: TIES or DARE may help."


def save_similarity(folder: Path, data: dict[str, Any]) -> None:
    """Writes what was compared, as `read_similarity` takes it."""
    write_text(folder / FILE, json.dumps(data))


def read_similarity(folder: Path) -> dict[str, Any]:
    """What a job compared; raises `UserError` when it has not come that far or the file is damaged."""
    try:
        return dict(json.loads((folder / FILE).read_text("utf-8")))
    except FileNotFoundError:
        raise UserError("These models are not compared yet.", "Wait for the job to end.") from None
    except (OSError, ValueError, TypeError) as error:
        raise UserError(f"{FILE} is damaged ({error}).", "Compare the models again.") from None
