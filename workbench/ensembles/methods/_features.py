"""What a stacking ensemble knows of an answer: numbers by name."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from workbench.ensembles.methods._likelihood import mean_logprob
from workbench.inference.stream import ChatMessages

if TYPE_CHECKING:
    from workbench.inference.engine import Engine

LENGTH, DISTINCT, CUT = "log length", "distinct tokens", "cut off"
Features = dict[str, float]


@dataclass(frozen=True)
class Candidate:
    """An answer to be judged, not empty: whose it is, its text, and how it ended ('eos' or 'length')."""

    member: str
    text: str
    finish: str


def under(member: str) -> str:
    return f"log-probability under {member}"


def by(member: str) -> str:
    return f"answered by {member}"


def names(members: Sequence[str]) -> list[str]:
    """The features of an ensemble of these members, in their order."""
    return [*map(under, members), LENGTH, DISTINCT, CUT, *map(by, members)]


def of_text(engine: "Engine", members: Sequence[str], answer: Candidate) -> Features:
    """What the answer shows by itself: log of its length in tokens, share of distinct ones, whether cut, whose."""
    ids = engine.model(answer.member).token_ids(answer.text)
    mine = {by(member): float(member == answer.member) for member in members}
    distinct = len(set(ids)) / max(len(ids), 1)
    return {LENGTH: math.log(max(len(ids), 1)), DISTINCT: distinct, CUT: float(answer.finish != "eos"), **mine}


def of_likelihood(engine: "Engine", member: str, messages: ChatMessages, answer: Candidate) -> Features:
    """How likely one member finds the answer, in nats a token."""
    return {under(member): mean_logprob(engine, member, messages, answer.text)}
