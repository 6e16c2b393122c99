"""Short answers of the layers themselves."""

import json

from starlette.types import Receive, Scope, Send


async def reply(
    send: Send, status: int, body: bytes, content_type: str, headers: list[tuple[bytes, bytes]] | None = None
) -> None:
    """One whole response."""
    start = [(b"content-type", content_type.encode("latin-1")), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": [*start, *(headers or [])]})
    await send({"type": "http.response.body", "body": body})


async def refuse(scope: Scope, receive: Receive, send: Send, status: int, sentence: str) -> None:
    """Says no in one sentence, as JSON that Gradio's own script shows; a websocket is closed."""
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.close", "code": 1008})
        return
    # `detail` is what Gradio shows for an event, `error` what our own components show
    body = json.dumps({"detail": sentence, "error": sentence}).encode()
    await reply(send, status, body, "application/json", [(b"cache-control", b"no-store")])
