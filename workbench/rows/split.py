"""Divides rows into train and eval: by seed, whatever their order, and never the same row on both sides."""

from collections import Counter

import xxhash

from workbench.core.errors import UserError

SMALLEST_ROWS = 5


def eval_mask(digests: list[bytes], fraction: float, seed: int) -> list[bool]:
    """True for each row that goes to eval: at most `fraction` of them, at least one from 5 rows on.

    Rows with equal digests stay together; at least one row is left to train on. Raises `UserError`.
    """
    check_fraction(fraction)
    total = len(digests)
    target = round(total * fraction)
    if fraction > 0 and total >= SMALLEST_ROWS:
        target = max(1, target)
    groups = Counter(digests)
    chosen: set[bytes] = set()
    order = {digest: xxhash.xxh3_128_intdigest(digest, seed) for digest in groups}
    for digest in sorted(order, key=order.__getitem__):
        if not target or len(chosen) >= len(groups) - 1:
            break
        if groups[digest] <= target:
            chosen.add(digest)
            target -= groups[digest]
    return [digest in chosen for digest in digests]


def check_fraction(fraction: float) -> None:
    """Raises `UserError` unless 0 ≤ fraction < 1."""
    if not 0 <= fraction < 1:
        raise UserError(f"{fraction} is not a share.", "Give a number from 0 to below 1, such as 0.1.", "eval_fraction")
