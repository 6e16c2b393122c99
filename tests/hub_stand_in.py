"""A stand-in for the hub's login: OpenID metadata, authorize, token, userinfo and keys, as huggingface.co serves them.

What a test changes in `lies` it says or does wrongly; everything it is asked is checked as strictly as the hub would.
"""

import base64
import hashlib
import json
import secrets
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from tests.self_signed import rsa_key

CLIENT_ID, CLIENT_SECRET = "5c0a11d5-space", "the-secret-of-the-space"
CODE_SECONDS = 60


@dataclass
class Code:
    """What a code was given out for."""

    user: tuple[str, str]
    query: dict[str, str]
    until: float


@dataclass
class HubStandIn:
    """The hub. issuer: its address; browser_url: as browsers reach it. user: (id, name) of who is logged in to it."""

    redirect_uri: str
    issuer: str = "http://127.0.0.1:1"
    browser_url: str = "https://huggingface.co"
    user: tuple[str, str] = ("0" * 24, "ada")
    framed: str = ""
    lies: dict[str, Any] = field(default_factory=dict)
    codes: dict[str, Code] = field(default_factory=dict)
    tokens: dict[str, tuple[str, str]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/.well-known/openid-configuration", self._metadata),
                Route("/oauth/authorize", self._authorize),
                Route("/oauth/token", self._token, methods=["POST"]),
                Route("/oauth/userinfo", self._userinfo),
                Route("/oauth/jwks", self._keys),
                Route("/spaces/{name:path}", self._space),
            ]
        )

    async def _metadata(self, request: Request) -> Response:
        endpoints = {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.browser_url}/oauth/authorize",
            "token_endpoint": f"{self.issuer}/oauth/token",
            "userinfo_endpoint": f"{self.issuer}/oauth/userinfo",
            "jwks_uri": f"{self.issuer}/oauth/jwks",
        }
        return JSONResponse(endpoints | self.lies.get("metadata", {}))

    async def _authorize(self, request: Request) -> Response:
        query = dict(request.query_params)
        self.asked.append(str(request.url))
        right = {
            "response_type": "code",
            "client_id": CLIENT_ID,
            "redirect_uri": self.redirect_uri,
            "code_challenge_method": "S256",
        }
        if any(query.get(name) != value for name, value in right.items()) or not query.get("code_challenge"):
            return Response("no such app", 400)
        answer = urlencode(self.allow(query))
        headers = {"x-frame-options": "DENY"}  # as the hub's own pages: its login shows in no frame
        return RedirectResponse(f"{self.redirect_uri}?{answer}", 302, headers)

    def allow(self, query: dict[str, str]) -> dict[str, str]:
        """What the browser is sent back with when its user allows the login."""
        code = secrets.token_urlsafe(24)
        self.codes[code] = Code(self.user, query, time.time() + CODE_SECONDS)
        return {"code": code, "state": query.get("state", "")}

    async def _token(self, request: Request) -> Response:
        basic = base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()
        form = {name: str(value) for name, value in (await request.form()).items()}
        code = self.codes.pop(form.get("code", ""), None)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(form.get("code_verifier", "").encode()).digest())
        if request.headers.get("authorization") != f"Basic {basic}" or form.get("grant_type") != "authorization_code":
            return JSONResponse({"error": "invalid_client"}, 401)
        if (
            code is None
            or code.until < time.time()
            or form.get("redirect_uri") != code.query["redirect_uri"]
            or challenge.decode().rstrip("=") != code.query["code_challenge"]
        ):
            return JSONResponse({"error": "invalid_grant"}, 400)
        token = f"hf_oauth_{secrets.token_urlsafe(24)}"
        self.tokens[token] = code.user
        return JSONResponse(
            {"access_token": token, "token_type": "bearer", "expires_in": 28800, "scope": "openid profile",
             "id_token": self.id_token(code.user, code.query.get("nonce", ""))}
        )  # fmt: skip

    def id_token(self, user: tuple[str, str], nonce: str) -> str:
        now = time.time()
        claims = {
            "iss": self.issuer, "aud": CLIENT_ID, "sub": user[0], "preferred_username": user[1], "nonce": nonce,
            "iat": int(now), "exp": int(now) + 3600,
        } | self.lies.get("claims", {})  # fmt: skip
        header = {"alg": "RS256", "kid": "one", "typ": "JWT"} | self.lies.get("header", {})
        text = f"{_encoded(header)}.{_encoded(claims)}"
        signature = rsa_key(self.lies.get("key", 1)).sign(text.encode(), PKCS1v15(), SHA256())
        return f"{text}.{_base64(signature)}"

    async def _userinfo(self, request: Request) -> Response:
        user = self.tokens.get(request.headers.get("authorization", "").removeprefix("Bearer "))
        if user is None:
            return JSONResponse({"error": "invalid_token"}, 401)
        return JSONResponse({"sub": user[0], "preferred_username": user[1]} | self.lies.get("userinfo", {}))

    async def _keys(self, request: Request) -> Response:
        key = rsa_key(1).public_key().public_numbers()
        listed = {"kty": "RSA", "use": "sig", "alg": "RS256", "kid": "one", "n": _number(key.n), "e": _number(key.e)}
        return JSONResponse({"keys": [listed]})

    async def _space(self, request: Request) -> Response:
        style = "margin:0;border:0;width:100vw;height:calc(100vh - 40px)"
        page = f"<!doctype html><title>Space</title><b>the hub</b><iframe src='{self.framed}' style='{style}'></iframe>"
        return HTMLResponse(page)


def _number(n: int) -> str:
    return _base64(n.to_bytes((n.bit_length() + 7) // 8))


def _encoded(value: dict[str, Any]) -> str:
    return _base64(json.dumps(value).encode())


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
