"""How the chosen session goes, for its owner: work, pace, quality, flags; who settles disagreements and who counts.

All of it may be seen while people vote: it tells nothing of which model wins.
"""

from typing import Any

import gradio as gr
from markupsafe import Markup

from tabs.label.quality_tables import agreement_words, checks_words, share_words
from tabs.label.session_owner import owner_of
from tabs.shell.context import Context, guarded
from tabs.shell.elements import facts, heading, hint, local_time, render_html, result_box, table
from tabs.shell.job_panel import LAST, QUIET
from tabs.shell.kit import POKE, Static
from workbench.core.errors import UserError
from workbench.preferences.adjudicators import appoint
from workbench.preferences.exclusions import exclude_annotator
from workbench.preferences.session_dashboard import activity_mark, dashboard

WORK = "Nothing here tells which model wins, so that whoever looks may go on voting."
COUNTED = "Taking somebody out is recorded; the votes stay and can count again."
SHOWN_FLAGS = 20


def dashboard_panel(ctx: Context, session: gr.Dropdown) -> None:
    """Progress of the session, the people whose votes count, and who settles disagreements."""
    with gr.Column(visible=False, elem_classes="wb-panel", elem_id="work-panel") as column:
        Static(heading("Work on this session", WORK))
        words = Static("", elem_id="session-work")
        counted = gr.CheckboxGroup(
            [], label="Annotators who count in the result", info=COUNTED, visible=False, elem_id="counted-annotators"
        )
        with gr.Row(equal_height=True, elem_classes="wb-toolbar"):
            settler = gr.Textbox(
                label="Who may settle disagreements", max_lines=1, placeholder="a name", elem_id="settler", scale=2
            )
            choose = gr.Button("Let them settle", size="sm", elem_id="settler-choose", min_width=140)
            dismiss = gr.Button("Not any more", size="sm", elem_id="settler-dismiss", min_width=120)
        mark = gr.Textbox(visible=False)
    outputs = [mark, column, words, counted]

    def draw_work(name: str | None) -> list[Any]:
        return work_updates(ctx, name)

    def work_changed(before: str, name: str | None) -> list[Any]:
        return work_updates(ctx, name) if work_mark(ctx, name) != before else [gr.skip()] * len(outputs)

    def count_annotators(name: str, names: list[str], request: gr.Request) -> list[Any]:
        state, who = dashboard(ctx.home, name), owner_of(request)
        for person in state["people"]:
            if person["left_out"] == (person["name"] in names):
                exclude_annotator(ctx.home, name, person["name"], who, exclude=person["name"] not in names)
        return work_updates(ctx, name)

    def choose_settler(name: str, settling: str, request: gr.Request) -> list[Any]:
        appoint(ctx.home, name, settling, owner_of(request))
        return work_updates(ctx, name)

    def dismiss_settler(name: str, settling: str, request: gr.Request) -> list[Any]:
        appoint(ctx.home, name, settling, owner_of(request), may=False)
        return work_updates(ctx, name)

    session.change(guarded(draw_work), session, outputs, queue=False, **QUIET)
    ctx.on_change.append((work_changed, [mark, session], outputs))
    counting = counted.input(guarded(count_annotators), [session, counted], outputs, **LAST, **QUIET)
    events = [counting]
    for button, does in ((choose, choose_settler), (dismiss, dismiss_settler)):
        events.append(button.click(guarded(does), [session, settler], outputs, **QUIET))
    for event in events:
        event.success(None, None, None, js=POKE, queue=False, **QUIET)  # result and settling follow now


def work_mark(ctx: Context, name: str | None) -> str:
    """Changes with what the panel shows."""
    return f"{name}:{activity_mark(ctx.home, name or '')}"


def work_updates(ctx: Context, name: str | None) -> list[Any]:
    """The mark, whether there is a panel at all, the words, and the annotators with those who count now."""
    try:
        state = dashboard(ctx.home, name or "")
    except UserError:  # none is chosen, its job has not begun yet, or the labels cannot be read, which the tab says
        return [f"{name}:", gr.update(visible=False), gr.skip(), gr.skip()]
    people = [person["name"] for person in state["people"]]
    counting = [person["name"] for person in state["people"] if not person["left_out"]]
    return [
        work_mark(ctx, name), gr.update(visible=True), work_html(state),
        gr.update(choices=people, value=counting, visible=bool(people)),
    ]  # fmt: skip


def work_html(state: dict[str, Any]) -> Markup:
    """What a dashboard says, as HTML."""
    return result_box(facts(_facts(state)), _people(state), _flags(state))


def _facts(state: dict[str, Any]) -> list[tuple[str, object]]:
    expected, settled = state["forecast"], state["disagreements"]
    rows: list[tuple[str, object]] = [("Votes", f"{state['votes']:,} of {state['wanted']:,}")]
    if expected["left"]:
        pace = f"{expected['left']:,} to go · {expected['last_day']:,} in the last day"
        soon = [" · done about ", local_time(expected["done_by"])] if expected["done_by"] else []
        rows.append(("Left", render_html(pace, *soon)))
    agreed = state["agreement"]
    if agreed["raw"] is not None:
        rows.append(("Agreement", agreement_words(agreed)))
    if settled["disagreed"]:
        names = ", ".join(settled["adjudicators"]) or "nobody is chosen to settle them"
        rows.append(("Disagreements", f"{settled['disagreed']} found, {settled['settled']} settled · {names}"))
    elif settled["adjudicators"]:
        rows.append(("Disagreements", f"none · {', '.join(settled['adjudicators'])}"))
    if state["answers_cut_off"]:
        count = state["answers_cut_off"]
        rows.append(("Cut off", f"{count:,} {'answer' if count == 1 else 'answers'}, at the limit of tokens"))
    return rows


def _people(state: dict[str, Any]) -> Markup:
    if not state["people"]:
        return hint("Nobody has voted yet.")
    columns = ["Annotator", "Votes", "Last day", "Per hour", "Seconds", "Agrees", "Checks right", "Left side", "Skips"]
    return table([*columns, "Flags"], [_person(person) for person in state["people"]])


def _person(person: dict[str, Any]) -> list[object]:
    name = f"{person['name']} (left out)" if person["left_out"] else person["name"]
    pace = "—" if person["votes_per_hour"] is None else f"{person['votes_per_hour']:.0f}"
    return [
        name, person["votes"], person["last_day"], pace, f"{person['median_seconds']:.0f}",
        share_words(person["agreement"]), checks_words(person["checks"]),
        share_words(person["sides"]["share"] if person["sides"] and person["sides"]["n"] else None),
        person["skips"], person["flags"],
    ]  # fmt: skip


def _flags(state: dict[str, Any]) -> Markup | None:
    if not state["flags"]:
        return None
    rows = [[flag["reason"], flag["prompt"], local_time(flag["created"])] for flag in state["flags"][:SHOWN_FLAGS]]
    return table(["Flagged because", "Prompt", "When"], rows)
