"""The result of each aspect by itself: win rates, ratings and agreement of what people said of it beside their vote."""

import itertools
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

from workbench.preferences.agreement import agreement, aspect_category
from workbench.preferences.ratings import bradley_terry, win_rate
from workbench.preferences.standing_votes import StandingVote


def aspect_results(
    between: Sequence[StandingVote], cast: Sequence[StandingVote], models: Sequence[str]
) -> list[dict[str, Any]]:
    """One entry an aspect, in the order in which they were asked: its votes, `win_rates`, `ratings` and `agreement`.

    `between` are the votes that tell models apart, named after them, `cast` all votes as they were given. Adjudicators
    do not judge aspects: these are those of the votes.
    """
    names = list(dict.fromkeys(itertools.chain.from_iterable(vote.aspects for vote in cast)))
    return [_aspect(name, between, cast, models) for name in names]


def _aspect(
    name: str, between: Sequence[StandingVote], cast: Sequence[StandingVote], models: Sequence[str]
) -> dict[str, Any]:
    votes = votes_on_aspect(between, name)
    rates = [{"a": a, "b": b, **asdict(win_rate(votes, a, b))} for a, b in itertools.combinations(models, 2)]
    return {
        "aspect": name,
        "votes": len(votes),
        "win_rates": rates,
        "ratings": asdict(bradley_terry(votes, models)),
        "agreement": asdict(agreement(cast, aspect_category(name))),
    }


def votes_on_aspect(votes: Sequence[StandingVote], aspect: str) -> list[StandingVote]:
    """What was said of this aspect, as votes; without those that say nothing of it."""
    words = {1.0: "a", 0.0: "b", 0.5: "tie"}
    return [
        replace(vote, outcome=vote.aspects[aspect], both_bad=False, choice=words[vote.aspects[aspect]])
        for vote in votes
        if aspect in vote.aspects
    ]
