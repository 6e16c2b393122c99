"""What the model sees: one row as tokens, by any template, coloured by whether it is trained on."""

from typing import Any

import gradio as gr

from tabs.shell.context import Context, guarded
from tabs.shell.elements import heading, hint
from tabs.shell.job_panel import QUIET
from tabs.shell.kit import Static, TokenView
from workbench.data.encoding.token_view import row_token_view
from workbench.data.store import datasets
from workbench.rendering.templates import CUSTOM, TEMPLATE_NAMES, get_template

NOTE = "The same function makes these tokens and the ones trained on."
LINES = ("No row rendered yet", "A row appears here token by token, as it is learned.", "Choose a dataset and a model.")


def sees(ctx: Context, dataset: gr.Dropdown, mark: gr.Textbox, opened: gr.Textbox) -> None:
    """Builds it. `mark` changes with the dataset's rows, `opened` holds which view is seen: 'sees' is this one."""
    with gr.Row(equal_height=True, elem_classes="wb-toolbar"):
        model = ctx.picker(
            ctx.newest_models, first=True, label="Model", value=None, elem_id="see-model", scale=2, min_width=150
        )
        template = gr.Dropdown(
            [*TEMPLATE_NAMES, CUSTOM], value="model", label="Chat template", min_width=100, elem_id="see-template"
        )
        split = gr.Dropdown(["train", "eval"], value="train", label="Split", min_width=80)
        longest = gr.Number(512, label="Maximum length (tokens)", precision=0, minimum=16, min_width=80)
        train_on = gr.Dropdown(["assistant", "all"], value="assistant", label="Train on", min_width=100)
        row = gr.Number(1, label="Row", precision=0, minimum=1, min_width=70, elem_id="see-row")
        back = gr.Button("←", size="sm", min_width=40, elem_id="see-back")
        forth = gr.Button("→", size="sm", min_width=40, elem_id="see-forth")
    text = gr.Textbox(
        label="Chat template (Jinja)", lines=6, max_lines=24, visible=False, elem_id="see-jinja",
        elem_classes="wb-box-yaml",
        info="messages, tools, add_generation_prompt, bos_token and eos_token are given.",
    )  # fmt: skip
    Static(hint(NOTE))
    first_title = Static(visible=False)
    first = TokenView(empty=LINES, elem_id="tokens")
    second_title = Static(visible=False)
    second = TokenView(empty=LINES, elem_id="tokens-other", visible=False)
    inputs = [dataset, model, template, split, row, longest, train_on, text]
    views = [first_title, first, second_title, second]

    def show(view: str, *values: Any) -> list[Any]:
        return _seen(ctx, *values) if view == "sees" else [gr.skip()] * 4

    see = guarded(show)
    for event in (opened.change, mark.change, model.change, template.change, split.change, longest.change,
                  train_on.change, row.change, text.blur):  # fmt: skip
        event(see, [opened, *inputs], views, queue=False, **QUIET)
    template.change(
        guarded(_jinja), [template, text], text, queue=False, **QUIET
    )  # fmt: skip
    dataset.change(lambda: [1, "train"], None, [row, split], queue=False, **QUIET)
    for button, step in ((back, -1), (forth, 1)):
        button.click(
            guarded(lambda name, split, row, step=step: _step(ctx, name, split, row, step)), [dataset, split, row], row,
            queue=False, **QUIET,
        )  # fmt: skip


def _jinja(name: str, text: str | None) -> Any:
    """The box for a template of one's own, filled with ChatML to begin with."""
    if name != CUSTOM:
        return gr.update(visible=False)
    return gr.update(visible=True, value=text or get_template("chatml").text)


def _step(ctx: Context, name: str | None, split: str, row: float | None, step: int) -> int:
    """The row before or after, within the split."""
    total = datasets.count(ctx.home, name, split) if name else 1
    return max(1, min(max(1, total), int(row or 1) + step))


def _seen(
    ctx: Context, dataset: str | None, model: str | None, template: str, split: str, row: float, longest: float,
    train_on: Any, text: str | None,
) -> list[Any]:  # fmt: skip
    """Updates of the two views and their titles: the second one is for the other answer of a pair."""
    hidden = gr.update(visible=False)
    if not dataset or not model:
        return [hidden, None, hidden, hidden]
    text = text or (get_template("chatml").text if template == CUSTOM else "")
    made = row_token_view(
        ctx.home, dataset, model, split=split, row=int(row or 1), template=template, max_length=int(longest or 512),
        train_on=train_on, text=text,
    )  # fmt: skip
    sides = made["sides"]
    if not sides:
        return [hidden, made, hidden, gr.update(visible=False, value=None)]
    one, other = sides[:2]
    titles = [gr.update(visible=True, value=heading(side["title"].capitalize())) for side in (one, other)]
    return [titles[0], one, titles[1], gr.update(visible=True, value=other)]
