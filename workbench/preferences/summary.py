"""Everything the page shows about a session's votes, as plain JSON types, with sentences to read."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

from workbench.core.home import Home
from workbench.preferences.agreement import Agreement, agreement, agreement_of_pairs
from workbench.preferences.annotator_quality import annotator_quality
from workbench.preferences.aspect_results import aspect_results
from workbench.preferences.blinding import check_visible
from workbench.preferences.confidence_sequences import always_valid
from workbench.preferences.intervals import Share, count_given
from workbench.preferences.quality_checks import check_votes
from workbench.preferences.ratings import (
    Rate,
    Ratings,
    bradley_terry,
    length_controlled,
    length_effect,
    side_bias,
    votes_needed,
    win_rate,
)
from workbench.preferences.sessions import SessionInfo, finishes, get_session, model_of
from workbench.preferences.standing_votes import StandingVote, effective_votes
from workbench.preferences.vote_filters import filter_sentences, vote_filters

TARGET_SHARE = 0.6
BOTH_BAD_SHARE = 0.2


def report(home: Home, session: str, viewer: str = "", with_unblinded: bool = False) -> dict[str, Any]:
    """Counts, win rates, ratings, agreement, length effect, side bias and sentences; `UserError` if unknown.

    Votes of people who had seen the result count only `with_unblinded`. Raises `Blinded` when the session is open
    and was not unblinded for the browser `viewer`. Shares are 0…1, ratings points (mean 1000), seconds medians;
    what is undefined is None.
    """
    check_visible(home, session, viewer)
    info = get_session(home, session)
    votes = effective_votes(home, session, with_unblinded, adjudicated=True)
    cast = effective_votes(home, session, with_unblinded)
    models = list(dict.fromkeys(model_of(name) for name in info.models))
    between = _between_models(votes)
    rates = [rate_row(between, a, b) for a, b in itertools.combinations(models, 2)]
    ratings, agreed = bradley_terry(between, models), agreement(cast)
    length, sides = length_effect(votes), side_bias(cast)
    filters = vote_filters(home, session, "", with_unblinded)
    return {
        "session": {**asdict(info), "settings": info.settings.to_dict()},
        "counts": _counts(info, votes, cast),
        "filters": filters,
        "annotators": [asdict(each) for each in annotator_quality(cast, check_votes(home, session))],
        "answers": finishes(home, session),
        "win_rates": rates,
        "ratings": asdict(ratings),
        "aspects": aspect_results(_between_models(cast), cast, models),
        "agreement": asdict(agreed),
        "agreement_of_pairs": [asdict(each) for each in agreement_of_pairs(cast)],
        "length": asdict(length),
        "sides": asdict(sides),
        "sentences": [row["sentence"] for row in rates]
        + [text for text in _remarks(info, votes, ratings, agreed, length, sides) if text]
        + _unblinded(info, with_unblinded)
        + filter_sentences(filters)
        + ([] if info.closed else _stopping(rates)),
    }


def _between_models(votes: Sequence[StandingVote]) -> list[StandingVote]:
    """The votes that tell models apart: samples count for their model, pairs of one model's own answers drop out."""
    named = [replace(vote, model_a=model_of(vote.model_a), model_b=model_of(vote.model_b)) for vote in votes]
    return [vote for vote in named if vote.model_a != vote.model_b]


def _counts(info: SessionInfo, votes: Sequence[StandingVote], cast: Sequence[StandingVote]) -> dict[str, int]:
    return {
        "prompts": info.prompts,
        "pairs": info.pairs,
        "usable": info.usable,
        "identical": info.identical,
        "unusable": info.unusable,
        "votes": count_given(cast),
        "unblinded": info.unblinded,
        "wanted": info.usable * info.votes_per_pair,
        "annotators": info.annotators,
        "decided": sum(vote.outcome != 0.5 for vote in votes),
        "ties": sum(vote.outcome == 0.5 and not vote.both_bad for vote in votes),
        "both_bad": sum(vote.both_bad for vote in votes),
    }


def rate_row(votes: Sequence[StandingVote], a: str, b: str) -> dict[str, Any]:
    """How often `a` beat `b` as plain JSON types, with a sentence."""
    rate = win_rate(votes, a, b)
    more = more_needed(rate)
    always_low, always_high = always_valid(rate.rate, rate.n_effective)
    return {
        "a": a,
        "b": b,
        **asdict(rate),
        "length_controlled": length_controlled(votes, a, b),
        "always_low": always_low,
        "always_high": always_high,
        "more_needed": more,
        "sentence": _verdict(a, b, rate, more),
    }


