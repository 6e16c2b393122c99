"""Commands for who may log in to the page: accounts, their roles, and links that let people choose a password."""

from typing import Annotated, Literal

from workbench.cli.shared import Invocation, Invoked, emit, option, own_address, show
from workbench.core.change_log import current_person
from workbench.people import accounts, invitations
from workbench.people.accounts import Person
from workbench.people.hub_accounts import NOBODY_JOINS, joining_role, set_joining_role

RoleName = Literal["owner", "annotator", "viewer"]
Joining = Literal["nobody", "annotator", "viewer"]
PersonName = Annotated[str, option("the person's name, whatever its case")]
Address = Annotated[
    str, option("how browsers reach the page, for the link (default: WORKBENCH_HOST and WORKBENCH_PORT)", "URL")
]
Hours = Annotated[float, option("how long the link can be used", "HOURS")]
INVITE_PATH = "invite"
RESTART = "From its next start on, the page asks everybody for an account."


def list_users(*, invoked: Invoked) -> None:
    """Who has an account, and which typed names have votes but are nobody's account; `events` says what happened."""
    people = [
        (person.name, str(person.role), person.state, person.created, person.hub_name or "—")
        for person in accounts.list_people(invoked.home)
    ]
    typed = [
        (name, "—", f"unproved ({n} votes)", "—", "—") for name, n in accounts.unproved_names(invoked.home).items()
    ]
    emit(invoked, ["name", "role", "state", "since", "hugging face"], [*people, *typed])


def add(name: PersonName, /, *, role: RoleName = "annotator", hours: Hours = invitations.HOURS, address: Address = "",
        invoked: Invoked) -> None:  # fmt: skip
    """Makes an account and prints the link by which its person chooses a password."""
    accounts.add_person(invoked.home, name, role, current_person())
    reset(name, hours=hours, address=address, invoked=invoked)


def invite(*, role: RoleName = "annotator", hours: Hours = invitations.HOURS, address: Address = "",
           invoked: Invoked) -> None:  # fmt: skip
    """Prints a link by which somebody makes an account of this role, once."""
    token = invitations.invite(invoked.home, role, current_person(), hours)
    _show_link(invoked, token, hours, address)


def reset(name: PersonName, /, *, hours: Hours = invitations.HOURS, address: Address = "", invoked: Invoked) -> None:
    """Ends all logins of a person and prints the link by which they choose a new password."""
    token = invitations.reset_person(invoked.home, name, current_person(), hours)
    _show_link(invoked, token, hours, address)


def change_role(name: PersonName, role: RoleName, /, *, invoked: Invoked) -> None:
    """Gives a person another role, which holds at once."""
    _show_person(invoked, accounts.change_role(invoked.home, name, role, current_person()))


def join(role: Annotated[Joining | None, option("without it, how it is now")] = None, /, *, invoked: Invoked) -> None:
    """As what whoever logs in with Hugging Face may join without an invitation, on a Space that offers this login."""
    now = joining_role(invoked.home) if role is None else set_joining_role(invoked.home, role, current_person())
    text = f"Whoever logs in with Hugging Face joins as {now}." if now else "Nobody joins without an invitation."
    show(invoked, {"joining": str(now or NOBODY_JOINS)}, text)


def disable(name: PersonName, /, *, invoked: Invoked) -> None:
    """Ends all logins of a person and lets no new one begin; votes they gave stay."""
    _show_person(invoked, accounts.disable_person(invoked.home, name, current_person()))


def enable(name: PersonName, /, *, invoked: Invoked) -> None:
    """Lets a person who was disabled log in again."""
    _show_person(invoked, accounts.enable_person(invoked.home, name, current_person()))


def _show_person(invoked: Invocation, person: Person) -> None:
    result = {"name": person.name, "role": str(person.role), "state": person.state}
    show(invoked, result, f"{person.name} is {person.role}, {person.state}.")


def _show_link(invoked: Invocation, token: str, hours: float, address: str) -> None:
    """Prints a link, once: only its hash is kept."""
    link = f"{(address or own_address()).rstrip('/')}/{INVITE_PATH}?token={token}"
    first = not accounts.accounts_are_on(invoked.home)
    accounts.switch_accounts_on(invoked.home)
    note = f"\n{RESTART}" if first else ""
    show(invoked, {"link": link, "hours": hours}, f"{link}\nIt can be used once, within {hours:g} hours.{note}")
