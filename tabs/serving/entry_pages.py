"""Pages before the page: the login and the invitation. What they are made of, and how their short forms are read."""

from collections.abc import Sequence
from urllib.parse import parse_qs, quote

from htpy import Node, body, button, form, h1, head, html, input, label, link, meta, p, style, title
from markupsafe import Markup
from starlette.requests import ClientDisconnect, Request
from starlette.types import Receive, Scope, Send

from tabs.serving.replies import reply
from workbench.core.assets import ASSETS

LONGEST_FORM_BYTES = 10_000  # bytes
STYLE = Markup((ASSETS / "login.css").read_text("utf-8"))  # noqa: S704 - a file of ours


async def read_form(scope: Scope, receive: Receive) -> dict[str, str]:
    """The fields of a short form; none when it is longer than a login can be."""
    text = b""
    try:
        async for piece in Request(scope, receive).stream():
            text += piece
            if len(text) > LONGEST_FORM_BYTES:
                return {}
    except ClientDisconnect:
        return {}
    return {name: values[0] for name, values in parse_qs(text.decode("utf-8", "replace")).items()}


def query_value(scope: Scope, name: str) -> str:
    """A value of the address's query, "" where there is none."""
    values = parse_qs(bytes(scope.get("query_string", b"")).decode("latin-1")).get(name)
    return values[0] if values else ""


async def send_entry(
    send: Send, status: int, page: Node, retry_seconds: int = 0, headers: Sequence[tuple[bytes, bytes]] = ()
) -> None:
    """Answers with a page made by `entry_page`."""
    retry = [(b"retry-after", str(retry_seconds).encode())] if retry_seconds else []
    await reply(send, status, str(page).encode(), "text/html; charset=utf-8", [*retry, *headers])


def entry_page(heading: str, action: str, fields: Sequence[Node], button_text: str, note: str = "") -> Node:
    """A page with one form; `note` says what was wrong with the last try. Without a button there is only the note."""
    return html(lang="en")[
        head[
            meta(charset="utf-8"), title[f"{heading} · LLM Workbench"],
            meta(name="viewport", content="width=device-width, initial-scale=1"),
            meta(name="color-scheme", content="light dark"), link(rel="icon", href="data:,"), style[STYLE],
        ],
        body[
            form(method="post", action=action)[
                h1["LLM Workbench"], fields, p(role="alert")[note] if note else None,
                button[button_text] if button_text else None,
            ]
        ],
    ]  # fmt: skip


def name_field(value: str = "") -> Node:
    """The field for a name."""
    return label["Name ", input(name="name", value=value, autocomplete="username", required=True, maxlength="80")]


def password_field(new: bool = False, focus: bool = True) -> Node:
    """The field for a password: one that is known, or a new one."""
    settings = {"type": "password", "autocomplete": "new-password" if new else "current-password"}
    return label["Password ", input(settings, name="password", required=True, autofocus=focus)]


async def redirect(send: Send, target: str, headers: list[tuple[bytes, bytes]] | None = None) -> None:
    """Sends the browser to an address of this server, relative so that a proxy's prefix stays."""
    location = (b"location", quote(f".{target}", safe="./?&=%+:,;@~-_").encode("ascii"))
    await reply(send, 303, b"", "text/plain", [location, (b"cache-control", b"no-store"), *(headers or [])])


async def send_to(send: Send, url: str, headers: Sequence[tuple[bytes, bytes]] = ()) -> None:
    """Sends the browser to an address elsewhere, which must be no visitor's choice."""
    await reply(
        send, 303, b"", "text/plain", [(b"location", url.encode("ascii")), (b"cache-control", b"no-store"), *headers]
    )


def client_address(scope: Scope) -> str:
    """The address a request came from, "?" where that is not known."""
    client = scope.get("client")
    return str(client[0]) if client else "?"
