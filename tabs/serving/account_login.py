"""Logging in with an account: its page, the page of an invitation, and the layer that holds every route to roles."""

import hmac
import logging
import math
from typing import cast
from urllib.parse import quote

import anyio
from htpy import Node, input, span
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

from tabs.serving.asking import set_person
from tabs.serving.config import USER, Serving
from tabs.serving.entry_pages import (
    client_address,
    entry_page,
    name_field,
    password_field,
    query_value,
    read_form,
    redirect,
    send_entry,
)
from tabs.serving.guard import ROUTE_KEY
from tabs.serving.login import WRONG, ask_for_login
from tabs.serving.permissions import NOT_YOURS
from tabs.serving.replies import refuse
from tabs.serving.routes import INVITE, LOGIN, LOGOUT, PAGE, Route, Who
from tabs.serving.sessions import Sessions
from tabs.serving.throttle import Throttle, network
from workbench.core.errors import UserError
from workbench.core.home import Home
from workbench.people.accounts import Person, check_password, has_owner, name_key, person_of_login
from workbench.people.invitations import (
    Invitation,
    InvitationRefused,
    accept_invitation,
    invite_first_owner,
    read_invitation,
    record_refusal,
)
from workbench.people.passwords import FEWEST_CHARACTERS
from workbench.people.people_log import record_event

log = logging.getLogger("workbench.login")

UNAVAILABLE = "Accounts cannot be read now. Whoever runs this server finds the reason in its log."
MOST_HASHINGS = 2
"""Each takes 64 MiB and a moment of every core it gets."""


