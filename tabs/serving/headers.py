"""What browsers are told to allow on the page: no code but ours, no frames of it elsewhere, nothing from outside."""

import base64
import hashlib
import re
import secrets

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tabs.serving.config import Serving
from tabs.serving.routes import session_page
from tabs.shell.theme import EARLY_SCRIPT

HUB = "https://huggingface.co https://*.huggingface.co"
_PAGES = ("/", "/login", "/login/", "/login/callback", "/login/claim", "/login/huggingface", "/invite")
_SCRIPT = re.compile(rb"<script(?=[\s>])")
_EARLY = "sha256-" + base64.b64encode(hashlib.sha256(EARLY_SCRIPT.encode()).digest()).decode()
COMMON = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), microphone=(), geolocation=(), payment=(), usb=()"),
)
NOTHING_BUT_ITSELF = b"default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'; sandbox"
"""For everything that is no page: a file somebody uploaded runs nothing even when it is opened by itself."""


def page_policy(nonce: str, ancestors: str) -> bytes:
    """The Content-Security-Policy of the page.

    Gradio compiles the functions of events and components from text ('unsafe-eval') and sets style attributes; nothing
    of ours does. Script tags of its template carry the nonce, our early script, which Gradio inserts, goes by its hash,
    and what these load or import runs ('strict-dynamic'). Nothing else does: no handler in an attribute, no address
    outside, and no file of this server that markup names, such as an uploaded one ('self' is for browsers that do not
    know 'strict-dynamic'; the others pass it over).
    """
    return (
        f"default-src 'none'; script-src 'self' 'nonce-{nonce}' '{_EARLY}' 'strict-dynamic' 'unsafe-eval'; "
        "style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data: blob:; font-src 'self' data:; media-src 'self' blob:; connect-src 'self'; "
        "worker-src 'self' blob:; manifest-src 'self'; base-uri 'self'; form-action 'self'; "
        f"frame-ancestors {ancestors}"
    ).encode()


class SecurityHeaders:
    """ASGI middleware; outermost, so that refusals carry the headers too."""

    def __init__(self, app: ASGIApp, serving: Serving) -> None:
        self.app = app
        self.ancestors = HUB if serving.space else "'none'"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        named, session = session_page(scope["path"])
        page = _Page(self.ancestors, bool(session)) if scope["path"] in _PAGES or named else None
        if page:
            # the page is read whole here, and packed again further out
            scope = {**scope, "headers": [pair for pair in scope["headers"] if pair[0] != b"accept-encoding"]}

        async def send_safely(message: Message) -> None:
            if page and not page.is_sent:
                for part in page.parts(message):
                    await send(part)
                return
            if message["type"] == "http.response.start":
                _set(message, (*COMMON, (b"content-security-policy", NOTHING_BUT_ITSELF)))
            await send(message)

        await self.app(scope, receive, send_safely)


class _Page:
    """An HTML response, kept back until it is whole and its script tags have their nonce.

    below: it stands in a folder of its own, and what it names is that of the page above.
    """

    def __init__(self, ancestors: str, below: bool) -> None:
        self.nonce, self.ancestors, self.below = secrets.token_urlsafe(16), ancestors, below
        self.start: Message = {}
        self.body = b""
        self.is_sent = False

    def parts(self, message: Message) -> list[Message]:
        """The messages to send on, none as long as more is to come."""
        if message["type"] == "http.response.start":
            self.start = message
            return []
        if message["type"] != "http.response.body":
            return [message]
        self.body += message.get("body", b"")
        if message.get("more_body"):
            return []
        self.is_sent = True
        body = _SCRIPT.sub(f'<script nonce="{self.nonce}"'.encode(), self.body)
        if self.below:
            body = body.replace(b"<head>", b'<head><base href="../">', 1)
        frame = b"DENY" if self.ancestors == "'none'" else None
        _set(
            self.start,
            (
                *COMMON,
                (b"content-security-policy", page_policy(self.nonce, self.ancestors)),
                (b"content-length", str(len(body)).encode()),
                (b"cache-control", b"no-store"),
                *([(b"x-frame-options", frame)] if frame else []),
            ),
        )
        return [self.start, {"type": "http.response.body", "body": body}]


def _set(message: Message, headers: tuple[tuple[bytes, bytes], ...]) -> None:
    """Sets the headers, and drops what would let other sites read the response."""
    names = {name for name, _ in headers}
    kept = [
        (name, value)
        for name, value in message.get("headers", ())
        if name.lower() not in names and not name.lower().startswith(b"access-control-")
    ]
    message["headers"] = [*kept, *headers]
