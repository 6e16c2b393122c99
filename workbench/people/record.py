"""The whole record of a home: changes of models, datasets, jobs, sessions and settings, and what happened to accounts.

What somebody voted is no part of it: of a vote it says who began to vote in which session, and nothing else.
"""

import csv
import datetime
import io
import json
import logging
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, fields

import sqlalchemy as sa

from workbench.core.change_log import COMMAND_LINE, ChangeEvent, read_changes
from workbench.core.errors import UserError
from workbench.core.home import Home
from workbench.people.people_log import PeopleEvent, people_events
from workbench.preferences import store, tables

log = logging.getLogger(__name__)

OWN_ACCOUNT = frozenset({"logged in", "logged out", "joined", "chose a password"})
"""Events in which people do something to their own account."""
NAMED_ACCOUNT = frozenset({"login refused", "password reset", "disabled", "enabled"})
"""Events whose subject is the name of an account, and nothing more."""
COLUMNS = (*(column.name for column in fields(ChangeEvent) if column.name != "facts"), "facts")


@dataclass(frozen=True)
class ChangeFilter:
    """Which events are wanted: those by this person, of this kind, done to this ('model', or 'model NAME' or a part of
    it), not before this time (ISO 8601, a date will do). What is '' asks for nothing; case makes no difference."""

    person: str = ""
    kind: str = ""
    object: str = ""
    since: str = ""

    def __post_init__(self) -> None:
        if self.since:
            _moment(self.since)

    def holds(self, change: ChangeEvent) -> bool:
        """Whether the event is wanted."""
        if self.person and not _is_person(change.person, self.person.strip().casefold()):
            return False
        if self.kind and change.kind.casefold() != self.kind.strip().casefold():
            return False
        if self.object and self.object.strip().casefold() not in described_object(change).casefold():
            return False
        return not self.since or _moment(change.time) >= _moment(self.since)


EVERYTHING = ChangeFilter()


def described_object(change: ChangeEvent) -> str:
    """What was changed, as it is shown: 'model smollm2'."""
    return f"{change.object_kind} {change.object_name}".strip()


def described_facts(change: ChangeEvent) -> str:
    """The facts in a line: 'job: train, label: …'."""
    return ", ".join(f"{name}: {value}" for name, value in change.facts.items())


def all_changes(home: Home, wanted: ChangeFilter = EVERYTHING) -> list[ChangeEvent]:
    """The events that are wanted, newest first.

    A label database that cannot be read leaves out what happened to accounts, which the log says. Raises `UserError`
    for a file that cannot be read.
    """
    try:
        changes = read_changes(home.root)
    except OSError as error:
        raise UserError(f"The record cannot be read: {error.strerror}.", "Check its owner.", "events") from None
    try:
        changes += [*map(_of_account, people_events(home)), *_first_votes(home)]
    except UserError as error:
        log.warning("what happened to accounts is left out of the record: %s", error)
    found = [change for change in changes if wanted.holds(change)]
    return sorted(found, key=lambda change: change.time)[::-1]  # all in UTC: their texts are in order


def changes_as_jsonl(changes: Iterable[ChangeEvent]) -> str:
    """One JSON object a line, with the facts as a mapping."""
    return "".join(f"{json.dumps(asdict(change), ensure_ascii=False)}\n" for change in changes)


def changes_as_csv(changes: Iterable[ChangeEvent]) -> str:
    """A table with a heading; no cell is one that a spreadsheet takes for a formula."""
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow(COLUMNS)
    for change in changes:
        entry = asdict(change)
        writer.writerow([_plain_cell(entry[name]) for name in COLUMNS])
    return file.getvalue()


def _plain_cell(value: object) -> str:
    """A cell as text: names are what people wrote."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False) if value else ""
    return f"'{text}" if text[:1] in tuple("=+-@\t\r") else text


def _of_account(event: PeopleEvent) -> ChangeEvent:
    if event.kind in OWN_ACCOUNT:
        facts: dict[str, str | int | float | bool] = {"note": event.subject} if event.subject else {}
        return ChangeEvent(event.created, event.actor, event.kind, "account", event.actor, facts)
    if event.kind in NAMED_ACCOUNT:
        return ChangeEvent(event.created, event.actor, event.kind, "account", event.subject)
    return ChangeEvent(event.created, event.actor, event.kind, "account", "", {"note": event.subject})


def _first_votes(home: Home) -> Iterator[ChangeEvent]:
    """When each person gave a first vote in each session; what it was, is not read."""
    votes, sessions = tables.vote_events, tables.sessions
    query = (
        sa.select(sessions.c.name, votes.c.annotator, sa.func.min(votes.c.created).label("first"))
        .join(sessions, sessions.c.id == votes.c.session_id)
        .group_by(sessions.c.name, votes.c.annotator)
    )
    with store.reading(home) as db:
        rows = db.execute(query).all()
    for row in rows:
        yield ChangeEvent(row.first, row.annotator, "began to vote", "session", row.name)


def _is_person(person: str, wanted: str) -> bool:
    """Whether this is who is asked for, whatever the case; 'the command line' are all who used it."""
    return person.casefold() == wanted or (wanted == COMMAND_LINE and person.startswith(f"{COMMAND_LINE} ("))


def _moment(text: str) -> datetime.datetime:
    try:
        moment = datetime.datetime.fromisoformat(text)
    except ValueError:
        raise UserError(f"{text!r} is no time.", "Write it like 2026-11-30 or 2026-11-30T08:15.", "since") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=datetime.UTC)
