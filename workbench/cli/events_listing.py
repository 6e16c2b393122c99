"""The command for the record of a home: who changed what and when."""

import json
from dataclasses import asdict
from typing import Annotated, Literal

from workbench.cli.shared import Invoked, emit, option
from workbench.people.record import (
    ChangeFilter,
    all_changes,
    changes_as_csv,
    changes_as_jsonl,
    described_facts,
    described_object,
)

SHOWN_EVENTS = 50


def events(
    *,
    person: Annotated[str, option("only by this person", "NAME")] = "",
    kind: Annotated[str, option("only of this kind, such as deleted", "KIND")] = "",
    object_: Annotated[str, option("only done to this: model, 'dataset talks', or a part of a name", "WHAT")] = "",
    since: Annotated[str, option("not before this time: 2026-11-30, or 2026-11-30T08:15 in UTC", "TIME")] = "",
    all_: Annotated[bool, option(f"every event, not only the latest {SHOWN_EVENTS}")] = False,
    file_format: Annotated[Literal["table", "jsonl", "csv"], option("how to write them; jsonl and csv have all")] = (
        "table"
    ),
    invoked: Invoked,
) -> None:
    """Who changed what and when, newest first; never what somebody voted."""
    found = all_changes(invoked.home, ChangeFilter(person, kind, object_, since))
    if file_format == "csv":
        print(changes_as_csv(found), end="")
    elif file_format == "jsonl":
        print(changes_as_jsonl(found), end="")
    elif invoked.json:
        print(json.dumps([asdict(change) for change in found], ensure_ascii=False))
    else:
        shown = found if all_ else found[:SHOWN_EVENTS]
        rows = [
            (change.time[:19], change.person, change.kind, described_object(change), described_facts(change))
            for change in shown
        ]
        emit(invoked, ["time (UTC)", "person", "event", "what", "facts"], rows)
        if len(shown) < len(found):
            print(f"and {len(found) - len(shown):,} older ones: --all shows them.")
