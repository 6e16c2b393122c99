"""The pad of the Label tab: who votes in which session, and what the pad is told, which never names a model."""

from dataclasses import asdict, fields
from typing import Any

import gradio as gr

from tabs.serving.asking import asker
from tabs.shell.context import Context, guarded
from tabs.shell.job_panel import QUIET
from tabs.shell.kit import VotePad
from workbench.core.errors import UserError
from workbench.preferences import votes
from workbench.preferences.admission import REFUSALS
from workbench.preferences.ballots import Ballot
from workbench.preferences.blinding import Voter, checked_name
from workbench.preferences.sessions import SessionInfo, get_session
from workbench.preferences.standing import Standing, standing

UNBLINDED = "You have seen the result of this session. Your votes are kept, but left out."
WAIT_SECONDS = {"held": 3, "answering": 3, "complete": 10, "others": 10}
"""After how long the pad asks again by itself: a pair may yet come, be taken back, or the session be closed."""


def voting_panel(ctx: Context, open_only: bool = False) -> tuple[gr.Dropdown, gr.Textbox]:
    """The session's picker, the annotator's name and the pad; returns the first two.

    Where there are accounts nobody types a name: whoever is logged in votes. With `open_only` sessions whose voting has
    ended are not offered, and none is chosen before a person does.
    """
    offered = (lambda: open_sessions(ctx)) if open_only else ctx.sessions
    with gr.Row(equal_height=True, elem_classes="wb-toolbar"):
        session = ctx.picker(offered, first=not open_only, label="Session", value=None, elem_id="session", scale=2)
        annotator = gr.Textbox(
            label="Your name", max_lines=1, elem_id="annotator", min_width=140, placeholder="who votes",
            visible=not ctx.accounts,
        )  # fmt: skip
        begin = gr.Button("Start voting", variant="primary", elem_id="vote-start", min_width=110)
    first = "Choose a session" if ctx.accounts or open_only else "Make a session on the left"
    next_step = f"{first}, then {'' if ctx.accounts else 'give your name and '}press 'Start voting'."
    stored = gr.BrowserState("", storage_key="workbench.annotator", secret="workbench")  # noqa: S106 -- a name in one's own browser, no secret
    pad = VotePad(
        lambda query, request: next_pair(ctx, query, request), lambda query, request: cast_vote(ctx, query, request),
        lambda query, request: undo_vote(ctx, query, request), lambda query, request: hold_pair(ctx, query, request),
        lambda query, request: return_pair(ctx, query, request),
        empty=("Nothing to judge yet", "Pairs of answers appear here, without names, sides at random.", next_step),
        elem_id="vote-pad",
    )  # fmt: skip

    def opened(session: str | None, typed: str, request: gr.Request) -> tuple[dict[str, str], str]:
        return _open(ctx, session, typed, request), typed

    def chosen(session: str | None, typed: str, request: gr.Request) -> dict[str, str] | None:
        name = asker(request).login if ctx.accounts else typed
        return {"session": session, "annotator": name} if session and name else None

    begin.click(guarded(opened), [session, annotator], [pad, stored], **QUIET)
    gr.on([session.change], chosen, [session, annotator], pad, queue=False, **QUIET)
    if not ctx.accounts:
        annotator.submit(guarded(opened), [session, annotator], [pad, stored], **QUIET)
        ctx.on_load.append((lambda name: name or "", stored, annotator))
    return session, annotator


def open_sessions(ctx: Context) -> list[tuple[str, str]]:
    """The sessions in which votes are taken, for pickers."""
    return [(each.name, each.name) for each in ctx.shelves.sessions.look()[1] if not each.closed]


def voter_of(ctx: Context, typed: str, request: gr.Request | None) -> Voter:
    """Who judges: whoever is logged in with an account, whatever was typed; without accounts the typed name.

    Raises `UserError` for an odd name, and for nobody.
    """
    who = asker(request)
    if ctx.accounts and not who.login:
        raise UserError("You are not logged in.", "Log in, then vote.", "annotator")
    return Voter(who.login if ctx.accounts else typed, who.browser, proved=ctx.accounts)


def _open(ctx: Context, session: str | None, typed: str, request: gr.Request) -> dict[str, str]:
    if not session:
        raise UserError("No session is chosen.", "Make one on the left, or choose one.", "Session")
    if not ctx.accounts and not (typed or "").strip():
        raise UserError("There is no name.", "Write your name, so that your votes are kept as yours.", "Your name")
    name = asker(request).login if ctx.accounts else checked_name(typed)
    return {"session": get_session(ctx.home, session).name, "annotator": name}


def _who(ctx: Context, query: dict[str, Any], request: gr.Request) -> tuple[str, Voter]:
    return str(query.get("session") or ""), voter_of(ctx, str(query.get("annotator") or ""), request)


def _text(query: dict[str, Any], name: str) -> str:
    return str(query.get(name) or "")


