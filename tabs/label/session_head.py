"""The head of the chosen session for its owner: its state and the moves there are, counts, and the annotators' link.

Nothing here tells whose answers are whose: counts are over all models together.
"""

from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import gradio as gr
from htpy import a, div, h2
from markupsafe import Markup

from tabs.label.session_list import state_word
from tabs.label.session_owner import chosen_session, owner_of
from tabs.serving.routes import LABEL
from tabs.shell.context import Context, guarded
from tabs.shell.elements import chip, empty, facts, local_time, render_html
from tabs.shell.job_panel import QUIET
from tabs.shell.kit import POKE, Static
from tabs.shell.scripts import page_call
from workbench.core.errors import UserError
from workbench.preferences.answer_counts import AnswerCounts, count_answers
from workbench.preferences.guideline_versions import list_guidelines
from workbench.preferences.labelling_settings import LANGUAGES, LabellingSettings
from workbench.preferences.session_changes import change_settings
from workbench.preferences.session_states import move_session, possible_moves
from workbench.preferences.sessions import SessionInfo, get_session

TITLES = {"open": "Open for votes", "pause": "Pause", "resume": "Resume", "archive": "Archive",
          "unarchive": "Take out of the archive"}  # fmt: skip
NOTHING = ("No session chosen", "Its state, settings and guidelines stand here.", "Choose a session in the list above.")
COPY = "Copy link for annotators"
MOST_COUNTED_SESSIONS = 200
_counted: dict[tuple[Any, ...], AnswerCounts] = {}


def session_head(ctx: Context, session: gr.Dropdown) -> None:
    """Draws the head and its buttons where it is called; they follow the session."""
    mark = gr.Textbox(visible=False)
    words = Static(empty(*NOTHING), elem_id="session-head")
    with gr.Row(elem_classes="wb-toolbar", elem_id="session-moves"):
        buttons = {
            move: gr.Button(
                title, size="sm", visible=False, min_width=100, elem_id=f"session-{move}",
                variant="primary" if move in ("open", "resume") else "secondary",
            )
            for move, title in TITLES.items()
        }  # fmt: skip
        mask = gr.Button("Cover names of models", size="sm", visible=False, min_width=150, elem_id="session-mask")
        link = gr.Button(COPY, size="sm", visible=False, min_width=150, elem_id="session-link")
    outputs = [mark, words, *buttons.values(), mask, link]

    def shown(name: str | None) -> list[Any]:
        return head_updates(ctx, name)

    def changed(before: str, name: str | None) -> list[Any]:
        return [gr.skip()] * len(outputs) if head_mark(ctx, name) == before else head_updates(ctx, name)

    def mover(move: str) -> Callable[..., list[Any]]:
        def moved(name: str | None, request: gr.Request) -> list[Any]:
            move_session(ctx.home, chosen_session(name), move, owner_of(request))
            return head_updates(ctx, name)

        return moved

    def masked(name: str | None, request: gr.Request) -> list[Any]:
        session = chosen_session(name)
        covered = get_session(ctx.home, session).settings.mask_names
        change_settings(ctx.home, session, owner_of(request), {"mask_names": not covered})
        return head_updates(ctx, name)

    session.change(guarded(shown), session, outputs, queue=False, **QUIET)
    ctx.on_change.append((changed, [mark, session], outputs))
    for move, button in buttons.items():
        done = button.click(guarded(mover(move)), session, outputs, **QUIET)
        done.success(None, None, None, js=POKE, queue=False, **QUIET)
    mask.click(guarded(masked), session, outputs, **QUIET)
    link.click(None, session, link, js=page_call("labelLinkCopied", "values[0]"), queue=False, **QUIET)


def head_mark(ctx: Context, name: str | None) -> str:
    """Changes with what the head shows."""
    try:
        info = get_session(ctx.home, name or "")
    except UserError:
        return f"{name}:"
    counts = info.votes, info.annotators, info.usable, info.votes_per_pair
    return f"{name}:{info.state}/{counts}/{info.complete}/{info.settings.model_dump_json()}/{_version(ctx, info.name)}"


