"""What a vote says beyond left and right: strength, aspects, reasons, an edited answer, a ranking; and its rules."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from workbench.core.errors import Problems, UserError, suggestion
from workbench.preferences.labelling_settings import STRENGTHS, LabellingSettings
from workbench.preferences.self_naming import COVER

LEFT, RIGHT, TIE, BOTH_BAD, SKIP, FLAG, RANKING = (
    "left", "right", "tie", "both_bad", "skip", "flag", "ranking",
)  # fmt: skip
CHOICES = (LEFT, RIGHT, TIE, BOTH_BAD, SKIP, FLAG)
RANKED_CHOICES = (RANKING, TIE, BOTH_BAD, SKIP, FLAG)
SIDES = (LEFT, RIGHT)
ASPECT_CHOICES = (LEFT, RIGHT, TIE)
REASON_CHARACTERS = 2_000
EDITED_CHARACTERS = 50_000


@dataclass(frozen=True)
class Ballot:
    """What goes with a choice. Everything is by side as it was shown, nothing by model.

    strength: 1 slightly, 2 clearly, 3 much, 0 not said. aspects: 'left', 'right' or 'tie' by aspect. reason: why, or
    what is wrong with a flagged pair. edited_text: the answer on `edited_side` rewritten into a better one.
    ranking: groups of indices of the answers as they were shown, the best group first; those of a group are equal.
    """

    strength: int = 0
    aspects: Mapping[str, str] = field(default_factory=dict)
    reason: str = ""
    edited_text: str = ""
    edited_side: str = ""
    ranking: Sequence[Sequence[int]] | None = None


def check_ballot(settings: LabellingSettings, choice: str, ballot: Ballot, ranked: int = 0) -> dict[str, Any]:
    """The columns of an event for this choice and what goes with it; `ranked` answers are ranked, 0 for a pair.

    Raises `UserError` for an unknown choice, `SpecError` for what the session does not ask for or what is missing.
    """
    known = RANKED_CHOICES if ranked else CHOICES
    if choice not in known:
        raise UserError(f"There is no choice {choice!r}.", suggestion(str(choice), list(known)), "choice")
    problems = Problems()
    values = {
        "choice": choice,
        "strength": _strength(settings, choice, ballot.strength, problems),
        "aspects": {} if ranked else _aspects(settings, choice, ballot.aspects, problems),
        "reason": _reason(settings, choice, ballot.reason, problems),
        **_edit(settings, choice, ballot, bool(ranked), problems),
    }
    if choice == RANKING:
        _check_ranking(ballot.ranking, ranked, problems)
    problems.check()
    return values


def _strength(settings: LabellingSettings, choice: str, strength: Any, problems: Problems) -> int:
    if choice not in SIDES or not settings.graded:
        return 0
    if strength not in STRENGTHS or isinstance(strength, bool):
        problems.add("strength", f"is {strength!r}.", "Say by how much: 1 slightly, 2 clearly, 3 much.")
        return 0
    return int(strength)


def _aspects(
    settings: LabellingSettings, choice: str, aspects: Mapping[str, str], problems: Problems
) -> dict[str, str]:
    if choice in (SKIP, FLAG):
        return {}
    if not isinstance(aspects, Mapping):
        problems.add("aspects", "are no mapping.", "Give 'left', 'right' or 'tie' by aspect.")
        return {}
    for name, value in aspects.items():
        if name not in settings.aspects:
            problems.add(("aspects", str(name)), "is not asked for here.", suggestion(str(name), settings.aspects))
        elif value not in ASPECT_CHOICES:
            problems.add(("aspects", name), f"is {value!r}.", "Choose left, right or tie.")
    if missing := [name for name in settings.aspects if name not in aspects]:
        problems.add("aspects", f"not judged yet: {', '.join(missing)}.", "Choose left, right or tie for each.")
    return dict(aspects)


def _reason(settings: LabellingSettings, choice: str, reason: str, problems: Problems) -> str:
    reason = reason.replace("\x00", "").strip() if isinstance(reason, str) else ""
    if len(reason) > REASON_CHARACTERS:
        problems.add("reason", f"has {len(reason):,} characters.", f"Write at most {REASON_CHARACTERS:,}.")
    if choice == FLAG and not reason:
        problems.add("reason", "is missing.", "Say what is wrong with this pair.")
    if choice != SKIP and settings.rationale == "required" and not reason and choice != FLAG:
        problems.add("reason", "is missing.", "Write why you judge so.")
    return reason


def _edit(settings: LabellingSettings, choice: str, ballot: Ballot, ranked: bool, problems: Problems) -> dict[str, str]:
    text = ballot.edited_text.replace("\x00", "") if isinstance(ballot.edited_text, str) else ""
    if not text.strip() or choice in (SKIP, FLAG):
        return {"edited_text": "", "edited_side": ""}
    if not settings.edits or ranked:
        problems.add("edited_text", "answers are not edited here.", "Vote without an edited answer.")
    if ballot.edited_side not in SIDES:
        problems.add("edited_side", f"is {ballot.edited_side!r}.", "Say which answer was edited: left or right.")
    if settings.mask_names and COVER in text:
        problems.add("edited_text", f"has a covered name ({COVER}).", "Write what is to stand there, or leave it out.")
    if len(text) > EDITED_CHARACTERS:
        problems.add("edited_text", f"has {len(text):,} characters.", f"Write at most {EDITED_CHARACTERS:,}.")
    return {"edited_text": text, "edited_side": ballot.edited_side}


def typed_ranking(text: str) -> list[list[int]]:
    """An order as people type it, best first, by letters ('B A=C') or numbers ('2 1=3'): groups of indices from 0.

    Commas and '>' part places, too. Raises `UserError` for anything else.
    """
    places = [place for place in re.split(r"[\s,>]+", re.sub(r"\s*=\s*", "=", text.strip().upper())) if place]
    groups = [place.split("=") for place in places]
    names = [name for group in groups for name in group]
    if not names or not all(re.fullmatch(r"[A-Z]|[1-9]\d?", name) for name in names):
        raise UserError("is no order of the answers.", "Write them best first, such as B A=C or 2 1=3.", "Order")
    return [[int(name) - 1 if name.isdigit() else ord(name) - ord("A") for name in group] for group in groups]


def _check_ranking(ranking: Any, ranked: int, problems: Problems) -> None:
    groups = ranking if isinstance(ranking, list | tuple) else []
    listed = [index for group in groups for index in (group if isinstance(group, list | tuple) else [None])]
    if not all(group for group in groups) or sorted(map(repr, listed)) != sorted(map(repr, range(ranked))):
        problems.add("ranking", "does not name every answer once.", f"Put all {ranked} answers in an order.")
