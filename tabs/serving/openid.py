"""The OpenID provider that proves who somebody is: the Hugging Face hub, by the authorization-code flow with PKCE.

Sources: https://huggingface.co/docs/hub/oauth, https://openid.net/specs/openid-connect-core-1_0.html,
https://www.rfc-editor.org/rfc/rfc7636 (PKCE). What the provider gives us is used to learn who logs in and then
forgotten; no token of it is kept, logged or sent to a browser.
"""

import base64
import hashlib
import json
import time
from typing import Any
from urllib.parse import urlencode, urlsplit

import httpx

from tabs.serving.config import HubClient, is_protected
from tabs.serving.id_tokens import Expected, TokenRefused, verify_id_token
from workbench.core.errors import UserError
from workbench.people.hub_accounts import HubUser, parse_hub_user

SCOPE = "openid profile"
"""All that is asked for, whatever else a Space's `hf_oauth_scopes` would allow."""
TIMEOUT_SECONDS = 15.0
METADATA_SECONDS = 600.0
LONGEST_REPLY_BYTES = 1_000_000
_ENDPOINTS = ("authorization_endpoint", "token_endpoint", "userinfo_endpoint", "jwks_uri")


class ProviderFailed(Exception):
    """The provider could not be asked, or its answer proves nobody; the text quotes no token."""


class OpenIdProvider:
    """Asks the provider; what it says of itself is remembered for some minutes."""

    def __init__(self, client: HubClient, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self.client, self.transport = client, transport
        self._metadata: dict[str, str] = {}
        self._read_at = 0.0

    async def authorization_url(self, state: str, nonce: str, verifier: str) -> str:
        """Where a browser goes to log in; raises `ProviderFailed`."""
        metadata = await self._read_metadata()
        query = {
            "response_type": "code",
            "client_id": self.client.client_id,
            "redirect_uri": self.client.redirect_uri,
            "scope": SCOPE,
            "state": state,
            "nonce": nonce,
            "code_challenge": code_challenge(verifier),
            "code_challenge_method": "S256",
        }
        address = metadata["authorization_endpoint"]
        return f"{address}{'&' if urlsplit(address).query else '?'}{urlencode(query)}"

    async def identify(self, code: str, nonce: str, verifier: str) -> HubUser:
        """Who logged in, for a code that the provider sent the browser back with; raises `ProviderFailed`."""
        metadata = await self._read_metadata()
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.client.redirect_uri,
            "code_verifier": verifier,
        }
        own = (self.client.client_id, self.client.client_secret)
        tokens = await self._ask("POST", metadata["token_endpoint"], data=form, auth=httpx.BasicAuth(*own))
        keys = await self._ask("GET", metadata["jwks_uri"])
        expected = Expected(metadata["issuer"], self.client.client_id, nonce)
        try:
            claims = verify_id_token(tokens.get("id_token", ""), keys, expected)
        except TokenRefused as error:
            raise ProviderFailed(f"the ID token was refused: {error}") from None
        bearer = {"Authorization": f"Bearer {tokens.get('access_token', '')}"}
        profile = await self._ask("GET", metadata["userinfo_endpoint"], headers=bearer)
        if profile.get("sub") != claims.get("sub"):
            raise ProviderFailed("the profile is somebody else's")
        try:
            return parse_hub_user(profile.get("sub"), profile.get("preferred_username"))
        except UserError as error:
            raise ProviderFailed(error.message) from None

    async def _read_metadata(self) -> dict[str, str]:
        """Issuer and endpoints, which must be the provider's own and reached by TLS, or lie on this machine."""
        if self._metadata and time.monotonic() - self._read_at < METADATA_SECONDS:
            return self._metadata
        issuer = self.client.provider_url.rstrip("/")
        found = await self._ask("GET", f"{issuer}/.well-known/openid-configuration")
        if str(found.get("issuer", "")).rstrip("/") != issuer:
            raise ProviderFailed("it names another issuer")
        if not all(is_protected(str(found.get(name, ""))) for name in _ENDPOINTS):
            raise ProviderFailed("one of its addresses is missing or not https")
        self._metadata = {name: str(found[name]) for name in ("issuer", *_ENDPOINTS)}
        self._read_at = time.monotonic()
        return self._metadata

    async def _ask(self, method: str, url: str, **options: Any) -> dict[str, Any]:
        """One JSON object of the provider's; raises `ProviderFailed`, whose text holds neither codes nor tokens."""
        where = urlsplit(url).path
        client = httpx.AsyncClient(timeout=TIMEOUT_SECONDS, transport=self.transport, follow_redirects=False)
        headers = {"Accept": "application/json", **options.pop("headers", {})}
        try:
            async with client, client.stream(method, url, headers=headers, **options) as reply:
                text = b""
                async for piece in reply.aiter_bytes():
                    text += piece
                    if len(text) > LONGEST_REPLY_BYTES:
                        raise ProviderFailed(f"{where} answered at too great length")
                if reply.status_code != 200:
                    raise ProviderFailed(f"{where} answered {reply.status_code}")
                value = reply_json(text)
        except httpx.HTTPError as error:
            raise ProviderFailed(f"{where} could not be asked ({type(error).__name__})") from None
        if value is None:
            raise ProviderFailed(f"{where} answered no JSON object")
        return value


def reply_json(text: bytes) -> dict[str, Any] | None:
    """A JSON object, None for anything else."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def code_challenge(verifier: str) -> str:
    """The S256 challenge of a PKCE verifier."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode("ascii")).digest()).rstrip(b"=").decode("ascii")
