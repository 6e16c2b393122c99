"""Which requests are answered at all: those to this server's own name, from its own page, for a route it has."""

import logging

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Receive, Scope, Send

from tabs.serving.config import Serving
from tabs.serving.replies import refuse
from tabs.serving.routes import Route, find

log = logging.getLogger("workbench.serving")

ROUTE_KEY = "route"
UNKNOWN_HOST = "This server is not known by that name. Its operator names it in WORKBENCH_HOSTS."
FOREIGN = "This was asked by another site. Open the page itself."
NOTHING = "There is nothing here."
WRONG_BODY = "This cannot be sent in that form."


class Guard:
    """ASGI middleware that refuses what was asked under a foreign name or by a foreign page, and unknown routes."""

    def __init__(self, app: ASGIApp, serving: Serving) -> None:
        self.app, self.serving = app, serving

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        hosts = headers.getlist("host")
        route = find(scope["method"], scope["path"]) if scope["type"] == "http" else None
        if len(hosts) != 1 or not self.serving.knows(hosts[0]):
            await refuse(scope, receive, send, 400, UNKNOWN_HOST)
        elif not self._is_own(scope, headers, route):
            log.warning("refused %s of another site: %.200s", scope.get("method", "websocket"), headers.get("origin"))
            await refuse(scope, receive, send, 403, FOREIGN)
        elif route is None:
            await refuse(scope, receive, send, 404, NOTHING)
        elif route.body and headers.get("content-type", "").partition(";")[0].strip().lower() != route.body:
            await refuse(scope, receive, send, 415, WRONG_BODY)
        else:
            scope.setdefault("state", {})[ROUTE_KEY] = route
            self._forget_claims(scope, headers)
            await self.app(scope, receive, send)

    def _is_own(self, scope: Scope, headers: Headers, route: Route | None) -> bool:
        """Whether the browser says that our own page asked, or that a person opened the page from elsewhere.

        Requests without these headers come from no page: browsers send `Origin` with every POST and every reading of
        another site, and `Sec-Fetch-Site` wherever they may.
        """
        origins = headers.getlist("origin")
        if origins and not (len(origins) == 1 and self.serving.is_own_origin(origins[0], headers["host"])):
            return False
        if headers.get("sec-fetch-site", "none") in ("none", "same-origin"):
            return True
        shown_in = ("document", "iframe") if self.serving.space else ("document",)
        opened = headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") in shown_in
        return bool(route and route.linked and opened and scope["method"] in ("GET", "HEAD"))

    def _forget_claims(self, scope: Scope, headers: Headers) -> None:
        """Drops headers by which a client could tell Gradio under which address it is served."""
        changed = MutableHeaders(scope=scope)
        if "x-gradio-server" in headers:
            del changed["x-gradio-server"]
        if "x-forwarded-host" in headers and not self.serving.knows(headers["x-forwarded-host"]):
            del changed["x-forwarded-host"]
