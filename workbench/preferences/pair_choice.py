"""Which models the next pair should compare: those compared least so far, or those a vote tells most about.

Everything else about a pair stays with `leases`: that it still needs votes, is free, and was not judged by this person.
"""

import hashlib
from collections import OrderedDict
from typing import Any

import numpy as np
import sqlalchemy as sa

from workbench.core.stats import Floats
from workbench.preferences import sessions, store, tables
from workbench.preferences.blinding import Voter
from workbench.preferences.informative_pairs import covariance_of, expected_gains, fit_wins

EVENTS, PAIRS, LEASES = tables.vote_events, tables.pairs, tables.leases
BALANCED, INFORMATIVE = "balanced", "informative"
MOST_TRIED_MATCHUPS = 12
"""Comparisons of models that are looked for, before any pair will do."""
REFIT_SHARE = 0.02
"""The ratings are fitted anew when so many more votes are in; the counts of votes are always those of now."""
MOST_FITS = 100
_fits: OrderedDict[tuple[str, int], tuple[int, Floats]] = OrderedDict()
"""Votes and θ of the latest fit, by database and session. Lost with the process: fitted again."""

_HERE = PAIRS.c.session_id == sa.bindparam("of_session")
_LACKS_VOTES = PAIRS.c.votes < sa.bindparam("wanted")
_COUNTS = (
    sa.select(PAIRS.c.matchup, sa.func.sum(PAIRS.c.votes), sa.func.count(sa.case((_LACKS_VOTES, 1))))
    .where(_HERE, PAIRS.c.state == sessions.OPEN, sessions.is_comparison())
    .group_by(PAIRS.c.matchup)
)
_LEASED = (
    sa.select(PAIRS.c.matchup, sa.func.count().label("n"))
    .select_from(LEASES.join(PAIRS, PAIRS.c.id == LEASES.c.pair_id))
    .where(_HERE, LEASES.c.expires > sa.bindparam("time_now"), LEASES.c.browser != sa.bindparam("voters_browser"))
    .where(sessions.is_comparison())
    .group_by(PAIRS.c.matchup)
)
_WINS = (
    sa.select(PAIRS.c.matchup, EVENTS.c.left_model, EVENTS.c.choice, sa.func.count())
    .select_from(EVENTS.join(PAIRS, PAIRS.c.id == EVENTS.c.pair_id))
    .where(_HERE, sessions.effective(), sessions.is_verdict(), sessions.is_comparison())
    .group_by(PAIRS.c.matchup, EVENTS.c.left_model, EVENTS.c.choice)
)
_OWN_EVENTS = sa.select(sa.func.count()).where(
    EVENTS.c.session_id == sa.bindparam("of_session"), EVENTS.c.annotator == sa.bindparam("voter")
)


def preferred_matchups(db: sa.Connection, row: Any, who: Voter) -> list[int]:
    """The comparisons of two models that come next, the most wanted first; none where any pair of the session's random
    order will do: where its pairs are chosen so, or where this one is among the random share."""
    settings = sessions.session_settings(row)
    way = settings.pair_choice
    if way not in (BALANCED, INFORMATIVE) or len(row.models) < 3:
        return []
    asked = {"of_session": row.id, "voter": who.name, "voters_browser": who.browser, "wanted": row.votes_per_pair}
    if way == INFORMATIVE and _draw(db, row, who, asked) < settings.random_share:
        return []
    counts = {matchup: (int(votes or 0), lacking) for matchup, votes, lacking in db.execute(_COUNTS, asked)}
    leased = {lease.matchup: lease.n for lease in db.execute(_LEASED, asked | {"time_now": store.clock()})}
    votes = {matchup: count + leased.get(matchup, 0) for matchup, (count, _) in counts.items()}
    wanted = [matchup for matchup, (_, lacking) in counts.items() if lacking]
    if way == BALANCED:
        return sorted(wanted, key=lambda matchup: (votes[matchup], _shuffled(row, matchup)))[:MOST_TRIED_MATCHUPS]
    gains = _gains(db, row, votes, sum(count for count, _ in counts.values()), asked)
    return sorted(wanted, key=lambda matchup: (-gains[matchup], _shuffled(row, matchup)))[:MOST_TRIED_MATCHUPS]


def _draw(db: sa.Connection, row: Any, who: Voter, asked: dict[str, Any]) -> float:
    """A number from 0 to 1 by the session's seed, another one for every pair a person is served."""
    served = db.scalar(_OWN_EVENTS, asked)
    digest = hashlib.sha256(f"{row.seed}\0choice\0{who.name}\0{served}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def _shuffled(row: Any, matchup: int) -> bytes:
    """A place in a random order, for comparisons that are wanted alike."""
    return hashlib.sha256(f"{row.seed}\0matchup\0{matchup}".encode()).digest()


def _gains(
    db: sa.Connection, row: Any, votes: dict[int, int], votes_now: int, asked: dict[str, Any]
) -> dict[int, float]:
    """By how much a vote on each comparison is expected to lower the variances; 0 where a model meets itself."""
    models = list(dict.fromkeys(map(sessions.model_of, row.models)))
    places = {matchup: _places(row, models, matchup) for matchup in votes}
    theta = _fitted(db, row, models, votes_now, asked)
    matrix = np.zeros((len(models), len(models)))
    for matchup, (i, j) in places.items():
        if i != j:
            matrix[i, j] += votes[matchup]
            matrix[j, i] += votes[matchup]
    gains = expected_gains(theta, covariance_of(matrix, theta))
    return {matchup: float(gains[place]) for matchup, place in places.items()}


def _places(row: Any, models: list[str], matchup: int) -> tuple[int, int]:
    """The two models of a comparison, as places in `models`."""
    first, second = divmod(matchup, sessions.MATCHUPS)
    return models.index(sessions.model_of(row.models[first])), models.index(sessions.model_of(row.models[second]))


def _fitted(db: sa.Connection, row: Any, models: list[str], votes_now: int, asked: dict[str, Any]) -> Floats:
    """θ of the models, fitted anew when enough votes came in since the last time."""
    key = str(db.engine.url), int(row.id)
    votes, theta = _fits.get(key, (-1, np.zeros(0)))
    if len(theta) != len(models) or abs(votes_now - votes) >= max(1, REFIT_SHARE * votes):
        theta, _ = fit_wins(_wins(db, row, models, asked))
        _fits[key] = votes_now, theta
        _fits.move_to_end(key)
        while len(_fits) > MOST_FITS:
            _fits.popitem(last=False)
    return theta


def _wins(db: sa.Connection, row: Any, models: list[str], asked: dict[str, Any]) -> Floats:
    """How often row i beat column j; a tie and two bad answers are half a win each way."""
    wins = np.zeros((len(models), len(models)))
    for matchup, left, choice, count in db.execute(_WINS, asked):
        i, j = _places(row, models, matchup)
        if row.models[matchup // sessions.MATCHUPS] != left:
            i, j = j, i
        share = {"left": 1.0, "right": 0.0}.get(choice, 0.5)
        if i != j:
            wins[i, j] += count * share
            wins[j, i] += count * (1 - share)
    return wins
