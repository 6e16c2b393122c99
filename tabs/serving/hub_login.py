"""Logging in with an account of the hub: the way there, the way back, and into the frame of a Space.

Between the two ways a signed cookie holds what was begun: only the browser that began a login can end it, once, within
minutes. The hub lets nobody log in inside a frame, and the cookies of a frame are not those of a tab of their own. So
the frame opens a tab, which hands the login back to it: a code that works once, within a minute, and which browsers
give to no page but ours (`postMessage` with our origin).
"""

import logging
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import cast
from urllib.parse import urlencode

import anyio
from htpy import Node, a, div, input, script, span
from itsdangerous import BadSignature, URLSafeTimedSerializer
from markupsafe import Markup
from starlette.requests import HTTPConnection
from starlette.types import Receive, Scope, Send

from tabs.serving.config import HubClient, Serving
from tabs.serving.cookies import Cookie
from tabs.serving.entry_pages import client_address, entry_page, query_value, read_form, send_entry, send_to
from tabs.serving.guard import ROUTE_KEY
from tabs.serving.openid import OpenIdProvider, ProviderFailed
from tabs.serving.remembered import Remembered
from tabs.serving.routes import HUB_CLAIM, HUB_LOGIN, Route
from tabs.serving.sessions import KEY_FILE, secret_key
from tabs.serving.throttle import Throttle
from workbench.core.assets import ASSETS
from workbench.core.home import Home
from workbench.people.accounts import Person
from workbench.people.hub_accounts import HubLoginRefused, HubUser, log_in_hub_user, may_own_space
from workbench.people.invitations import InvitationRefused, record_refusal

log = logging.getLogger("workbench.login")

LOGIN_SECONDS = 600
CLAIM_SECONDS = 60.0
LONGEST_QUERY_CHARACTERS = 500
SCRIPT = Markup((ASSETS / "js" / "entry" / "hub_login.js").read_text("utf-8"))  # noqa: S704 - a file of ours

OLD_LOGIN = "This login was not begun here, was used already, or took too long. Log in again."
NOT_PROVED = "Hugging Face did not say who you are. Log in again."
HUB_AWAY = "Hugging Face cannot be asked now. Try again later, or log in with a password."
TOO_MANY = "Too many logins at once. Wait a moment, then log in again."
UP_TO_PAGE = "/../"
"""The page, as seen from the routes below the login."""
Enter = Callable[[Scope, Send, Person, str], Awaitable[None]]


@dataclass(frozen=True)
class BegunLogin:
    """A login on its way to the hub and back. query: of the page to show then; token: of an invitation, ""; in_frame:
    whether a frame waits for it."""

    state: str
    nonce: str
    verifier: str
    query: str
    token: str
    in_frame: bool


