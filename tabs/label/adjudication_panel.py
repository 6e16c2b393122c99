"""Settling disagreements in the page: a pair on which votes differ, blind, with what was said of it and why.

Only whoever was chosen by the session's owner sees it, on their own page.
"""

import uuid
from typing import Any

import gradio as gr
from htpy import details, div, h3, li, p, summary, ul
from markupsafe import Markup

from tabs.label.voting import voter_of
from tabs.shell.context import Context, guarded
from tabs.shell.elements import empty, heading, hint, render_html
from tabs.shell.job_panel import QUIET
from tabs.shell.kit import POKE, Static
from workbench.core.errors import UserError
from workbench.preferences import adjudication
from workbench.preferences.adjudication import Disagreement, Opinion
from workbench.preferences.adjudicators import may_adjudicate
from workbench.preferences.ballots import Ballot, typed_ranking
from workbench.preferences.blinding import Voter
from workbench.preferences.labelling_settings import STRENGTHS
from workbench.preferences.session_dashboard import activity_mark
from workbench.preferences.sessions import get_session

CHOICES = [("Left is better", "left"), ("Right is better", "right"), ("Tie", "tie"), ("Both bad", "both_bad")]
RANKED = [("The order below", "ranking"), ("All equal", "tie"), ("All bad", "both_bad")]
SETTLE = "You were chosen to settle these. Your word takes the place of the votes in the result; the votes stay."
NOTHING_LEFT = ("Nothing to settle", "Pairs on which votes differ appear here when they have all their votes.", "")
WORDS = {"left": "Left is better", "right": "Right is better", "tie": "Tie", "both_bad": "Both bad"}


def adjudication_panel(ctx: Context, session: gr.Dropdown, annotator: gr.Textbox, follows: bool = True) -> None:
    """The next disagreement of the session and the controls to settle it; not there for whoever was not chosen.

    Unless it `follows` the votes it is drawn when a session is chosen: pages of many annotators need not ask each time.
    """
    with gr.Column(visible=False, elem_classes="wb-panel", elem_id="adjudication") as column:
        Static(heading("Settle disagreements", SETTLE))
        case = Static(empty(*NOTHING_LEFT), elem_id="disagreement")
        choice = gr.Radio(CHOICES, label="Your decision", elem_id="decision", visible=False)
        strength = gr.Radio(
            [(word, number) for number, word in STRENGTHS.items()], label="By how much", elem_id="decision-strength",
            visible=False,
        )  # fmt: skip
        order = gr.Textbox(
            label="Order, best first", placeholder="B A=C", max_lines=1, elem_id="decision-order", visible=False
        )
        reason = gr.Textbox(label="Why (may be empty)", lines=2, elem_id="decision-reason", visible=False)
        with gr.Row(elem_classes="wb-toolbar"):
            settle = gr.Button("Settle", variant="primary", elem_id="settle", min_width=110, visible=False)
            undo = gr.Button("Take back my last decision", size="sm", elem_id="settle-undo", visible=False)
        token, mark = gr.Textbox(visible=False), gr.Textbox(visible=False)
    outputs = [mark, column, case, token, choice, strength, order, reason, settle, undo]

    def draw_case(name: str | None, typed: str, request: gr.Request) -> list[Any]:
        return case_updates(ctx, name, _settler(ctx, typed, request))

    def case_changed(before: str, name: str | None, typed: str, request: gr.Request) -> list[Any]:
        who = _settler(ctx, typed, request)
        return [gr.skip()] * len(outputs) if case_mark(ctx, name, who) == before else case_updates(ctx, name, who)

    def settle_case(
        name: str, typed: str, token: str, choice: str, strength: int, order: str, reason: str, request: gr.Request
    ) -> list[Any]:
        who = voter_of(ctx, typed, request)
        if not choice:
            raise UserError(
                "Nothing was decided.", "Choose which answer is better, a tie or both bad.", "Your decision"
            )
        ranking = typed_ranking(order or "") if choice == "ranking" else None
        ballot = Ballot(strength=int(strength or 0), reason=reason or "", ranking=ranking)
        adjudication.adjudicate(ctx.home, name, who, token, choice, uuid.uuid4().hex, ballot)
        return case_updates(ctx, name, who)

    def undo_case(name: str, typed: str, request: gr.Request) -> list[Any]:
        who = voter_of(ctx, typed, request)
        adjudication.undo_adjudication(ctx.home, name, who, uuid.uuid4().hex)
        return case_updates(ctx, name, who)

    session.change(guarded(draw_case), [session, annotator], outputs, queue=False, **QUIET)
    if not ctx.accounts:
        annotator.change(guarded(draw_case), [session, annotator], outputs, queue=False, **QUIET)
    if follows:
        ctx.on_change.append((case_changed, [mark, session, annotator], outputs))
    decision = [session, annotator, token, choice, strength, order, reason]
    for event in (
        settle.click(guarded(settle_case), decision, outputs, **QUIET),
        undo.click(guarded(undo_case), [session, annotator], outputs, **QUIET),
    ):
        event.success(None, None, None, js=POKE, queue=False, **QUIET)


