"""What the Label tab says when the label database is damaged, missing or cannot be written, and what to do then."""

from typing import Any

import gradio as gr

from tabs.shell.context import Context, guarded
from tabs.shell.elements import error_box
from tabs.shell.job_panel import QUIET
from tabs.shell.kit import Static
from workbench.preferences.failures import DAMAGED, MISSING, LabelsUnusable
from workbench.preferences.recovery import recover, trouble

REMEDY = (
    "Nothing can be voted on until this is settled; everything else works. The files can be set aside as they are, and "
    "what can be read of them saved into a new label database. Nothing is deleted."
)
PUT_BACK = (
    "Nothing can be voted on until this is settled; everything else works. Put the files back, or begin "
    "a new label database: what is left of the old one is set aside. Nothing is deleted."
)
QUESTION = (
    "Begin a new label database with what can be read of the old one? Its files are set aside as they are, not deleted."
)
BUTTONS = {DAMAGED: "Save what can be read into a new database", MISSING: "Begin a new label database"}


def trouble_panel(ctx: Context) -> None:
    """Hidden while all is well; follows the shelves and is looked at whenever the page is loaded."""
    words = Static("", visible=False, elem_id="labels-trouble")
    with gr.Row(elem_classes="wb-toolbar"):
        save = gr.Button(BUTTONS[DAMAGED], size="sm", visible=False, elem_id="labels-recover", min_width=110)
    ctx.follow(words, lambda: _state(ctx)[0])
    ctx.follow(save, lambda: _state(ctx)[1])
    ctx.on_load.append((lambda: _state(ctx), None, [words, save]))
    done = guarded(lambda sure: _recover(ctx, sure))
    sure = gr.Textbox(visible=False)
    save.click(done, sure, [words, save], js=f"() => confirm({QUESTION!r}) ? 'yes' : ''", **QUIET)


def _state(ctx: Context) -> tuple[Any, Any]:
    """Updates of the sentence and the button."""
    error = trouble(ctx.home)
    if error is None:
        return gr.update(value="", visible=False), gr.update(visible=False)
    if not isinstance(error, LabelsUnusable):
        return gr.update(value=error_box(error.message, error.remedy), visible=True), gr.update(visible=False)
    remedy = REMEDY if error.state == DAMAGED else PUT_BACK
    button = gr.update(value=BUTTONS[error.state], visible=True)
    return gr.update(value=error_box(error.message, remedy), visible=True), button


def _recover(ctx: Context, sure: str) -> tuple[Any, Any]:
    if sure:
        gr.Info(recover(ctx.home).sentence())
    return _state(ctx)
