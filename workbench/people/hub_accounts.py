"""Accounts of the Hugging Face hub: which one logs in as whom, and who may join by one without an invitation.

A hub account is known by its id, which stays; its name, which its owner can change, is shown and never decides.
"""

import re
from dataclasses import dataclass

import sqlalchemy as sa

from workbench.core import lineage
from workbench.core.errors import UserError
from workbench.core.home import Home
from workbench.people.accounts import (
    HUB_ACCOUNTS,
    PEOPLE,
    WITH_HUB_NAMES,
    NameTaken,
    Person,
    has_owner,
    insert_person,
    person_of,
)
from workbench.people.invitations import use_invitation
from workbench.people.people_log import NOBODY, record
from workbench.people.people_settings import read_setting, write_setting
from workbench.people.roles import Role, parse_role
from workbench.preferences import store

NOBODY_JOINS = "nobody"
JOINING_SETTING = "hub joining"
_HUB_ID = re.compile(r"[A-Za-z0-9_-]{1,80}")
_HUB_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,94}[A-Za-z0-9_-])?")
MOST_NAMESAKES = 100


@dataclass(frozen=True)
class HubUser:
    """Somebody as the hub knows them. id: stays the same when they take another name."""

    id: str
    name: str


class HubLoginRefused(UserError):
    """A hub account that may not log in here."""


def parse_hub_user(hub_id: object, name: object) -> HubUser:
    """The user the hub names; raises `UserError` for what cannot be one, such as a name with markup in it."""
    if not (isinstance(hub_id, str) and _HUB_ID.fullmatch(hub_id)):
        raise UserError("The hub sent no id of an account.", "Try again later.", "hub account")
    if not (isinstance(name, str) and _HUB_NAME.fullmatch(name)):
        raise UserError("The hub sent a name that no account of it can have.", "Try again later.", "hub account")
    return HubUser(hub_id, name)


def log_in_hub_user(home: Home, user: HubUser, token: str = "", may_own: bool = False) -> Person:
    """Who logs in with this hub account, after the hub has proved it.

    The person it is bound to; else the one `token`, an invitation, makes or belongs to; else a new owner where
    `may_own`, or a new person of the role owners opened the joining for. Raises `HubLoginRefused`,
    `InvitationRefused`. All of it is recorded.
    """
    try:
        return _logged_in(home, user, token, may_own)
    except HubLoginRefused:
        with store.writing(home) as db:
            record(db, NOBODY, "login refused", f"Hugging Face account {user.name}")
        raise


def _logged_in(home: Home, user: HubUser, token: str, may_own: bool) -> Person:
    role = Role.OWNER if may_own else joining_role(home)
    with store.writing(home) as db:
        row = db.execute(WITH_HUB_NAMES.where(HUB_ACCOUNTS.c.hub_id == user.id)).one_or_none()
        if row is not None:
            return _bound_person(db, user, person_of(row), token)
        grounds = "opened to everybody who logs in"
        if token:
            invitation, person_id = use_invitation(db, token)
            role, grounds = invitation.role, f"invited by {invitation.invited_by}"
            if person_id is not None:
                return _bind_person(db, user, person_id)
        elif may_own:
            grounds = "this Space is theirs"
        if role is None:
            raise HubLoginRefused(
                f"The Hugging Face account {user.name} has no account here.",
                "Ask an owner for an invitation, and log in by its link.",
                "hub account",
            )
        person = _insert_namesake(db, user.name, role)
        record(db, person.name, "joined", f"as {role} with the Hugging Face account {user.name}, {grounds}")
        return _bound(db, user, person.id)


def _bound_person(db: sa.Connection, user: HubUser, person: Person, token: str) -> Person:
    """The person a hub account is bound to, who logs in; the hub's name is brought up to date."""
    if token:
        raise HubLoginRefused(
            f"The Hugging Face account {user.name} belongs to {person.name} here already.",
            "Log in without the link, or open it in a browser that is logged in to the hub as somebody else.",
            "hub account",
        )
    if person.disabled:
        raise HubLoginRefused(f"The account of {person.name} was disabled.", "Ask an owner.", "hub account")
    db.execute(HUB_ACCOUNTS.update().where(HUB_ACCOUNTS.c.hub_id == user.id).values(hub_name=user.name))
    record(db, person.name, "logged in", f"with the Hugging Face account {user.name}")
    return _read_person(db, person.id)


def _bind_person(db: sa.Connection, user: HubUser, person_id: int) -> Person:
    """Binds a hub account to somebody whose link was used; what they logged in with before holds no more."""
    db.execute(HUB_ACCOUNTS.delete().where(HUB_ACCOUNTS.c.person_id == person_id))
    logins = PEOPLE.c.logins + 1
    db.execute(PEOPLE.update().where(PEOPLE.c.id == person_id).values(password_hash="", logins=logins))
    person = _bound(db, user, person_id)
    record(db, person.name, "bound a Hugging Face account", user.name)
    return person


def _bound(db: sa.Connection, user: HubUser, person_id: int) -> Person:
    values = {"person_id": person_id, "hub_id": user.id, "hub_name": user.name, "created": lineage.now()}
    db.execute(HUB_ACCOUNTS.insert().values(**values))
    return _read_person(db, person_id)


def _read_person(db: sa.Connection, person_id: int) -> Person:
    return person_of(db.execute(WITH_HUB_NAMES.where(PEOPLE.c.id == person_id)).one())


def _insert_namesake(db: sa.Connection, name: str, role: Role) -> Person:
    """A new account under the hub's name; with a number where that is taken."""
    stem = name[:70]
    for number in range(1, MOST_NAMESAKES):
        try:
            return insert_person(db, stem if number == 1 else f"{stem} ({number})", role, "")
        except NameTaken:
            continue
    raise HubLoginRefused(f"Too many people are called {name} here.", "Ask an owner for help.", "hub account")


def may_own_space(home: Home, user: HubUser, author: str, creator_id: str) -> bool:
    """Whether a Space is this hub user's: they are its author, by name, which the hub gives out once.

    Where the author is an organisation no user has that name: then whoever created the Space is its owner, as long as
    it has no other. Later they need an invitation, for a Space can be given to somebody else.
    """
    if author and user.name.casefold() == author.casefold():
        return True
    return bool(creator_id) and user.id == creator_id and not has_owner(home)


def joining_role(home: Home) -> Role | None:
    """As what whoever logs in at the hub may join without an invitation; None: not at all."""
    text = read_setting(home, JOINING_SETTING)
    return Role(text) if text in (Role.ANNOTATOR, Role.VIEWER) else None


def set_joining_role(home: Home, role: str, actor: str) -> Role | None:
    """Lets everybody with a hub account join as annotator or viewer, or 'nobody'; raises `UserError` for 'owner'."""
    wanted = None if role == NOBODY_JOINS else parse_role(role)
    if wanted is Role.OWNER:
        raise UserError("Nobody becomes an owner without an invitation.", "Give annotator, viewer or nobody.", "role")
    if wanted is not joining_role(home):
        with store.writing(home) as db:
            write_setting(db, JOINING_SETTING, str(wanted or ""))
            record(db, actor, "joining changed", f"by Hugging Face login: {wanted or NOBODY_JOINS}")
    return wanted
