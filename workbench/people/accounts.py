"""The people who may log in: their names, roles and passwords, and which logins of theirs still hold."""

import unicodedata
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from workbench.core import lineage
from workbench.core.change_log import record_change, stands_for_no_account
from workbench.core.errors import UserError
from workbench.core.home import Home
from workbench.people.passwords import is_password
from workbench.people.people_log import NOBODY, record
from workbench.people.roles import Role, parse_role
from workbench.preferences import store, tables
from workbench.preferences.blinding import checked_name

PEOPLE, INVITATIONS, HUB_ACCOUNTS = tables.people, tables.invitations, tables.hub_accounts
WITH_HUB_NAMES = sa.select(PEOPLE, HUB_ACCOUNTS.c.hub_name).select_from(PEOPLE.outerjoin(HUB_ACCOUNTS))
_BY_ID = WITH_HUB_NAMES.where(PEOPLE.c.id == sa.bindparam("of_person"))
"""Made once: every call asks whose it is."""
SWITCH_FILE = "accounts.on"


@dataclass(frozen=True)
class Person:
    """Somebody with an account. has_password: False until they chose one. logins: counts up when all logins end.
    hub_name: that of the Hugging Face account they log in with, "" where they have none here.
    """

    id: int
    name: str
    role: Role
    has_password: bool
    disabled: bool
    logins: int
    created: str
    hub_name: str = ""

    @property
    def can_log_in(self) -> bool:
        """Whether there is something they log in with, and they may."""
        return not self.disabled and (self.has_password or bool(self.hub_name))

    @property
    def state(self) -> str:
        """What of the account is to be known, in a word."""
        return "disabled" if self.disabled else "active" if self.can_log_in else "invited"


class NameTaken(UserError):
    """A name that somebody else has, gave votes under, or that the record uses for nobody's account."""


def accounts_are_on(home: Home) -> bool:
    """Whether people of this home log in with accounts. A file says so, not the database: a home whose database was
    lost must not open to everybody."""
    return (home.root / SWITCH_FILE).exists()


def switch_accounts_on(home: Home) -> None:
    """From the next start of the server on people log in with accounts."""
    new = not accounts_are_on(home)
    (home.root / SWITCH_FILE).touch(mode=0o600)
    if new:
        record_change(home.root, "switched on", "setting", "accounts")


def list_people(home: Home) -> list[Person]:
    """Everybody with an account, in the order they came."""
    with store.reading(home) as db:
        return [person_of(row) for row in db.execute(WITH_HUB_NAMES.order_by(PEOPLE.c.id)).all()]


def unproved_names(home: Home) -> dict[str, int]:
    """{name: votes, skips and undos} of names that were typed and are nobody's account: who they were is not proved."""
    events = tables.vote_events
    query = sa.select(events.c.annotator, sa.func.count()).group_by(events.c.annotator).order_by(events.c.annotator)
    with store.reading(home) as db:
        proved = set(db.scalars(sa.select(PEOPLE.c.name_key)))
        return {name: count for name, count in db.execute(query).all() if name_key(name) not in proved}


def get_person(home: Home, name: str) -> Person:
    """The person of that name, whatever its case; raises `UserError` when there is none."""
    with store.reading(home) as db:
        return person_of(find_person(db, name))


def person_of_login(home: Home, person_id: int, logins: int) -> Person | None:
    """Who this login belongs to; None when it was ended since, as the account was disabled or reset."""
    with store.reading(home) as db:
        row = db.execute(_BY_ID, {"of_person": person_id}).one_or_none()
    person = person_of(row) if row is not None and row.logins == logins else None
    return person if person and person.can_log_in else None


def has_owner(home: Home) -> bool:
    """Whether an owner can log in."""
    with store.reading(home) as db:
        return bool(_active_owners(db))


def check_password(home: Home, name: str, password: str) -> Person | None:
    """Who logs in with this name and password, None for nobody; takes as long either way. It is recorded."""
    with store.reading(home) as db:
        row = db.execute(WITH_HUB_NAMES.where(PEOPLE.c.name_key == name_key(name))).one_or_none()
    matches = is_password(row.password_hash if row else "", password)
    with store.writing(home) as db:
        if row is not None and matches and not row.disabled:
            record(db, row.name, "logged in")
            return person_of(row)
        # of the name only that of an account: in its field somebody may have typed a password
        record(db, NOBODY, "login refused", row.name if row else "")
    return None


def add_person(home: Home, name: str, role: str, actor: str) -> Person:
    """A new account without a password. Raises `UserError` when the name is taken, or was typed with votes before."""
    with store.writing(home) as db:
        person = insert_person(db, name, parse_role(role), "")
        record(db, actor, "added", f"{person.name} as {person.role}")
        return person


