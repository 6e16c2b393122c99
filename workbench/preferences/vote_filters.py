"""What decides which votes of a session count in its result and exports, with counts, so that it can be recorded."""

from typing import Any

from workbench.core.home import Home
from workbench.preferences import sessions
from workbench.preferences.exclusions import excluded_annotators
from workbench.preferences.quality_checks import check_votes
from workbench.preferences.standing_votes import effective_votes


def vote_filters(home: Home, session: str, own: str = "", with_unblinded: bool = False) -> dict[str, Any]:
    """What decides which votes of a session count, with how many each rule leaves out or replaces."""
    counted = {vote.event for vote in effective_votes(home, session, with_unblinded)}
    everybody = {vote.event for vote in effective_votes(home, session, with_unblinded, with_excluded=True)}
    unflagged = {vote.event for vote in effective_votes(home, session, with_unblinded, with_flagged=True)}
    with_decisions = effective_votes(home, session, with_unblinded, adjudicated=True)
    settled = {vote.pair for vote in with_decisions if vote.event not in counted}
    return {
        "own_answers_of": own,
        "with_unblinded": with_unblinded,
        "votes_unblinded": sessions.get_session(home, session).unblinded,
        "annotators_left_out": excluded_annotators(home, session),
        "votes_of_annotators_left_out": len(everybody - counted),
        "votes_on_flagged_pairs": len(unflagged - counted),
        "answers_to_checks": len(check_votes(home, session)),
        "pairs_adjudicated": len(settled),
    }


def filter_sentences(filters: dict[str, Any]) -> list[str]:
    """What of it a reader of the result should know; unblinded votes have a sentence of their own."""
    sentences = []
    if names := filters["annotators_left_out"]:
        count = filters["votes_of_annotators_left_out"]
        sentences.append(f"Left out: {_votes(count)} of {', '.join(names)}.")
    if count := filters["votes_on_flagged_pairs"]:
        sentences.append(f"Left out: {_votes(count)} on pairs that somebody flagged.")
    if count := filters["pairs_adjudicated"]:
        pairs, count_so = ("1 pair", "counts") if count == 1 else (f"{count} pairs", "count")
        sentences.append(f"{pairs} on which votes differed {count_so} as an adjudicator decided.")
    return sentences


def _votes(n: int) -> str:
    return "1 vote" if n == 1 else f"{n} votes"
