"""Notices: which work has ended, what waits for votes and what ends soon, told in the page and, if wanted, by the
browser. Owners are told of all of it, annotators of what waits for themselves.
"""

import time
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, Literal

import gradio as gr

from tabs.notices.due_notices import of_bin, of_endings, of_waiting
from tabs.notices.notice import Notice
from tabs.serving.asking import asker
from tabs.shell.context import Context
from tabs.shell.job_panel import LAST
from tabs.shell.kit import Query, component
from workbench.core.errors import UserError
from workbench.core.recycle_bin import BinEntry, list_bin
from workbench.jobs.listing import JobRow
from workbench.preferences.sessions import RUNNING, SessionInfo, list_sessions
from workbench.preferences.waiting_sessions import sessions_waiting_for

MOST_NOTICES = 30
"""Notices a page is told of; the Jobs tab has all that ever ended."""
DUE_SECONDS = 300
"""How old what is told may be where nothing changed: something may have become due by the clock alone."""
OWN_SECONDS = 20
"""Between two looks for one annotator, however many vote meanwhile."""
_ENDS = {"done": "is done", "failed": "failed", "interrupted": "was interrupted"}
"""What becomes a notice, and how it is said; who stopped a job knows that it ended."""


def notices(
    jobs: list[JobRow], sessions: list[SessionInfo], deleted: Sequence[BinEntry] = (), login: str = ""
) -> list[Notice]:
    """The newest notices, newest first. A session that waits for votes stands for the job that wrote its answers; one
    in which `login` may not vote waits for others."""
    waiting = {session.name: session for session in sessions if _waits(session)}
    written = {row.result: row for row in jobs if row.result in waiting and row.status == "done"}
    ended = [row for row in jobs if row.status in _ENDS and row.result not in waiting]
    mine = {name: session for name, session in waiting.items() if not login or session.settings.admits(login)}
    now = datetime.now(UTC)
    every = [*map(_of_job, ended), *_turns(mine, written), *of_endings(sessions, now), *of_bin(deleted, now)]
    return sorted(every, key=lambda notice: notice.time, reverse=True)[:MOST_NOTICES]


def _waits(session: SessionInfo) -> bool:
    takes_votes = session.state == RUNNING and not session.closed and not session.settings.deadline_passed()
    return session.complete and takes_votes and session.votes < session.usable * session.votes_per_pair


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
    """The bell in the header of an owner's page. It asks for the notices whenever something on the shelves changed, and
    now and then; a click on one opens its job or session, or the bin."""

    def answer(query: Query, request: Any) -> dict[str, Any]:
        login = asker(request).login

        def look() -> tuple[Hashable, None]:
            return (ctx.shelves.version_with_votes(), time.time() // DUE_SECONDS), None

        found = ctx.shelves.made(("notices", login), look, lambda _: _now(ctx, login))
        return {"now": time.time(), "notices": found}

    bell = component("notice_bell", None, {"notices": answer}, ("", "", ""), asks="notices", elem_id="notices")
    ctx.links.on(bell.input, "job", lambda opened: {"key": opened["name"]}, [bell])
    ctx.links.on(bell.submit, "session", lambda opened: opened["name"], [bell])
    ctx.links.on(bell.select, "bin", lambda opened: None, [bell])
    return bell


def annotator_bell(ctx: Context) -> gr.HTML:
    """The bell of an annotator's page, who is told of their own turn alone; `lead_to` says where a click leads."""
    latest: dict[str, tuple[float, list[dict[str, Any]]]] = {}

    def answer(query: Query, request: Any) -> dict[str, Any]:
        login, now = asker(request).login, time.time()
        if login not in latest or now - latest[login][0] >= OWN_SECONDS:
            latest[login] = now, _own(ctx, login)
            for other in [name for name, (looked, _) in latest.items() if now - looked >= DUE_SECONDS]:
                del latest[other]
        return {"now": now, "notices": latest[login][1]}

    return component(
        "notice_bell", None, {"own_notices": answer}, ("", "", ""), asks="own_notices", pause=OWN_SECONDS,
        elem_id="notices",
    )  # fmt: skip


def lead_to(bell: gr.HTML, picker: gr.Dropdown) -> None:
    """A click on a notice of a session chooses it."""
    bell.submit(None, bell, picker, js="(opened) => opened.name", queue=False, show_progress="hidden", **LAST)


def _now(ctx: Context, login: str) -> list[dict[str, Any]]:
    try:
        sessions = list_sessions(ctx.home)
    except UserError:
        sessions = []  # the Label tab says what is wrong with the labels
    return [asdict(notice) for notice in notices(ctx.shelves.jobs()[1], sessions, list_bin(ctx.home), login)]


def _own(ctx: Context, login: str) -> list[dict[str, Any]]:
    try:
        waiting = sessions_waiting_for(ctx.home, login)
    except UserError:
        waiting = []
    every = sorted(of_waiting(waiting, datetime.now(UTC)), key=lambda notice: notice.time, reverse=True)
    return [asdict(notice) for notice in every[:MOST_NOTICES]]
