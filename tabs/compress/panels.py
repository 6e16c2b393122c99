"""The ways of the Compress tab, one function each: quantize, prune, what it cost, GGUF files."""

from typing import Any

import gradio as gr

from tabs.compress.gguf import gguf_list
from tabs.compress.ladder import ladder
from tabs.forms.form import Form
from tabs.forms.sections import Section, job_section, named, shown
from tabs.shell.context import Context, guarded
from tabs.shell.job_panel import QUIET, JobPanel
from tabs.shell.kit import REVEAL, Html, Static, chip, heading, table
from workbench.compression.jobs.quantize import Quantize
from workbench.compression.pruner import PRUNERS
from workbench.core.errors import UserError

NO_MODEL = ("No models yet", "This works on models of the shelf.", "Get one in the Models tab.")
NO_GGUF = ("No GGUF files yet", "They come from the Quantize tab, or are imported above.", "")

PRUNE = Section(
    "prune", "Prune", {"model": "models", "calibration": "datasets"}, ("model", "pruner", "calibration", "output"),
    empty=NO_MODEL,
)  # fmt: skip
COST = Section(
    "cost", "Measure what it cost", {"original": "models", "variants": "single*", "dataset": "datasets"},
    ("original", "variants", "dataset"), ("models", 1), NO_MODEL,
)  # fmt: skip
IMPORT = Section("import-gguf", "Import", {}, ("path", "name"), ("models", 0))
PARITY = Section(
    "parity", "Check", {"model": "ggufs", "source": "models", "prompts": "prompts"}, ("model", "source", "prompts"),
    ("ggufs", 1), NO_GGUF,
)  # fmt: skip
PUSH = Section("push-gguf", "Push", {"models": "ggufs*"}, ("repo", "models", "private"), ("ggufs", 1), NO_GGUF)


def quantize(ctx: Context, panel: JobPanel) -> None:
    """The model, the ladder, the data for calibrating, and the button."""
    Static(heading("Smaller copies", "Tick what you want to have; sizes are known before anything is made."))
    others = tuple(name for name in Quantize.model_fields if name != "model")
    models = named(ctx, {"model": "models"})
    top = Form(Quantize, models, skip=others, first=("model",), elem_id="compress-model")
    rungs = ladder(ctx, elem_id="ladder")
    rest = Form(
        Quantize, named(ctx, {"calibration": "datasets"}), main=["calibration"], skip=("model", "quantizers"),
        more="Rows and names",
    )  # fmt: skip
    start = gr.Button("Quantize", variant="primary", elem_id="quantize-start")
    top.input.input(
        None, [top.input, rungs], rungs, js="(top, value) => ({...(value || {}), model: top.model})", **QUIET
    )

    def submit(value: Any, ticked: Any, more: Any) -> Any:
        model, chosen = top.data(value)["model"], ticked.get("quantizers") if isinstance(ticked, dict) else None
        if not model or not chosen:
            raise UserError("Nothing is chosen.", "Tick one quantizer or several.", "quantizers")
        return shown(ctx, ctx.queue.submit(rest.parsed(more, model=model, quantizers=chosen)))

    started = start.click(guarded(submit), [top.input, rungs, rest.input], panel.picker, **QUIET)
    started.success(None, None, None, js=REVEAL, queue=False, **QUIET)


# ---- the other ways ----------------------------------------------------------------------------------------


def prune(ctx: Context, panel: JobPanel) -> None:
    """The form of the job, and in plain words what each pruner does to size and speed."""
    job_section(ctx, PRUNE, panel)
    Static(heading("What becomes smaller, what becomes faster"))
    Static(_pruners())


def _pruners() -> Html:
    """The pruners, those of one effect together."""
    kinds: dict[tuple[bool, bool, str], list[str]] = {}
    for one in PRUNERS:
        kinds.setdefault((one.smaller, one.faster, one.effect), []).append(one.title.split(":")[0])
    rows = [
        (", ".join(titles), _yes(smaller), _yes(faster), effect)
        for (smaller, faster, effect), titles in sorted(kinds.items(), reverse=True)
    ]
    return table(["Pruner", "Smaller file", "Faster", "What you get"], rows)


def _yes(flag: bool) -> Html:
    return chip("done", "yes") if flag else chip("stopped", "no")


def cost(ctx: Context, panel: JobPanel) -> Form:
    """The form; returned so that a result can fill it."""
    return job_section(ctx, COST, panel)


def gguf_files(ctx: Context, panel: JobPanel) -> None:
    """Importing, the list with what each file says of itself, whether it answers as its model does, and pushing."""
    Static(heading("On the shelf", "One file each, for llama.cpp and what is built on it."))
    gguf_list(ctx)
    importing = [(IMPORT, "Import a file")] if ctx.gate.is_open else []
    for section, title in (
        *importing,
        (PARITY, "Does it answer as its model does?"),
        (PUSH, "To the hub"),
    ):
        with gr.Accordion(title, open=False):
            job_section(ctx, section, panel, titled=False)
