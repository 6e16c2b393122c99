"""The Compare tab: one message, up to four models, answers side by side."""

from typing import Any

import gradio as gr

from tabs.compare.device_notice import act_on_device, device_notice
from tabs.forms.form import Form, beside_fields
from tabs.shell.context import Context, guarded
from tabs.shell.elements import heading
from tabs.shell.job_panel import QUIET
from tabs.shell.kit import POKE, ChatGrid, Static
from tabs.shell.scripts import page_call
from tabs.shell.tab_registry import Tab
from workbench.core.errors import UserError
from workbench.inference.decoding import Decoding

WITH_CHAT = page_call("withChat", "values")


def build(ctx: Context) -> None:
    """Left: models and sampling. Right: the conversation."""
    with gr.Row(elem_classes="wb-cols"):
        with gr.Column(elem_classes="wb-panel wb-side", scale=0, min_width=320):
            Static(heading("Models"))
            models = ctx.picker(
                ctx.answering, label="Answer side by side", info="One to four. Adapters of one base share its weights.",
                value=[], multiselect=True, max_choices=4, elem_id="compare-models",
            )  # fmt: skip
            system = gr.Textbox(label="System prompt", lines=2, max_lines=6, placeholder="none")
            Static(heading("Sampling"))
            form = Form(Decoding)
        with gr.Column(elem_classes="wb-panel wb-main"):
            grid = ChatGrid(
                lambda query: _poll(ctx, query), lambda query: act_on_device(ctx, query),
                empty=("Nothing asked yet", "Answers stream side by side; each says which weights wrote it.",
                       "Choose models on the left, write a message below."),
                elem_id="chat-grid",
            )  # fmt: skip
            message = gr.Textbox(
                label="Message", placeholder="Ask all of them… (Enter sends, Shift+Enter breaks the line)", lines=1,
                max_lines=6, elem_id="chat-message",
            )  # fmt: skip
            with gr.Row(elem_classes="wb-toolbar"):
                send = gr.Button("Send", variant="primary", elem_id="chat-send")
                stop = gr.Button("Stop", elem_id="chat-stop")
                again = gr.Button("Regenerate", elem_id="chat-again")
                clear = gr.Button("New conversation", elem_id="chat-clear")
    inputs = [grid, models, message, system, form.input]
    gr.on(
        [send.click, message.submit], beside_fields(lambda *values: _send(ctx, form, *values), [form]), inputs,
        [message, form.input], concurrency_limit=None, js=WITH_CHAT, **QUIET,
    ).success(None, None, None, js=POKE)  # fmt: skip
    again.click(
        beside_fields(lambda grid, value: ctx.chats.regenerate(_chat(grid), _decoding(form, value)), [form], outputs=0),
        [grid, form.input], form.input, js=WITH_CHAT, **QUIET,
    ).success(None, None, None, js=POKE)  # fmt: skip
    stop.click(guarded(lambda grid: ctx.chats.stop(_chat(grid))), grid, None, queue=False, **QUIET)
    clear.click(guarded(lambda grid: ctx.chats.clear(_chat(grid))), grid, None, **QUIET).success(None, js=POKE)
    ctx.links.offer("compare", models, lambda _, names: gr.update(value=names, choices=ctx.answering()))


def _poll(ctx: Context, query: dict[str, Any]) -> dict[str, Any]:
    """What is new in the conversation; between answers also who else uses the device."""
    reply = ctx.chats.poll(query)
    if reply["busy"]:
        return reply
    return {**reply, "device": device_notice(ctx, str(query.get("chat") or ""))}


def _send(ctx: Context, form: Form, grid: Any, models: list[str], message: str, system: str, value: Any) -> str:
    ctx.chats.send(_chat(grid), list(models or []), message, (system or "").strip(), _decoding(form, value))
    return ""


def _decoding(form: Form, value: Any) -> Decoding:
    return Decoding.parse(form.data(value))


def _chat(grid: Any) -> str:
    """The browser's conversation id, made in the browser so that a reload finds it again."""
    if not isinstance(grid, dict) or not grid.get("chat"):
        raise UserError("The page has not finished loading.", "Try again in a moment.")
    return str(grid["chat"])


TAB = Tab("compare", "Compare", 60, build)
