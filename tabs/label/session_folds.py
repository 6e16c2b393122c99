"""What an owner changes of a session, folded away under its head: guidelines, settings, checks, and what is added."""

from collections.abc import Callable, Sequence
from typing import Annotated, Any

import gradio as gr
from htpy import div
from markupsafe import Markup
from pydantic import Field

from tabs.forms.form import Form, beside_fields
from tabs.label.session_owner import chosen_session, known_voters, owner_of
from tabs.shell.context import Context, guarded
from tabs.shell.elements import hint, local_time, render_html, table
from tabs.shell.job_panel import QUIET, JobPanel
from tabs.shell.kit import POKE, Static
from workbench.core.display import Display
from workbench.core.errors import UserError
from workbench.core.paths import read_text_file
from workbench.core.spec import Spec
from workbench.preferences.answer_counts import count_checks
from workbench.preferences.check_files import MOST_FILE_BYTES, read_checks
from workbench.preferences.guideline_versions import edit_guidelines, list_guidelines
from workbench.preferences.jobs.extend_session import ExtendSession
from workbench.preferences.labelling_settings import MOST_GUIDELINE_CHARACTERS, LabellingSettings
from workbench.preferences.quality_checks import add_checks
from workbench.preferences.session_changes import FIXED, VOTES_PER_PAIR, change_settings
from workbench.preferences.session_clones import clone_session
from workbench.preferences.sessions import get_session

CHECKS_EXAMPLE = '{"prompt": "What is 2 + 2?", "better": "4", "worse": "5", "kind": "gold"}'
SETTINGS_WORDS = (
    "What a vote means (grades, aspects) is fixed once there are votes; all else may change at any time, and each "
    "change is kept with its time. Every vote stays."
)
CLONE_WORDS = "The same settings, guidelines, prompts, answers and checks in another order, as a draft without votes."


class SessionSettings(LabellingSettings):
    """The settings of a session as its owner changes them."""

    votes_per_pair: int = Field(
        1, ge=1, le=100, title="Votes per pair",
        description="More can be asked for at any time; fewer as long as no pair has more already.",
    )  # fmt: skip


class SessionGuidelines(Spec):
    """The guidelines by themselves, as their next version."""

    guidelines: Annotated[str, Display(control="markdown")] = Field(
        "", max_length=MOST_GUIDELINE_CHARACTERS, title="Guidelines (Markdown)",
        description="What makes an answer better. Annotators open them with a key at any time.",
    )  # fmt: skip


NONE_CHOSEN = "wb-none-chosen"
"""The class of what is not shown while no session is chosen."""
Fold = tuple[list[Any], Callable[[str], list[Any]]]
"""What of a fold shows the session, and the values of that for a session there is."""


def follow_session(ctx: Context, session: gr.Dropdown, column: gr.Column, folds: Sequence[Fold]) -> None:
    """Fills the folds of a column, and shows it, when a session is chosen, or has come into being since; not again, for
    somebody may be typing."""
    loaded = gr.Textbox(visible=False)
    outputs = [loaded, column, *(output for parts, _ in folds for output in parts)]

    def fill_folds(before: str, name: str | None) -> list[Any]:
        if (name or "") == before:
            return [gr.skip()] * len(outputs)
        hidden = ["", gr.update(elem_classes=[NONE_CHOSEN]), *[gr.skip()] * (len(outputs) - 2)]
        if not name:
            return hidden
        try:
            return [name, gr.update(elem_classes=[]), *(value for _, shown in folds for value in shown(name))]
        except UserError:  # its job has not begun yet, or the labels cannot be read, which the tab says
            return hidden

    session.change(guarded(fill_folds), [loaded, session], outputs, queue=False, **QUIET)
    ctx.on_change.append((fill_folds, [loaded, session], outputs))


def guidelines_fold(ctx: Context, session: gr.Dropdown) -> Fold:
    """The guidelines, to be edited, and the versions there were."""
    with gr.Accordion("Guidelines", open=False, elem_id="fold-guidelines"):
        form = Form(SessionGuidelines, elem_id="guidelines-text")
        version = gr.Textbox(visible=False)
        with gr.Row(elem_classes="wb-toolbar"):
            save = gr.Button("Save as a new version", size="sm", elem_id="guidelines-save", min_width=170)
        listed = Static("", elem_id="guidelines-versions")

    def shown_guidelines(name: str) -> list[Any]:
        found = list_guidelines(ctx.home, name)
        latest = (found[0].text, str(found[0].version)) if found else ("", "0")
        rows = [(f"{each.version}", each.author or "—", local_time(each.created), each.votes) for each in found]
        versions = table(["Version", "By", "Since", "Votes under it"], rows) if rows else ""
        return [{"guidelines": latest[0]}, latest[1], versions]

    def save_guidelines(value: Any, name: str | None, before: str, request: gr.Request) -> list[Any]:
        based_on = int(before) if before.isdecimal() else None
        written = str(form.data(value)["guidelines"])
        edited = edit_guidelines(ctx.home, chosen_session(name), owner_of(request), written, based_on)
        same = before == str(edited.version)
        gr.Info("Nothing was changed." if same else f"Version {edited.version} holds from the next pair on.")
        return shown_guidelines(chosen_session(name))[1:]

    saved = beside_fields(save_guidelines, [form], outputs=2)
    done = save.click(saved, [form.input, session, version], [version, listed, form.input], **QUIET)
    done.success(None, None, None, js=POKE, queue=False, **QUIET)
    return [form.input, version, listed], shown_guidelines


