"""The pad of the Label tab: who votes in which session, and what the pad is told, which never names a model."""

import functools
from collections.abc import Callable, Mapping
from dataclasses import asdict, fields
from typing import Any

import gradio as gr

from tabs.label.pad_texts import explanation, pad_words, refusal_text
from tabs.serving.asking import asker
from tabs.shell.context import Context, guarded
from tabs.shell.job_panel import QUIET
from tabs.shell.kit import VotePad
from workbench.core.errors import UserError
from workbench.preferences import votes
from workbench.preferences.admission import VoteRefused
from workbench.preferences.annotator_view import annotator_view, latest_guidelines
from workbench.preferences.ballots import Ballot
from workbench.preferences.blinding import Voter, checked_name
from workbench.preferences.labelling_settings import LANGUAGES
from workbench.preferences.sessions import PAUSED, RUNNING, get_session
from workbench.preferences.standing import standing

PadFunction = Callable[[Context, dict[str, Any], gr.Request], dict[str, Any]]
ASKED = ("graded", "aspects", "rationale", "edits", "ranking", "raw_text", "language")
"""The settings the pad is told."""
WAIT_SECONDS = {"held": 3, "answering": 3, "complete": 10, "others": 10, "draft": 10, "paused": 10}
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
    first = "Choose a session" if ctx.accounts or open_only else "Choose a session, or make one on the left"
    next_step = f"{first}, then {'' if ctx.accounts else 'give your name and '}press 'Start voting'."
    stored = gr.BrowserState("", storage_key="workbench.annotator", secret="workbench")  # noqa: S106 -- a name in one's own browser, no secret
    pad = VotePad(
        lambda query, request: next_pair(ctx, query, request), lambda query, request: cast_vote(ctx, query, request),
        lambda query, request: undo_vote(ctx, query, request), lambda query, request: hold_pair(ctx, query, request),
        lambda query, request: return_pair(ctx, query, request),
        lambda query, request: own_votes_reply(ctx, query, request),
        lambda query, request: guidelines(ctx, query, request), words=pad_words("en"),
        empty=("Nothing to judge yet", "Pairs of answers appear here, without names, sides at random.", next_step),
        elem_id="vote-pad",
    )  # fmt: skip

    def opened(session: str | None, typed: str, request: gr.Request) -> tuple[dict[str, str], str]:
        return _open(ctx, session, typed, request), typed

    def chosen(session: str | None, typed: str, known: str, request: gr.Request) -> dict[str, str] | None:
        name = asker(request).login if ctx.accounts else typed or known
        return {"session": session, "annotator": name} if session and name else None

    def remembered(session: str | None, known: str, request: gr.Request) -> tuple[Any, Any]:
        return known or gr.skip(), chosen(session, "", known, request)  # what is being typed stays

    begin.click(guarded(opened), [session, annotator], [pad, stored], **QUIET)
    gr.on([session.change], chosen, [session, annotator, stored], pad, queue=False, **QUIET)
    if not ctx.accounts:
        annotator.submit(guarded(opened), [session, annotator], [pad, stored], **QUIET)
        # the browser gives the name it kept when it is ready, before or after the session is there
        stored.change(remembered, [session, stored], [annotator, pad], queue=False, **QUIET)
    return session, annotator


def open_sessions(ctx: Context) -> list[tuple[str, str]]:
    """The sessions in which votes are taken, now or once a pause is over, for pickers."""
    return [(each.name, each.name) for each in ctx.shelves.sessions.look()[1] if each.state in (RUNNING, PAUSED)]


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
        raise UserError("No session is chosen.", "Choose one.", "Session")
    if not ctx.accounts and not (typed or "").strip():
        raise UserError("There is no name.", "Write your name, so that your votes are kept as yours.", "Your name")
    name = asker(request).login if ctx.accounts else checked_name(typed)
    return {"session": get_session(ctx.home, session).name, "annotator": name}


def _who(ctx: Context, query: dict[str, Any], request: gr.Request) -> tuple[str, Voter]:
    return str(query.get("session") or ""), voter_of(ctx, str(query.get("annotator") or ""), request)


def _text(query: dict[str, Any], name: str) -> str:
    return str(query.get(name) or "")


def in_language(function: PadFunction) -> PadFunction:
    """What is refused is said in the language that the pad has."""

    @functools.wraps(function)
    def answer(ctx: Context, query: dict[str, Any], request: gr.Request) -> dict[str, Any]:
        try:
            return function(ctx, query, request)
        except VoteRefused as refused:
            raise UserError(refusal_text(refused, _words(query))) from refused

    return answer


