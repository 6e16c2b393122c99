"""Invitations: links that let somebody choose a name and a password, once; of a link only the hash is kept."""

import hashlib
import secrets
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from workbench.core import lineage
from workbench.core.errors import UserError
from workbench.core.home import Home
from workbench.people.accounts import (
    HUB_ACCOUNTS,
    INVITATIONS,
    PEOPLE,
    Person,
    find_person,
    insert_person,
    set_password,
)
from workbench.people.passwords import hash_password
from workbench.people.people_log import NOBODY, SERVER, record
from workbench.people.roles import Role, parse_role
from workbench.preferences import store

HOURS = 72.0
_LONGEST_TOKEN_CHARACTERS = 100


@dataclass(frozen=True)
class Invitation:
    """What a link is good for: an account of this role, or, with a name, a new password of that person."""

    role: Role
    name: str
    invited_by: str


class InvitationRefused(UserError):
    """The link is unknown, was used, ran out, or its person was disabled."""


def invite(home: Home, role: str, actor: str, hours: float = HOURS) -> str:
    """The token of a new link that makes an account of this role once; raises `UserError` for an odd role."""
    wanted = parse_role(role)
    with store.writing(home) as db:
        token = _insert(db, wanted, None, actor, hours)
        record(db, actor, "invited", str(wanted))
    return token


def invite_first_owner(home: Home, actor: str = SERVER) -> str:
    """The token that makes the first owner, for whom `actor` asked; those made before and used by nobody are void."""
    with store.writing(home) as db:
        unused = (INVITATIONS.c.created_by == SERVER) & (INVITATIONS.c.used == "")
        db.execute(INVITATIONS.update().where(unused).values(used=lineage.now()))
        token = _insert(db, Role.OWNER, None, SERVER, HOURS)
        record(db, actor, "invited", "the first owner")
    return token


def reset_person(home: Home, name: str, actor: str, hours: float = HOURS) -> str:
    """The token of a link by which a person chooses a new password; the old one and all logins end now.

    A Hugging Face account of theirs logs nobody in any more, until one is bound by the link. Earlier links of theirs
    are void. The only owner keeps the right to come back by this link.
    """
    with store.writing(home) as db:
        row = find_person(db, name, lock=True)
        mine = (INVITATIONS.c.person_id == row.id) & (INVITATIONS.c.used == "")
        db.execute(INVITATIONS.update().where(mine).values(used=lineage.now()))
        db.execute(PEOPLE.update().where(PEOPLE.c.id == row.id).values(password_hash="", logins=row.logins + 1))
        db.execute(HUB_ACCOUNTS.delete().where(HUB_ACCOUNTS.c.person_id == row.id))
        token = _insert(db, Role(row.role), row.id, actor, hours)
        record(db, actor, "password reset", row.name)
    return token


def read_invitation(home: Home, token: str) -> Invitation:
    """What the link is good for; raises `InvitationRefused`."""
    with store.reading(home) as db:
        row = _usable(db, token)
        person = _owner_of(db, row)
    return Invitation(Role(person.role if person else row.role), person.name if person else "", row.created_by)


def accept_invitation(home: Home, token: str, name: str, password: str) -> Person:
    """Uses the link up: the new account, or the person with the new password. Raises `InvitationRefused`, and
    `UserError` for a name or password that cannot be taken, after which the link can still be used."""
    read_invitation(home, token)  # before a password is hashed, which takes a while
    password_hash = hash_password(password)
    with store.writing(home) as db:
        invitation, person_id = use_invitation(db, token)
        if person_id is not None:
            person = set_password(db, person_id, password_hash)
            record(db, person.name, "chose a password")
        else:
            person = insert_person(db, name, invitation.role, password_hash)
            record(db, person.name, "joined", f"as {person.role}, invited by {invitation.invited_by}")
        return person


def use_invitation(db: sa.Connection, token: str) -> tuple[Invitation, int | None]:
    """Uses a link up within a transaction: what it was good for, and the id of the person it belongs to, None where it
    makes an account. Raises `InvitationRefused`."""
    row = _usable(db, token, lock=True)
    used = INVITATIONS.update().where(INVITATIONS.c.id == row.id, INVITATIONS.c.used == "")
    if db.execute(used.values(used=lineage.now())).rowcount != 1:
        raise _refused()
    person = _owner_of(db, row)
    invitation = Invitation(Role(person.role if person else row.role), person.name if person else "", row.created_by)
    return invitation, person.id if person else None


def record_refusal(home: Home) -> None:
    """Records that a link was tried that is good for nothing."""
    with store.writing(home) as db:
        record(db, NOBODY, "invitation refused")


def _insert(db: sa.Connection, role: Role, person_id: int | None, actor: str, hours: float) -> str:
    token = secrets.token_urlsafe(32)
    values = {"token_hash": _hash(token), "role": role.value, "person_id": person_id, "used": "", "created_by": actor}
    expires = store.clock() + hours * 3600
    db.execute(INVITATIONS.insert().values(**values, expires=expires, created=lineage.now()))
    return token


def _hash(token: str) -> str:
    return hashlib.sha256(f"invitation {token[:_LONGEST_TOKEN_CHARACTERS]}".encode()).hexdigest()


def _usable(db: sa.Connection, token: str, lock: bool = False) -> Any:
    query = sa.select(INVITATIONS).where(INVITATIONS.c.token_hash == _hash(token))
    row = db.execute(query.with_for_update() if lock else query).one_or_none()
    if row is None or row.used or row.expires < store.clock():
        raise _refused()
    return row


def _owner_of(db: sa.Connection, row: Any) -> Any:
    """The person the link belongs to, None where it makes a new one; raises `InvitationRefused` for a disabled one."""
    if row.person_id is None:
        return None
    person = db.execute(sa.select(PEOPLE).where(PEOPLE.c.id == row.person_id)).one()
    if person.disabled:
        raise _refused()
    return person


def _refused() -> InvitationRefused:
    return InvitationRefused(
        "This link was used already, has run out, or is none of ours.", "Ask whoever sent it for a new one.", "link"
    )