def head_updates(ctx: Context, name: str | None) -> list[Any]:
    """The mark, the words, and which buttons are to be seen."""
    mark = head_mark(ctx, name)
    try:
        info = get_session(ctx.home, chosen_session(name))
        counts = _counts(ctx, info)
    except UserError as error:
        words = empty("Not there yet", error.message, error.remedy) if name else empty(*NOTHING)
        return [mark, words, *[gr.update(visible=False)] * (len(TITLES) + 2)]
    moves = possible_moves(info.state)
    covered = info.settings.mask_names
    return [
        mark, _words(ctx, info, counts), *[gr.update(visible=move in moves) for move in TITLES],
        gr.update(
            visible=not info.closed and (counts.naming > 0 or covered),
            value="Show names of models" if covered else "Cover names of models",
        ),
        gr.update(visible=not info.closed, value=COPY),
    ]  # fmt: skip


def _version(ctx: Context, name: str) -> int:
    versions = list_guidelines(ctx.home, name)
    return versions[0].version if versions else 0


def _counts(ctx: Context, info: SessionInfo) -> AnswerCounts:
    """As `count_answers`, which reads every answer: once for as many answers as there are."""
    key = ctx.home.root, info.name, info.created, info.prompts, info.pairs, info.complete
    if key not in _counted:
        if len(_counted) >= MOST_COUNTED_SESSIONS:
            _counted.clear()
        _counted[key] = count_answers(ctx.home, info.name)
    return _counted[key]


def _words(ctx: Context, info: SessionInfo, counts: AnswerCounts) -> Markup:
    wanted = info.usable * info.votes_per_pair
    people = {0: "nobody yet", 1: "1 person"}.get(info.annotators, f"{info.annotators:,} people")
    left_out = [f"{info.identical:,} identical"] * bool(info.identical) + [f"{info.unusable:,} failed"] * bool(
        info.unusable
    )
    each = "1 vote each" if info.votes_per_pair == 1 else f"{info.votes_per_pair} votes each"
    rows: list[tuple[str, object]] = [
        ("Votes", f"{info.votes:,} of {wanted:,} by {people}"),
        ("Pairs", " · ".join([f"{info.usable:,} to judge", each, *left_out])),
        ("Answers", _answers(info, counts)),
        ("Asked for", asked_for(info.settings)),
        ("Guidelines", f"version {version}" if (version := _version(ctx, info.name)) else "none"),
        ("Who may vote", ", ".join(info.settings.voters) or "everybody"),
    ]
    if info.settings.deadline:
        moment = local_time(info.settings.deadline_moment().isoformat())
        rows.append(("Deadline", render_html(moment, " · passed" if info.settings.deadline_passed() else "")))
    rows.append(("Link", render_html(a(href=f"{LABEL}/{quote(info.name, safe='')}")[f"{LABEL}/{info.name}"])))
    title = div(".wb-session-title")[h2(".wb-h")[info.name], chip(state_word(info))]
    return render_html(title, facts(rows))


def _answers(info: SessionInfo, counts: AnswerCounts) -> str:
    parts = [f"{counts.answers:,} from {info.prompts_name}"]
    if counts.cut_off:
        parts.append(f"{counts.cut_off:,} cut off at the limit, which is said beneath them")
    if counts.naming:
        names = "covered" if info.settings.mask_names else "shown"
        parts.append(f"{counts.naming:,} {'names' if counts.naming == 1 else 'name'} a model or its maker ({names})")
    if not info.complete:
        parts.append("more to come")
    return " · ".join(parts)


def asked_for(settings: LabellingSettings) -> str:
    """What a vote of this session says, in a few words."""
    parts = ["a ranking of all answers" if settings.ranking else "graded votes" if settings.graded else "votes"]
    if settings.aspects:
        parts.append(f"by aspect: {', '.join(settings.aspects)}")
    if settings.rationale != "off":
        parts.append(f"reasons {settings.rationale}")
    if settings.edits:
        parts.append("edited answers")
    if settings.language != "en":
        parts.append(f"in {LANGUAGES[settings.language]}")
    return " · ".join(parts)