def _settler(ctx: Context, typed: str, request: gr.Request) -> Voter | None:
    """Who looks; None for nobody in particular."""
    try:
        return voter_of(ctx, typed, request)
    except UserError:
        return None


def _may(ctx: Context, name: str | None, who: Voter | None) -> bool:
    try:
        return bool(name and who and may_adjudicate(ctx.home, name, who))
    except UserError:
        return False


def case_mark(ctx: Context, name: str | None, who: Voter | None) -> str:
    """Changes with the pairs that person has to settle."""
    return f"{name}:{who.name if who else ''}:{activity_mark(ctx.home, name or '')}"


def case_updates(ctx: Context, name: str | None, who: Voter | None) -> list[Any]:
    """The mark, whether there is a panel at all, the pair, its token, and the controls, emptied."""
    mark = case_mark(ctx, name, who)
    if not name or not who or not _may(ctx, name, who):
        return [mark, gr.update(visible=False), *[gr.skip()] * 8]
    cases = adjudication.disagreements(ctx.home, name, who)
    can_undo = gr.update(visible=bool(adjudication.own_decisions(ctx.home, name, who)))
    shown = gr.update(visible=True)
    if not cases:
        hidden = gr.update(visible=False)
        return [mark, shown, empty(*NOTHING_LEFT), "", hidden, hidden, hidden, hidden, hidden, can_undo]
    case, graded = cases[0], get_session(ctx.home, name).settings.graded
    choices = RANKED if case.ranked else CHOICES
    return [
        mark, shown, case_html(case, len(cases)), case.token,
        gr.update(visible=True, choices=choices, value="ranking" if case.ranked else None),
        gr.update(visible=graded and not case.ranked, value=None), gr.update(visible=case.ranked, value=""),
        gr.update(visible=True, value=""), shown, can_undo,
    ]  # fmt: skip


def case_html(case: Disagreement, left: int) -> Markup:
    """The prompt, the answers side by side, and what was said of them, without names of people or models."""
    labels = answer_labels(case)
    turns = [p[f"{message['role']}: {message['content']}"] for message in case.prompt]
    answers = [
        div(".wb-case-answer")[
            h3[label], div(".wb-case-text")[answer.text], hint("Cut off at the limit.") if answer.cut_off else None
        ]
        for label, answer in zip(labels, case.answers, strict=True)
    ]
    words = [opinion_words(opinion, labels) for opinion in case.opinions]
    return render_html(
        hint(f"{left} to settle" + ("; no answer has more than half of the votes" if case.undecided else "")),
        div(".wb-case-prompt")[turns],
        div(".wb-case-answers")[answers],
        details(open=True)[summary["What was said"], ul(".wb-case-words")[[li[text] for text in words]]],
    )


def answer_labels(case: Disagreement) -> list[str]:
    """Left and right, or a letter for each answer that is ranked."""
    return [chr(ord("A") + index) for index in range(len(case.answers))] if case.ranked else ["Left", "Right"]


def opinion_words(opinion: Opinion, labels: list[str]) -> str:
    """A vote in words, with its reason."""
    if opinion.ranking:
        words = " > ".join(" = ".join(labels[index] for index in group) for group in opinion.ranking)
    else:
        words = WORDS[opinion.choice]
    if opinion.strength:
        words += f" ({STRENGTHS[opinion.strength]})"
    return f"{words}: {opinion.reason}" if opinion.reason else words
