"""The search over everything in a home: by words, in upper or lower case, the best matches first."""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from workbench.core.notes import UserNotes
from workbench.inventory.item_notes import ITEM_KINDS, ItemKind
from workbench.inventory.shelf_items import ShelfItem

SEARCH_CHARACTERS = 200
SNIPPET_CHARACTERS = 120


@dataclass(frozen=True)
class ItemMatch:
    """An item that has every word. snippet: the piece of its note that has one of them, else the note's beginning."""

    item: ShelfItem
    score: int
    snippet: str


def search_words(text: str) -> list[str]:
    """The words of a search: in lower case, the letters in one form; '#word' stands for exactly that tag."""
    return _folded(text[:SEARCH_CHARACTERS]).split()


def search_items(items: Iterable[ShelfItem], text: str) -> dict[ItemKind, list[ItemMatch]]:
    """By kind, the items that have every word of the search; those with better matches first, then the newest.

    Of a search without a word: nothing.
    """
    words = search_words(text)
    matches: dict[ItemKind, list[ItemMatch]] = {kind: [] for kind in ITEM_KINDS}
    for item in items if words else ():
        if score := _score(item, words):
            matches[item.kind].append(ItemMatch(item, score, snippet_of(item.notes.note, words)))
    for ranked in matches.values():
        ranked.sort(key=lambda match: match.item.title)
        ranked.sort(key=lambda match: match.item.created, reverse=True)
        ranked.sort(key=lambda match: match.score, reverse=True)
    return matches


def has_words(words: Sequence[str], text: str, notes: UserNotes) -> bool:
    """Whether every word is in the text, a tag or the note; '#word' has to be a tag."""
    whole = _folded(f"{text}\n{' '.join(notes.tags)}\n{notes.note}") if words else ""
    return all(_has_tag(notes, word) if _is_tag(word) else word in whole for word in words)


def snippet_of(note: str, words: Sequence[str]) -> str:
    """A line of the note about its first match, of bounded length; its beginning where no word is in it."""
    line = " ".join(note.split())
    at = min((place for word in words if (place := line.lower().find(word)) >= 0), default=0)
    start = max(0, at - SNIPPET_CHARACTERS // 3)
    piece = line[start : start + SNIPPET_CHARACTERS]
    return f"{'…' if start else ''}{piece}{'…' if start + SNIPPET_CHARACTERS < len(line) else ''}"


def _score(item: ShelfItem, words: Sequence[str]) -> int:
    """The sum of what each word is worth where it fits best; 0 when one fits nowhere."""
    worths = [_worth(item, word) for word in words]
    return sum(worths) if all(worths) else 0


def _worth(item: ShelfItem, word: str) -> int:
    """A name counts more than a tag, a tag more than what it is or was made from, and that more than the note."""
    if _is_tag(word):
        return 6 if _has_tag(item.notes, word) else 0
    title = _folded(item.title)
    rest = _folded(f"{item.kind} {item.about} {' '.join(item.made_from)} {item.words}")
    worths = (
        (9, word == title),
        (7, any(segment.startswith(word) for segment in (title, *re.split(r"[\W_]+", title)))),
        (6, _has_tag(item.notes, f"#{word}")),
        (5, word in title),
        (4, any(word in _folded(tag) for tag in item.notes.tags)),
        (2, word in rest),
        (1, word in _folded(item.notes.note)),
    )
    return next((worth for worth, fits in worths if fits), 0)


def _has_tag(notes: UserNotes, word: str) -> bool:
    return any(word[1:] == _folded(tag) for tag in notes.tags)


def _folded(text: str) -> str:
    return unicodedata.normalize("NFC", text).casefold()


def _is_tag(word: str) -> bool:
    return len(word) > 1 and word.startswith("#")
