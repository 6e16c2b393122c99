"""The pad's words in the languages a session can have, and why there is no pair, in those words."""

import functools
import json
from collections.abc import Mapping

from tabs.shell.context import Context
from workbench.core.assets import ASSETS
from workbench.core.errors import UserError
from workbench.preferences.admission import REFUSALS, VoteRefused
from workbench.preferences.sessions import get_session
from workbench.preferences.standing import Standing

FOLDER = ASSETS / "words"
COUNTED = ("held", "others")


@functools.cache
def pad_words(language: str) -> Mapping[str, str]:
    """All texts of the pad in one language, by their keys; `{name}` in a text is filled in."""
    words: dict[str, str] = json.loads((FOLDER / f"{language}.json").read_text("utf-8"))
    return words


def explanation(ctx: Context, session: str, stands: Standing, words: Mapping[str, str]) -> tuple[str, str]:
    """Title and sentence for somebody who has no pair to judge."""
    reason = stands.reason
    if reason == "answering" and _has_ended(ctx, session):
        reason = "ended"
    text = f"{reason}_text"
    if reason in COUNTED:
        text += "_one" if stands.pairs == 1 else "_other"
    return words[f"{reason}_title"], words[text].format(pairs=stands.pairs)


def refusal_text(refused: VoteRefused, words: Mapping[str, str]) -> str:
    """Why a step of an annotator was not taken, and what to do."""
    reason = refused.reason
    if reason in REFUSALS:
        return " ".join((words[f"{reason}_title"], words["nothing_saved"], words[f"{reason}_text"]))
    return words[f"refused_{reason}"].format(**refused.values)


def _has_ended(ctx: Context, session: str) -> bool:
    """Whether the job that makes the answers runs no more."""
    try:
        return ctx.queue.get(str(get_session(ctx.home, session).made_by.get("job") or "")).final
    except UserError:
        return True
