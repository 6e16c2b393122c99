"""Roles on the roads into the page: which page a role gets, and what of it may be called and read.

A role has a page of its own, in which the events and functions of others do not exist. Beside that every call is held
to the table in `callers`, by the function it runs, and every file to the folders a role may read.
"""

import contextlib
import functools
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any, cast

import fastapi
import gradio as gr
from starlette.datastructures import Headers
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

from tabs.serving.asking import asker
from tabs.serving.callers import EVENTS, SERVER_FUNCTIONS, event_name
from tabs.serving.guard import ROUTE_KEY
from tabs.serving.replies import refuse
from tabs.serving.routes import FILE, LABEL, PAGE, RESULTS, Route, Who, session_page
from tabs.shell.kit import static_paths
from workbench.core.change_log import LOCAL, acting_as
from workbench.people.roles import Role

log = logging.getLogger("workbench.serving")

PAGE_ROLE_HEADER = "x-workbench-role"
"""What the scripts of a page send with every call: the role it was made for."""
NOT_YOURS = "Your role does not allow this."
OTHER_PAGE = "Your role has changed. Reload the page."
OLD_PAGE = "Accounts were switched on or off since this page was opened. Reload it."
LOCAL_PREFIX = "local-"
"""Begins the name of pages that were made where there are no accounts."""


SESSION_PAGES = {LABEL: Role.ANNOTATOR, RESULTS: Role.VIEWER}
"""Whose page stands at the address of a session."""


class RolePages:
    """ASGI app inside the login: a request goes to the page of its role, an owner's to the page it comes from.

    A page from before accounts were switched on reaches none: the functions of both go by the same numbers.
    """

    def __init__(self, owner: ASGIApp, others: Mapping[Role, ASGIApp], accounts: bool) -> None:
        self.pages, self.accounts = {Role.OWNER: owner, **others}, accounts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.pages[Role.OWNER](scope, receive, send)
            return
        route = cast(Route, scope["state"][ROUTE_KEY])
        role = asker(HTTPConnection(scope)).role
        shown, scope = _page_asked_for(scope, role)
        page = self.pages.get(shown) if shown else None
        if _is_from_before(scope, self.accounts):
            await refuse(scope, receive, send, 409, OLD_PAGE)
        elif page is None:
            await refuse(scope, receive, send, 403, NOT_YOURS)
        elif role is not Role.OWNER and route.path == FILE and not _is_static(scope["path"].partition("=")[2]):
            log.warning("refused a file to %s", asker(HTTPConnection(scope)).login)
            await refuse(scope, receive, send, 403, NOT_YOURS)
        elif role and role is not Role.OWNER and shown is not role:
            await refuse(scope, receive, send, 409, OTHER_PAGE)
        else:
            await page(scope, receive, send)


def _page_asked_for(scope: Scope, role: Role | None) -> tuple[Role | None, Scope]:
    """Whose page a request is for, None for one there is not, and the request as that page knows it.

    Everybody is on the page of their role; owners also open those of others at addresses of their own, whose calls say
    whose page they come from. Nobody's role has only what is for anyone.
    """
    named, _ = session_page(scope["path"])
    if named:
        return SESSION_PAGES[named], {**scope, "path": PAGE, "raw_path": PAGE.encode()}
    said = Headers(scope=scope).get(PAGE_ROLE_HEADER, role or Role.OWNER).removeprefix(LOCAL_PREFIX)
    return next((each for each in Role if each == said), None), scope


def page_name(role: Role, accounts: bool) -> str:
    """What a page calls itself in its calls."""
    return str(role) if accounts else f"{LOCAL_PREFIX}{role}"


def _is_from_before(scope: Scope, accounts: bool) -> bool:
    """Whether a call comes from a page that was made when there were no accounts and now there are, or the reverse."""
    said = Headers(scope=scope).get(PAGE_ROLE_HEADER, "")
    return bool(said) and said.startswith(LOCAL_PREFIX) is accounts


def _is_static(path: str) -> bool:
    """Whether a file is part of the page itself."""
    try:
        file = Path(path).resolve()
    except (OSError, ValueError, RuntimeError):  # a NUL, a name too long, a loop of links
        return False
    return any(file.is_relative_to(allowed.resolve()) for allowed in static_paths())


def join_lifespans(owner: fastapi.FastAPI, others: Mapping[Role, fastapi.FastAPI]) -> None:
    """The pages of other roles start and end with the owner's."""
    lifespans = [(app, app.router.lifespan_context) for app in (owner, *others.values())]

    @contextlib.asynccontextmanager
    async def lifespan(_: Any) -> AsyncIterator[None]:
        async with contextlib.AsyncExitStack() as entered:
            for app, enter in lifespans:
                await entered.enter_async_context(enter(app))
            yield

    owner.router.lifespan_context = lifespan


def check_event(function: Any, request: Any) -> None:
    """Raises `gr.Error` unless the role of who sent the request may call the event of this function."""
    requests = request if isinstance(request, list) else [request]
    for each in requests:
        _check(EVENTS.get(event_name(function), Who.OWNER), each, event_name(function))


def restrict_functions(demo: gr.Blocks) -> None:
    """Holds the server functions of a page's components to the table, too."""
    for block in demo.blocks.values():
        for name, function in list(vars(block).items()):
            if getattr(function, "_is_server_fn", False):
                setattr(block, name, _restricted(function))


def _restricted(function: Callable[..., Any]) -> Callable[..., Any]:
    who = SERVER_FUNCTIONS.get(function.__qualname__, Who.OWNER)

    @functools.wraps(function)
    def call(query: Any, request: gr.Request) -> Any:
        if not who.allows(asker(request).role):
            log.warning("refused %s to %s", function.__qualname__, asker(request).login or "nobody")
            return {"error": NOT_YOURS}
        with acting_as(person_asking(request)):
            return function(query, request)

    return call


def person_asking(request: Any) -> str:
    """Whose changes those of a request are: the name that was logged in with, or that of whoever has the page."""
    first = request[0] if isinstance(request, list) and request else request
    return asker(first).login or LOCAL


def _check(who: Who, request: Any, name: str) -> None:
    if not who.allows(asker(request).role):
        log.warning("refused %s to %s", name, asker(request).login or "nobody")
        raise gr.Error(NOT_YOURS, print_exception=False)
