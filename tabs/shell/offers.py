"""What can be chosen for a setting that names something: read off its schema, made once a change of the shelf."""

from collections.abc import Callable, Mapping
from typing import Any

from tabs.shell.shelves import Shelves
from workbench.core.lineage import Manifest
from workbench.jobs.listing import JobRow
from workbench.merging import catalogue
from workbench.models.model_names import ENDPOINT, ModelName
from workbench.models.shelf import ModelInfo
from workbench.preferences.session_notes import SessionOverview
from workbench.preferences.sessions import ARCHIVED

Choice = tuple[str, ...]
"""(label, value), or (label, value, kind) where other settings depend on the kind."""
Ref = Mapping[str, Any]
"""What a `Reference` says of itself in a schema."""
Make = Callable[[Ref, Any], list[Any]]
MOST_JOBS = 200
"""Jobs that are offered, the newest; the Jobs tab finds the others."""


def choices_of(shelves: Shelves, ref: Ref) -> list[Choice]:
    """What lies on the shelves of what is taken; raises `KeyError` for a shelf that is not known."""
    look, make = _reader(shelves, ref)
    return shelves.made(("choices", ref["key"]), look, lambda value: make(ref, value))


def pairs_of(shelves: Shelves, ref: Ref) -> list[tuple[str, str]]:
    """The same as (label, value), as dropdowns take them."""
    look, make = _reader(shelves, ref)
    return shelves.made(("pairs", ref["key"]), look, lambda value: [choice[:2] for choice in make(ref, value)])


def _reader(shelves: Shelves, ref: Ref) -> tuple[Callable[[], tuple[int, Any]], Make]:
    readers: dict[str, tuple[Callable[[], tuple[int, Any]], Make]] = {
        "models": (shelves.models.look, _models),
        "datasets": (shelves.datasets.look, _datasets),
        "sessions": (shelves.sessions.look, _sessions),
        "jobs": (shelves.jobs, _jobs),
        "merge methods": (lambda: (1, catalogue.methods()), _merge_methods),
    }
    return readers[ref["shelf"]]


def _sessions(_: Ref, rows: list[SessionOverview]) -> list[Choice]:
    """Those that are not archived."""
    return [(row.name, row.name) for row in rows if row.state != ARCHIVED]


def _models(ref: Ref, infos: list[ModelInfo]) -> list[Choice]:
    """Oldest first; GGUF files with the adapters that were trained on what they were made from behind them."""
    fitting = [info for info in infos if not info.error and info.kind in ref["kinds"]]
    choices: list[Choice] = [(label_of(info), info.name) for info in fitting if info.generates or not ref["text"]]
    if "gguf-adapter" in ref["kinds"]:
        choices += _pairs(infos)
    if "endpoint" in ref["kinds"]:
        choices.append(("the operator's endpoint", ENDPOINT))
    return choices


def _pairs(infos: list[ModelInfo]) -> list[Choice]:
    whole = [info for info in infos if not info.error]
    return [
        (f"{gguf.name} · GGUF {gguf.dtype} with {adapter.name}", str(ModelName(gguf.name, adapter.name)))
        for gguf in whole
        for adapter in whole
        if gguf.kind == "gguf" and adapter.is_adapter and adapter.base in gguf.parents
    ]


def label_of(info: ModelInfo) -> str:
    """A model's name and what kind it is."""
    if info.is_ensemble:
        return f"{info.name} · {info.architecture}"
    if info.kind == "gguf":
        return f"{info.name} · GGUF {info.dtype}"
    return f"{info.name} · adapter of {info.base}" if info.is_adapter else info.name


def _datasets(ref: Ref, manifests: list[Manifest]) -> list[Choice]:
    """In the order of the kinds that are taken, newest first."""
    whole = [manifest for manifest in manifests if "error" not in manifest.info]
    whole.sort(key=lambda manifest: manifest.created, reverse=True)
    choices: list[Choice] = [
        (f"{manifest.name} · {manifest.info['kind']}", manifest.name, str(manifest.info["kind"])) for manifest in whole
    ]
    if not ref["kinds"]:
        return choices
    fitting = [choice for choice in choices if choice[2] in ref["kinds"]]
    return sorted(fitting, key=lambda choice: ref["kinds"].index(choice[2]))


def _jobs(ref: Ref, rows: list[JobRow]) -> list[Choice]:
    """The newest, newest first."""
    fitting = [row for row in reversed(rows) if not ref["kinds"] or row.method in ref["kinds"]]
    return [(f"{row.label} · {row.status}", row.id) for row in fitting[:MOST_JOBS]]


def _merge_methods(_: Ref, methods: dict[str, Any]) -> list[Choice]:
    return [(method.title, name) for name, method in methods.items()]
