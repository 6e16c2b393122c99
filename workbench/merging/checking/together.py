"""Values that break a method's maths only together with others."""

import re
from collections.abc import Hashable

from workbench.merging.checking.context import View
from workbench.merging.checking.values import values_by_position
from workbench.merging.parameters import MethodInfo

WHOLE_BY_DEFAULT = ("dare", "della", "ties", "breadcrumbs")


def check_together(view: View, info: MethodInfo) -> None:
    """Values that break the maths only together."""
    names = {parameter.name for parameter in info.parameters}
    if info.name.startswith("della"):
        _della(view, info)
    if "density" in names and info.name.startswith(WHOLE_BY_DEFAULT) and _all_whole(view, info):
        view.note(
            ("parameters", "density"),
            f"it is 1, so nothing is dropped and {info.name} hardly differs from plain sums.",
            "Papers use 0.2 (TIES), 0.1 to 0.5 (DARE), 0.3 to 0.9 (DELLA, Breadcrumbs).",
        )  # fmt: skip
    norm = "normalize" if info.name == "linear" else "normalize_weights" if info.name == "multislerp" else ""
    if norm and any(abs(total) < 1e-9 for total in _sums(view, info, norm)):
        view.problems.add(
            ("parameters", "weight"),
            "the weights add up to 0, by which they are divided.",
            f"Change them, or set {norm}: false.",
        )


def _all_whole(view: View, info: MethodInfo) -> bool:
    return all(value >= 1 for value in values_by_position(view, info, "density").values())


def _sums(view: View, info: MethodInfo, norm: str) -> list[float]:
    """Sums of the weights over the models, tensor by tensor, unless they are not divided by."""
    if not all(values_by_position(view, info, norm).values()):
        return []
    totals: dict[Hashable, float] = {}
    for (label, _, tensor, position), value in values_by_position(view, info, "weight").items():
        if value is None:
            return []
        name = re.sub(r"\d+", "#", tensor), position
        totals[label, name] = totals.get((label, name), 0.0) + value
    return list(totals.values())


def _della(view: View, info: MethodInfo) -> None:
    density, epsilon = values_by_position(view, info, "density"), values_by_position(view, info, "epsilon")
    margins = {(label, model): value for (label, model, *_), value in epsilon.items()}
    for (label, model, tensor, position), value in density.items():
        margin = epsilon.get((label, model, tensor, position), margins.get((label, model), 0.0))
        if 0 < value < 1 and not margin < min(value, 1 - value):
            view.problems.add(
                ("parameters", "epsilon"), f"density ± epsilon leaves 0 to 1: {value:g} ± {margin:g} for {model!r}.",
                f"With this density epsilon must be below {min(value, 1 - value):g}.",
            )  # fmt: skip
            return
