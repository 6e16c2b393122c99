"""What a column's name may mean by any word of it: `is_chosen`, `sql_context`, `image_path`.

A format reads columns whose whole name means something (`columns`). A hint reads nothing: it raises a question.
"""

import re
from collections.abc import Iterable
from functools import lru_cache

from workbench.data.reading.columns import Meaning, meaning_of, plain_name
from workbench.rows.bounds import MOST_COLUMNS


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


WORDS: dict[Meaning, frozenset[str]] = {
    "weight": _words(
        "weight weights train trained trainable training learn learned learnable ignore ignored skip skipped "
        "exclude excluded mask masked supervised"
    ),
    "score": _words(
        "score scores scored rating ratings reward rewards rank stars grade vote votes upvotes downvotes "
        "likes dislikes toxicity helpfulness harmlessness honesty elo"
    ),
    "label": _words(
        "label labels verdict chosen accepted accept approved upvoted downvoted ok valid invalid pass passed "
        "fail failed hallucinated hallucination toxic harmful unsafe safe safety flagged correct incorrect "
        "correctness wrong good bad quality helpful preferred winner refused refusal"
    ),
    "media": _words(
        "image images img imgs picture pictures photo photos screenshot pixel pixels audio audios speech "
        "video videos media"
    ),
    "tools": _words("tool tools function functions api apis plugin plugins"),
    "thought": _words(
        "think thinking thought thoughts reasoning rationale monologue deliberation explanation analysis "
        "scratchpad cot steps"
    ),
    "conversation": _words("conversation conversations dialogue dialog messages turns transcript"),
    "answer": _words(
        "completion completions response responses answer answers output outputs solution solutions reply "
        "replies generation generations generated target targets summary translation highlights gold truth "
        "reference references expected ideal positive negative rejected win lose"
    ),
    "question": _words(
        "prompt prompts instruction instructions question query input inputs context passage history problem "
        "document documents article text code schema table background sentence evidence knowledge persona "
        "content body story option options choice choices distractor ending hint system"
    ),
}
NOTES = _words(
    "id ids idx index hash uuid length len count num number tokens type lang language languages source "
    "sources url urls uri link date time timestamp version model models name names category categories "
    "file files path paths format key author by at license generator split dataset domain tag tags "
    "keywords citation"
)
"""Last words of names that tell where a row comes from or how long it is, and not what is learned of it."""
FILES = _words("id ids url urls uri link file files path paths name bytes data")
"""Last words under which a picture or sound is named, in `image_path`."""
OPTIONS = frozenset("abcde")
"""Names of the columns of a multiple-choice question."""
NO_TOOLS = _words("call calls called choice result results output outputs response responses used answer")


def words_of(name: str) -> list[str]:
    """The words of a name, small: `answerKey_2` is answer, key."""
    return re.findall(r"[^\W\d_]+", plain_name(re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name))) or [""]


@lru_cache(maxsize=MOST_COLUMNS)
def hint_of(name: str) -> Meaning:
    """What a name may mean: as `meaning_of`, else by a word of it; '' where it only describes the row."""
    if meaning := meaning_of(name):
        return meaning
    words = words_of(name)
    if WORDS["media"] & {*words}:
        return "media" if words[-1] in WORDS["media"] | FILES else ""
    if is_note(name):
        return ""
    if plain_name(name) in OPTIONS:
        return "question"
    return next((meaning for meaning, hints in WORDS.items() if hints & {*words}), "")


def is_note(name: str) -> bool:
    """Whether a name tells where a row comes from or how long it is."""
    return words_of(name)[-1] in NOTES


def tool_names(columns: Iterable[str]) -> list[str]:
    """The names that may be of a column of tools by a word of them, and not of one of their calls or results."""
    return [name for name in columns if WORDS["tools"] & {*(words := words_of(name))} and not NO_TOOLS & {*words}]
