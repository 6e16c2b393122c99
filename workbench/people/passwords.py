"""Passwords: kept as Argon2id hashes alone, with the parameters for small memories of RFC 9106.

Source: https://www.rfc-editor.org/rfc/rfc9106 section 4, by way of argon2-cffi.
"""

import functools

import argon2

from workbench.core.errors import UserError

FEWEST_CHARACTERS, MOST_CHARACTERS = 10, 1_000
_hasher = argon2.PasswordHasher.from_parameters(argon2.profiles.RFC_9106_LOW_MEMORY)


def hash_password(password: str) -> str:
    """What is kept in a password's place; raises `UserError` for one that is too short or too long."""
    if not isinstance(password, str) or len(password) < FEWEST_CHARACTERS:
        raise UserError("is too short.", f"Choose one of at least {FEWEST_CHARACTERS} characters.", "password")
    if len(password) > MOST_CHARACTERS:
        raise UserError("is too long.", f"Choose one of at most {MOST_CHARACTERS:,} characters.", "password")
    return _hasher.hash(password)


def is_password(password_hash: str, password: str) -> bool:
    """Whether the hash was made of this password; takes as long where there is no hash ("") to compare with."""
    try:
        matches = _hasher.verify(password_hash or _no_hash(), password[:MOST_CHARACTERS])
    except (argon2.exceptions.VerificationError, argon2.exceptions.InvalidHashError):
        return False
    return matches and bool(password_hash)


@functools.lru_cache(maxsize=1)
def _no_hash() -> str:
    return _hasher.hash("nobody has this password")
