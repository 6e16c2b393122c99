"""Notices: what ended and what waits for votes, newest first."""

import time
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tabs.notices.due_notices import of_bin, of_endings, of_waiting
from tabs.notices.notice_bell import MOST_NOTICES, notices
from tests.toys import toy_home
from tests.voting import by, close, make_session
from workbench.core.home import Home
from workbench.core.recycle_bin import BinEntry
from workbench.jobs.listing import JobRow
from workbench.preferences import store, tables, votes
from workbench.preferences.session_changes import change_settings
from workbench.preferences.session_states import move_session
from workbench.preferences.sessions import list_sessions
from workbench.preferences.waiting_sessions import sessions_waiting_for


def row(number: int, status: str = "done", **fields: Any) -> JobRow:
    """A job that ran for a minute from `number` minutes after the beginning of time."""
    whole = {
        "id": f"job-{number}", "method": "train", "title": "Train", "label": f"run {number}", "subject": "",
        "status": status,
        "queued_at": 0.0, "started_at": 60.0 * number, "seconds": 60.0, "done": 1.0, "total": 1.0, "text": "Saving",
        "result": "", "error": "",
    }  # fmt: skip
    return JobRow(**{**whole, **fields})


def test_what_ended_is_told_with_what_it_made_or_why_it_failed() -> None:
    rows = [
        row(1, result="tuned"), row(2, "failed", error="Out of memory."), row(3, "interrupted"),
        row(4, "stopped"), row(5, "running"), row(6, "queued"),
    ]  # fmt: skip
    told = [(one.title, one.text, one.level, one.target, one.name, one.time) for one in notices(rows, [])]
    assert told == [
        ("run 3 was interrupted", "", "bad", "job", "job-3", 240.0),
        ("run 2 failed", "Out of memory.", "bad", "job", "job-2", 180.0),
        ("run 1 is done", "It made tuned.", "ok", "job", "job-1", 120.0),
    ]


def test_a_job_that_runs_again_and_ends_again_is_a_notice_of_its_own() -> None:
    (first,), (second,) = notices([row(1, "failed")], []), notices([row(1, "failed", seconds=90.0)], [])
    assert first.id != second.id


def test_only_the_newest_are_told() -> None:
    told = notices([row(number) for number in range(MOST_NOTICES + 5)], [])
    assert [one.name for one in told] == [f"job-{number}" for number in range(MOST_NOTICES + 4, 4, -1)]


def test_a_session_waits_for_votes_until_it_has_them_or_is_closed(tmp_path: Path) -> None:
    home = toy_home(tmp_path)
    make_session(home, "one", prompts=1)
    make_session(home, "two", prompts=2)
    (one, two) = sorted(notices([], list_sessions(home)), key=lambda notice: notice.name)
    assert (one.title, one.text) == ("one: it is your turn to vote", "1 pair of answers waits for votes.")
    assert (two.text, two.target, two.name) == ("2 pairs of answers wait for votes.", "session", "two")
    item = votes.next_item(home, "one", by("ada"))
    assert item
    votes.vote(home, "one", by("ada"), item.token, "left", "vote-number-1", 2.0)
    assert [notice.name for notice in notices([], list_sessions(home))] == ["two"]
    close(home, "two")
    assert notices([], list_sessions(home)) == []


def test_the_session_stands_for_the_job_that_wrote_its_answers(tmp_path: Path) -> None:
    home = toy_home(tmp_path)
    make_session(home, "one", prompts=1)
    told = notices([row(1, result="one"), row(2, "failed", result="one")], list_sessions(home))
    assert [(notice.target, notice.time) for notice in told] == [("session", 120.0)]
    close(home, "one")
    after = notices([row(1, result="one")], list_sessions(home))
    assert [(notice.target, notice.id) for notice in after] == [("job", told[0].id)]  # not told a second time


# ---- what is due for people -----------------------------------------------------------------------------------


def soon(hours: float) -> str:
    return (datetime.now(UTC) + timedelta(hours=hours)).isoformat(timespec="minutes")


def told_to(home: Any, name: str) -> list[tuple[str, str]]:
    waiting = sessions_waiting_for(home, name)
    return [(each.title, each.text) for each in of_waiting(waiting, datetime.now(UTC))]


def judge(home: Any, session: str, who: str) -> None:
    item = votes.next_item(home, session, by(who))
    assert item
    votes.vote(home, session, by(who), item.token, "left", uuid.uuid4().hex, 2.0)