def insert_person(db: sa.Connection, name: str, role: Role, password_hash: str) -> Person:
    """Makes an account within a transaction; raises `NameTaken`, and `UserError` for what is no name."""
    name = unicodedata.normalize("NFKC", checked_name(name))
    key = name_key(name)
    if stands_for_no_account(key):
        raise NameTaken(
            f"{name!r} stands in the record for somebody without an account.", "Choose another name.", "name"
        )
    taken = NameTaken(f"{name!r} has an account already.", "Choose another name.", "name")
    if db.execute(sa.select(PEOPLE.c.id).where(PEOPLE.c.name_key == key)).first():
        raise taken
    typed = db.scalars(sa.select(tables.vote_events.c.annotator).distinct())
    if key in map(name_key, typed):
        raise NameTaken(
            f"Votes were given under the name {name!r} before there were accounts, and whose they are is not proved.",
            "Choose another name, so that they are not taken for yours.",
            "name",
        )
    values = {"name": name, "name_key": key, "role": role.value, "password_hash": password_hash, "disabled": False}
    store.insert_unique(db, PEOPLE.insert().values(**values, logins=0, created=lineage.now()), taken)
    return person_of(find_person(db, name))


def change_role(home: Home, name: str, role: str, actor: str) -> Person:
    """Gives a person another role, which holds for their next request; raises `UserError` for the last owner."""
    wanted = parse_role(role)
    with store.writing(home) as db:
        person = _locked(db, name)
        if person.role is wanted:
            return person
        _update(db, person, role=wanted.value)
        _keep_an_owner(db, person)
        record(db, actor, "role changed", f"{person.name} from {person.role} to {wanted}")
        return person_of(find_person(db, name))


def disable_person(home: Home, name: str, actor: str) -> Person:
    """Ends all logins of a person for good and lets no new one begin; links they sent are void.

    Raises `UserError` for the last owner.
    """
    with store.writing(home) as db:
        person = _locked(db, name)
        if not person.disabled:
            _update(db, person, disabled=True, logins=person.logins + 1)
            _keep_an_owner(db, person)
            theirs = (INVITATIONS.c.created_by == person.name) & (INVITATIONS.c.used == "")
            db.execute(INVITATIONS.update().where(theirs).values(used=lineage.now()))
            record(db, actor, "disabled", person.name)
        return person_of(find_person(db, name))


def enable_person(home: Home, name: str, actor: str) -> Person:
    """Lets a person log in again, with the password they had."""
    with store.writing(home) as db:
        person = person_of(find_person(db, name, lock=True))
        if person.disabled:
            _update(db, person, disabled=False)
            record(db, actor, "enabled", person.name)
        return person_of(find_person(db, name))


def set_password(db: sa.Connection, person_id: int, password_hash: str) -> Person:
    """A new password, within a transaction; all logins with the old one end."""
    row = db.execute(WITH_HUB_NAMES.where(PEOPLE.c.id == person_id)).one()
    _update(db, person_of(row), password_hash=password_hash, logins=row.logins + 1)
    return person_of(find_person(db, row.name))


def find_person(db: sa.Connection, name: str, lock: bool = False) -> Any:
    """The row of that name; `lock` keeps other writers from it on PostgreSQL. Raises `UserError` when there is none."""
    query = WITH_HUB_NAMES.where(PEOPLE.c.name_key == name_key(name))
    row = db.execute(query.with_for_update(of=PEOPLE) if lock else query).one_or_none()
    if row is None:
        raise UserError(f"{str(name)[:80]!r} has no account.", "`users list` shows who has one.", "name")
    return row


def _locked(db: sa.Connection, name: str) -> Person:
    """The person, kept from other writers together with all owners: two who are taken away at once may be the last.

    The owners are locked first and in one order, so that two such changes wait for each other in turn.
    """
    _active_owners(db)
    return person_of(find_person(db, name, lock=True))


def name_key(name: str) -> str:
    """What two spellings of one name have in common."""
    return unicodedata.normalize("NFKC", " ".join(str(name).split())).casefold()


def _update(db: sa.Connection, person: Person, **values: Any) -> None:
    db.execute(PEOPLE.update().where(PEOPLE.c.id == person.id).values(**values))


def _active_owners(db: sa.Connection) -> list[Any]:
    by_hub = PEOPLE.c.id.in_(sa.select(HUB_ACCOUNTS.c.person_id))
    active = (PEOPLE.c.role == Role.OWNER.value) & ~PEOPLE.c.disabled & ((PEOPLE.c.password_hash != "") | by_hub)
    return list(db.execute(sa.select(PEOPLE.c.id).where(active).order_by(PEOPLE.c.id).with_for_update()).all())


def _keep_an_owner(db: sa.Connection, changed: Person) -> None:
    """Raises `UserError`, which undoes the change, when nobody is left who could undo it."""
    if changed.role is Role.OWNER and changed.state == "active" and not _active_owners(db):
        raise UserError(f"{changed.name} is the only owner.", "Make somebody else an owner first.", "name")


def person_of(row: Any) -> Person:
    """The person of a row of `WITH_HUB_NAMES`."""
    return Person(
        row.id, row.name, Role(row.role), bool(row.password_hash), bool(row.disabled), row.logins, row.created,
        row.hub_name or "",
    )  # fmt: skip
