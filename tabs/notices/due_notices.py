"""Notices of what waits for a person, and of what ends within a day: votes of theirs, a session, things in the bin."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

from tabs.notices.notice import Notice
from workbench.core.recycle_bin import BinEntry
from workbench.preferences.sessions import RUNNING, SessionInfo
from workbench.preferences.waiting_sessions import WaitingSession

DAY = timedelta(days=1)
MOST_NAMES = 3


def of_waiting(waiting: Sequence[WaitingSession], now: datetime) -> Iterator[Notice]:
    """What an annotator is told: it is their turn, and where voting ends soon, that it does."""
    for session in waiting:
        pairs = "1 pair of answers waits" if session.pairs == 1 else f"{session.pairs:,} pairs of answers wait"
        since = datetime.fromisoformat(session.since)
        yield Notice(
            f"{session.name} {session.since}", since.timestamp(), "turn", f"{session.name}: it is your turn to vote",
            f"{pairs} for your vote.", "session", session.name,
        )  # fmt: skip
        if session.deadline and now >= session.deadline - DAY:
            text = f"{pairs} for your vote until {_clock(session.deadline)}."
            yield _ending(session.name, session.deadline, session.changed, text)


def of_endings(sessions: Sequence[SessionInfo], now: datetime) -> Iterator[Notice]:
    """What owners are told of sessions whose voting ends within a day and lacks votes."""
    for session in sessions:
        wanted = session.usable * session.votes_per_pair
        if session.state != RUNNING or not session.settings.deadline or session.votes >= wanted:
            continue
        deadline = session.settings.deadline_moment()
        if deadline - DAY <= now < deadline:
            text = f"{session.votes:,} of {wanted:,} votes are in; they are taken until {_clock(deadline)}."
            yield _ending(session.name, deadline, session.created, text)


def of_bin(entries: Sequence[BinEntry], now: datetime) -> Iterator[Notice]:
    """What owners are told of things in the bin that go for good within a day; of those of one day at once."""
    going: dict[str, list[BinEntry]] = {}
    for entry in entries:
        if not entry.error and entry.expires and now < _moment(entry.expires) <= now + DAY:
            going.setdefault(entry.expires[:10], []).append(entry)
    for day, group in going.items():
        group.sort(key=lambda entry: entry.expires)
        names = ", ".join(f"{entry.kind} {entry.name}" for entry in group[:MOST_NAMES])
        more = f" and {len(group) - MOST_NAMES} more" if len(group) > MOST_NAMES else ""
        things = "1 thing in the bin goes" if len(group) == 1 else f"{len(group)} things in the bin go"
        since = max(max(_moment(entry.expires) - DAY, _moment(entry.deleted)) for entry in group).timestamp()
        text = f"{names}{more}. Restore what is wanted until {_clock(_moment(group[0].expires))}."
        yield Notice(f"bin {day} {len(group)}", since, "turn", f"{things} for good within a day", text, "bin", "")


def _ending(name: str, deadline: datetime, changed: str, text: str) -> Notice:
    """Told a day before, or when the deadline was set, if that was later."""
    since = max(deadline - DAY, _moment(changed)).timestamp()
    return Notice(
        f"{name} ends {deadline.isoformat()}", since, "turn", f"{name}: voting ends within a day", text, "session", name
    )


def _clock(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
