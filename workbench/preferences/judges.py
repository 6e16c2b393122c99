"""An automatic voter: scores each answer by a stated rule and votes blind, by side, for the higher score."""

import re
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass

from workbench.core.home import Home
from workbench.preferences.blinding import Voter
from workbench.preferences.votes import next_item, vote

OPENING, BULLET, CLOSING = "**In short:**", "- ", "**Try it:**"
YIELD_SECONDS = 0.005

FIELD_GUIDE_STATEMENT = (
    "The field-guide rule, 0 to 4 points. 1 point: the answer starts with '**In short:**' followed by words. "
    "1 point: exactly three lines start with '- ', each followed by words; half a point for two or four such "
    "lines. 1 point: the last line starts with '**Try it:**' followed by words. Half a point: there are at "
    "least two such '- ' lines and none is repeated. Half a point: 25 to 110 words in all. "
    "The answer with more points gets the vote; equal points are a tie."
)


@dataclass(frozen=True)
class Rule:
    """A stated way to score one answer, without knowing which model gave it."""

    name: str
    statement: str
    score: Callable[[str], float]

    def choose(self, left: str, right: str) -> str:
        """The side with the higher score: 'left', 'right' or 'tie'."""
        difference = self.score(left) - self.score(right)
        return "tie" if difference == 0 else "left" if difference > 0 else "right"


def field_guide_rule(text: str) -> float:
    """The points, 0 to 4, of an answer for the 'field guide' manner.

    1: it starts with '**In short:**' and words. 1: exactly three lines start with '- ', each with words
    (two or four: 0.5; an empty one: 0). 1: its last line starts with '**Try it:**' and words. 0.5: at least two
    such lines and none repeated, upper and lower case alike. 0.5: 25 to 110 words; a word has a letter or digit.
    """
    lines = text.strip().splitlines() or [""]
    bullets = [_words(line) for line in lines if line.startswith(BULLET)]
    filled = bool(bullets) and all(bullets)
    points = 1.0 * _has_text(lines[0], OPENING) + 1.0 * _has_text(lines[-1], CLOSING)
    points += {2: 0.5, 3: 1.0, 4: 0.5}.get(len(bullets), 0.0) * filled
    points += 0.5 * (filled and len(bullets) > 1 and len(set(map(tuple, bullets))) == len(bullets))
    return points + 0.5 * (25 <= len(_words(text)) <= 110)


def _has_text(line: str, heading: str) -> bool:
    return line.startswith(heading) and bool(_words(line.removeprefix(heading)))


def _words(text: str) -> list[str]:
    return [word for word in text.lower().split() if re.search(r"[^\W_]", word)]


FIELD_GUIDE = Rule("field-guide", FIELD_GUIDE_STATEMENT, field_guide_rule)


def vote_by_rule(home: Home, session: str, rule: Rule, annotator: str = "rule:field-guide") -> int:
    """Votes on every pair open to this annotator and returns how many votes that were; raises `UserError`."""
    count, who = 0, Voter(annotator, annotator)
    while item := next_item(home, session, who):
        choice = rule.choose(item.left, item.right)
        vote(home, session, who, item.token, choice, f"{annotator}:{uuid.uuid4().hex}", 0.0)
        count += 1
        time.sleep(YIELD_SECONDS)  # SQLite's lock is not fair: without a pause, people's votes wait for seconds
    return count
