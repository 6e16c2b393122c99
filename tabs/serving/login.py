"""The login: a page of its own, and the layer that lets nothing else through without one."""

import html
import logging
import math
from typing import cast
from urllib.parse import parse_qs, quote

from starlette.requests import ClientDisconnect, HTTPConnection, Request
from starlette.types import ASGIApp, Receive, Scope, Send

from tabs.serving.asking import set_login
from tabs.serving.config import USER, Serving
from tabs.serving.guard import ROUTE_KEY
from tabs.serving.replies import refuse, reply
from tabs.serving.routes import LOGIN, LOGOUT, PAGE, Route, Who
from tabs.serving.sessions import Sessions
from tabs.serving.throttle import Throttle

log = logging.getLogger("workbench.login")

LONGEST_FORM = 10_000  # bytes
ENDED = "Your login has ended. Log in again; what is open in this page is kept."
WRONG = "That is not the name or not the password."

PAGE_HTML = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Log in · LLM Workbench</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" content="light dark">
<link rel="icon" href="data:,">
<style>
:root {{ --ground: #f5f7fa; --card: #fff; --line: #cfd6e1; --text: #1e293b; --quiet: #64748b; --wrong: #b42318; }}
@media (prefers-color-scheme: dark) {{
  :root {{ --ground: #0c121e; --card: #131b2a; --line: #303d57; --text: #e2e8f0; --quiet: #94a3b8; --wrong: #fda29b; }}
}}
body {{ margin: 0; min-height: 100vh; display: grid; place-items: center; background: var(--ground);
  color: var(--text); font: 14px/1.5 Inter, system-ui, sans-serif; }}
form {{ box-sizing: border-box; width: min(340px, calc(100vw - 32px)); padding: 24px; background: var(--card);
  border: 1px solid var(--line); border-radius: 10px; display: grid; gap: 12px; }}
h1 {{ margin: 0 0 4px; font-size: 17px; }}
label {{ display: grid; gap: 4px; color: var(--quiet); }}
input {{ padding: 8px 10px; font: inherit; color: var(--text); background: var(--ground); border: 1px solid var(--line);
  border-radius: 6px; }}
button {{ padding: 9px; font: inherit; font-weight: 600; color: #fff; background: #4f46e5; border: 0;
  border-radius: 6px; cursor: pointer; }}
p {{ margin: 0; color: var(--wrong); }}
input:focus-visible, button:focus-visible {{ outline: 2px solid #818cf8; outline-offset: 2px; }}
</style></head><body>
<form method="post" action="{action}">
<h1>LLM Workbench</h1>
<label>Name <input name="name" value="{name}" autocomplete="username" required></label>
<label>Password <input name="password" type="password" autocomplete="current-password" required autofocus></label>
{note}<button>Log in</button>
</form></body></html>
"""


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
            if len(body) > LONGEST_FORM:
                return {}
    except ClientDisconnect:
        return {}
    return {name: values[0] for name, values in parse_qs(body.decode("utf-8", "replace")).items()}


async def _show(send: Send, status: int, query: str, note: str = "", retry_seconds: int = 0) -> None:
    action = f"{LOGIN[1:]}?next={quote(query)}" if query else LOGIN[1:]
    text = PAGE_HTML.format(
        action=html.escape(action), name=USER, note=f'<p role="alert">{html.escape(note)}</p>\n' if note else ""
    )
    headers = [(b"retry-after", str(retry_seconds).encode())] if retry_seconds else []
    await reply(send, status, text.encode(), "text/html; charset=utf-8", headers)


async def _go(send: Send, target: str, headers: list[tuple[bytes, bytes]] | None = None) -> None:
    """Sends the browser to an address of this server, relative so that a proxy's prefix stays."""
    location = (b"location", quote(f".{target}", safe="./?&=%+:,;@~-_").encode("ascii"))
    await reply(send, 303, b"", "text/plain", [location, (b"cache-control", b"no-store"), *(headers or [])])


def _address(scope: Scope) -> str:
    client = scope.get("client")
    return str(client[0]) if client else "?"
