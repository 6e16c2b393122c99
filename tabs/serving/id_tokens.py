"""ID tokens of an OpenID provider: signed with RS256, for us, by them, for this login, and not too old.

Sources: https://openid.net/specs/openid-connect-core-1_0.html section 3.1.3.7, https://www.rfc-editor.org/rfc/rfc7515
(the compact form), https://www.rfc-editor.org/rfc/rfc8017 section 8.2.2 (RSASSA-PKCS1-v1_5). Only a signature is
checked here, which needs nothing secret.
"""

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

LEEWAY_SECONDS = 60.0
OLDEST_SECONDS = 600.0
LONGEST_TOKEN_CHARACTERS = 20_000
FEWEST_KEY_BITS, MOST_KEY_BITS = 2048, 8192
_SHA256_PREFIX = bytes.fromhex("3031300d060960864801650304020105000420")


class TokenRefused(ValueError):
    """An ID token that proves nothing; the text says why, and quotes nothing of it."""


@dataclass(frozen=True)
class Expected:
    """What an ID token must say. issuer: who made it; audience: our client id; nonce: that of this login."""

    issuer: str
    audience: str
    nonce: str


def verify_id_token(token: str, keys: Mapping[str, Any], expected: Expected, now: float) -> dict[str, Any]:
    """The claims of an ID token. keys: the provider's JWK set; now: seconds since the epoch. Raises `TokenRefused`."""
    if not isinstance(token, str) or len(token) > LONGEST_TOKEN_CHARACTERS or token.count(".") != 2:
        raise TokenRefused("no ID token")
    head, body, signature = token.split(".")
    header, claims = _decoded_json(head), _decoded_json(body)
    if header.get("alg") != "RS256":  # never what the token asks for: 'none', or our secret as a key
        raise TokenRefused("not signed with RS256")
    modulus, exponent = _public_key(keys, header.get("kid"))
    if not _is_signed(f"{head}.{body}".encode("ascii"), _decoded(signature), modulus, exponent):
        raise TokenRefused("the signature is wrong")
    _check_claims(claims, expected, now)
    return claims


def _check_claims(claims: Mapping[str, Any], expected: Expected, now: float) -> None:
    audience = claims.get("aud")
    several = audience if isinstance(audience, list) else [audience]
    if claims.get("iss") != expected.issuer:
        raise TokenRefused("another issuer")
    if expected.audience not in several or claims.get("azp", expected.audience) != expected.audience:
        raise TokenRefused("another audience")
    if len(several) > 1 and "azp" not in claims:
        raise TokenRefused("several audiences")
    if not hmac.compare_digest(str(claims.get("nonce", "")).encode(), expected.nonce.encode()):
        raise TokenRefused("another nonce")
    ends, begun = _seconds(claims.get("exp")), _seconds(claims.get("iat"))
    if ends < now - LEEWAY_SECONDS or begun < now - OLDEST_SECONDS:
        raise TokenRefused("too old")
    if begun > now + LEEWAY_SECONDS:
        raise TokenRefused("from the future")


def _seconds(value: Any) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise TokenRefused("without times")
    return value


def _public_key(keys: Mapping[str, Any], key_id: Any) -> tuple[int, int]:
    """Modulus and exponent of the key a token names, or of the only one there is."""
    listed = keys.get("keys") if isinstance(keys, Mapping) else None
    usable = [
        key
        for key in (listed if isinstance(listed, list) else [])
        if isinstance(key, Mapping) and key.get("kty") == "RSA" and key.get("use", "sig") == "sig"
    ]
    named = [key for key in usable if key.get("kid") == key_id] if key_id is not None else usable
    if len(named) != 1:
        raise TokenRefused("signed with no key of the provider")
    modulus = int.from_bytes(_decoded(str(named[0].get("n", ""))))
    exponent = int.from_bytes(_decoded(str(named[0].get("e", ""))))
    if not FEWEST_KEY_BITS <= modulus.bit_length() <= MOST_KEY_BITS or exponent < 3 or exponent.bit_length() > 32:
        raise TokenRefused("signed with an odd key")
    return modulus, exponent


def _is_signed(message: bytes, signature: bytes, modulus: int, exponent: int) -> bool:
    """RSASSA-PKCS1-v1_5 with SHA-256: the signature must open to exactly what the message encodes to."""
    size = (modulus.bit_length() + 7) // 8
    number = int.from_bytes(signature)
    if len(signature) != size or number >= modulus:
        return False
    digest = _SHA256_PREFIX + hashlib.sha256(message).digest()
    encoded = b"\x00\x01" + b"\xff" * (size - len(digest) - 3) + b"\x00" + digest
    return hmac.compare_digest(pow(number, exponent, modulus).to_bytes(size), encoded)


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise TokenRefused("not readable") from None


def _decoded_json(text: str) -> dict[str, Any]:
    try:
        value = json.loads(_decoded(text))
    except (ValueError, RecursionError):
        raise TokenRefused("not readable") from None
    if not isinstance(value, dict):
        raise TokenRefused("not readable")
    return value
