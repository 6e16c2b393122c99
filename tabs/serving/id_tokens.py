"""ID tokens of an OpenID provider: signed with RS256, for us, by them, for this login, and not too old.

Source: https://openid.net/specs/openid-connect-core-1_0.html section 3.1.3.7, by way of PyJWT.
"""

import hmac
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

LEEWAY_SECONDS = 60.0
OLDEST_SECONDS = 600.0
LONGEST_TOKEN_CHARACTERS = 20_000
FEWEST_KEY_BITS = 2048


class TokenRefused(ValueError):
    """An ID token that proves nothing; the text says why, and quotes nothing of it."""


@dataclass(frozen=True)
class Expected:
    """What an ID token must say. issuer: who made it; audience: our client id; nonce: that of this login."""

    issuer: str
    audience: str
    nonce: str


def verify_id_token(token: str, keys: Mapping[str, Any], expected: Expected) -> dict[str, Any]:
    """The claims of an ID token. keys: the provider's JWK set. Raises `TokenRefused`."""
    import jwt  # of use where the hub logs people in alone

    if not isinstance(token, str) or len(token) > LONGEST_TOKEN_CHARACTERS:
        raise TokenRefused("no ID token")
    try:
        claims = jwt.decode(
            token, _public_key(token, keys), algorithms=["RS256"],  # never what the token asks for
            audience=expected.audience, issuer=expected.issuer, leeway=LEEWAY_SECONDS,
            options={"require": ["exp", "iat", "aud", "iss", "sub"], "enforce_minimum_key_length": True},
        )  # fmt: skip
    except (jwt.PyJWTError, UnicodeError) as error:
        raise TokenRefused(type(error).__name__) from None  # whose text may quote the token
    _check_login(claims, expected)
    return dict(claims)


def _public_key(token: str, keys: Mapping[str, Any]) -> Any:
    """The provider's key that a token names, or the only one there is."""
    import jwt

    listed = keys.get("keys") if isinstance(keys, Mapping) else None
    usable = [
        key
        for key in (listed if isinstance(listed, list) else [])
        if isinstance(key, Mapping) and key.get("kty") == "RSA" and key.get("use", "sig") == "sig"
    ]
    key_id = jwt.get_unverified_header(token).get("kid")
    named = [key for key in usable if key_id is None or key.get("kid") == key_id]
    if len(named) != 1:
        raise TokenRefused("signed with no key of the provider")
    key = jwt.PyJWK(dict(named[0]), algorithm="RS256").key
    if key.key_size < FEWEST_KEY_BITS:
        raise TokenRefused("signed with a weak key")
    return key


def _check_login(claims: Mapping[str, Any], expected: Expected) -> None:
    """What the library leaves to us: that it was made for this login, now, and for nobody besides."""
    several = isinstance(claims["aud"], list) and len(claims["aud"]) > 1
    if claims.get("azp", "" if several else expected.audience) != expected.audience:
        raise TokenRefused("another audience")
    if not hmac.compare_digest(str(claims.get("nonce", "")).encode(), expected.nonce.encode()):
        raise TokenRefused("another nonce")
    if claims["iat"] < time.time() - OLDEST_SECONDS:
        raise TokenRefused("too old")
