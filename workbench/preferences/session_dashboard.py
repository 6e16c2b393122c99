"""How a session goes: who did how much, what is left and when it will be done, flags and answers that were cut off.

Its owner may see all of this while people vote, so nothing here tells which model wins: no figure by model, none of the
lengths of answers, which differ by model. The names of models are with `summary.report`.
"""

from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from workbench.core.errors import shortened
from workbench.core.home import Home
from workbench.preferences import sessions, store, tables
from workbench.preferences.adjudication import count_disagreements
from workbench.preferences.adjudicators import adjudicators
from workbench.preferences.agreement import agreement
from workbench.preferences.annotator_quality import annotator_quality
from workbench.preferences.exclusions import excluded_annotators
from workbench.preferences.intervals import count_given
from workbench.preferences.quality_checks import check_votes
from workbench.preferences.standing_votes import StandingVote, effective_votes

EVENTS, PAIRS = tables.vote_events, tables.pairs
PACE_SPAN = timedelta(days=1)
SHOWN_FLAGS = 200
PROMPT_CHARACTERS = 200


@dataclass(frozen=True)
class Flag:
    """A pair that somebody flagged: its prompt's last line, why, and when; not by whom, nor whose answers."""

    prompt: str
    reason: str
    created: str


@dataclass(frozen=True)
class SessionForecast:
    """Votes that are `left`, those of the `last_day`, and when the last is in at that pace (ISO 8601 or "")."""

    left: int
    last_day: int
    done_by: str


def dashboard(home: Home, session: str) -> dict[str, Any]:
    """Progress, people, flags, disagreements and agreement of a session as plain JSON types; `UserError` if unknown.

    Work counts whether it counts in the result or not: that of people who are left out, and on flagged pairs, too.
    """
    info = sessions.get_session(home, session)
    votes = effective_votes(home, session, with_excluded=True, with_flagged=True)
    wanted = info.usable * info.votes_per_pair
    with store.reading(home) as db:
        row = sessions.find_session(db, session)
        dealt, flags, cut_off = _dealt_with(db, row.id), _flags(db, row.id), _cut_off(db, row.id)
    return {
        "session": info.name,
        "state": info.state,
        "votes": info.votes,
        "wanted": wanted,
        "pairs": info.usable,
        "complete": info.complete,
        "forecast": asdict(session_forecast(max(0, wanted - info.votes), votes, datetime.now(UTC))),
        "people": _people(home, session, votes, dealt),
        "agreement": asdict(agreement(votes)),
        "disagreements": {**count_disagreements(home, session), "adjudicators": adjudicators(home, session)},
        "flags": [asdict(flag) for flag in flags],
        "answers_cut_off": cut_off,
    }


def activity_mark(home: Home, session: str) -> str:
    """Changes with every vote, decision and switch of a session; '' when there is none of that name. Cheap to ask."""
    switches = tables.session_events
    with store.reading(home) as db:
        row = db.execute(sa.select(tables.sessions).where(tables.sessions.c.name == session)).one_or_none()
        if row is None:
            return ""
        latest = [
            db.scalar(sa.select(sa.func.max(table.c.id)).where(table.c.session_id == row.id))
            for table in (EVENTS, switches)
        ]
        return f"{row.id}/{row.state}/{row.complete}/{latest[0] or 0}/{latest[1] or 0}"


def session_forecast(left: int, votes: list[StandingVote], now: datetime) -> SessionForecast:
    """When the votes that are left will be in, from the pace of the last day, or since the first vote if that is less.

    Without a vote in that day nothing is known.
    """
    moments = sorted({(vote.event, vote.created) for vote in votes if vote.created}, key=lambda each: each[1])
    recent = [moment for _, text in moments if now - (moment := _moment(text)) <= PACE_SPAN]
    if not recent or not left:
        return SessionForecast(left, len(recent), "")
    began = max(_moment(moments[0][1]), now - PACE_SPAN)
    pace = len(recent) / max((now - began).total_seconds(), 60.0)
    done = now + timedelta(seconds=min(left / pace, 3650 * 86400))
    return SessionForecast(left, len(recent), done.isoformat(timespec="seconds"))


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


def _people(
    home: Home, session: str, votes: list[StandingVote], dealt: dict[str, dict[str, int]]
) -> list[dict[str, Any]]:
    """One row a person, the busiest first; how often longer answers won is left out, since it may tell a model."""
    left_out = set(excluded_annotators(home, session))
    quality = {each.name: each for each in annotator_quality(votes, check_votes(home, session))}
    rows = []
    for name in sorted({*quality, *dealt}):
        own = asdict(quality[name]) if name in quality else {}
        own.pop("length", None)
        counts = dealt.get(name, {})
        empty = {"name": name, "votes": 0, "median_seconds": 0.0, "votes_per_hour": None, "checks": [], "sides": None}
        empty |= {"agreement": None, "compared": 0}
        rows.append({
            **empty, **own, "skips": counts.get("skip", 0), "flags": counts.get("flag", 0),
            "left_out": name in left_out,
            "last_day": _in_last_day([vote for vote in votes if vote.annotator == name]),
        })  # fmt: skip
    return sorted(rows, key=lambda row: -row["votes"])


def _in_last_day(votes: list[StandingVote]) -> int:
    now = datetime.now(UTC)
    return count_given([vote for vote in votes if vote.created and now - _moment(vote.created) <= PACE_SPAN])


def _dealt_with(db: sa.Connection, session_id: int) -> dict[str, dict[str, int]]:
    """Skips and flags that stand, by annotator."""
    query = (
        sa.select(EVENTS.c.annotator, EVENTS.c.choice, sa.func.count().label("n"))
        .where(EVENTS.c.session_id == session_id, EVENTS.c.choice.in_(sessions.NO_VERDICT), sessions.effective())
        .group_by(EVENTS.c.annotator, EVENTS.c.choice)
    )
    dealt: dict[str, dict[str, int]] = {}
    for each in db.execute(query):
        dealt.setdefault(each.annotator, {})[each.choice] = each.n
    return dealt


def _flags(db: sa.Connection, session_id: int) -> list[Flag]:
    query = (
        sa.select(EVENTS.c.reason, EVENTS.c.created, tables.prompts.c.messages)
        .join(PAIRS, PAIRS.c.id == EVENTS.c.pair_id)
        .join(tables.prompts, tables.prompts.c.id == PAIRS.c.prompt_id)
        .where(EVENTS.c.session_id == session_id, EVENTS.c.choice == "flag", sessions.effective())
        .order_by(EVENTS.c.id.desc())
        .limit(SHOWN_FLAGS)
    )
    return [Flag(_excerpt(row.messages), row.reason, row.created) for row in db.execute(query)]


def _excerpt(messages: list[dict[str, str]]) -> str:
    return shortened(" ".join(messages[-1]["content"].split()), PROMPT_CHARACTERS)


def _cut_off(db: sa.Connection, session_id: int) -> int:
    """How many answers were cut off at the limit of their tokens, whoever gave them."""
    answers, prompts = tables.answers, tables.prompts
    query = sa.select(sa.func.count()).select_from(answers.join(prompts, prompts.c.id == answers.c.prompt_id))
    mine = query.where(prompts.c.session_id == session_id, prompts.c.position >= 0, answers.c.finish == "length")
    return db.scalar(mine) or 0
