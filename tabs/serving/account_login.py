"""Logging in with an account: its page, the page of an invitation, and the layer that holds every route to roles."""

import hmac
import logging
import math
from typing import Protocol, cast
from urllib.parse import quote

import anyio
from htpy import Node, a, div, input, span
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
from tabs.serving.guard import NOTHING, ROUTE_KEY
from tabs.serving.hub_login import HubLogin, hub_link
from tabs.serving.login import WRONG, ask_for_login
from tabs.serving.permissions import NOT_YOURS
from tabs.serving.replies import refuse
from tabs.serving.routes import HUB_PATHS, INVITE, LOGIN, LOGOUT, PAGE, Route, Who, session_page
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
from workbench.people.roles import Role

log = logging.getLogger("workbench.login")

UNAVAILABLE = "Accounts cannot be read now. Whoever runs this server finds the reason in its log."
NO_PASSWORDS = "Passwords are switched off here. Log in with Hugging Face."
NOT_ON_YET = "Accounts are not switched on here yet. Use this link when an owner has done it in the People tab."
MOST_HASHINGS = 2
"""Each takes 64 MiB and a moment of every core it gets."""


class AccountSwitch(Protocol):
    """What switches accounts on while the server runs."""

    async def prepare(self) -> None:
        """Does what may fail, before an owner's account is made."""

    async def switch(self, person: str) -> None:
        """From the next request on everybody logs in; `person` did it."""


class AccountLogin:
    """ASGI middleware, inside the guard: says whose account a request is, and refuses what its role may not.

    switch: where accounts are off still, what the first owner switches on by taking their link.
    """

    def __init__(
        self,
        app: ASGIApp,
        home: Home,
        serving: Serving,
        sessions: Sessions,
        throttle: Throttle | None = None,
        switch: AccountSwitch | None = None,
    ) -> None:
        self.switch = switch
        self.app, self.home, self.sessions, self.password = app, home, sessions, serving.password
        self.throttle, self.invitation_throttle = throttle or Throttle(), Throttle()
        self.hashing = anyio.CapacityLimiter(MOST_HASHINGS)
        self.asks_password = serving.password_login
        self.hub = HubLogin(home, serving, serving.hub, self._enter) if serving.hub else None

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
        elif route.path in HUB_PATHS:
            if self.hub:
                await self.hub.answer(scope, receive, send)
            else:
                await refuse(scope, receive, send, 404, NOTHING)
        elif person is None and route.who is not Who.ANYONE:
            await ask_for_login(scope, receive, send, route)
        elif not route.who.allows(person.role if person else None):
            log.warning("refused %s %s of %s", scope["method"], route.path, person.name if person else "nobody")
            if session_page(scope["path"])[0]:
                await send_entry(
                    send, 403, entry_page("Not yours", PAGE, [a(href="./")["Open your page"]], "", NOT_YOURS)
                )
            else:
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
            await self._show_login(send, 200, query)
            return
        if not self.asks_password:
            await self._show_login(send, 403, query, NO_PASSWORDS)
            return
        form = await read_form(scope, receive)
        name, password = form.get("name", "").strip(), form.get("password", "")
        tried = _tried(scope, name)
        wait = self.throttle.wait(tried)
        if wait:
            await self._show_login(send, 429, query, _wait(wait), math.ceil(wait))
            return
        if await anyio.to_thread.run_sync(self._is_first_owner, name, password):
            self.throttle.succeeded(tried)
            token = await anyio.to_thread.run_sync(invite_first_owner, self.home)
            await redirect(send, f"{INVITE}?token={token}")
            return
        person = await anyio.to_thread.run_sync(check_password, self.home, name, password, limiter=self.hashing)
        if person is None:
            log.warning("wrong password from %s (%d in a row)", client_address(scope), self.throttle.failures(tried))
            await self._show_login(send, 401, query, WRONG)
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
            if self.switch and invitation.role is not Role.OWNER:
                await send_entry(send, 403, _message_page(NOT_ON_YET))
                return
            if scope["method"] != "POST":
                await send_entry(send, 200, self._invitation_page(token, invitation))
                return
            if not self.asks_password:
                await send_entry(send, 403, self._invitation_page(token, invitation, NO_PASSWORDS))
                return
            form = await read_form(scope, receive)
            name, password = form.get("name", ""), form.get("password", "")
            if self.switch:
                await self.switch.prepare()
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
            await send_entry(send, 400, self._invitation_page(token, invitation, note, form.get("name", "")))
        else:
            if self.switch:
                await self.switch.switch(person.name)
            await self._enter(scope, send, person, PAGE)

    async def _show_login(
        self, send: Send, status: int, query: str, note: str = "", retry_seconds: int = 0
    ) -> None:  # fmt: skip
        action = f"{LOGIN[1:]}?next={quote(query)}" if query else LOGIN[1:]
        fields = [name_field(), password_field(focus=self.hub is None)]
        page = self._page("Log in", action, hub_link(query), fields, "Log in", note)
        await send_entry(send, status, page, retry_seconds)

    def _invitation_page(self, token: str, invitation: Invitation, note: str = "", name: str = "") -> Node:
        action = f"{INVITE[1:]}?token={quote(token)}"
        by_hub = hub_link(token=token, text="Join with Hugging Face")
        by_password = f"a password of at least {FEWEST_CHARACTERS} characters."
        if invitation.name:
            text = f"{invitation.name}, choose {by_password.replace('a ', 'a new ', 1)}"
            known = input(type="hidden", name="name", value=invitation.name, autocomplete="username")
            fields = [span[text], known, password_field(new=True)]
            by_hub = hub_link(token=token, text="Log in with Hugging Face from now on")
            return self._page("New password", action, by_hub, fields, "Save", note)
        text = f"Choose your name here, which is shown with what you do, and {by_password}"
        fields = [span[text], name_field(name), password_field(True, False)]
        invited = span[f"You are invited as {_with_article(invitation.role)}."]
        return self._page("Invitation", action, by_hub, fields, "Join", note, invited)

    def _page(
        self, heading: str, action: str, by_hub: Node, fields: list[Node], button: str, note: str, first: Node = None
    ) -> Node:  # fmt: skip
        """A page with the ways in that there are: the hub's, a password, or both."""
        shown: list[Node] = [first, by_hub if self.hub else None]
        if self.hub and self.asks_password:
            shown.append(div(class_="or")["or with a password"])
        if self.asks_password:
            return entry_page(heading, action, [*shown, *fields], button, note)
        return entry_page(heading, action, shown, "", note)


def _tried(scope: Scope, name: str) -> str:
    """What wrong passwords are counted by: the address and the account. One's own login makes no guesses at another's
    account free, and guesses from elsewhere keep nobody out."""
    return f"{network(client_address(scope))} {name_key(name)[:80]}"


def _wait(seconds: float) -> str:
    return f"Too many tries. Wait {math.ceil(seconds)} s, then try again."


def _message_page(message: str) -> Node:
    return entry_page("Invitation", LOGIN[1:], [], "", message)


def _with_article(role: Role) -> str:
    return f"{'an' if role.value[0] in 'aeiou' else 'a'} {role}"
