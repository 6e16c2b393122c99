"""Who looks after a session in the page, and which one is chosen."""

from typing import Any

from tabs.serving.asking import asker
from tabs.shell.context import Context
from workbench.core.change_log import current_person
from workbench.core.errors import UserError
from workbench.people.accounts import list_people
from workbench.people.roles import Role
from workbench.preferences.blinding import Voter


def owner_of(request: Any) -> Voter:
    """The owner behind a request, as the session's events name them: by their account, else 'local'."""
    who = asker(request)
    return Voter(who.login or current_person(), who.browser or "page")


def chosen_session(name: str | None) -> str:
    """The session that is chosen; raises `UserError` when none is."""
    if not name:
        raise UserError("No session is chosen.", "Choose one in the list above.", "Session")
    return name


def known_voters(ctx: Context) -> list[tuple[str, str]]:
    """The accounts of those who may judge, as (label, name); none where people type their names."""
    people = list_people(ctx.home) if ctx.accounts else []
    asked = [person for person in people if person.role != Role.VIEWER and not person.disabled]
    return [
        (f"{person.name} · {person.role}{'' if person.can_log_in else ', invited'}", person.name) for person in asked
    ]
