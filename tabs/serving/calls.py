"""The layer that holds what a call may bring to a size: its JSON is taken into memory whole."""

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tabs.serving.guard import ROUTE_KEY
from tabs.serving.replies import refuse
from tabs.serving.routes import JSON

LONGEST_CALL_BYTES = 64_000_000
"""In bytes; a pasted text is the longest there is, and one row may have as many."""
TOO_LONG = "This is too long to be sent at once: 64 MB. Upload longer texts as files."


class CallLimit:
    """ASGI middleware, inside the guard: refuses longer calls by the length they announce, and cuts off all others."""

    def __init__(self, app: ASGIApp, longest: int = LONGEST_CALL_BYTES) -> None:
        self.app, self.longest = app, longest

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["state"][ROUTE_KEY].body != JSON:
            await self.app(scope, receive, send)
            return
        announced = Headers(scope=scope).get("content-length", "")
        if announced.isdecimal() and int(announced) > self.longest:
            await refuse(scope, receive, send, 413, TOO_LONG)
            return
        room = self.longest

        async def counted() -> Message:
            nonlocal room
            message = await receive()
            room -= len(message.get("body", b""))
            return message if room >= 0 else {"type": "http.disconnect"}

        await self.app(scope, counted, send)
