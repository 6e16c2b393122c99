"""What is wrong with a text that a model wrote, told without a model. Refusals and stop words are known in English."""

import re

from workbench.synthesis.novelty import words

SORRY_WORDS = 80  # a longer answer that says sorry may still be one (Evol-Instruct, section 3.2)
REFUSAL = re.compile(
    r"^\W*(i['’]?m sorry|i am sorry|sorry[,.!]|i apologi[sz]e|unfortunately,? i|as an ai|i['’]?m (just )?an ai"
    r"|i am (just )?an ai|i (cannot|can['’]?t|can not|won['’]?t|am unable|am not able)\b|i['’]?m (unable|not able)\b)",
    re.IGNORECASE,
)
COPIED = ("given prompt", "rewritten prompt", "created prompt")
STOP_WORDS = frozenset(
    re.findall(
        r"\w+",
        """
a an and are as at be but by for from had has have he her his i in is it its me my of on or our she so than that 
the their them then there these they this those to was we were what which who will with you your
""",
    )
)


def refuses(text: str) -> bool:
    """Whether it begins as refusals do."""
    return bool(REFUSAL.match(text))


def short_apology(text: str) -> bool:
    """Whether it says sorry in fewer than 80 words."""
    return "sorry" in text.lower() and len(words(text)) < SORRY_WORDS


def only_punctuation(text: str) -> bool:
    """Whether there is no letter and no digit in it."""
    return not words(text)


def only_stop_words(text: str) -> bool:
    """Whether there are only punctuation and English stop words in it."""
    return set(words(text)) <= STOP_WORDS


def copied_words(text: str) -> str:
    """The words of the evolving prompt that it copied, '' if none."""
    return next((piece for piece in COPIED if piece in text.lower()), "")


def one_of(text: str, listed: str) -> str:
    """The first of these words or phrases, separated by commas, that stands in the text whole; '' if none."""
    wanted = [piece.strip() for piece in listed.split(",") if piece.strip()]
    return next((piece for piece in wanted if re.search(rf"\b{re.escape(piece)}\b", text, re.IGNORECASE)), "")
