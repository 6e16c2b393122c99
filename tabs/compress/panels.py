"""What the Compress tab draws by hand: quantizing, what pruners do, the GGUF files."""

from typing import Any

import gradio as gr
from markupsafe import Markup

from tabs.compress.gguf import gguf_list
from tabs.compress.ladder import ladder
from tabs.forms.form import Form, beside_fields
from tabs.forms.sections import shown
from tabs.shell.context import Context
from tabs.shell.elements import chip, heading, table
from tabs.shell.job_panel import LAST, QUIET, JobPanel
from tabs.shell.kit import REVEAL, Static
from workbench.compression.jobs.quantize import Quantize
from workbench.compression.pruner import PRUNERS
from workbench.core.errors import UserError


def quantize(ctx: Context, panel: JobPanel) -> None:
    """The model, the ladder, the data for calibrating, and the button."""
    Static(heading("Smaller copies", "Tick what you want to have; sizes are known before anything is made."))
    others = tuple(name for name in Quantize.model_fields if name != "model")
    top = Form(Quantize, ctx.choices, skip=others, first=("model",), elem_id="compress-model")
    rungs = ladder(ctx, elem_id="ladder")
    rest = Form(
        Quantize, ctx.choices, skip=("model", "quantizers"),
        more="Rows and names",
    )  # fmt: skip
    start = gr.Button("Quantize", variant="primary", elem_id="quantize-start", elem_classes="wb-start")
    gr.on(
        [top.input.input, top.input.change], None, [top.input, rungs], rungs,
        js="(top, value) => ({...(value || {}), model: top.model})", **LAST, **QUIET,
    )  # fmt: skip
    ctx.links.offer("quantize", top.input, top.filled)

    def submit(value: Any, ticked: Any, more: Any) -> Any:
        model, chosen = top.data(value)["model"], ticked.get("quantizers") if isinstance(ticked, dict) else None
        if not model or not chosen:
            raise UserError("Nothing is chosen.", "Tick one quantizer or several.", "quantizers")
        return shown(ctx, ctx.queue.submit(rest.parsed(more, model=model, quantizers=chosen)))

    inputs = [top.input, rungs, rest.input]
    started = start.click(beside_fields(submit, [top, rest]), inputs, [panel.picker, top.input, rest.input], **QUIET)
    started.success(None, None, None, js=REVEAL, queue=False, **QUIET)


# ---- the other ways ----------------------------------------------------------------------------------------


def pruners(ctx: Context, panel: JobPanel) -> None:
    """In plain words what each pruner does to size and speed."""
    Static(heading("What becomes smaller, what becomes faster"))
    Static(_pruners())


def _pruners() -> Markup:
    """The pruners, those of one effect together."""
    kinds: dict[tuple[bool, bool, str], list[str]] = {}
    for pruner in PRUNERS:
        kinds.setdefault((pruner.smaller, pruner.faster, pruner.effect), []).append(pruner.title)
    rows = [
        ("; ".join(titles), _yes(smaller), _yes(faster), effect)
        for (smaller, faster, effect), titles in sorted(kinds.items(), reverse=True)
    ]
    return table(["Pruner", "Smaller file", "Faster", "What you get"], rows)


def _yes(flag: bool) -> Markup:
    return chip("done", "yes") if flag else chip("stopped", "no")


def gguf_files(ctx: Context, panel: JobPanel) -> None:
    """The list, with what each file says of itself."""
    Static(heading("On the shelf", "One file each, for llama.cpp and what is built on it."))
    gguf_list(ctx)
