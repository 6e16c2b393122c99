"""Divides rows into train and eval: by seed, whatever their order, and never the same row on both sides."""

import hashlib
import json
from collections import Counter
from typing import Any

from workbench.errors import UserError

SMALLEST = 5


def row_digest(row: dict[str, Any]) -> bytes:
    """16 bytes that are equal for equal canonical rows."""
    text = json.dumps(row, sort_keys=True, ensure_ascii=False)
    return hashlib.blake2b(text.encode("utf-8"), digest_size=16).digest()


def eval_mask(digests: list[bytes], fraction: float, seed: int) -> list[bool]:
    """True for each row that goes to eval: at most `fraction` of them, at least one from 5 rows on.

    Rows with equal digests stay together; at least one row is left to train on. Raises `UserError`.
    """
    check_fraction(fraction)
    total = len(digests)
    target = round(total * fraction)
    if fraction > 0 and total >= SMALLEST:
        target = max(1, target)
    groups = Counter(digests)
    chosen: set[bytes] = set()
    for digest in sorted(groups, key=lambda digest: _order(digest, seed)):
        if groups[digest] <= target and len(chosen) < len(groups) - 1:
            chosen.add(digest)
            target -= groups[digest]
    return [digest in chosen for digest in digests]


def check_fraction(fraction: float) -> None:
    """Raises `UserError` unless 0 ≤ fraction < 1."""
    if not 0 <= fraction < 1:
        raise UserError(f"{fraction} is not a share.", "Give a number from 0 to below 1, such as 0.1.", "eval_fraction")


def _order(digest: bytes, seed: int) -> bytes:
    return hashlib.blake2b(digest, digest_size=16, salt=str(seed).encode()[:16]).digest()
