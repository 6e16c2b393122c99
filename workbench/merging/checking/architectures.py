"""What mergekit's descriptions of architectures leave out: tensors, parts, whole architectures."""

import functools
import json
import re
from dataclasses import dataclass, field

from workbench.merging.checking.files import mergekit_files
from workbench.merging.checking.seen import BUFFERS
from workbench.merging.checking.view import View


@dataclass
class Described:
    """An architecture in mergekit's words: its tensors (numbers as #; none if it has several parts) and parts."""

    tensors: set[str] = field(default_factory=set)
    modules: set[str] = field(default_factory=set)


def described(view: View) -> None:
    """Tensors that mergekit's description of an architecture leaves out, and architectures it has none of."""
    first = view.first
    if not first or first.architecture == "?":
        return
    known = _architectures().get(first.architecture)
    if known is None:
        view.note(
            "models", f"mergekit does not list {first.architecture}; it infers the layers from the tensors' names.",
            "That works for most; look at the answers after merging.",
        )  # fmt: skip
        return
    given = view.recipe.config.modules or {}
    for name in given.keys() - known.modules:
        remedy = f"Its parts are: {', '.join(sorted(known.modules))}."
        view.problems.add(f"modules.{name}", f"{first.architecture} has no part {name!r}.", remedy)
    for name in sorted(known.modules - given.keys()) if given else ():
        view.note("modules", f"the part {name!r} is left out of the result.", "Add it unless that is meant.")
    names = {re.sub(r"\d+", "#", name) for name in first.shapes if not BUFFERS.search(name)}
    left = sorted(names - known.tensors)
    if known.tensors and left and len(left) < len(names) / 2 and "expert" not in left[0]:
        view.note(
            "models", f"mergekit's {first.architecture} has no {left[0]}: {len(left)} kinds of tensor go missing.",
            "Look at the answers after merging.",
        )  # fmt: skip


@functools.cache
def _architectures() -> dict[str, Described]:
    found: dict[str, Described] = {}
    for path in mergekit_files("architectures/*.json"):
        data = json.loads(path.read_text("utf-8"))
        lists = [data.get("pre_weights"), data.get("post_weights"), (data.get("layer_templates") or {}).get("weights")]
        names = {
            re.sub(r"\$\{[^}]*\}|\d+", "#", name)
            for one in (one for entries in lists for one in entries or [])
            for name in (one["name"], *(one.get("aliases") or ()))
        }
        for architecture in data.get("architectures") or []:
            known = found.setdefault(architecture, Described())
            known.tensors |= names
            known.modules |= set(data.get("modules") or ["default"])
    return found
