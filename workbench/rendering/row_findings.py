"""What a person should know about a row before training on it, whatever the template and the model."""

import re
from collections.abc import Iterator
from typing import Any

from workbench.rendering.row_warnings import Finding
from workbench.rows.turn_text import turn_text
from workbench.rows.values import short

Row = dict[str, Any]
PLACEHOLDER = re.compile(
    r"\{\{ ?[A-Za-z_][\w .-]{0,40}\}\}"  # {{name}}
    r"|\[(?:[Yy]our|YOUR|[Ii]nsert|INSERT) [^\]\n]{1,40}\](?!\()"  # [Your Name], no link
    r"|<(?:your|YOUR|insert|INSERT)[ _-][^<>\n]{1,40}>"  # <your-key>
)
MEDIA = re.compile(r"<(?:\|?(?:image|video|audio)(?:_pad|_start|_end|_soft_token)?\|?|img)>|\[IMG\]")
SIDES = ("chosen", "rejected")
SCORES = (("chosen_score", "rejected_score"), ("score_chosen", "score_rejected"))


def row_findings(row: Row) -> list[Finding]:
    """Placeholders never filled in, marks of pictures that are not there, and pairs that teach no preference."""
    return [*_left_over(row), *_undecided(row)]


def _left_over(row: Row) -> Iterator[Finding]:
    texts = [row["text"]] if "text" in row else [turn_text(turn) for turn in _turns(row)]
    for pattern, kind, meaning in (
        (PLACEHOLDER, "placeholder", "a placeholder that nobody filled in"),
        (MEDIA, "media mark", "a mark of a picture or sound, but there is none: it is learned as text"),
    ):
        hit = next((match.group() for text in texts if (match := pattern.search(text))), "")
        if hit:
            yield Finding("warning", f"The row has {short(hit)}, {meaning}.", kind)


def _undecided(row: Row) -> Iterator[Finding]:
    if not all(side in row for side in SIDES):
        return
    chosen, rejected = (_plain("\n".join(map(turn_text, row[side]))) for side in SIDES)
    if chosen == rejected:
        text = "Chosen and rejected are the same but for case, blanks and signs: there is nothing to prefer."
        yield Finding("warning", text, "identical pair")
    metadata = row.get("metadata") or {}
    scores = ((metadata.get(better), metadata.get(worse)) for better, worse in SCORES)
    if metadata.get("margin") == 0 or any(better is not None and better == worse for better, worse in scores):
        yield Finding("warning", "Chosen and rejected have the same score: the pair is a tie.", "tied pair")


def _turns(row: Row) -> list[Row]:
    names = ("messages", "prompt", "chosen", "rejected", "completion")
    return [turn for name in names for turn in row.get(name, [])]


def _plain(text: str) -> str:
    """A text without what makes no difference; of signs alone, the signs."""
    words = re.sub(r"[\W_]+", " ", text.casefold()).strip()
    return words or "".join(text.split())