class AccountLogin:
    """ASGI middleware, inside the guard: says whose account a request is, and refuses what its role may not."""

    def __init__(
        self, app: ASGIApp, home: Home, serving: Serving, sessions: Sessions, throttle: Throttle | None = None
    ) -> None:
        self.app, self.home, self.sessions, self.password = app, home, sessions, serving.password
        self.throttle, self.invitation_throttle = throttle or Throttle(), Throttle()
        self.hashing = anyio.CapacityLimiter(MOST_HASHINGS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            may_pass = scope["type"] != "http" or await self._lets_pass(scope, receive, send)
        except UserError as error:  # nobody gets in while it cannot be known who may
            log.error("accounts cannot be read: %s", error)
            await refuse(scope, receive, send, 503, UNAVAILABLE)
            return
        if may_pass:
            await self.app(scope, receive, send)

    async def _lets_pass(self, scope: Scope, receive: Receive, send: Send) -> bool:
        """Whether the request goes on to the pages; if not, it was answered here."""
        route = cast(Route, scope["state"][ROUTE_KEY])
        value = HTTPConnection(scope).cookies.get(self.sessions.cookie.name, "")
        person = await anyio.to_thread.run_sync(self._person, value)
        if person:
            set_person(scope, person)
        if route.path == LOGIN:
            await self._login(scope, receive, send)
        elif route.path == INVITE:
            await self._invitation(scope, receive, send)
        elif person is None and route.who is not Who.ANYONE:
            await ask_for_login(scope, receive, send, route)
        elif not route.who.allows(person.role if person else None):
            log.warning("refused %s %s of %s", scope["method"], route.path, person.name if person else "nobody")
            await refuse(scope, receive, send, 403, NOT_YOURS)
        elif route.path == LOGOUT and person:
            self.sessions.end(value)
            await anyio.to_thread.run_sync(record_event, self.home, person.name, "logged out")
            log.info("%s has logged out from %s", person.name, client_address(scope))
            await redirect(send, LOGIN, [self.sessions.cookie.removal(scope)])
        else:
            return True
        return False

    def _person(self, cookie: str) -> Person | None:
        person_id, _, logins = self.sessions.login(cookie).partition("-")
        if not (person_id.isdecimal() and logins.isdecimal()):
            return None
        return person_of_login(self.home, int(person_id), int(logins))

    async def _login(self, scope: Scope, receive: Receive, send: Send) -> None:
        query = query_value(scope, "next")
        if scope["method"] != "POST":
            await _show_login(send, 200, query)
            return
        form = await read_form(scope, receive)
        name, password = form.get("name", "").strip(), form.get("password", "")
        tried = _tried(scope, name)
        wait = self.throttle.wait(tried)
        if wait:
            await _show_login(send, 429, query, _wait(wait), math.ceil(wait))
            return
        if await anyio.to_thread.run_sync(self._is_first_owner, name, password):
            self.throttle.succeeded(tried)
            token = await anyio.to_thread.run_sync(invite_first_owner, self.home)
            await redirect(send, f"{INVITE}?token={token}")
            return
        person = await anyio.to_thread.run_sync(check_password, self.home, name, password, limiter=self.hashing)
        if person is None:
            log.warning("wrong password from %s (%d in a row)", client_address(scope), self.throttle.failures(tried))
            await _show_login(send, 401, query, WRONG)
            return
        self.throttle.succeeded(tried)
        await self._enter(scope, send, person, f"{PAGE}?{query}" if query else PAGE)

    def _is_first_owner(self, name: str, password: str) -> bool:
        """Whether the operator's password was given while nobody could log in: it leads to the first owner's link."""
        is_right = hmac.compare_digest(password.encode(), self.password.encode()) and name == USER
        return bool(self.password) and is_right and not has_owner(self.home)

    async def _enter(self, scope: Scope, send: Send, person: Person, target: str) -> None:
        log.info("%s has logged in from %s", person.name, client_address(scope))
        value = self.sessions.begin(f"{person.id}-{person.logins}")
        await redirect(send, target, [self.sessions.cookie.header(value, scope)])

    async def _invitation(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The page on which somebody chooses a name and a password; the link works once."""
        token = query_value(scope, "token")
        wait = self.invitation_throttle.wait(client_address(scope))
        if wait:
            await send_entry(send, 429, _message_page(_wait(wait)), math.ceil(wait))
            return
        try:
            invitation = await anyio.to_thread.run_sync(read_invitation, self.home, token)
            self.invitation_throttle.succeeded(client_address(scope))
            if scope["method"] != "POST":
                await send_entry(send, 200, _invitation_page(token, invitation))
                return
            form = await read_form(scope, receive)
            name, password = form.get("name", ""), form.get("password", "")
            person = await anyio.to_thread.run_sync(
                accept_invitation, self.home, token, name, password, limiter=self.hashing
            )
        except InvitationRefused as error:
            log.warning("refused an invitation from %s", client_address(scope))
            await anyio.to_thread.run_sync(record_refusal, self.home)
            await send_entry(send, 410, _message_page(f"{error.message} {error.remedy}"))
        except UserError as error:
            if error.field not in ("name", "annotator", "password"):
                raise
            field = "The password" if error.field == "password" else "The name"
            sentence = error.message if error.message[:1].isupper() else f"{field} {error.message}"
            note = f"{sentence} {error.remedy}"
            await send_entry(send, 400, _invitation_page(token, invitation, note, form.get("name", "")))
        else:
            await self._enter(scope, send, person, PAGE)


def _tried(scope: Scope, name: str) -> str:
    """What wrong passwords are counted by: the address and the account. One's own login makes no guesses at another's
    account free, and guesses from elsewhere keep nobody out."""
    return f"{network(client_address(scope))} {name_key(name)[:80]}"


def _wait(seconds: float) -> str:
    return f"Too many tries. Wait {math.ceil(seconds)} s, then try again."


async def _show_login(send: Send, status: int, query: str, note: str = "", retry_seconds: int = 0) -> None:
    action = f"{LOGIN[1:]}?next={quote(query)}" if query else LOGIN[1:]
    page = entry_page("Log in", action, [name_field(), password_field(focus=False)], "Log in", note)
    await send_entry(send, status, page, retry_seconds)


def _message_page(message: str) -> Node:
    return entry_page("Invitation", LOGIN[1:], [], "", message)


def _invitation_page(token: str, invitation: Invitation, note: str = "", name: str = "") -> Node:
    action = f"{INVITE[1:]}?token={quote(token)}"
    if invitation.name:
        text = f"{invitation.name}, choose a new password of at least {FEWEST_CHARACTERS} characters."
        known = input(type="hidden", name="name", value=invitation.name, autocomplete="username")
        return entry_page("New password", action, [span[text], known, password_field(new=True)], "Save", note)
    article = "an" if invitation.role.value[0] in "aeiou" else "a"
    text = (
        f"You are invited as {article} {invitation.role}. Choose your name here, which is shown with what you do, "
        f"and a password of at least {FEWEST_CHARACTERS} characters."
    )
    return entry_page("Invitation", action, [span[text], name_field(name), password_field(True, False)], "Join", note)
