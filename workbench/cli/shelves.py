"""Commands for what lies on the shelves: list, import, delete, look at a row."""

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Literal

from workbench.cli.shared import Invoked, SplitName, choice, emit, families, option, show
from workbench.core.errors import UserError
from workbench.core.home import Home
from workbench.core.notes import UserNotes, check_tag
from workbench.core.paths import read_text_file
from workbench.core.settings import Settings
from workbench.core.units import human_size
from workbench.jobs.queue import Queue
from workbench.rendering.templates import TEMPLATE_NAMES

if TYPE_CHECKING:
    from workbench.preferences.sessions import SessionInfo


Row = tuple[object, ...]
Listing = tuple[list[str], list[Row]]
"""Columns, the first of which names the thing, and rows."""


def models_listing(home: Home) -> Listing:
    """The models of the shelf."""
    from workbench.models import shelf

    columns = ["name", "kind", "family", "base", "architecture", "parameters", "dtype", "size", "parents"]
    rows: list[Row] = [
        (
            i.name,
            i.error or i.kind,
            i.family.label if i.family else "",
            i.base,
            i.architecture,
            i.parameters,
            i.dtype,
            human_size(i.size),
            ",".join(i.parents),
        )
        for i in shelf.list_models(home)
    ]
    return columns, rows


def datasets_listing(home: Home) -> Listing:
    """The datasets of the shelf."""
    from workbench.data.store import datasets

    rows: list[Row] = []
    for manifest in datasets.list_datasets(home):
        counts = manifest.info.get("rows", {})
        kind = manifest.info.get("error") or manifest.info.get("kind")
        rows.append(
            (manifest.name, kind, counts.get("train", 0), counts.get("eval", 0), manifest.info.get("rejected", 0))
        )
    return ["name", "kind", "train", "eval", "rejected"], rows


def jobs_listing(home: Home) -> Listing:
    """The jobs, oldest first."""
    rows: list[Row] = [(row.id, row.status, row.label, row.text or row.error) for row in Queue(home).all()]
    return ["id", "status", "job", "last"], rows


def sessions_listing(home: Home) -> Listing:
    """The labelling sessions."""
    from workbench.preferences.sessions import list_sessions as sessions

    rows: list[Row] = [
        (s.name, ", ".join(s.models) if s.closed else str(len(s.models)), s.usable, s.votes, *_states(s))
        for s in sessions(home)
    ]
    return ["name", "models", "pairs", "votes", "complete", "state"], rows


def _states(session: "SessionInfo") -> tuple[str, str]:
    """Whether all answers are in, and whether votes are still taken; an open session's models are not named."""
    return "yes" if session.complete else "no", session.state


def backups_listing(home: Home) -> Listing:
    """The backups kept in the home, newest first; those that `backup FILE` wrote elsewhere are not known here."""
    from workbench.backup.kept_backups import backup_folder, list_backups

    rows: list[Row] = [(one.name, human_size(one.size), one.created) for one in list_backups(home)]
    return ["name", "size", "made", "folder"], [(*row, str(backup_folder(home))) for row in rows]


def methods_listing(_home: Home) -> Listing:
    """Every method of every family, with why it cannot run here where it cannot."""
    rows: list[Row] = [
        (family, method.method, method.unavailable() or method.summary())
        for family, registry in families().items()
        for method in registry
    ]
    return ["family", "method", "what it does"], rows


LISTS: dict[str, Callable[[Home], Listing]] = {
    "models": models_listing,
    "datasets": datasets_listing,
    "jobs": jobs_listing,
    "sessions": sessions_listing,
    "backups": backups_listing,
    "methods": methods_listing,
}


def list_shelf(
    what: Annotated[str, choice("of what", tuple(LISTS))],
    /,
    *,
    tag: Annotated[str, option("only what has this tag", "TAG")] = "",
    invoked: Invoked,
) -> None:
    """What is on a shelf with its tags, as a table."""
    columns, rows = LISTS[what](invoked.home)
    if what in ("methods", "backups"):
        if tag:
            raise UserError(f"{what.capitalize()} have no tags.", "List models, datasets, jobs or sessions.", "--tag")
    else:
        from workbench.inventory.item_notes import notes_by_name

        notes, wanted = notes_by_name(invoked.home, what.removesuffix("s")), check_tag(tag) if tag else ""
        columns = [*columns, "tags"]
        rows = [(*row, " ".join(_tags(notes, row))) for row in rows if not wanted or wanted in _tags(notes, row)]
    emit(invoked, columns, rows)


def _tags(notes: Mapping[str, UserNotes], row: Row) -> tuple[str, ...]:
    own = notes.get(str(row[0]))
    return own.tags if own else ()


def tokens(
    dataset: Annotated[str, option("the dataset")],
    /,
    *,
    model: Annotated[str, option("the model that is to learn it")],
    row: Annotated[int, option("which row, counted from 1")] = 1,
    split: SplitName = "train",
    template: Annotated[str, choice("which chat template", TEMPLATE_NAMES)] = "model",
    template_file: Annotated[str, option("a Jinja chat template of your own, in place of --template")] = "",
    max_length: Annotated[int, option("tokens of a row at most")] = 512,
    train_on: Annotated[Literal["assistant", "all"], option("what is learned")] = "assistant",
    invoked: Invoked,
) -> None:
    """One row as the model sees it: on a screen in colours, in a pipe with what is trained on between ⟦ and ⟧."""
    from workbench.cli.tokens import print_seen
    from workbench.data.encoding.token_view import row_token_view

    text = read_text_file(template_file, "--template-file") if template_file else ""
    view = row_token_view(
        invoked.home, dataset, model, split=split, row=row, template="custom" if text else template,
        max_length=max_length, train_on=train_on, text=text,
    )  # fmt: skip
    if invoked.json:
        print(json.dumps(view, ensure_ascii=False))
        return
    for side in view["sides"] or [view]:
        print_seen(side)


def delete(what: Literal["model", "dataset", "session"], name: str, /, *, invoked: Invoked) -> None:
    """Puts a model, dataset or session into the bin, from which `bin restore` takes it back."""
    from workbench.data.store.datasets import delete_dataset
    from workbench.inventory.verdicts import refuse_needed
    from workbench.models.shelf import delete_model
    from workbench.preferences.session_copies import delete_session

    if what != "session":
        refuse_needed(invoked.home, Queue(invoked.home), what, name)
    {"model": delete_model, "dataset": delete_dataset, "session": delete_session}[what](invoked.home, name)
    days = Settings.current().bin_days
    show(invoked, {"deleted": what, "name": name}, f"{name} is in the bin; `bin restore {name}` within {days:g} days.")
