"""Notices: what ended and what waits for votes, newest first."""

from pathlib import Path
from typing import Any

from tabs.shell.notices import MOST_NOTICES, notices
from tests.toys import toy_home
from tests.voting import by, close, make_session
from workbench.jobs.listing import JobRow
from workbench.preferences import votes
from workbench.preferences.sessions import list_sessions


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
