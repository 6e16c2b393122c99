"""The result of a session in the Label tab: hidden while it is open; closing it, looking early, and ways to train."""

from collections.abc import Collection
from typing import Any

import gradio as gr

from tabs.figures.ratings import ratings_figure
from tabs.label.preference_training import best_model, edits_settings, preference_settings, training_words
from tabs.label.report import result_html
from tabs.label.session_owner import owner_of
from tabs.label.voting import voter_of
from tabs.serving.asking import asker
from tabs.shell.context import Context, guarded
from tabs.shell.elements import empty, facts, heading, hint, result_box
from tabs.shell.job_panel import QUIET
from tabs.shell.kit import POKE, Figure, Static
from workbench.core.errors import UserError
from workbench.people.accounts import unproved_names
from workbench.preferences.blinding import Voter, close_session, may_see, unblind
from workbench.preferences.exclusions import switch_mark
from workbench.preferences.export import preference_pairs
from workbench.preferences.pair_verdicts import edited_answers
from workbench.preferences.session_copies import delete_session
from workbench.preferences.sessions import SessionInfo, get_session
from workbench.preferences.summary import report

OUTPUTS = 8  # the mark, words, figure, checkbox and four buttons
NO_RESULT = ("No result yet", "Win rate and rating with their intervals appear when a session is closed.", "")
HIDDEN = (
    "Names, win rates, ratings and who voted how are hidden from everyone who may vote in it, until the session is "
    "closed. Close it when its votes are in."
)
SEEN = (
    "You have seen this result while the session is open. Your later votes in it are kept, marked as unblinded and "
    "left out; the others go on voting blind."
)
CLOSE = (
    "Close this session for everybody? Nobody can vote in it afterwards, and names and counts are shown to all. "
    "Pairs that are being judged go back without a vote. It cannot be opened again."
)
LOOK = (
    "Show the result to you now, while others still vote? This is recorded. From now on the votes you give and take "
    "back in this session are kept but marked as unblinded, and left out of the result and of exports."
)
DELETE = "Delete this session with its answers and votes? It goes into the bin, from which it can be restored whole."


def result_panel(ctx: Context, session: gr.Dropdown, annotator: gr.Textbox) -> None:
    """Win rates and ratings with intervals for those who may see them, and the steps to DPO and SFT."""
    with gr.Row(equal_height=True, elem_classes="wb-toolbar"):
        Static(heading("Result"))
        own = gr.Checkbox(
            False, label="Only pairs of the best model's own answers", container=False, min_width=150, visible=False
        )
        look = gr.Button("Show the result now", size="sm", elem_id="session-look", min_width=140, visible=False)
        close = gr.Button("Close session", size="sm", elem_id="session-close", min_width=110, visible=False)
        tune = gr.Button(variant="primary", size="sm", elem_id="train-dpo", min_width=180, visible=False)
        teach = gr.Button(size="sm", elem_id="train-edits", min_width=180, visible=False)
        delete = gr.Button("Delete session", size="sm", variant="stop", min_width=110, visible=False)
        ctx.follow(delete, lambda: gr.update(visible=bool(ctx.sessions())))
    words = Static(empty(*NO_RESULT), elem_id="result")
    plot = Figure(elem_id="result-plot")
    mark = gr.Textbox(visible=False)
    outputs = [mark, words, plot, own, look, close, tune, teach]

    def refresh(name: str | None, own: bool, request: gr.Request) -> list[Any]:
        return redraw(ctx, name, own, asker(request).browser)

    for event in (session.change, own.change):
        event(guarded(refresh), [session, own], outputs, queue=False, **QUIET)

    def changed(before: str, name: str | None, own: bool, request: gr.Request) -> list[Any]:
        return redraw_if_changed(ctx, before, name, own, asker(request).browser)

    ctx.on_change.append((changed, [mark, session, own], outputs))

    def end(name: str | None, own: bool, who: str, request: gr.Request) -> list[Any]:
        close_session(ctx.home, _chosen(name), _acting(ctx, who, request))
        return refresh(name, own, request)

    def see(name: str | None, own: bool, who: str, request: gr.Request) -> list[Any]:
        unblind(ctx.home, _chosen(name), _acting(ctx, who, request))
        return refresh(name, own, request)

    for button, does, question in ((close, end, CLOSE), (look, see, LOOK)):
        done = button.click(guarded(does), [session, own, annotator], outputs, js=_confirmed(question), **QUIET)
        done.success(None, None, None, js=POKE, queue=False, **QUIET)  # the pad learns of it now
    ctx.links.on(tune.click, "train", lambda name, own: _to_dpo(ctx, name, own), [session, own])
    ctx.links.on(teach.click, "train", lambda name: _to_sft(ctx, name), [session])
    delete.click(guarded(lambda name: _delete(ctx, name)), session, session, js=_confirmed(DELETE), **QUIET)


