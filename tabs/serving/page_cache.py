"""The page itself, kept once it was made: Gradio copies and writes all of it anew for every reader."""

from collections import OrderedDict
from collections.abc import Hashable
from http import HTTPStatus

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tabs.serving.asking import asker
from tabs.serving.routes import PAGE

MOST_PAGES = 8
"""Pages kept: they differ only by the address and the name they were asked for with."""
_NAMING = ("host", "x-forwarded-host", "x-forwarded-proto", "x-gradio-server")
"""The headers from which Gradio takes a server's address."""


class PageCache:
    """ASGI middleware around Gradio; the page is the same until the server ends, as its first values are composed once.

    A query is for the page's own scripts, and Gradio is not told of it. Anything but a plain GET is Gradio's to answer.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.pages: OrderedDict[Hashable, list[Message]] = OrderedDict()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_page = scope["type"] == "http" and scope["method"] == "GET" and scope["path"] == PAGE
        if not is_page:
            await self.app(scope, receive, send)
            return
        scope = {**scope, "query_string": b""}
        key = _key(scope)
        page = self.pages.get(key) or await self._composed(scope, receive)
        if any(message.get("status") == HTTPStatus.OK for message in page):
            self.pages[key] = page
            self.pages.move_to_end(key)
            if len(self.pages) > MOST_PAGES:
                self.pages.popitem(last=False)
        for message in page:
            await send({**message})  # the layers around this one change what they send on

    async def _composed(self, scope: Scope, receive: Receive) -> list[Message]:
        messages: list[Message] = []

        async def keep(message: Message) -> None:
            messages.append(message)

        await self.app(scope, receive, keep)
        return messages


def _key(scope: Scope) -> Hashable:
    """What Gradio writes into the page: the address it was asked for at, and the name that was logged in with."""
    headers = Headers(scope=scope)
    named = tuple(headers.get(name, "") for name in _NAMING)
    return (
        scope["scheme"],
        scope.get("root_path", ""),
        tuple(scope.get("server") or ()),
        named,
        asker(Request(scope)).login,
    )