def settings_fold(ctx: Context, session: gr.Dropdown) -> Fold:
    """The settings that may change in mid-session."""
    # open at first: a form that was never drawn cannot be filled
    with gr.Accordion("Settings", open=False, elem_id="fold-settings"):
        Static(hint(SETTINGS_WORDS))
        suggested = {"voters": lambda: known_voters(ctx)}
        form = Form(SessionSettings, skip=tuple(FIXED), suggested=suggested, elem_id="session-settings")
        with gr.Row(elem_classes="wb-toolbar"):
            save = gr.Button("Change settings", size="sm", elem_id="settings-save", min_width=140)

    def shown_settings(name: str) -> list[Any]:
        info = get_session(ctx.home, name)
        values = {**info.settings.to_dict(), VOTES_PER_PAIR: info.votes_per_pair}
        return [{key: value for key, value in values.items() if key not in FIXED}]

    def save_settings(value: Any, name: str | None, request: gr.Request) -> None:
        change = change_settings(ctx.home, chosen_session(name), owner_of(request), form.data(value))
        gr.Info(" ".join(change.effects) or "Nothing was changed.")

    done = save.click(beside_fields(save_settings, [form], outputs=0), [form.input, session], form.input, **QUIET)
    done.success(None, None, None, js=POKE, queue=False, **QUIET)
    return [form.input], shown_settings


def checks_fold(ctx: Context, session: gr.Dropdown) -> Fold:
    """The questions whose answer is known, counted, and more of them."""
    with gr.Accordion("Gold and training questions", open=False, elem_id="fold-checks"):
        counts = Static(_check_words({}), elem_id="checks-counts")
        text = gr.Textbox(
            label="Questions (JSON Lines)", lines=3, max_lines=12, placeholder=CHECKS_EXAMPLE, elem_id="checks-text",
            info="One object a line: prompt, better, worse; kind (gold or training), equal and explanation if wanted.",
        )  # fmt: skip
        file = gr.File(label="Or a file", type="filepath", height=120, elem_id="checks-file")
        with gr.Row(elem_classes="wb-toolbar"):
            add = gr.Button("Add questions", size="sm", elem_id="checks-add", min_width=130)

    def shown_checks(name: str) -> list[Any]:
        return [_check_words(count_checks(ctx.home, name))]

    def add_questions(name: str | None, written: str, path: str | None) -> list[Any]:
        if bool((written or "").strip()) == bool(path):
            raise UserError("Questions come from one place.", "Write them, or give a file.", "Questions")
        checks = read_checks(read_text_file(path, "File", MOST_FILE_BYTES) if path else written, "Questions")
        add_checks(ctx.home, chosen_session(name), checks)
        gr.Info(f"{len(checks)} added.")
        return [*shown_checks(chosen_session(name)), "", None]

    add.click(guarded(add_questions), [session, text, file], [counts, text, file], **QUIET)
    return [counts], shown_checks


def _check_words(counts: dict[str, int]) -> Markup:
    gold, training, attention = (counts.get(kind, 0) for kind in ("gold", "training", "attention"))
    return hint(
        f"{gold} gold, {training} training, {attention} attention checks. Training questions come first and are "
        "explained; the others look like any pair. Attention checks are made by their number in the settings."
    )


def adding_fold(ctx: Context, session: gr.Dropdown, panel: JobPanel) -> None:
    """More prompts or models for the session, and the session again."""
    with gr.Accordion("Add prompts or models, clone", open=False, elem_id="fold-adding"):
        form = Form(ExtendSession, ctx.choices, skip=("session",), elem_id="extend-form")
        with gr.Row(elem_classes="wb-toolbar"):
            extend = gr.Button("Add to this session", size="sm", elem_id="extend-start", min_width=150)
        Static(render_html(div(".wb-session-clone")[hint(CLONE_WORDS)]))
        with gr.Row(equal_height=True, elem_classes="wb-toolbar"):
            name_box = gr.Textbox(label="Name of the clone", max_lines=1, elem_id="clone-name", min_width=160)
            clone = gr.Button("Clone this session", size="sm", elem_id="clone-start", min_width=140)

    def extend_session(value: Any, name: str | None) -> Any:
        job_id = ctx.queue.submit(form.parsed(value, session=chosen_session(name)))
        view = ctx.queue.get(job_id)
        return gr.update(choices=[(view.label, job_id)], value=job_id)

    def clone_chosen(name: str | None, new_name: str, request: gr.Request) -> list[Any]:
        made = clone_session(ctx.home, chosen_session(name), new_name or "", owner_of(request))
        gr.Info(f"{made.name} is a draft: look at its settings, then open it.")
        return [gr.update(choices=[*ctx.sessions(), (made.name, made.name)], value=made.name), ""]

    started = beside_fields(extend_session, [form], outputs=1)
    extend.click(started, [form.input, session], [panel.picker, form.input], **QUIET)
    clone.click(guarded(clone_chosen), [session, name_box], [session, name_box], **QUIET)