def test_an_annotator_is_told_of_the_sessions_that_wait_for_them_and_for_nobody_else(tmp_path: Path) -> None:
    home = Home.at(tmp_path)
    make_session(home, "open", 2, votes_per_pair=2)
    make_session(home, "for-bea", 1)
    change_settings(home, "for-bea", by("Olga"), {"voters": ["Bea"]})
    make_session(home, "paused", 1)
    move_session(home, "paused", "pause", by("Olga"))
    make_session(home, "closed", 1)
    close(home, "closed")
    assert told_to(home, "Anna") == [("open: it is your turn to vote", "2 pairs of answers wait for your vote.")]
    assert [title for title, _ in told_to(home, "bea")] == [
        "for-bea: it is your turn to vote", "open: it is your turn to vote",
    ]  # fmt: skip
    judge(home, "open", "Anna")
    assert told_to(home, "Anna")[0][1] == "1 pair of answers waits for your vote."
    judge(home, "open", "Anna")
    assert told_to(home, "Anna") == [] and told_to(home, "Cleo") != [], "others are still to vote"
    with store.writing(home) as db:
        db.execute(tables.sessions.update().values(created="2026-01-01T08:00:00+00:00"))
    move_session(home, "paused", "resume", by("Olga"))
    resumed = sessions_waiting_for(home, "Anna")[0]
    assert resumed.name == "paused" and resumed.since > "2026-01-02", "a session that goes on is told again"


def test_that_voting_ends_within_a_day_is_told_to_who_is_to_vote_and_to_owners(tmp_path: Path) -> None:
    home = Home.at(tmp_path)
    for name, hours in (("near", 5.0), ("far", 30.0)):
        make_session(home, name, 2)
        change_settings(home, name, by("Olga"), {"deadline": soon(hours)})
    ends = [(title, text) for title, text in told_to(home, "Anna") if "ends within a day" in title]
    (ending,) = ends
    assert ending[0].startswith("near: ") and "2 pairs of answers wait for your vote until 20" in ending[1]
    (of_owner,) = of_endings(list_sessions(home), datetime.now(UTC))
    assert of_owner.title == "near: voting ends within a day" and of_owner.text.startswith("0 of 2 votes are in; ")
    assert of_owner.time < time.time() and of_owner.target == "session"
    judge(home, "near", "Anna"), judge(home, "near", "Anna")
    assert list(of_endings(list_sessions(home), datetime.now(UTC))) == [], "it has its votes"
    change_settings(home, "far", by("Olga"), {"deadline": soon(-1)})
    assert told_to(home, "Anna") == [] and not [one for one in notices([], list_sessions(home)) if one.name == "far"]


def test_an_owner_who_is_not_asked_to_vote_is_not_told_that_it_is_their_turn(tmp_path: Path) -> None:
    home = Home.at(tmp_path)
    make_session(home, "for-bea", 1)
    change_settings(home, "for-bea", by("Olga"), {"voters": ["Bea"]})
    counts = [len(notices([], list_sessions(home), login=login)) for login in ("", "Olga", "bea")]
    assert counts == [1, 0, 1]


def test_what_goes_from_the_bin_within_a_day_is_told_once_a_day_of_going() -> None:
    def entry(name: str, expires: str, error: str = "") -> BinEntry:
        return BinEntry(f"id-{name}", "model", name, "2026-11-01T00:00:00+00:00", expires, Path("x"), error)

    now = datetime(2026, 11, 30, 12, tzinfo=UTC)
    today = [entry(f"m{n}", f"2026-11-30T1{n}:00:00+00:00") for n in range(3, 8)]
    others = [
        entry("later", "2026-12-03T00:00:00+00:00"), entry("gone", "2026-11-30T11:00:00+00:00"),
        entry("odd", "", "no folder"), entry("tomorrow", "2026-12-01T09:00:00+00:00"),
    ]  # fmt: skip
    first, second = of_bin([*today, *others], now)
    assert first.title == "5 things in the bin go for good within a day" and first.target == "bin"
    assert first.text == "model m3, model m4, model m5 and 2 more. Restore what is wanted until 2026-11-30 13:00 UTC."
    assert second.title == "1 thing in the bin goes for good within a day" and "model tomorrow." in second.text
    assert first.time <= now.timestamp() and second.id != first.id
