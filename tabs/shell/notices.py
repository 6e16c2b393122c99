"""Notices: which work has ended and which session waits for votes, told in the page and, if wanted, by the browser."""

import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Literal

import gradio as gr

from tabs.shell.context import Context
from tabs.shell.kit import Query, component
from workbench.core.errors import UserError
from workbench.jobs.listing import JobRow
from workbench.preferences.sessions import SessionInfo, list_sessions

MOST_NOTICES = 30
"""Notices a page is told of; the Jobs tab has all that ever ended."""
_ENDS = {"done": "is done", "failed": "failed", "interrupted": "was interrupted"}
"""What becomes a notice, and how it is said; who stopped a job knows that it ended."""


@dataclass(frozen=True)
class Notice:
    """Something to know of. `time` is when it happened, seconds since the epoch; `target` and `name` say what it leads
    to: a job by its id, or a labelling session."""

    id: str
    time: float
    level: Literal["ok", "bad", "turn"]
    title: str
    text: str
    target: Literal["job", "session"]
    name: str


def notices(jobs: list[JobRow], sessions: list[SessionInfo]) -> list[Notice]:
    """The newest notices, newest first. A session that waits for votes stands for the job that wrote its answers."""
    waiting = {session.name: session for session in sessions if _waits(session)}
    written = {row.result: row for row in jobs if row.result in waiting and row.status == "done"}
    ended = [row for row in jobs if row.status in _ENDS and row.result not in waiting]
    every = [*map(_of_job, ended), *_turns(waiting, written)]
    return sorted(every, key=lambda notice: notice.time, reverse=True)[:MOST_NOTICES]


def _waits(session: SessionInfo) -> bool:
    return session.complete and not session.closed and session.votes < session.usable * session.votes_per_pair


def _of_job(row: JobRow) -> Notice:
    text = (f"It made {row.result}." if row.result else "") if row.status == "done" else row.error
    level: Literal["ok", "bad"] = "ok" if row.status == "done" else "bad"
    return Notice(_id(row), _ended(row), level, f"{row.label} {_ENDS[row.status]}", text, "job", row.id)


def _ended(row: JobRow) -> float:
    return row.started_at + row.seconds


def _id(row: JobRow) -> str:
    """A job that is resumed and ends again is a notice of its own."""
    return f"{row.id} {row.status} {_ended(row):.0f}"


def _turns(waiting: dict[str, SessionInfo], written: dict[str, JobRow]) -> Iterator[Notice]:
    for name, session in waiting.items():
        row = written.get(name)
        since = _ended(row) if row else datetime.fromisoformat(session.created).timestamp()
        notice_id = _id(row) if row else f"{name} {session.created}"  # one notice before and after the votes are in
        pairs = "1 pair of answers waits" if session.usable == 1 else f"{session.usable} pairs of answers wait"
        title = f"{name}: it is your turn to vote"
        yield Notice(notice_id, since, "turn", title, f"{pairs} for votes.", "session", name)


def notice_bell(ctx: Context) -> gr.HTML:
    """The bell in the page's header. It asks for the notices whenever something on the shelves changed; a click on one
    opens its job or session."""

    def answer(query: Query) -> dict[str, Any]:
        found = ctx.shelves.made("notices", lambda: (ctx.shelves.version_with_votes(), None), lambda _: _now(ctx))
        return {"now": time.time(), "notices": found}

    bell = component("notice_bell", None, {"notices": answer}, ("", "", ""), elem_id="notices")
    ctx.links.on(bell.input, "job", lambda opened: {"key": opened["name"]}, [bell])
    ctx.links.on(bell.submit, "session", lambda opened: opened["name"], [bell])
    return bell


def _now(ctx: Context) -> list[dict[str, Any]]:
    try:
        sessions = list_sessions(ctx.home)
    except UserError:
        sessions = []  # the Label tab says what is wrong with the labels
    return [asdict(notice) for notice in notices(ctx.shelves.jobs()[1], sessions)]