def more_needed(rate: Rate) -> int:
    """How many more votes, hanging together as these do, tell a 60 % win rate from chance; 0 if enough."""
    worth = rate.n / rate.n_effective if rate.n else 1.0
    return max(0, math.ceil(votes_needed(TARGET_SHARE) * worth) - rate.n)


def _verdict(a: str, b: str, rate: Rate, more: int) -> str:
    if rate.low > 0.5 or rate.high < 0.5:
        winner, loser, share, low, high = (
            (a, b, rate.rate, rate.low, rate.high)
            if rate.low > 0.5
            else (b, a, 1 - rate.rate, 1 - rate.high, 1 - rate.low)
        )
        return f"{winner} beats {loser}: {_percent(share)} of {_votes(rate.n)} ({_span(low, high)})."
    if more:
        return (
            f"Not enough votes yet: about {more} more needed to tell a 60 % win rate from chance "
            f"({a} against {b}, {_votes(rate.n)} so far)."
        )
    share_text = f"{_percent(rate.rate)} of {_votes(rate.n)} for {a} ({_span(rate.low, rate.high)})"
    return f"{a} and {b} are too close to call: {share_text}."


def _remarks(
    info: SessionInfo, votes: Sequence[StandingVote], ratings: Ratings, agreed: Agreement, *shares: Share
) -> list[str]:
    length, sides = shares
    return [
        _both_bad(votes),
        ratings.not_enough if votes and len(info.models) > 2 else "",
        _agreement(agreed) if votes and info.votes_per_pair > 1 else "",
        _tendency(length, "The longer answer", "Look at the length-controlled figures too."),
        _tendency(sides, "The left answer", "Sides are random, so this is a habit of those who voted."),
        _left_out(info),
    ]


def _stopping(rates: Sequence[dict[str, Any]]) -> list[str]:
    """Which comparisons are decided however often one has looked; while votes still come in."""
    clear = [row for row in rates if row["always_low"] > 0.5 or row["always_high"] < 0.5]
    names = ", ".join(f"{row['a']} against {row['b']}" for row in clear)
    if names:
        return [f"Clear however often one looks, so that voting on it may end: {names}."]
    return ["Nothing is clear yet however often one looks: let the voting go on."] if rates else []


def _both_bad(votes: Sequence[StandingVote]) -> str:
    bad = sum(vote.both_bad for vote in votes)
    if not votes or bad / len(votes) < BOTH_BAD_SHARE:
        return ""
    return f"Both answers were called bad in {bad} of {_votes(len(votes))}."


def _agreement(agreed: Agreement) -> str:
    if agreed.raw is None:
        return agreed.reason
    alpha = f"Krippendorff's alpha {agreed.alpha:.2f}" if agreed.alpha is not None else agreed.reason
    if agreed.low is not None and agreed.high is not None:
        alpha += f" (95 % interval {agreed.low:.2f} to {agreed.high:.2f})"
    joint = ". " if agreed.alpha is None else "; "
    return f"Annotators agree {_percent(agreed.raw)} of the time on {agreed.overlaps} shared pairs{joint}{alpha}"


def _tendency(share: Share, who: str, remark: str) -> str:
    if share.low <= 0.5 <= share.high:
        return ""
    return f"{who} won {_percent(share.share)} of {_votes(share.n)} ({_span(share.low, share.high)}). {remark}"


def _left_out(info: SessionInfo) -> str:
    if not info.identical + info.unusable:
        return ""
    pairs = "1 pair" if info.identical == 1 else f"{info.identical} pairs"
    return f"Never shown: {pairs} with identical answers, {info.unusable} with an empty or failed one."


def _unblinded(info: SessionInfo, counted: bool) -> list[str]:
    if not info.unblinded:
        return []
    were = "was" if info.unblinded == 1 else "were"
    treatment = "counted here" if counted else "left out"
    return [f"{_votes(info.unblinded)} {were} given after seeing the result and {were} {treatment}."]


def _votes(n: int) -> str:
    return f"{n} vote" if n == 1 else f"{n} votes"


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _span(low: float, high: float) -> str:
    return f"95 % interval {100 * low:.0f}–{_percent(high)}"