@in_language
def next_pair(ctx: Context, query: dict[str, Any], request: gr.Request) -> dict[str, Any]:
    """The pair that lies open in this browser or a new one, or why there is none."""
    session, who = _who(ctx, query, request)
    return _reply(ctx, query, who, votes.next_item(ctx.home, session, who))


@in_language
def cast_vote(ctx: Context, query: dict[str, Any], request: gr.Request) -> dict[str, Any]:
    """Keeps a vote, then leases the next pair; a failure of the second says that the first was kept."""
    session, who = _who(ctx, query, request)
    token, choice, key = (_text(query, name) for name in ("token", "choice", "key"))
    cast = votes.vote_and_next(ctx.home, session, who, token, choice, key, _seconds(query), _ballot(query))
    feedback = asdict(cast.saved.feedback) if cast.saved.feedback else None
    try:
        if cast.problem:
            raise cast.problem
        return {**_reply(ctx, query, who, cast.item), "saved": True, "feedback": feedback}
    except UserError as error:
        words = _words(query)
        reason = refusal_text(error, words) if isinstance(error, VoteRefused) else error.message
        text = words["no_next"].format(error=reason)
        return {
            "item": None, "title": "", "message": "", "can_undo": False, "saved": True, "next_error": text,
            "feedback": feedback,
        }  # fmt: skip


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


@in_language
def undo_vote(ctx: Context, query: dict[str, Any], request: gr.Request) -> dict[str, Any]:
    """Takes back this person's latest vote, or the one whose number is given; its pair comes back, sides drawn anew."""
    session, who = _who(ctx, query, request)
    event = query.get("event")
    number = event if isinstance(event, int) else None
    return _reply(ctx, query, who, votes.take_back(ctx.home, session, who, _text(query, "key"), number))


def hold_pair(ctx: Context, query: dict[str, Any], request: gr.Request) -> dict[str, Any]:
    """Notes that the pair is being looked at; {"held": False} when it went to someone else."""
    held = votes.hold(ctx.home, _text(query, "session"), asker(request).browser, _text(query, "token"))
    return {"held": held, "error": None}


def return_pair(ctx: Context, query: dict[str, Any], request: gr.Request) -> dict[str, Any]:
    """Frees the pair for others when its page is closed."""
    votes.give_back(ctx.home, _text(query, "session"), asker(request).browser, _text(query, "token"))
    return {"error": None}


def own_votes_reply(ctx: Context, query: dict[str, Any], request: gr.Request) -> dict[str, Any]:
    """What this person gave in the session and may take back, the latest first."""
    session, who = _who(ctx, query, request)
    return {"votes": [asdict(vote) for vote in votes.own_votes(ctx.home, session, who)], "error": None}


def guidelines(ctx: Context, query: dict[str, Any], request: gr.Request) -> dict[str, Any]:
    """The session's guidelines in Markdown, and their version."""
    session, _ = _who(ctx, query, request)
    return {**asdict(latest_guidelines(ctx.home, session)), "error": None}


def _words(query: dict[str, Any]) -> Mapping[str, str]:
    """The words of the language the pad has now, where nothing can be read of the session."""
    language = _text(query, "language")
    return pad_words(language if language in LANGUAGES else "en")


def _reply(ctx: Context, query: dict[str, Any], who: Voter, item: votes.BlindPair | None) -> dict[str, Any]:
    """What the pad draws: a pair, or why there is none; what the session asks for; words it does not have yet."""
    session = _text(query, "session")
    view = annotator_view(ctx.home, session, who)
    words = pad_words(view.settings.language)
    title = message = ""
    wait = 0
    if item is None:
        stands = standing(ctx.home, session, who)
        title, message = explanation(ctx, session, stands, words)
        wait = WAIT_SECONDS.get(stands.reason, 0)
    rights = votes.rights_of(ctx.home, session, who)
    return {
        "item": asdict(item) if item else None,
        "title": title,
        "message": message,
        "wait": wait,
        "error": None,
        "can_undo": rights.can_undo,
        "note": words["unblinded"] if rights.unblinded else "",
        "ask": {name: getattr(view.settings, name) for name in ASKED} | {"guidelines": view.guidelines},
        "pace": asdict(view.pace),
        **({} if query.get("language") == view.settings.language else {"words": words}),
    }
