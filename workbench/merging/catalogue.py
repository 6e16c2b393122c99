"""What merge methods there are and what each takes, known without importing torch.

mergekit's methods describe themselves; `python -m workbench.merging.catalogue` writes that down in
assets/merging/mergekit.json (a test holds it against the installed version). assets/merging/notes.yaml adds what they
do not say: a sentence, bounds and help for each parameter. Methods of our own are read from their files.
"""

import functools
import importlib.metadata
import json
import logging
import sys
from typing import Any

from workbench.core.assets import ASSETS
from workbench.core.child_process import ChildFailed, run_child
from workbench.core.errors import SEE_LOG, UserError, suggestion
from workbench.core.reference import Reference
from workbench.core.spec import load_yaml
from workbench.merging.method import METHODS
from workbench.merging.parameters import MethodInfo, Parameter

log = logging.getLogger(__name__)

LISTING = ASSETS / "merging" / "mergekit.json"
LISTING_SECONDS = 600  # torch takes some to be imported


class MergeMethodRef(Reference):
    """Marks a setting that names a merge method: `Annotated[str, MergeMethodRef()]`."""

    shelf = "merge methods"

    def accepted(self) -> str:
        return "a merge method"


@functools.cache
def methods() -> dict[str, MethodInfo]:
    """Every method by name: mergekit's, and our own over them."""
    infos = {info.name: info for info in map(_noted, _listing()["methods"])}
    for own in METHODS:
        infos[own.method] = own.info("fast" if own.method in infos else "own")
    return dict(sorted(infos.items()))


def method(name: str) -> MethodInfo:
    """The method of that name; raises `UserError` with the nearest names."""
    if name not in methods():
        raise UserError(f"There is no merge method {name!r}.", suggestion(name, list(methods())), "merge_method")
    return methods()[name]


def _listing() -> dict[str, Any]:
    """mergekit's methods as listed for the installed version; asks it in a process of its own if that is another."""
    listing = json.loads(LISTING.read_text("utf-8"))
    if listing["mergekit"] == importlib.metadata.version("mergekit"):
        return dict(listing)
    command = [sys.executable, "-m", "workbench.merging.catalogue", "-"]
    try:
        return dict(json.loads(run_child(command, seconds=LISTING_SECONDS).data))
    except ChildFailed as error:
        log.error("mergekit says:\n%s", error.errors)
        raise UserError(f"The process that lists mergekit's methods {error}.", SEE_LOG) from None


@functools.cache
def _notes() -> dict[str, Any]:
    return dict(load_yaml((ASSETS / "merging" / "notes.yaml").read_text("utf-8")))


def _noted(listed: dict[str, Any]) -> MethodInfo:
    """A listed method with the sentences and bounds of the notes; one without notes still works."""
    notes = _notes()
    about = notes["methods"].get(listed["name"], {})
    parameters = []
    for parameter in listed["parameters"]:
        remarks = {
            **notes["parameters"].get(parameter["name"], {}),
            **about.get("parameters", {}).get(parameter["name"], {}),
        }
        label = parameter["name"].replace("_", " ").capitalize()
        parameters.append(Parameter(**{"label": label, **parameter, **remarks}))
    summary = about.get("summary", f"{listed['title']}, by mergekit.")
    overrides = {key: about[key] for key in ("url", "title") if key in about}
    return MethodInfo(**{**listed, **overrides, "summary": summary, "parameters": tuple(parameters)})


def ask_mergekit() -> dict[str, Any]:
    """The listing, from the installed mergekit (imports torch)."""
    from mergekit.merge_methods import registered_methods

    methods = [_described(method.spec) for method in sorted(registered_methods(), key=lambda method: method.spec.name)]
    return {"mergekit": importlib.metadata.version("mergekit"), "methods": methods}


def _described(spec: Any) -> dict[str, Any]:
    contract = spec.contract
    return {
        "name": spec.name,
        "title": spec.pretty_name or spec.name,
        "url": spec.reference_url or "",
        "base": contract.base.value,
        "least": contract.min_inputs,
        "most": contract.max_inputs,
        "least_others": contract.min_non_base,
        "most_others": contract.max_non_base,
        "parameters": [
            {
                "name": parameter.name,
                "kind": next(kind for kind in ("bool", "int", "float") if kind in str(parameter.value_type)),
                "scope": parameter.scope.value,
                "required": parameter.required,
                "default": None if parameter.required else parameter.default,
            }
            for parameter in spec.parameters
        ],
    }


if __name__ == "__main__":
    text = json.dumps(ask_mergekit(), indent=1) + "\n"
    if sys.argv[1:] == ["-"]:
        sys.stdout.write(text)
    else:
        LISTING.write_text(text, "utf-8")