def next_pair(ctx: Context, query: dict[str, Any], request: gr.Request) -> dict[str, Any]:
    """The pair that lies open in this browser or a new one, or why there is none."""
    session, who = _who(ctx, query, request)
    return _reply(ctx, session, who, votes.next_item(ctx.home, session, who))


def cast_vote(ctx: Context, query: dict[str, Any], request: gr.Request) -> dict[str, Any]:
    """Keeps a vote, then leases the next pair; a failure of the second says that the first was kept."""
    session, who = _who(ctx, query, request)
    token, choice, key = (_text(query, name) for name in ("token", "choice", "key"))
    saved = votes.vote(ctx.home, session, who, token, choice, key, _seconds(query), _ballot(query))
    feedback = asdict(saved.feedback) if saved.feedback else None
    try:
        reply = _reply(ctx, session, who, votes.next_item(ctx.home, session, who))
        return {**reply, "saved": True, "feedback": feedback}
    except UserError as error:
        text = f"Your vote was saved, but no next pair came. {error.message}"
        return {"item": None, "title": "", "message": "", "can_undo": False, "saved": True, "next_error": text}


def _seconds(query: dict[str, Any]) -> float:
    value = query.get("seconds")
    return float(value) if isinstance(value, int | float) else 0.0


def _ballot(query: dict[str, Any]) -> Ballot:
    """What goes with the choice; what it may hold is checked where it is kept."""
    given = query.get("ballot")
    if not isinstance(given, dict):
        return votes.PLAIN
    names = {field.name for field in fields(Ballot)}
    return Ballot(**{name: value for name, value in given.items() if name in names and value is not None})


def undo_vote(ctx: Context, query: dict[str, Any], request: gr.Request) -> dict[str, Any]:
    """Takes back this person's latest vote, or the one whose number is given; its pair comes back, sides drawn anew."""
    session, who = _who(ctx, query, request)
    event = query.get("event")
    number = event if isinstance(event, int) else None
    return _reply(ctx, session, who, votes.take_back(ctx.home, session, who, _text(query, "key"), number))


def hold_pair(ctx: Context, query: dict[str, Any], request: gr.Request) -> dict[str, Any]:
    """Notes that the pair is being looked at; {"held": False} when it went to someone else."""
    held = votes.hold(ctx.home, _text(query, "session"), asker(request).browser, _text(query, "token"))
    return {"held": held, "error": None}


def return_pair(ctx: Context, query: dict[str, Any], request: gr.Request) -> dict[str, Any]:
    """Frees the pair for others when its page is closed."""
    votes.give_back(ctx.home, _text(query, "session"), asker(request).browser, _text(query, "token"))
    return {"error": None}


def _reply(ctx: Context, session: str, who: Voter, item: votes.BlindPair | None) -> dict[str, Any]:
    """What the pad draws: a pair, or why there is none."""
    title = message = ""
    wait = 0
    if item is None:
        stands = standing(ctx.home, session, who)
        title, message = _explanation(ctx, get_session(ctx.home, session), stands)
        wait = WAIT_SECONDS.get(stands.reason, 0)
    rights = votes.rights_of(ctx.home, session, who)
    return {
        "item": asdict(item) if item else None,
        "title": title,
        "message": message,
        "wait": wait,
        "error": None,
        "can_undo": rights.can_undo,
        "note": UNBLINDED if rights.unblinded else "",
    }


def _explanation(ctx: Context, info: SessionInfo, stands: Standing) -> tuple[str, str]:
    """Title and sentence for somebody who has no pair to judge."""
    lack, lie = ("1 pair lacks", "lies") if stands.pairs == 1 else (f"{stands.pairs} pairs lack", "lie")
    if refused := REFUSALS.get(stands.reason):
        return refused
    texts = {
        "closed": ("This session is closed", "Votes are no longer taken. The result is below."),
        "complete": (
            "Every pair has its votes", "Nothing is left to judge in this session. Close it to see the result."
        ),
        "held": (
            "Others are judging the last pairs",
            f"{lack} votes and {lie} open elsewhere. A pair that is given back comes here by itself.",
        ),
        "others": (
            "You have judged all you can",
            f"{lack} votes, which other people have to give. Skipped pairs are dealt with.",
        ),
        "unusable": ("There is nothing to judge", "All pairs of this session are identical, empty or failed."),
    }  # fmt: skip
    if stands.reason == "answering":
        return _answering(ctx, info)
    return texts[stands.reason]


def _answering(ctx: Context, info: SessionInfo) -> tuple[str, str]:
    try:
        ended = ctx.queue.get(str(info.made_by.get("job") or "")).final
    except UserError:
        ended = True
    if ended:
        return (
            "The answers are not complete",
            "Their job has ended early. Resume it under 'Answers under way', or close the session as it is.",
        )
    return "The models are still answering", "The next pair appears by itself."
