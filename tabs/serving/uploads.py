"""The layer that refuses an upload for which there is no room, before it is received."""

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from workbench.home import Home
from workbench.uploads import QUOTA_VARIABLE, quota_bytes, sweep_uploads, used_bytes

PATH = "/gradio_api/upload"


class UploadQuota:
    """Holds what browsers send to the quota: by the length they announce, and as it comes where they announce none."""

    def __init__(self, app: ASGIApp, home: Home):
        self.app, self.home, self.quota = app, home, quota_bytes()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "POST" or scope["path"].rstrip("/") != PATH:
            await self.app(scope, receive, send)
            return
        sweep_uploads(self.home)
        room = self.quota - used_bytes(self.home)
        announced = Headers(scope=scope).get("content-length", "")
        if int(announced) > room if announced.isdecimal() else room <= 0:
            await PlainTextResponse(self._words(), 413)(scope, receive, send)
            return

        async def counted() -> Message:
            nonlocal room
            message = await receive()
            room -= len(message.get("body", b""))
            # What was announced or not: a longer one is cut off as if the browser had gone.
            return message if room >= 0 else {"type": "http.disconnect"}

        await self.app(scope, counted, send)

    def _words(self) -> str:
        return (
            f"There is no room for this upload: files sent by browsers may take {self.quota / 1e9:g} GB together. "
            f"Import or remove what was sent before; it goes after a day. {QUOTA_VARIABLE} sets another amount."
        )
