"""The login: a page of its own, and the layer that lets nothing else through without one."""

import logging
import math
from typing import cast
from urllib.parse import quote, urlencode

from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

from tabs.serving.asking import set_login
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
from tabs.serving.replies import refuse
from tabs.serving.routes import HUB_PATHS, INVITE, LOGIN, LOGOUT, PAGE, Route, Who, session_page
from tabs.serving.sessions import Sessions
from tabs.serving.throttle import Throttle
from workbench.people.roles import Role

log = logging.getLogger("workbench.login")

ENDED = "Your login has ended. Log in again; what is open in this page is kept."
WRONG = "That is not the name or not the password."


class Login:
    """ASGI middleware, inside the guard: says who is logged in, serves the login, and refuses the rest."""

    def __init__(
        self,
        app: ASGIApp,
        serving: Serving,
        sessions: Sessions,
        first_owner: ASGIApp | None = None,
        throttle: Throttle | None = None,
    ) -> None:
        self.app, self.sessions, self.first_owner = app, sessions, first_owner
        self.throttle = throttle or Throttle()
        self.embedded = serving.space

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        route = cast(Route, scope["state"][ROUTE_KEY])
        value = HTTPConnection(scope).cookies.get(self.sessions.cookie.name, "")
        login = self.sessions.login(value)
        set_login(scope, login, Role.OWNER if login else None)
        if route.path == LOGIN:
            await self._login(scope, receive, send)
        elif route.path == INVITE and self.first_owner:
            await self.first_owner(scope, receive, send)
        elif route.path in (INVITE, *HUB_PATHS):  # there are no accounts
            await refuse(scope, receive, send, 404, NOTHING)
        elif not login and route.who is not Who.ANYONE:
            await ask_for_login(scope, receive, send, route)
        elif route.path == LOGOUT:
            self.sessions.end(value)
            log.info("%s has logged out from %s", login, client_address(scope))
            await redirect(send, LOGIN, [self.sessions.cookie.removal(scope)])
        else:
            await self.app(scope, receive, send)

    async def _login(self, scope: Scope, receive: Receive, send: Send) -> None:
        query = query_value(scope, "next")
        if scope["method"] != "POST":
            await _show(send, 200, query)
            return
        address = client_address(scope)
        wait = self.throttle.wait(address)
        if wait:
            seconds = math.ceil(wait)
            await _show(send, 429, query, f"Too many tries. Wait {seconds} s, then try again.", seconds)
            return
        form = await read_form(scope, receive)
        name, password = form.get("name", "").strip(), form.get("password", "")
        if not self.sessions.is_right(name, password):
            log.warning("wrong password from %s (%d in a row)", address, self.throttle.failures(address))
            await _show(send, 401, query, WRONG)
            return
        self.throttle.succeeded(address)
        log.info("%s has logged in from %s", name, address)
        # only the query is taken from the address: it can lead to no other page
        cookie = self.sessions.cookie.header(self.sessions.begin(name), scope)
        await redirect(send, f"{PAGE}?{query}" if query else PAGE, [cookie])


class NoLogin:
    """ASGI middleware where no login is asked for: there is no login page, nothing to log out of, and one owner.

    first_owner: answers the link by which that one person switches accounts on.
    """

    def __init__(self, app: ASGIApp, first_owner: ASGIApp | None = None) -> None:
        self.app, self.first_owner = app, first_owner

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            set_login(scope, "", Role.OWNER)
            path = scope["state"][ROUTE_KEY].path
            if path == INVITE and self.first_owner:
                await self.first_owner(scope, receive, send)
                return
            if path in (LOGIN, LOGOUT, INVITE, *HUB_PATHS):
                await redirect(send, PAGE)
                return
        await self.app(scope, receive, send)


async def _show(send: Send, status: int, query: str, note: str = "", retry_seconds: int = 0) -> None:
    action = f"{LOGIN[1:]}?next={quote(query)}" if query else LOGIN[1:]
    page = entry_page("Log in", action, [name_field(USER), password_field()], "Log in", note)
    await send_entry(send, status, page, retry_seconds)


async def ask_for_login(scope: Scope, receive: Receive, send: Send, route: Route) -> None:
    """Sends a person to the login, and tells a script that its login has ended."""
    page, session = session_page(scope["path"])
    if page:  # the page of the role that logs in opens it by this query
        query = urlencode({"tab": page, **({"session": session} if session else {})})
        await redirect(send, f"/{'../' if session else ''}{LOGIN[1:]}?next={quote(query)}")
    elif route.path == PAGE:
        query = scope.get("query_string", b"").decode("latin-1")
        await redirect(send, f"{LOGIN}?next={quote(query)}" if query else LOGIN)
    else:
        await refuse(scope, receive, send, 401, ENDED)
