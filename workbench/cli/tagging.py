"""Commands for what people say of things: tags, notes, and the search that finds by them."""

from typing import Annotated, Literal

from cyclopts import Parameter

from workbench.cli.shared import Invoked, emit, option, show
from workbench.core.errors import UserError
from workbench.core.notes import UserNotes, changed_tags
from workbench.core.paths import read_text_file

Kind = Literal["model", "dataset", "job", "session"]
Name = Annotated[str, option("its name; of a job the id")]


def tag(
    kind: Kind,
    name: Name,
    /,
    *changes: Annotated[
        str, Parameter(help="+TAG to add, -TAG to take away; nothing to see them", allow_leading_hyphen=True)
    ],
    invoked: Invoked,
) -> None:
    """Adds tags (+word) and takes some away (-word); prints those it has then."""
    from workbench.inventory.item_notes import change_notes, notes_of

    for change in changes:
        if change[:1] not in "+-" or len(change) < 2:
            raise UserError(f"{change!r} is no change.", "Write +TAG to add a tag, -TAG to take one away.", "tags")
    add, remove = ([change[1:] for change in changes if change.startswith(sign)] for sign in "+-")
    notes = notes_of(invoked.home, kind, name)
    if changes:
        notes = change_notes(
            invoked.home, kind, name, lambda now: UserNotes(changed_tags(now.tags, add, remove), now.note, now.error)
        )
    _show(invoked, kind, name, notes, " ".join(notes.tags) or "no tags")


def note(
    kind: Kind,
    name: Name,
    text: Annotated[str | None, option("the note, in Markdown; nothing to see it")] = None,
    /,
    *,
    file: Annotated[str, option("a file with the note, in place of its text", "FILE")] = "",
    clear: Annotated[bool, option("take the note away")] = False,
    invoked: Invoked,
) -> None:
    """Writes a note in place of the one there is, or prints it."""
    from workbench.inventory.item_notes import change_notes, notes_of

    if (text is not None) + bool(file) + clear > 1:
        raise UserError("More than one note is given.", "Give a text, --file or --clear.", "note")
    new = "" if clear else read_text_file(file, "--file") if file else text
    if new is None:
        notes = notes_of(invoked.home, kind, name)
    else:
        notes = change_notes(invoked.home, kind, name, lambda now: UserNotes(now.tags, new))
    _show(invoked, kind, name, notes, notes.note or "no note")


def _show(invoked: Invoked, kind: str, name: str, notes: UserNotes, text: str) -> None:
    if notes.error:
        raise UserError(notes.error, "A new tag or note is written in its place.")
    show(invoked, {"kind": kind, "name": name, "tags": list(notes.tags), "note": notes.note}, text)


def search(
    *words: Annotated[str, option("words that all have to be in it; '#word' is exactly that tag")], invoked: Invoked
) -> None:
    """Finds models, datasets, jobs and sessions by their names, tags, notes, kinds and what they were made from."""
    from workbench.inventory.search import search_items
    from workbench.inventory.shelf_items import list_items

    if not any(word.strip() for word in words):
        raise UserError("No words are given.", "Give one or more: `search smollm2 dpo`, `search '#keep'`.", "words")
    matches = search_items(list_items(invoked.home), " ".join(words))
    rows = [
        (match.item.kind, match.item.key, match.item.about, " ".join(match.item.notes.tags), match.snippet)
        for ranked in matches.values()
        for match in ranked
    ]
    if not rows and not invoked.json:
        print("Nothing has all these words. Use fewer, or `list models` to see what there is.")
        return
    emit(invoked, ["kind", "name", "about", "tags", "note"], rows)
