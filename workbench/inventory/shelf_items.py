"""Models, datasets, jobs and sessions as items of one list: what a search looks through and a result shows."""

import datetime
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from workbench.core.home import Home
from workbench.core.lineage import Manifest
from workbench.core.notes import NO_NOTES, UserNotes
from workbench.data.store.datasets import list_datasets
from workbench.inventory.item_notes import ItemKind, notes_by_name
from workbench.jobs.listing import JobRow
from workbench.jobs.queue import Queue
from workbench.models.shelf import ModelInfo, list_models
from workbench.preferences.session_notes import SessionOverview, session_overviews

MOST_ANCESTORS = 100

NotesByName = Mapping[str, UserNotes]


@dataclass(frozen=True)
class ShelfItem:
    """One thing of a home. key: the name or id it is opened by. about: what it is, in a few words.

    made_from: the names of what it was made from, up to the base model. words: what else a search finds it by.
    created: ISO 8601.
    """

    kind: ItemKind
    key: str
    title: str
    about: str
    created: str
    notes: UserNotes = NO_NOTES
    made_from: tuple[str, ...] = ()
    words: str = ""


def list_items(home: Home) -> list[ShelfItem]:
    """Everything in a home, kind by kind; raises `UserError` where the label database cannot be read."""
    infos = list_models(home)
    return [
        *model_items(infos, notes_by_name(home, "model")),
        *dataset_items(list_datasets(home), notes_by_name(home, "dataset")),
        *job_items(Queue(home).all(), notes_by_name(home, "job"), infos),
        *session_items(session_overviews(home)),
    ]


def model_items(infos: Sequence[ModelInfo], notes: NotesByName) -> list[ShelfItem]:
    """Models with all they were made from, as far as that is on the shelf."""
    ancestors = model_ancestors(infos)
    return [
        ShelfItem(
            "model", info.name, info.name, "damaged" if info.error else info.described, info.created,
            notes.get(info.name, NO_NOTES), ancestors[info.name],
            f"{info.kind} {info.architecture} {info.dtype} {info.made_by}",
        )
        for info in infos
    ]  # fmt: skip


def model_ancestors(infos: Iterable[ModelInfo]) -> dict[str, tuple[str, ...]]:
    """By name, the names of what each model was made from, the nearest first, up to the base model."""
    parents = {info.name: [name for name in (info.base, *info.parents) if name] for info in infos}
    ancestors = {}
    for name, nearest in parents.items():
        reached = dict.fromkeys(nearest)
        waiting = list(reached)
        while waiting and len(reached) < MOST_ANCESTORS:
            for above in parents.get(waiting.pop(0), ()):
                if above not in reached and above != name:
                    reached[above] = None
                    waiting.append(above)
        ancestors[name] = tuple(reached)
    return ancestors


def dataset_items(manifests: Sequence[Manifest], notes: NotesByName) -> list[ShelfItem]:
    """Datasets with what their rows were taken from."""
    items = []
    for manifest in manifests:
        kind, counts = str(manifest.info.get("kind") or ""), manifest.info.get("rows", {})
        about = "damaged" if "error" in manifest.info else f"{kind}, {sum(counts.values()):,} rows"
        parents = tuple(parent.name for parent in manifest.parents)
        own = notes.get(manifest.name, NO_NOTES)
        items.append(ShelfItem("dataset", manifest.name, manifest.name, about, manifest.created, own, parents))
    return items


def job_items(rows: Sequence[JobRow], notes: NotesByName, infos: Sequence[ModelInfo]) -> list[ShelfItem]:
    """Jobs with what they made and what that was made from."""
    ancestors = model_ancestors(infos)
    items = []
    for row in rows:
        about = f"{row.title}, {row.status}"
        made_from = ancestors.get(row.result, ())
        words = f"{row.method} {row.subject} {row.result} {row.error} {row.id}"
        own = notes.get(row.id, NO_NOTES)
        items.append(ShelfItem("job", row.id, row.label, about, _moment(row.queued_at), own, made_from, words))
    return items


def _moment(seconds: float) -> str:
    """Seconds since the epoch as ISO 8601; '' for what is no time."""
    try:
        return datetime.datetime.fromtimestamp(seconds, datetime.UTC).isoformat(timespec="seconds")
    except (ValueError, OverflowError, OSError):
        return ""


def session_items(overviews: Sequence[SessionOverview]) -> list[ShelfItem]:
    """Sessions with the models that met in those that are closed."""
    return [
        ShelfItem(
            "session", each.name, each.name, each.state, each.created, each.notes,
            each.models, each.prompts_name,
        )
        for each in overviews
    ]  # fmt: skip
