"""The login: a page of its own, and the layer that lets nothing else through without one."""

import logging
import math
from typing import cast
from urllib.parse import parse_qs, quote

from htpy import Node, body, button, form, h1, head, html, input, label, link, meta, p, style, title
from markupsafe import Markup
from starlette.requests import ClientDisconnect, HTTPConnection, Request
from starlette.types import ASGIApp, Receive, Scope, Send

from tabs.serving.asking import set_login
from tabs.serving.config import USER, Serving
from tabs.serving.guard import ROUTE_KEY
from tabs.serving.replies import refuse, reply
from tabs.serving.routes import LOGIN, LOGOUT, PAGE, Route, Who
from tabs.serving.sessions import Sessions
from tabs.serving.throttle import Throttle
from workbench.core.assets import ASSETS

log = logging.getLogger("workbench.login")

LONGEST_FORM_BYTES = 10_000  # bytes
ENDED = "Your login has ended. Log in again; what is open in this page is kept."
WRONG = "That is not the name or not the password."
STYLE = Markup((ASSETS / "login.css").read_text("utf-8"))  # noqa: S704 - a file of ours


class Login:
    """ASGI middleware, inside the guard: says who is logged in, serves the login, and refuses the rest."""

    def __init__(self, app: ASGIApp, serving: Serving, sessions: Sessions, throttle: Throttle | None = None) -> None:
        self.app, self.sessions = app, sessions
        self.throttle = throttle or Throttle()
        self.embedded = serving.space

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        route = cast(Route, scope["state"][ROUTE_KEY])
        value = HTTPConnection(scope).cookies.get(self.sessions.cookie.name, "")
        login = self.sessions.login(value)
        set_login(scope, login)
        if route.path == LOGIN:
            await self._login(scope, receive, send)
        elif not login and route.who is not Who.ANYONE:
            await self._ask(scope, receive, send, route)
        elif route.path == LOGOUT:
            self.sessions.end(value)
            log.info("%s has logged out from %s", login, _address(scope))
            await _go(send, LOGIN, [self.sessions.cookie.removal(scope)])
        else:
            await self.app(scope, receive, send)

    async def _ask(self, scope: Scope, receive: Receive, send: Send, route: Route) -> None:
        """Sends a person to the login, and tells a script that its login has ended."""
        if route.path == PAGE:
            query = scope.get("query_string", b"").decode("latin-1")
            await _go(send, f"{LOGIN}?next={quote(query)}" if query else LOGIN)
        else:
            await refuse(scope, receive, send, 401, ENDED)

    async def _login(self, scope: Scope, receive: Receive, send: Send) -> None:
        query = (parse_qs(scope.get("query_string", b"").decode("latin-1")).get("next") or [""])[0]
        if scope["method"] != "POST":
            await _show(send, 200, query)
            return
        address = _address(scope)
        wait = self.throttle.wait(address)
        if wait:
            seconds = math.ceil(wait)
            await _show(send, 429, query, f"Too many tries. Wait {seconds} s, then try again.", seconds)
            return
        form = await _form(scope, receive)
        name, password = form.get("name", "").strip(), form.get("password", "")
        if not self.sessions.is_right(name, password):
            log.warning("wrong password from %s (%d in a row)", address, self.throttle.failures(address))
            await _show(send, 401, query, WRONG)
            return
        self.throttle.succeeded(address)
        log.info("%s has logged in from %s", name, address)
        # only the query is taken from the address: it can lead to no other page
        cookie = self.sessions.cookie.header(self.sessions.begin(name), scope)
        await _go(send, f"{PAGE}?{query}" if query else PAGE, [cookie])


class NoLogin:
    """ASGI middleware where no login is asked for: there is no login page, and nothing to log out of."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["state"][ROUTE_KEY].path in (LOGIN, LOGOUT):
            await _go(send, PAGE)
        else:
            await self.app(scope, receive, send)


async def _form(scope: Scope, receive: Receive) -> dict[str, str]:
    """The fields of a short form; none when it is longer than a login can be."""
    body = b""
    try:
        async for piece in Request(scope, receive).stream():
            body += piece
            if len(body) > LONGEST_FORM_BYTES:
                return {}
    except ClientDisconnect:
        return {}
    return {name: values[0] for name, values in parse_qs(body.decode("utf-8", "replace")).items()}


async def _show(send: Send, status: int, query: str, note: str = "", retry_seconds: int = 0) -> None:
    action = f"{LOGIN[1:]}?next={quote(query)}" if query else LOGIN[1:]
    headers = [(b"retry-after", str(retry_seconds).encode())] if retry_seconds else []
    await reply(send, status, str(_page(action, note)).encode(), "text/html; charset=utf-8", headers)


def _page(action: str, note: str) -> Node:
    """The form that asks for name and password; `note` says what was wrong with the last try."""
    password = {"type": "password", "autocomplete": "current-password"}
    fields = [
        label["Name ", input(name="name", value=USER, autocomplete="username", required=True)],
        label["Password ", input(password, name="password", required=True, autofocus=True)],
        p(role="alert")[note] if note else None,
    ]
    return html(lang="en")[
        head[
            meta(charset="utf-8"), title["Log in · LLM Workbench"],
            meta(name="viewport", content="width=device-width, initial-scale=1"),
            meta(name="color-scheme", content="light dark"), link(rel="icon", href="data:,"), style[STYLE],
        ],
        body[form(method="post", action=action)[h1["LLM Workbench"], fields, button["Log in"]]],
    ]  # fmt: skip


async def _go(send: Send, target: str, headers: list[tuple[bytes, bytes]] | None = None) -> None:
    """Sends the browser to an address of this server, relative so that a proxy's prefix stays."""
    location = (b"location", quote(f".{target}", safe="./?&=%+:,;@~-_").encode("ascii"))
    await reply(send, 303, b"", "text/plain", [location, (b"cache-control", b"no-store"), *(headers or [])])


def _address(scope: Scope) -> str:
    client = scope.get("client")
    return str(client[0]) if client else "?"
