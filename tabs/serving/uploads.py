"""The layer that refuses an upload for which there is no room, before it is received, and one that holds no files."""

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from workbench.core.home import Home
from workbench.core.uploads import quota_bytes, sweep_uploads, used_bytes

PATH = "/gradio_api/upload"
NO_FILE = "not an instance of GradioUploadFile"
NAMELESS = "A part of this upload is no file: it has no file name. Send every file with its name."


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

        await self._received(scope, counted, send)

    async def _received(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the upload on; a part that comes as a field of text, which Gradio fails over, is refused as such."""
        failure: list[Message] = []

        async def answer(message: Message) -> None:
            if failure or (message["type"] == "http.response.start" and message["status"] >= 500):
                failure.append(message)  # its error comes after it
            else:
                await send(message)

        try:
            await self.app(scope, receive, answer)
        except TypeError as error:
            if NO_FILE not in str(error):
                raise
            failure.clear()
            await PlainTextResponse(NAMELESS, 400)(scope, receive, send)
        finally:
            for message in failure:
                await send(message)

    def _words(self) -> str:
        return (
            f"There is no room for this upload: files sent by browsers may take {self.quota / 1e9:g} GB together. "
            f"Import or remove what was sent before; it goes after a day. WORKBENCH_UPLOAD_GB sets another amount."
        )