class HubLogin:
    """Answers the routes of the login with the hub. `enter` begins a session and shows a page."""

    def __init__(
        self, home: Home, serving: Serving, client: HubClient, enter: Enter, provider: OpenIdProvider | None = None
    ) -> None:
        self.home, self.client, self.enter = home, client, enter
        self.provider = provider or OpenIdProvider(client)
        self.cookie = Cookie(f"workbench-hub-{serving.port}", LOGIN_SECONDS, serving.space)
        self.signer = URLSafeTimedSerializer(secret_key(Path(home.root) / KEY_FILE), salt=b"hub login")
        self.used: Remembered[bool] = Remembered(LOGIN_SECONDS)
        self.claims: Remembered[tuple[Person, str]] = Remembered(CLAIM_SECONDS)
        self.throttle = Throttle()

    async def answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = cast(Route, scope["state"][ROUTE_KEY]).path
        if path == HUB_LOGIN:
            await self._begin(scope, send)
        elif path == HUB_CLAIM:
            await self._claim(scope, receive, send)
        else:
            await self._end(scope, send)

    async def _begin(self, scope: Scope, send: Send) -> None:
        """Sends the browser to the hub, with what is to be proved in a cookie."""
        query = query_value(scope, "next")[:LONGEST_QUERY_CHARACTERS]
        begun = BegunLogin(
            secrets.token_urlsafe(32), secrets.token_urlsafe(32), secrets.token_urlsafe(48), query,
            query_value(scope, "invite")[:100], query_value(scope, "frame") == "1",
        )  # fmt: skip
        try:
            url = await self.provider.authorization_url(begun.state, begun.nonce, begun.verifier)
        except ProviderFailed as error:
            log.error("the hub cannot be asked for a login: %s", error)
            await send_entry(send, 502, message_page(HUB_AWAY))
            return
        await send_to(send, url, [self.cookie.header(self.signer.dumps(asdict(begun)), scope)])

    async def _end(self, scope: Scope, send: Send) -> None:
        """The way back: who the hub says it is, or why nobody is logged in."""
        begun = self._begun(scope)
        if begun is None:
            log.warning("refused a hub login from %s: not begun by that browser, or used", client_address(scope))
            await self._refuse(scope, send, 403, OLD_LOGIN)
            return
        if query_value(scope, "error") or not query_value(scope, "code"):
            await self._refuse(scope, send, 403, NOT_PROVED)
            return
        tried = client_address(scope) + begun.state
        if self.throttle.wait(tried):
            await self._refuse(scope, send, 429, TOO_MANY)
            return
        try:
            user = await self.provider.identify(query_value(scope, "code"), begun.nonce, begun.verifier)
            self.throttle.succeeded(tried)
            person = await anyio.to_thread.run_sync(self._person, user, begun.token)
        except ProviderFailed as error:
            log.warning("refused a hub login from %s: %s", client_address(scope), error)
            await self._refuse(scope, send, 403, NOT_PROVED)
        except (HubLoginRefused, InvitationRefused) as error:
            log.warning("refused a hub login from %s: no account", client_address(scope))
            if isinstance(error, InvitationRefused):
                await anyio.to_thread.run_sync(record_refusal, self.home)
            await self._refuse(scope, send, 403, f"{error.message} {error.remedy}")
        else:
            await self._welcome(scope, send, person, begun)

    def _person(self, user: HubUser, token: str) -> Person:
        owns = may_own_space(self.home, user, self.client.author, self.client.creator_id)
        return log_in_hub_user(self.home, user, token, owns)

    def _begun(self, scope: Scope) -> BegunLogin | None:
        """The login that this browser began with this state, which it can end only once."""
        try:
            text = HTTPConnection(scope).cookies.get(self.cookie.name, "")
            begun = BegunLogin(**self.signer.loads(text, max_age=LOGIN_SECONDS))
        except (BadSignature, TypeError):
            return None
        is_same = secrets.compare_digest(begun.state.encode(), query_value(scope, "state").encode())
        return begun if is_same and self.used.add(begun.state, True) else None

    async def _welcome(self, scope: Scope, send: Send, person: Person, begun: BegunLogin) -> None:
        # only the query is taken from the address: it can lead to no other page
        target = f"{UP_TO_PAGE}?{begun.query}" if begun.query else UP_TO_PAGE
        if not begun.in_frame:
            await self.enter(scope, send, person, target)
            return
        code = secrets.token_urlsafe(32)
        self.claims.add(code, (person, target))
        await send_entry(send, 200, handing_page(person.name, code), headers=[self.cookie.removal(scope)])

    async def _claim(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Begins the session in the browser context that a login was handed to."""
        taken = self.claims.take((await read_form(scope, receive)).get("claim", ""))
        if taken is None:
            await self._refuse(scope, send, 403, OLD_LOGIN)
            return
        person, target = taken
        await self.enter(scope, send, person, target)

    async def _refuse(self, scope: Scope, send: Send, status: int, sentence: str) -> None:
        await send_entry(send, status, message_page(sentence), headers=[self.cookie.removal(scope)])


def hub_link(query: str = "", token: str = "", text: str = "Log in with Hugging Face") -> Node:
    """The button to the hub. In a frame it opens a tab, which hands the login back; the script says which it is."""
    asked = urlencode({name: value for name, value in (("next", query), ("invite", token)) if value})
    return div(class_="hub")[
        a(class_="button", id="hub-login", href=f"{HUB_LOGIN[1:]}?{asked}", data_claim=HUB_CLAIM[1:])[text],
        script(type="module")[SCRIPT],
    ]


def message_page(message: str) -> Node:
    """A page that says why nobody is logged in, and leads back to the login."""
    return entry_page("Log in", "", [span(role="alert")[message], a(class_="button", href="../login")["Log in"]], "")


def handing_page(name: str, code: str) -> Node:
    """What the tab shows that a frame opened: the login goes back to the frame, or on in the tab."""
    fields = [
        span[f"You are logged in as {name}. Go back to the page of the Space, which goes on by itself."],
        input(type="hidden", name="claim", id="hub-code", value=code),
        script(type="module")[SCRIPT],
    ]
    return entry_page("Logged in", "claim", fields, "Go on in this tab")
