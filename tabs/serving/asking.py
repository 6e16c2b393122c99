"""Who asks: the one place that says which browser, which person and which role a request comes from.

Everything that depends on the person calls `asker`.
"""

import hashlib
import re
import secrets
from dataclasses import dataclass, replace
from typing import Any

import gradio as gr
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tabs.serving.cookies import YEAR_SECONDS, Cookie
from workbench.people.accounts import Person
from workbench.people.roles import Role

BROWSER_COOKIE = "workbench-browser"
STATE_KEY = "asker"
_SECRET = re.compile(r"[A-Za-z0-9_-]{43}")


@dataclass(frozen=True)
class Asker:
    """Whose request this is.

    browser: opaque id of the browser session, the same for all its tabs and after a restart of the server; "" for a
    call that came through no browser. It is derived from the cookie and of no use in its place, so it may be stored.
    Of somebody with an account it is the person's, in whichever browser. login: the name that was logged in with, ""
    where no login is asked for. role: what the person is; None for somebody who is not logged in where that is asked.
    """

    browser: str = ""
    login: str = ""
    role: Role | None = None


def asker(request: Any) -> Asker:
    """Who sent this request; takes the `gr.Request` of an event and the plain one of a server function alike.

    A request that did not pass the server's middleware, such as None in a direct call, is nobody's: `Asker()`.
    """
    connection = request.request if isinstance(request, gr.Request) else request
    if not isinstance(connection, HTTPConnection):
        return Asker()
    found = connection.scope.get("state", {}).get(STATE_KEY)
    return found if isinstance(found, Asker) else Asker()


def set_login(scope: Scope, login: str, role: Role | None) -> None:
    """Notes the name a request was logged in with, "" for none, and what it lets them do."""
    scope["state"][STATE_KEY] = replace(scope["state"][STATE_KEY], login=login, role=role)


def set_person(scope: Scope, person: Person) -> None:
    """Notes whose account a request was logged in with: all their browsers are one."""
    scope["state"][STATE_KEY] = Asker(f"person {person.id}", person.name, person.role)


class BrowserSessions:
    """ASGI middleware: gives every browser a random cookie and notes the `Asker` of every request."""

    def __init__(self, app: ASGIApp, embedded: bool) -> None:
        self.app = app
        self.cookie = Cookie(BROWSER_COOKIE, YEAR_SECONDS, embedded)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        secret = HTTPConnection(scope).cookies.get(self.cookie.name, "")
        new = not _SECRET.fullmatch(secret)
        if new:
            secret = secrets.token_urlsafe(32)
        browser = hashlib.sha256(f"browser {secret}".encode()).hexdigest()[:32]
        scope.setdefault("state", {})[STATE_KEY] = Asker(browser)

        async def send_with_cookie(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), self.cookie.header(secret, scope)]
            await send(message)

        await self.app(scope, receive, send_with_cookie if new else send)