def _acting(ctx: Context, typed: str, request: gr.Request) -> Voter:
    """Who does it: the annotator who is named here, else the owner, who need not vote."""
    return voter_of(ctx, typed, request) if ctx.accounts or typed.strip() else owner_of(request)


def _confirmed(question: str) -> str:
    """JavaScript that asks first, and sends no session when the answer is no."""
    return f"(name, ...more) => [confirm({question!r}) ? name : null, ...more]"


def _chosen(name: str | None) -> str:
    if not name:
        raise UserError("Nothing was changed.", "Choose a session and confirm.", "Session")
    return name


def redraw(ctx: Context, name: str | None, own: bool, browser: str) -> list[Any]:
    """The mark of what is drawn, and the updates of the whole panel.

    The mark is read first: a vote that comes in between is drawn again, not missed.
    """
    return [_mark(ctx, name), *_updates(ctx, name, own, browser)]


def redraw_if_changed(ctx: Context, mark: str, name: str | None, own: bool, browser: str) -> list[Any]:
    """Redraws the panel when votes came in or the session was closed since `mark`, from any browser."""
    if _mark(ctx, name) == mark:
        return [gr.skip()] * OUTPUTS
    return redraw(ctx, name, own, browser)


def _mark(ctx: Context, name: str | None) -> str:
    """Changes with what the panel shows; says no more than the pad's own counts."""
    try:
        info = get_session(ctx.home, name or "")
    except UserError:
        return f"{name}:"
    counts = f"{info.votes}/{info.usable}/{info.complete}/{info.unblinded}/{info.closed}"
    return f"{name}:{counts}/{switch_mark(ctx.home, name or '')}"


def _updates(ctx: Context, name: str | None, own: bool, browser: str) -> list[Any]:
    """Updates of words, figure, checkbox and the buttons to look, to close and to train."""
    hidden = gr.update(visible=False)
    if not name:
        return [empty(*NO_RESULT), None, *[hidden] * 5]
    try:
        info = get_session(ctx.home, name)
        if not may_see(ctx.home, name, browser):
            return [_progress(info), None, hidden, gr.update(visible=True), gr.update(visible=True), hidden, hidden]
        summary = report(ctx.home, name, browser)
    except UserError as error:
        return [empty("Not there yet", error.message, error.remedy), None, *[hidden] * 5]
    figure, words = ratings_figure(summary), result_html(summary, _unproved(ctx))
    if not info.closed:
        return [hint(SEEN) + words, figure, hidden, hidden, gr.update(visible=True), hidden, hidden]
    best, edits = best_model(ctx, summary), len(edited_answers(ctx.home, name))
    pairs = len(preference_pairs(ctx.home, name, best if own else ""))
    return [
        words, figure, gr.update(visible=bool(best)), hidden, hidden,
        gr.update(value=_dpo_label(pairs), visible=True),
        gr.update(value=_sft_label(edits), visible=edits > 0),
    ]  # fmt: skip


def _unproved(ctx: Context) -> Collection[str]:
    """The names that were typed before there were accounts; without accounts no name is more than typed."""
    return unproved_names(ctx.home) if ctx.accounts else ()


def _progress(info: SessionInfo) -> str:
    """What may be known of an open session: how far it has come."""
    wanted = info.usable * info.votes_per_pair
    state = "all answers are in" if info.complete else "answers still to come"
    rows: list[tuple[str, object]] = [
        ("Votes", f"{info.votes} of {wanted}"),
        ("Pairs", f"{info.usable} to judge, {state}"),
    ]
    return result_box(facts(rows), hint(HIDDEN))


def _delete(ctx: Context, name: str | None) -> Any:
    delete_session(ctx.home, _chosen(name))
    return gr.update(value=None, choices=ctx.sessions())


def _dpo_label(pairs: int) -> str:
    return f"Train DPO on {'this pair' if pairs == 1 else f'these {pairs} pairs'} →"


def _sft_label(edits: int) -> str:
    return f"Train SFT on {'1 edited answer' if edits == 1 else f'{edits} edited answers'} →"


def _to_dpo(ctx: Context, name: str | None, own: bool) -> dict[str, Any]:
    """The settings for the Train form that go with the session's pairs, which are a dataset from now on."""
    settings = preference_settings(ctx, _chosen(name), own)
    gr.Info(training_words(settings, "The pairs", get_session(ctx.home, _chosen(name)).settings.graded), duration=20)
    return settings


def _to_sft(ctx: Context, name: str | None) -> dict[str, Any]:
    """The settings for the Train form that go with the edited answers, which are a dataset from now on."""
    settings = edits_settings(ctx, _chosen(name))
    gr.Info(training_words(settings, "The edited answers"), duration=20)
    return settings
